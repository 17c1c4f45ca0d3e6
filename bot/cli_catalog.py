"""The commands of the catalog on the command line: one for each family, whose words the catalog itself reads."""

from collections.abc import Callable
from typing import Annotated

import typer

from bot import cli_complete
from bot.cli_app import App
from bot.cli_complete import Catalogued
from bot.cli_failures import CliError, Code
from bot.cli_print import AsJson
from commands.catalog import COMMAND, FAMILIES

ELSEWHERE = frozenset({"audit", "doctor", "platform", "policy"})  # they have modules of their own
SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

app = App(name="catalog")


def command(*first: str) -> Callable[[typer.Context], None]:
    """Return what runs the commands of the catalog that begin with the words *first*."""

    def run(context: typer.Context) -> None:
        if (*first, *context.args[:1]) == ("capacity", "fits"):  # asks no cluster and needs no settings
            from bot.cli_capacity import run_fits

            run_fits(context.args)
            return
        from bot import cli_files
        from commands.grammar import HelpRequest, Invocation, UsageError

        words, files = cli_files.taken_from([*first, *context.args])
        match cli_files.understood([word for word in words if word != "--json"]):
            case HelpRequest() as asked:
                from bot.cli_help import told

                typer.echo(told(asked))
            case UsageError() as error:
                raise CliError(
                    Code.USAGE,
                    (error.message or "forms are Slack's: name the arguments here"),
                    error.usage or f"see {COMMAND} {first[0]} --help",
                )
            case Invocation() as invocation:
                from bot import cli_jobs

                cli_jobs.run(invocation, files, as_json="--json" in words)

    return run


for _first in FAMILIES:
    if _first not in ELSEWHERE:
        app.command(_first, cls=Catalogued, context_settings=SETTINGS, help=f"{FAMILIES[_first].about}.")(
            command(_first)
        )

Number = Annotated[int, typer.Argument(metavar="JOB", help="The job's number.", autocompletion=cli_complete.jobs)]
Why = Annotated[str, typer.Option(metavar="TEXT", help="Why. Everybody sees it, the audit keeps it.")]


@app.command(examples=("approve 41",))
def approve(number: Number, reason: Why = "", json_output: AsJson = False) -> None:
    """Approve a job: counts as the vote of who you are by whoami."""
    from bot import cli_jobs

    cli_jobs.vote(number, approve=True, reason=reason, as_json=json_output)


@app.command(examples=("deny 41 --reason 'not this week'",))
def deny(number: Number, reason: Why = "", json_output: AsJson = False) -> None:
    """Deny a job, with a reason."""
    from bot import cli_jobs

    cli_jobs.vote(number, approve=False, reason=reason, as_json=json_output)
