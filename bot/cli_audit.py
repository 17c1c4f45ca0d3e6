"""`clearml-chatops audit …`: verify, read, export and seal the trail, with only the file and the key."""

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from bot.cli_app import App
from bot.cli_complete import tenants
from bot.cli_failures import CliError, Code, note, refused
from bot.cli_print import AsJson, tell

if TYPE_CHECKING:
    from commands.audit import AuditArgs
    from provisioning.evidence.keys import Signer

WHAT = "The audit trail: verify, read, export and seal it."
_OF_PRODUCT = re.compile(r"^from provisioning[\w.]* import (\([^)]*\)|.*)\n", re.MULTILINE)
WORD = 24  # columns of an action

app = App(name="audit", help=WHAT)
key_app = App(help="The key that signs the audit trail.")
app.add_typer(key_app, name="key")

DB = Annotated[
    Path | None,
    typer.Option("--db", metavar="FILE", help="The file. Default: chatops.db in CLEARML_CHATOPS_DATA_DIR."),
]
Before = Annotated[str, typer.Option(metavar="TIME", help="Rows before this time go: 90d, or 2026-11-25.")]


@app.callback()
def _audit() -> None:
    """The audit trail: verify, read, export and seal it."""


@app.command(
    examples=(
        "audit verify",
        "audit verify acme.jsonl --key audit.pub",
        "audit verify --head 5f3a9c…",
    )
)
def verify(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A database, a sealed segment, or an export.")
    ] = None,
    db: DB = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A file with a public key that you trust. May be repeated."),
    ] = None,
    head: Annotated[
        str | None, typer.Option(metavar="HASH", help="A head that was kept outside the file, 64 hex digits.")
    ] = None,
    json_output: AsJson = False,
) -> None:
    """Check that the audit trail is whole.

    Reads only: every row's hash, its link to the row before it, and the signatures.

    Finds a row that was changed, removed or inserted and says which. A tail that was cut off shows only
    against a head that was kept elsewhere: give it with --head. Sealed segments beside the file are checked too.
    Auditors need no installation: `audit verifier` prints the program. Exit codes: 0 whole, 1 not, 2 no such file.
    """
    from bot.cli_store import path_of
    from provisioning.evidence.command import told
    from provisioning.evidence.formats import read_key
    from provisioning.evidence.verifier import verify as verify_trail

    path = file or path_of(db)
    try:
        verdict = verify_trail(path, head, [read_key(one.read_text()) for one in key or []])
    except FileNotFoundError as error:
        raise CliError(
            Code.USAGE, f"audit verify: there is no file {error.filename or path}", "name the file to verify"
        ) from error
    except (OSError, sqlite3.DatabaseError, ValueError) as error:
        raise CliError(
            Code.USAGE,
            f"audit verify: {path} is no audit trail, or a key is none: {error}",
            "name a database, a sealed segment or an export, and keys as `audit key public` prints them",
        ) from error
    problems = [problem.__dict__ for problem in verdict.problems]
    found = {"ok": verdict.ok, **verdict.__dict__, "problems": problems}
    tell(found, "\n".join(told(verdict)), as_json=json_output)
    raise typer.Exit(0 if verdict.ok else 1)


@app.command(examples=("audit verifier > audit_verify.py",))
def verifier(json_output: AsJson = False) -> None:
    """Print the program that verifies, for an auditor.

    One file: it needs Python and `cryptography`, and nothing else of this product.
    """
    text = program()
    tell({"name": "audit_verify.py", "program": text}, text.removesuffix("\n"), as_json=json_output)


def program() -> str:
    """Return the verifier as one file: its parts in order, without the imports that hold them together."""
    from provisioning import evidence

    folder = Path(evidence.__path__[0])
    parts = ((folder / f"{name}.py").read_text(encoding="utf-8") for name in ("formats", "verifier", "command"))
    return "\n\n".join(_OF_PRODUCT.sub("", part).rstrip() for part in parts) + "\n"


@app.command(
    "list",
    examples=(
        "audit list acme --since 7d",
        "audit list --action job.denied --json",
    ),
)
def list_rows(
    tenant: Annotated[
        str | None, typer.Argument(metavar="[TENANT]", help="Only what concerns this tenant.", autocompletion=tenants)
    ] = None,
    *,
    actor: Annotated[
        str | None, typer.Option(metavar="PERSON", help="Only what this person did: an id or a name.")
    ] = None,
    action: Annotated[
        str | None, typer.Option(metavar="ACTION", help="Only this action, as job.denied, or its family: job.")
    ] = None,
    command: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="Only commands that begin so: tenant create.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Not before this time: 24h, 7d or 2026-11-25.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before this time, written likewise.")] = None,
    text: Annotated[str | None, typer.Option(metavar="WORDS", help="Only rows that hold all of these words.")] = None,
    db: DB = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100, help="How many rows, the newest.")] = 50,
    json_output: AsJson = False,
) -> None:
    """Print the newest rows that fit, oldest first. Reading the bot's own trail is audited too."""
    from commands import grammar
    from commands.audit import AuditArgs
    from commands.catalog import CATALOG

    given = {"tenant": tenant, "actor": actor, "action": action, "command": command, "since": since, "until": until}
    values = {name: value for name, value in {**given, "text": text}.items() if value is not None}
    asked = grammar.build(CATALOG["audit"], {**values, "limit": limit})
    if isinstance(asked, grammar.UsageError) or not isinstance(asked.args, AuditArgs):
        raise CliError(
            Code.USAGE,
            f"audit list: {getattr(asked, 'message', 'wrong usage')}",
            "see clearml-chatops audit list --help",
        )
    found = _found(asked.args, asked.text, db)
    if not found:
        note("there are no such rows; sealed ones are searched with --db FILE")
    for row in found:
        if json_output:
            typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            parts = [row[name] for name in ("subject", "job", "step", "outcome") if row[name]]
            who = row["actor_name"] or row["actor"]
            typer.echo(f"{row['seq']:>6} {row['at']} {row['action']:<{WORD}} {who} {' '.join(parts)}")


@app.command(
    examples=(
        "audit export acme.jsonl --tenant acme",
        "audit export trail.csv --format csv",
    )
)
def export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write. `-` prints.")],
    tenant: Annotated[
        str | None, typer.Option(metavar="TENANT", help="Only this tenant's rows.", autocompletion=tenants)
    ] = None,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="jsonl (with proofs) or csv.")] = "jsonl",
    json_output: AsJson = False,
) -> None:
    """Write rows with proofs, for an auditor.

    One tenant's rows are checked without seeing anybody else's. Sealed segments are included.
    `audit verify FILE --key PUBLIC_KEY` checks what was written. With `-`, the rows are what is printed.
    """
    from bot.cli_store import evidence, record
    from provisioning.evidence.export import as_csv, as_json_lines
    from provisioning.evidence.formats import SEGMENTS
    from provisioning.evidence.segments import rows_elsewhere

    if form not in {"jsonl", "csv"}:
        raise CliError(Code.USAGE, f"audit export: there is no format {form[:40]!r}", "use jsonl or csv")
    printed = str(out) == "-"
    if printed and json_output and form == "csv":
        raise CliError(Code.USAGE, "audit export: csv is not JSON", "leave --json out, or write the csv to a file")
    write = as_json_lines if form == "jsonl" else as_csv
    with evidence() as (store, signed, _):
        record(store, "audit.exported", tenant or "", {"format": form})
        signed.make()
        if printed:
            count = write(store, typer.get_text_stream("stdout"), tenant=tenant)
        else:
            with _private(out) as file:
                count = write(store, file, tenant=tenant)
        if elsewhere := rows_elsewhere(store):
            where = store.path.parent / SEGMENTS
            note(f"rows 1 to {elsewhere} are not in it: their sealed files are not in {where}: put them there")
    if printed:
        note(f"{count} rows")
    else:
        made = {"file": str(out), "rows": count, "format": form, "tenant": tenant, "from": elsewhere + 1}
        tell(made, f"{count} rows are in {out}", as_json=json_output)


@contextmanager
def _private(path: Path) -> Iterator[IO[str]]:
    """Open a file to write, which nobody else may read from the first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8", newline="") as file:
        os.fchmod(file.fileno(), 0o600)
        file.truncate()
        yield file


@app.command(examples=("audit seal --before 400d",))
def seal(before: Before, json_output: AsJson = False) -> None:
    """Move old rows into a signed, read-only file beside the database.

    The chain goes on, and is verified across. Rows of open jobs stay.
    """
    from bot.cli_store import evidence, known
    from commands.audit import moment
    from policies.approvals import Actor, Refusal
    from provisioning.clock import SystemClock
    from provisioning.evidence.segments import seal as seal_rows

    try:
        when = moment(before, SystemClock().now())
    except ValueError as error:
        raise CliError(Code.USAGE, f"audit seal: {error}", "say a time as 90d, or as 2026-11-25") from error
    with evidence() as (store, signed, _):
        who = known(store, command="audit seal")
        made = seal_rows(store, signed, before=when, actor=Actor(id=who.id, name=who.name))
    if isinstance(made, Refusal):
        raise refused(made)
    said = f"rows {made.first} to {made.last} are sealed in {made.file}\nsha256 {made.sha256}"
    found = {"file": str(made.file), "first": made.first, "last": made.last, "sha256": made.sha256}
    tell(found, said, as_json=json_output)


@key_app.command("public", examples=("audit key public > audit.pub",))
def key_public(json_output: AsJson = False) -> None:
    """Print the public key, to be kept where auditors find it."""
    from bot.cli_store import evidence

    with evidence() as (_, _, keyring):
        _tell_key(keyring.current(), as_json=json_output)


@key_app.command("rotate")
def key_rotate(json_output: AsJson = False) -> None:
    """Make a new key, and print its public part.

    The old one vouches for it, so that whoever has the old public key can go on.
    """
    from bot.cli_store import evidence, known, record

    with evidence() as (store, signed, keyring):
        who = known(store, command="audit key rotate")
        signed.make()
        fresh = keyring.rotate()
        record(store, "audit.key_rotated", "", {"key": fresh.public}, who)
        signed.make()
        _tell_key(fresh, as_json=json_output)


def _tell_key(key: "Signer", *, as_json: bool) -> None:
    tell({"key": key.public, "public_pem": key.public_pem}, key.public_pem.removesuffix("\n"), as_json=as_json)


def _found(args: "AuditArgs", said: str, db: Path | None) -> list[dict[str, Any]]:
    """Return the rows: of the bot's trail, which is told of it, or of another file, which is only read."""
    from sqlite_utils import Database

    from bot.cli_store import path_of, record, store_alone
    from provisioning.clock import SystemClock
    from provisioning.evidence.search import find, wanted_by
    from provisioning.evidence.trail import READ

    path = path_of(db)
    if not path.is_file():
        raise CliError(
            Code.USAGE, f"audit list: there is no file {path}", "name it with --db, or set CLEARML_CHATOPS_DATA_DIR"
        )
    wanted = wanted_by(args, SystemClock().now())
    if db is None:
        with store_alone() as store:
            record(store, READ, args.subject, {"command": said})
            return store.find_audit_rows(wanted)
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return find(Database(connection), wanted)
    except sqlite3.DatabaseError as error:
        raise CliError(
            Code.USAGE,
            f"audit list: {path} cannot be read: {error}",
            "name a database of this bot's, or a sealed segment",
        ) from error
    finally:
        connection.close()
