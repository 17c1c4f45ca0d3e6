"""`clearml-chatops platform …`: the spec as a file, and the platform's commands of the catalog."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli_app import App
from bot.cli_catalog import SETTINGS, command
from bot.cli_complete import Catalogued
from bot.cli_failures import CliError, Code, note
from bot.cli_print import AsJson, tell
from commands.catalog import CATALOG
from provisioning.errors import reason_of

FAMILY = "platform"

app = App(name="platform", help="The platform: its spec, and what is done with it.")


@app.command(
    examples=(
        "platform init",
        "platform init staging.yaml",
    )
)
def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="Where to write it.")] = Path("platform.yaml"),
    json_output: AsJson = False,
) -> None:
    """Write a spec to begin with, and its schema for editors.

    Everything that can be said is in it, with a comment. A file that is there is left as it is.
    """
    from provisioning.platform.load import SCHEMA_NAME, example, schema_text

    beside = file.with_name(SCHEMA_NAME)
    try:
        with file.open("x", encoding="utf-8") as target:
            target.write(example())
        beside.write_text(schema_text(), encoding="utf-8")
    except OSError as problem:
        what = f"writing {problem.filename}: {reason_of(problem)}"
        raise CliError(Code.FAILED, what, "name another file") from problem
    said = f"wrote {file}, and {beside} for editors"
    tell({"file": str(file), "schema": str(beside)}, said, as_json=json_output)
    note(f"next: change it, then clearml-chatops platform check {file}")


@app.command("schema")
def print_schema(json_output: AsJson = False) -> None:
    """Print the spec's JSON schema, for editors."""
    from provisioning.platform.load import schema, schema_text

    tell(schema(), schema_text().removesuffix("\n"), as_json=json_output)


@app.command(examples=("platform check platform.yaml",))
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="The spec.")], json_output: AsJson = False) -> None:
    """Say what is wrong with a spec, each with its line.

    Neither charts nor a cluster are asked. Exit codes: 0 it is right, 1 it is not.
    """
    from provisioning.platform.load import SpecError, load

    try:
        spec = load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        what = f"reading {file}: {reason_of(problem)}"
        raise CliError(Code.FAILED, what, "name a file that can be read") from problem
    except SpecError as error:
        problems = [str(problem) for problem in error.problems]
        if json_output:
            tell({"ok": False, "file": str(file), "problems": problems}, "", as_json=True)
        what = "\n".join(f"{file}: {problem}" for problem in problems)
        raise CliError(Code.NOT_OK, what, "mend these lines, and check it again") from error
    components = list(spec.components())
    said = f"{file} is right: {', '.join(components) or 'no component'}"
    tell({"ok": True, "file": str(file), "problems": [], "components": components}, said, as_json=json_output)
    begin = f"set CLEARML_CHATOPS_PLATFORM__FILE={file.absolute()}, then clearml-chatops platform plan"
    note(f"next: {begin}")


for _name, _spec in CATALOG.of(FAMILY).items():
    app.command(_name.split()[1], cls=Catalogued, context_settings=SETTINGS, help=f"{_spec.summary}.")(
        command(*_name.split())
    )
