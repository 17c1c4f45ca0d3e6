"""`clearml-chatops platform …`: the spec as a file, and the platform's commands of the catalog."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot import cli_jobs
from commands.catalog import CATALOG

FAMILY = "platform"
REFUSED = 1

app = typer.Typer(no_args_is_help=True, help="The platform: its spec, and what is done with it.")


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("platform.yaml"),
) -> None:
    """Write a spec with a comment on everything that can be said, to copy and change, and its schema for editors."""
    from provisioning.platform.load import SCHEMA_NAME, example, schema_text

    beside = file.with_name(SCHEMA_NAME)
    try:
        with file.open("x", encoding="utf-8") as target:
            target.write(example())
        beside.write_text(schema_text(), encoding="utf-8")
    except OSError as problem:
        _complain(f"writing {problem.filename}: {problem.strerror}", "name another file")
        raise typer.Exit(REFUSED) from problem
    typer.echo(f"wrote {file}, and {beside} for editors")
    typer.echo(f"next: change it, then clearml-chatops platform check {file}")


@app.command("schema")
def print_schema() -> None:
    """Print the spec's JSON schema, for editors."""
    from provisioning.platform.load import schema_text

    typer.echo(schema_text(), nl=False)


@app.command()
def check(file: Annotated[Path, typer.Argument(help="The spec.")]) -> None:
    """Say what is wrong with a spec, each with its line. Neither charts nor a cluster are asked."""
    from provisioning.platform.load import SpecError, load

    try:
        spec = load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        _complain(f"reading {file}: {problem}", "check the path")
        raise typer.Exit(REFUSED) from problem
    except SpecError as error:
        for mistake in error.problems:
            _complain(f"{file}: {mistake}")
        raise typer.Exit(REFUSED) from error
    typer.echo(f"{file} is right: {', '.join(spec.components()) or 'no component'}")
    typer.echo(f"next: set CLEARML_CHATOPS_PLATFORM__FILE={file.absolute()}, then clearml-chatops platform plan")


def _complain(what: str, next_action: str = "") -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(what, style="red", markup=False)
    if next_action:
        console.print(f"next: {next_action}", markup=False)


for _name, _spec in CATALOG.items():
    if _name.split()[0] == FAMILY:
        app.command(_name.split()[1], context_settings=cli_jobs.ANY, help=f"{_spec.summary}.")(
            cli_jobs.command(*_name.split())
        )
