"""`clearml-chatops platform …`: the spec as a file, and the platform's commands of the catalog."""

from pathlib import Path
from typing import Annotated

import typer

from bot import cli_jobs
from bot.cli_app import App
from bot.cli_complete import Catalogued
from bot.cli_print import AsJson, complain, tell
from commands.catalog import CATALOG
from provisioning.errors import reason_of

FAMILY = "platform"
REFUSED = 1

app = App(help="The platform: its spec, and what is done with it.")


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
        complain(f"writing {problem.filename}: {reason_of(problem)}", "name another file")
        raise typer.Exit(REFUSED) from problem
    said = f"wrote {file}, and {beside} for editors"
    tell({"file": str(file), "schema": str(beside)}, said, as_json=json_output)
    typer.echo(f"next: change it, then clearml-chatops platform check {file}", err=True)


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
        complain(f"reading {file}: {reason_of(problem)}", "name a file that can be read")
        raise typer.Exit(REFUSED) from problem
    except SpecError as error:
        problems = [str(problem) for problem in error.problems]
        if json_output:
            tell({"ok": False, "file": str(file), "problems": problems}, "", as_json=True)
        else:
            complain("\n".join(f"{file}: {problem}" for problem in problems), "mend these lines, and check it again")
        raise typer.Exit(REFUSED) from error
    components = list(spec.components())
    said = f"{file} is right: {', '.join(components) or 'no component'}"
    tell({"ok": True, "file": str(file), "problems": [], "components": components}, said, as_json=json_output)
    begin = f"set CLEARML_CHATOPS_PLATFORM__FILE={file.absolute()}, then clearml-chatops platform plan"
    typer.echo(f"next: {begin}", err=True)


for _name, _spec in CATALOG.items():
    if _name.split()[0] == FAMILY:
        app.command(_name.split()[1], cls=Catalogued, context_settings=cli_jobs.ANY, help=f"{_spec.summary}.")(
            cli_jobs.command(*_name.split())
        )
