"""`clearml-chatops`: the command line. Heavy parts are imported by the command that needs them."""

import json
import signal
import threading
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot import cli_audit, cli_backup, cli_jobs, cli_platform, cli_policy

EXIT_CODES = "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 not set up."

app = typer.Typer(
    name="clearml-chatops",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=f"Slack ChatOps for ClearML as a multi-tenant GPU service on Kubernetes.\n\n{EXIT_CODES}",
)
tools_app = typer.Typer(no_args_is_help=True, help="helm and kubectl: download them once, pinned.")
config_app = typer.Typer(no_args_is_help=True, help="Settings: what they are, whether they are right.")
app.add_typer(tools_app, name="tools")
app.add_typer(config_app, name="config")
app.add_typer(cli_audit.app, name="audit")
app.add_typer(cli_policy.app, name="policy")
app.add_typer(cli_platform.app, name="platform")
cli_jobs.register(app)
cli_backup.register(app)


def main() -> None:
    """Run the command line."""
    app()


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"clearml-chatops {version('clearml-chatops')}")
        raise typer.Exit


@app.callback()
def _root(
    _shown: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Slack ChatOps for ClearML as a multi-tenant GPU service on Kubernetes."""


@app.command()
def serve() -> None:
    """Run the bot. Settings come from the environment: see `config schema`."""
    from bot import app as bot_app
    from bot.cli_jobs import fenced, read_settings

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with fenced():
        bot_app.serve(read_settings(), stop)


@app.command()
def sandbox(
    scenario: Annotated[list[Path] | None, typer.Option(help="Play this scenario and exit. May be repeated.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    kube_context: Annotated[
        str | None, typer.Option(help="Use this cluster of yours instead of a control plane of the sandbox's own.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the page; 0 takes a free one.")] = 8765,
    keep: Annotated[bool, typer.Option(help="Keep logs and databases, and say where.")] = False,
) -> None:
    """Try everything on this machine: a Slack-like page, ClearML, a real control plane, and the bot.

    With --scenario it runs headless and prints a transcript (docs/scenarios.md). Exit codes: 0 every
    expectation held, 1 one did not, 2 not a scenario, 3 the sandbox could not start.
    """
    try:
        from sandbox import cli as sandbox_cli
    except ModuleNotFoundError as missing:
        Console(stderr=True).print(
            f"the sandbox needs {missing.name}: pip install 'clearml-chatops[sandbox]'", style="red"
        )
        raise typer.Exit(3) from missing
    code = sandbox_cli.run(
        scenario=list(scenario or []),
        json_output=json_output,
        kube_context=kube_context,
        port=0 if scenario else port,
        keep=keep,
    )
    raise typer.Exit(code)


@tools_app.command("install")
def tools_install() -> None:
    """Download pinned helm and kubectl into the cache, checked by SHA-256. Newer ones on PATH win."""
    from bot.cli_jobs import fenced
    from provisioning import tools

    with fenced():
        found = tools.install(progress=lambda line: typer.echo(line, err=True))
        typer.echo(f"helm    {found.helm}\nkubectl {found.kubectl}")


@tools_app.command("path")
def tools_path() -> None:
    """Say which helm and kubectl are used."""
    from bot.cli_jobs import fenced
    from provisioning import tools
    from provisioning.configuration import Tools

    with fenced():
        found = tools.locate(Tools())
        typer.echo(f"helm    {found.helm}\nkubectl {found.kubectl}")


@config_app.command("check")
def config_check() -> None:
    """Check the settings in the environment and the policy file, and say what is wrong with each."""
    from bot.cli_jobs import fenced, read_settings
    from provisioning.policy_source import read_version

    with fenced():
        settings = read_settings()
        policy = read_version(settings.policy_file).policy
        typer.echo(f"settings are right; policy: {len(policy.rules)} rules")


@config_app.command("schema")
def config_schema() -> None:
    """Print the settings' JSON schema."""
    from bot.settings import Settings

    typer.echo(json.dumps(Settings.model_json_schema(), indent=1))


@config_app.command("policy")
def config_policy() -> None:
    """Print the default policy, to copy and change."""
    from policies.loader import default_text

    typer.echo(default_text(), nl=False)


@app.command()
def doctor(json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check everything that the bot needs, and say what to do next. Exit code 1 where something failed."""
    from bot.cli_jobs import read_settings
    from bot.cli_report import show
    from bot.doctor import looks
    from provisioning.checks.findings import Level, examine, report

    findings = examine(looks(read_settings()))
    show(report(findings), as_json=json_output)
    raise typer.Exit(1 if any(finding.level is Level.FAIL for finding in findings) else 0)


if __name__ == "__main__":
    main()
