"""`clearml-chatops audit …`: verify and read the trail, offline, with only the file."""

import json
import os
import sqlite3
from pathlib import Path
from typing import Annotated

import typer

from provisioning.audit import verify as verify_trail

app = typer.Typer(no_args_is_help=True, help="The audit trail: verify it, read it.")
DB = Annotated[Path | None, typer.Option("--db", help="The file. Default: chatops.db in CLEARML_CHATOPS_DATA_DIR.")]


@app.callback()
def _audit() -> None:
    """The audit trail: verify it, read it."""


@app.command()
def verify(
    db: DB = None,
    head: Annotated[str | None, typer.Option(help="A head that was kept outside the file, 64 hex digits.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every row's hash and its link to the row before it; reads only.

    Finds a row that was changed, removed or inserted and says which. A tail that was cut off shows only
    against a head that was kept elsewhere: give it with --head. Exit codes: 0 whole, 1 not, 2 no such file.
    """
    path = _path(db)
    try:
        verdict = verify_trail(path, head)
    except FileNotFoundError as error:
        typer.echo(f"audit verify: there is no file {path}: name it with --db", err=True)
        raise typer.Exit(2) from error
    except sqlite3.DatabaseError as error:
        typer.echo(f"audit verify: {path} is no audit database ({error})", err=True)
        raise typer.Exit(2) from error
    if json_output:
        problems = [problem.__dict__ for problem in verdict.problems]
        typer.echo(json.dumps({"ok": verdict.ok, "rows": verdict.rows, "head": verdict.head, "problems": problems}))
    else:
        for problem in verdict.problems:
            typer.echo(f"row {problem.seq} {problem.kind}: {problem.detail}")
        state = "whole" if verdict.ok else "NOT WHOLE"
        typer.echo(f"{verdict.rows} rows, the chain is {state}, head {verdict.head}")
    raise typer.Exit(0 if verdict.ok else 1)


@app.command("list")
def list_rows(
    tenant: Annotated[str | None, typer.Argument(help="Only what concerns this tenant.")] = None,
    db: DB = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many rows, the newest.")] = 50,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print the newest rows, oldest first."""
    from provisioning.clock import SystemClock
    from provisioning.redact import Redactor
    from provisioning.store import Store

    path = _path(db)
    if not path.is_file():
        typer.echo(f"audit list: there is no file {path}: name it with --db", err=True)
        raise typer.Exit(2)
    store = Store(path, clock=SystemClock(), redact=Redactor())
    for row in store.audit_rows(subject=tenant, limit=limit):
        if json_output:
            typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            parts = [row[name] for name in ("subject", "job", "step", "outcome") if row[name]]
            typer.echo(
                f"{row['seq']:>6} {row['at']} {row['action']:<24} {row['actor_name'] or row['actor']} {' '.join(parts)}"
            )
    store.close()


def _path(db: Path | None) -> Path:
    if db is not None:
        return db
    folder = os.environ.get("CLEARML_CHATOPS_DATA_DIR") or "~/.local/share/clearml-chatops"
    return Path(folder).expanduser() / "chatops.db"
