"""`clearml-chatops capacity …`: what fits on a GPU, without a cluster."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bot.cli_app import App
from bot.cli_failures import CliError, Code
from bot.cli_print import AsJson, tell
from provisioning.capacity.whatif import Fits, WhatIfError
from provisioning.capacity.whatif import fits as what_fits

app = App(help="MIG capacity: what exists, what fits, what is stranded.")


@app.callback()
def _capacity() -> None:
    """MIG capacity: what exists, what fits, what is stranded."""


@app.command(
    examples=(
        "capacity fits --model H100-80GB",
        "capacity fits --model H100-80GB --used 3g.40gb@4 --request 2x1g.10gb",
    )
)
def fits(
    model: Annotated[str, typer.Option(metavar="MODEL", help="GPU model, as in H100-80GB.")],
    used: Annotated[
        str, typer.Option(metavar="INSTANCES", help="Instances in use, as 3g.40gb@4,1g.10gb@0 (PROFILE@START).")
    ] = "",
    idle: Annotated[
        str, typer.Option(metavar="INSTANCES", help="Instances that exist and are idle, written likewise.")
    ] = "",
    request: Annotated[str, typer.Option(metavar="SLICES", help="What should fit, as 2x3g.40gb,1g.10gb.")] = "",
    json_output: AsJson = False,
) -> None:
    """Say what one GPU could still hold. No cluster is asked.

    Exit codes: 0 answered (and the request, if any, fits), 1 the request does not fit, 2 not a question.
    """
    try:
        answer = what_fits(model, used=used, idle=idle, request=request)
    except WhatIfError as problem:
        raise CliError(Code.USAGE, f"capacity fits: {problem}", "see clearml-chatops capacity fits --help") from problem
    if json_output:
        tell(answer.model_dump(mode="json", exclude_none=answer.request is None), "", as_json=True)
    else:
        _print(answer)
    if answer.feasible is False:
        raise typer.Exit(1)


def run_fits(words: list[str]) -> None:
    """Run `capacity` with *words*, the first of which is ``fits``. Raises: CliError, typer.Exit."""
    made = typer.main.get_command(app)
    code = made.main(words, prog_name="clearml-chatops capacity", standalone_mode=False)
    if code:
        raise typer.Exit(code)


def _print(answer: Fits) -> None:
    console = Console()
    table = Table(title=f"{answer.model} (places: {answer.placements})", title_justify="left")
    table.add_column("Profile")
    for heading in ("Ready", "Creatable", "After reclaim", "After defrag", "Fragmentation"):
        table.add_column(heading, justify="right")
    for name, ready in answer.ready.items():
        counts = (ready, answer.creatable[name], answer.after_reclaim[name], answer.after_defrag[name])
        table.add_row(name, *map(str, counts), f"{answer.fragmentation[name]:.0%}")
    console.print(table)
    console.print(f"Fragmentation of the GPU: {answer.gpu_fragmentation:.0%}", highlight=False)
    if answer.request is None:
        return
    wanted = ", ".join(f"{count}x{name}" for name, count in answer.request.items())
    if answer.feasible_keeping_idle:
        console.print(f"{wanted} fits beside what exists.")
    elif answer.feasible:
        console.print(f"{wanted} fits once idle instances are removed.")
    elif answer.feasible_after_defrag:
        console.print(f"{wanted} fits only after moving what is used: {', '.join(answer.moved)}.")
    else:
        console.print(f"{wanted} does not fit, however the used instances stand.")
    for created in answer.witness or ():
        how = "ready" if created.command is None else f"nvidia-smi {created.command}"
        console.print(f"  {created.profile} at {created.start}: {how}", highlight=False)
    if answer.driver_order:
        console.print(f"  or, the driver choosing the same places: nvidia-smi {answer.driver_order}", highlight=False)
    elif any(created.command for created in answer.witness or ()):
        console.print("  The starts are needed: left to itself the driver fails in every order.")
