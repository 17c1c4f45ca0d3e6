"""`clearml-chatops policy …`: check a policy file, hold it against a table, ask it why."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli_app import App
from bot.cli_catalog import SETTINGS, command
from bot.cli_complete import Catalogued
from bot.cli_failures import CliError, Code, note
from bot.cli_print import AsJson, tell
from bot.cli_settings import read_settings
from commands.catalog import CATALOG
from provisioning.errors import reason_of

if TYPE_CHECKING:
    from policies.expectations import Result, Table
    from policies.loader import PolicyVersion

app = App(name="policy", help="The policy: who may do what, and whose approval it needs.")
for _verb in ("explain", "show"):
    _name = f"policy {_verb}"
    app.command(_verb, cls=Catalogued, context_settings=SETTINGS, help=CATALOG[_name].summary + ".")(
        command("policy", _verb)
    )


@app.command(examples=("policy check policy.yaml",))
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The policy file.")], json_output: AsJson = False
) -> None:
    """Say whether FILE is a policy; else what is wrong, at which line.

    Exit codes: 0 it is, 1 it is none.
    """
    from policies.loader import PolicyError
    from provisioning.errors import PermanentError
    from provisioning.policy_source import read_version

    try:
        version = read_version(file)
    except PermanentError as error:
        mistakes = error.__cause__.problems if isinstance(error.__cause__, PolicyError) else ()
        problems = [str(problem) for problem in mistakes] or [error.what]
        if json_output:
            tell({"ok": False, "file": str(file), "problems": problems}, "", as_json=True)
        if not mistakes:
            raise CliError(Code.NOT_OK, error.what, "name the policy's file") from error
        what = "\n".join(f"{file}: {line}" for line in problems)
        raise CliError(Code.NOT_OK, what, "mend these lines, and check again") from error
    rules = len(version.policy.rules)
    found = {"ok": True, "file": str(file), "problems": [], "digest": version.digest, "rules": rules}
    tell(found, f"{file}: {rules} rules; digest {version.digest}", as_json=json_output)


@app.command(
    "test",
    examples=(
        "policy test expectations.yaml",
        "policy test expectations.yaml --policy new-policy.yaml",
    ),
)
def hold(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The table of expectations (docs/policies.md).")],
    policy: Annotated[
        Path | None, typer.Option(metavar="POLICY", help="The policy to test, in place of the one that FILE names.")
    ] = None,
    json_output: AsJson = False,
) -> None:
    """Hold a policy against a table of expectations.

    Exit codes: 0 all held, 1 one did not, 2 FILE is no table.
    """
    from policies import expectations

    table = _table(file)
    found = expectations.run(_policy_of(table, file, policy), table)
    broken = [one for one in found if not one.held]
    if json_output:
        held = [{"name": one.expectation.name, "ok": one.held, "problems": one.problems} for one in found]
        tell({"ok": not broken, "file": str(file), "expectations": held}, "", as_json=True)
    else:
        _print(found)
        print(f"{file}: {len(found) - len(broken)} of {len(found)} held")
    raise typer.Exit(1 if broken else 0)


@app.command()
def schema(json_output: AsJson = False) -> None:
    """Print the policy file's JSON schema, for your editor."""
    from policies.loader import json_schema

    found = json_schema()
    tell(found, json.dumps(found, indent=1), as_json=json_output)


@app.command()
def status(json_output: AsJson = False) -> None:
    """Say which policy counts, and whether the file can be taken.

    Exit codes: 0 it can, 1 it cannot, 3 not set up.
    """
    from provisioning.errors import PermanentError
    from provisioning.policy_source import read_version

    settings = read_settings()
    problem, digest = "", ""
    try:
        digest = read_version(settings.policy_file).digest
    except PermanentError as error:
        problem = error.what
    used, since = _in_use(settings.data_dir.expanduser() / "chatops.db")
    file = str(settings.policy_file or "the default policy")
    if json_output:
        problems = [problem] if problem else []
        found = {"ok": not problem, "file": file, "problems": problems, "digest": digest}
        tell({**found, "in_use": used, "since": since}, "", as_json=True)
    else:
        print(
            f"file    {file}\ndigest  {digest or '-'}\nin use  {used or 'never yet'}"
            + (f", since {since}" if since else "")
        )
    if problem:
        raise CliError(Code.NOT_OK, problem, "mend the file; a running bot goes on with the policy that is in use")
    if used and used != digest:
        note("next: a running bot takes the file within seconds; else it is not running, or reads another file")


def _in_use(path: Path) -> tuple[str, str]:
    """Return the digest of the policy that a bot used last, and since when; both empty where none did."""
    from provisioning.clock import SystemClock
    from provisioning.redact import Redactor
    from provisioning.store import Store
    from provisioning.store.policy_versions import PolicyVersions

    if not path.exists():
        return "", ""
    store = Store(path, clock=SystemClock(), redact=Redactor())
    try:
        used = PolicyVersions(store).in_use()
    finally:
        store.close()
    return (used.digest, f"{used.in_use_since:%Y-%m-%d %H:%M} UTC") if used else ("", "")


def _read(file: Path | None) -> "PolicyVersion":
    from provisioning.policy_source import read_version

    return read_version(file)


def _table(file: Path) -> "Table":
    from policies.expectations import ExpectationsError, load

    try:
        return load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(Code.USAGE, f"reading {file}: {reason_of(error)}", "name a file that can be read") from error
    except ExpectationsError as error:
        what = "\n".join(f"{file}: {problem}" for problem in error.problems)
        raise CliError(Code.USAGE, what, "docs/policies.md shows a table") from error


def _policy_of(table: "Table", file: Path, given: Path | None) -> "PolicyVersion":
    if given is not None:
        return _read(given)
    return _read(file.parent / table.policy if table.policy else None)


def _print(found: "tuple[Result, ...]") -> None:
    from rich.console import Console

    out = Console(highlight=False, soft_wrap=True)
    for number, one in enumerate(found, 1):
        if one.held:
            out.print(f"ok    {number} {one.expectation.name}", markup=False)
            continue
        out.print(f"FAIL  {number} {one.expectation.name}", style="red", markup=False)
        asked = f"{one.expectation.command}, with {', '.join(sorted(one.expectation.roles)) or 'no role'}"
        out.print(f"        asked: {asked}, at {one.expectation.at:%a %Y-%m-%d %H:%M %Z}", markup=False)
        for line in one.problems:
            out.print(f"        {line}", markup=False)
        for line in one.looked_at:
            out.print(f"        - {line}", markup=False)
