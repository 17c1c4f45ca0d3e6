"""`clearml-chatops audit …`: verify, read, export and seal the trail, with only the file and the key."""

import getpass
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli_jobs import NOT_SET_UP, REFUSED, USAGE, fenced
from commands import grammar
from commands.audit import AuditArgs, moment
from commands.catalog import CATALOG
from commands.grammar import UsageError
from policies.approvals import Actor, Refusal
from provisioning.evidence.verifier import read_key, told
from provisioning.evidence.verifier import verify as verify_trail

if TYPE_CHECKING:
    from provisioning.evidence.checkpoints import Checkpoints
    from provisioning.evidence.keys import Keyring
    from provisioning.store import Store

WHAT = "The audit trail: verify, read, export and seal it."
WORD = 24  # columns of an action

app = typer.Typer(no_args_is_help=True, help=WHAT)
key_app = typer.Typer(no_args_is_help=True, help="The key that signs the audit trail.")
app.add_typer(key_app, name="key")

DB = Annotated[Path | None, typer.Option("--db", help="The file. Default: chatops.db in CLEARML_CHATOPS_DATA_DIR.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def _audit() -> None:
    """The audit trail: verify, read, export and seal it."""


@app.command()
def verify(
    file: Annotated[Path | None, typer.Argument(help="A database, a sealed segment, or an export.")] = None,
    db: DB = None,
    key: Annotated[
        list[Path] | None, typer.Option(help="A file with a public key that you trust. May be repeated.")
    ] = None,
    head: Annotated[str | None, typer.Option(help="A head that was kept outside the file, 64 hex digits.")] = None,
    json_output: AsJson = False,
) -> None:
    """Check every row's hash, its link to the row before it, and the signatures; reads only.

    Finds a row that was changed, removed or inserted and says which. A tail that was cut off shows only
    against a head that was kept elsewhere: give it with --head. Sealed segments beside the file are checked too.
    Auditors need no installation: `audit verifier` prints the program. Exit codes: 0 whole, 1 not, 2 no such file.
    """
    path = file or _path(db)
    try:
        verdict = verify_trail(path, head, [read_key(one.read_text()) for one in key or []])
    except FileNotFoundError as error:
        typer.echo(f"audit verify: there is no file {error.filename or path}: name it", err=True)
        raise typer.Exit(2) from error
    except (OSError, sqlite3.DatabaseError, ValueError, KeyError, TypeError) as error:
        typer.echo(f"audit verify: {path} is no audit trail, or a key is none ({error})", err=True)
        raise typer.Exit(2) from error
    if json_output:
        problems = [problem.__dict__ for problem in verdict.problems]
        typer.echo(json.dumps({"ok": verdict.ok, **verdict.__dict__, "problems": problems}))
    else:
        typer.echo("\n".join(told(verdict)))
    raise typer.Exit(0 if verdict.ok else 1)


@app.command()
def verifier() -> None:
    """Print the program that verifies, for an auditor: it needs Python and `cryptography` alone."""
    from provisioning.evidence import verifier

    typer.echo(Path(verifier.__file__).read_text(encoding="utf-8"), nl=False)


@app.command("list")
def list_rows(
    tenant: Annotated[str | None, typer.Argument(help="Only what concerns this tenant.")] = None,
    *,
    actor: Annotated[str | None, typer.Option(help="Only what this person did: an id or a name.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, or its family: job.")] = None,
    command: Annotated[str | None, typer.Option(help="Only commands that begin so: tenant create.")] = None,
    since: Annotated[str | None, typer.Option(help="Not before this time: 24h, 7d or 2026-11-25.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    text: Annotated[str | None, typer.Option(help="Only rows that hold all of these words.")] = None,
    db: DB = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many rows, the newest.")] = 50,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print the newest rows that fit, oldest first. Reading the bot's own trail is audited too."""
    given = {"tenant": tenant, "actor": actor, "action": action, "command": command, "since": since, "until": until}
    values = {name: value for name, value in {**given, "text": text}.items() if value is not None}
    asked = grammar.build(CATALOG["audit"], {**values, "limit": limit})
    if isinstance(asked, UsageError) or not isinstance(asked.args, AuditArgs):
        typer.echo(f"audit list: {getattr(asked, 'message', 'wrong usage')}", err=True)
        raise typer.Exit(USAGE)
    for row in _found(asked.args, asked.text, db):
        if json_output:
            typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            parts = [row[name] for name in ("subject", "job", "step", "outcome") if row[name]]
            who = row["actor_name"] or row["actor"]
            typer.echo(f"{row['seq']:>6} {row['at']} {row['action']:<{WORD}} {who} {' '.join(parts)}")


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="Where to write. `-` prints.")],
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's rows.")] = None,
    form: Annotated[str, typer.Option("--format", help="jsonl (with proofs) or csv.")] = "jsonl",
) -> None:
    """Write rows with proofs: an auditor checks one tenant's without seeing anybody else's.

    Sealed segments are included. `audit verify FILE --key PUBLIC_KEY` checks what was written.
    """
    from provisioning.evidence.export import as_csv, as_json_lines

    if form not in {"jsonl", "csv"}:
        typer.echo(f"audit export: there is no format {form[:40]!r}: use jsonl or csv", err=True)
        raise typer.Exit(USAGE)
    write = as_json_lines if form == "jsonl" else as_csv
    with fenced(), _evidence() as (store, signed, _):
        _record(store, "audit.exported", tenant or "", {"format": form})
        signed.make()
        if str(out) == "-":
            count = write(store, typer.get_text_stream("stdout"), tenant=tenant)
        else:
            with out.open("w", encoding="utf-8", newline="") as file:
                count = write(store, file, tenant=tenant)
            out.chmod(0o600)
    typer.echo(f"{count} rows", err=True)


@app.command()
def seal(
    before: Annotated[str, typer.Option(help="Rows before this time go: 90d, or 2026-11-25.")],
) -> None:
    """Move old rows into a signed, read-only file beside the database. The chain goes on, and is verified across."""
    from provisioning.clock import SystemClock
    from provisioning.evidence.segments import seal as seal_rows

    try:
        when = moment(before, SystemClock().now())
    except ValueError as error:
        typer.echo(f"audit seal: {error}", err=True)
        raise typer.Exit(USAGE) from error
    with fenced(), _evidence() as (store, signed, _):
        made = seal_rows(store, signed, before=when, actor=_actor())
    if isinstance(made, Refusal):
        typer.echo(f"{made.reason}\nnext: {made.next_action}", err=True)
        raise typer.Exit(REFUSED)
    typer.echo(f"rows {made.first} to {made.last} are sealed in {made.file}\nsha256 {made.sha256}")


@key_app.command("public")
def key_public() -> None:
    """Print the public key, to be kept where auditors find it."""
    with fenced(), _evidence() as (_, _, keyring):
        typer.echo(keyring.current().public_pem, nl=False)


@key_app.command("rotate")
def key_rotate() -> None:
    """Make a new key. The old one vouches for it, so that whoever has the old public key can go on."""
    with fenced(), _evidence() as (store, signed, keyring):
        signed.make()
        fresh = keyring.rotate()
        _record(store, "audit.key_rotated", "", {"key": fresh.public})
        signed.make()
        typer.echo(fresh.public_pem, nl=False)


def _found(args: AuditArgs, said: str, db: Path | None) -> list[dict[str, Any]]:
    """Return the rows: of the bot's trail, which is told of it, or of another file, which is only read."""
    from sqlite_utils import Database

    from provisioning.clock import SystemClock
    from provisioning.evidence.search import find, wanted_by
    from provisioning.evidence.trail import READ

    path = _path(db)
    if not path.is_file():
        typer.echo(f"audit list: there is no file {path}: name it with --db", err=True)
        raise typer.Exit(2)
    wanted = wanted_by(args, SystemClock().now())
    if db is None:
        with _store() as store:
            _record(store, READ, args.subject, {"command": said})
            return store.find_audit_rows(wanted)
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return find(Database(connection), wanted)
    except sqlite3.DatabaseError as error:
        typer.echo(f"audit list: {path} cannot be read ({error})", err=True)
        raise typer.Exit(2) from error
    finally:
        connection.close()


@contextmanager
def _evidence() -> Iterator[tuple["Store", "Checkpoints", "Keyring"]]:
    """Open the store and the keys alone: no cluster, no ClearML and no Slack is needed."""
    from bot.cli_jobs import read_settings
    from provisioning.clock import SystemClock
    from provisioning.evidence.checkpoints import Checkpoints
    from provisioning.evidence.keys import Keyring

    settings = read_settings()
    with _store() as store:
        keyring = Keyring(settings.audit, settings.data_dir.expanduser())
        rows, seconds = settings.audit.checkpoint_rows, settings.audit.checkpoint_s
        yield store, Checkpoints(store, keyring, SystemClock(), every_rows=rows, every_s=seconds), keyring


@contextmanager
def _store() -> Iterator["Store"]:
    from bot.cli_jobs import redactor
    from provisioning.clock import SystemClock
    from provisioning.store import Store

    path = _path(None)
    if not path.is_file():
        typer.echo(f"there is no file {path}: set CLEARML_CHATOPS_DATA_DIR", err=True)
        raise typer.Exit(NOT_SET_UP)
    store = Store(path, clock=SystemClock(), redact=redactor())
    try:
        yield store
    finally:
        store.close()


def _record(store: "Store", action: str, subject: str, detail: dict[str, str]) -> None:
    from provisioning.evidence.trail import Event

    who = _actor()
    store.record(Event(action=action, actor=who.id, actor_name=who.name, subject=subject, detail=detail))


def _actor() -> Actor:
    name = getpass.getuser()
    return Actor(id=f"os:{name}", name=name, roles=frozenset())


def _path(db: Path | None) -> Path:
    if db is not None:
        return db
    folder = os.environ.get("CLEARML_CHATOPS_DATA_DIR") or "~/.local/share/clearml-chatops"
    return Path(folder).expanduser() / "chatops.db"
