"""`clearml-chatops`: the command line. Heavy parts are imported by the command that needs them."""

import json
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli_app import EXIT_CODES, App, Group, Late
from bot.cli_failures import CliError, Code, note
from bot.cli_print import AsJson, tell
from bot.oidc import token_file
from commands.catalog import FAMILIES

if TYPE_CHECKING:
    from provisioning.tools import ToolPaths


class _Root(Group):
    """The words of the first level. What is imported by few of them is imported when it is used."""

    late = {
        **{first: Late(f"{family.about}.", "bot.cli_catalog") for first, family in FAMILIES.items()},
        "approve": Late("Approve a job: counts as the vote of who you are by whoami.", "bot.cli_catalog"),
        "deny": Late("Deny a job, with a reason.", "bot.cli_catalog"),
        "audit": Late("The audit trail: verify, read, export and seal it.", "bot.cli_audit"),
        "policy": Late("The policy: who may do what, and whose approval it needs.", "bot.cli_policy"),
        "platform": Late("The platform: its spec, and what is done with it.", "bot.cli_platform"),
        "backup": Late("Copy the bot's state into a folder, beside a running bot.", "bot.cli_backup"),
        "restore": Late("Put a backup in place of the present state.", "bot.cli_backup"),
    }


app = App(
    name="clearml-chatops",
    cls=_Root,
    add_completion=True,
    pretty_exceptions_enable=False,
    help=f"Slack ChatOps for ClearML as a multi-tenant GPU service on Kubernetes.\n\n{EXIT_CODES}",
)
tools_app = App(help="helm and kubectl: download them once, pinned.")
config_app = App(help="Settings: what they are, whether they are right.")
app.add_typer(tools_app, name="tools")
app.add_typer(config_app, name="config")


def main() -> None:
    """Run the command line."""
    app()


def _version(shown: bool) -> None:
    if shown:
        from importlib.metadata import version

        typer.echo(f"clearml-chatops {version('clearml-chatops')}")
        raise typer.Exit


@app.callback()
def _root(
    _shown: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
    oidc_token_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A file with a token that says who you are; - reads standard input."),
    ] = None,
) -> None:
    """Slack ChatOps for ClearML as a multi-tenant GPU service on Kubernetes."""
    token_file.set(oidc_token_file)


@app.command()
def serve(
    json_output: Annotated[
        bool, typer.Option("--json", help="Log JSON, one object a line, as LOG_FORMAT=json.")
    ] = False,
) -> None:
    """Run the bot, until it is told to end (SIGTERM, Ctrl-C).

    Settings come from the environment: docs/configuration.md, or `config schema`. The log goes to standard error.
    """
    from bot import app as bot_app
    from bot.cli_settings import read_settings

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = read_settings()
    bot_app.serve(settings.model_copy(update={"log_format": "json"}) if json_output else settings, stop)


@app.command(
    examples=(
        "sandbox",
        "sandbox --scenario tests/scenario/tenant_create.yaml",
    )
)
def sandbox(
    scenario: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Play this scenario and exit. May be repeated.")
    ] = None,
    json_output: AsJson = False,
    kube_context: Annotated[
        str | None,
        typer.Option(
            metavar="CONTEXT", help="Use this cluster of yours instead of a control plane of the sandbox's own."
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="Port of the page; 0 takes a free one.")
    ] = 8765,
    keep: Annotated[bool, typer.Option(help="Keep logs and databases, and say where.")] = False,
) -> None:
    """Try everything on this machine, without Slack or a cluster.

    A Slack-like page, ClearML, a real Kubernetes control plane, and the bot, on 127.0.0.1.

    With --scenario it runs headless and prints a transcript (docs/scenarios.md). Exit codes: 0 every
    expectation held, 1 one did not, 2 not a scenario, 3 the sandbox could not start.
    """
    try:
        from sandbox import cli as sandbox_cli
    except ModuleNotFoundError as missing:
        what = f"the sandbox needs {missing.name}"
        raise CliError(Code.NOT_SET_UP, what, "pip install 'clearml-chatops[sandbox]'") from missing
    code = sandbox_cli.run(
        scenario=list(scenario or []),
        json_output=json_output,
        kube_context=kube_context,
        port=0 if scenario else port,
        keep=keep,
    )
    raise typer.Exit(code)


@tools_app.command("install")
def tools_install(json_output: AsJson = False) -> None:
    """Download helm and kubectl into the cache.

    Pinned, and checked by their SHA-256. Newer ones on PATH win.
    """
    from provisioning import tools

    _tell_tools(tools.install(progress=note), as_json=json_output)


@tools_app.command("path")
def tools_path(json_output: AsJson = False) -> None:
    """Say which helm and kubectl are used."""
    from provisioning import tools
    from provisioning.configuration import Tools

    _tell_tools(tools.locate(Tools()), as_json=json_output)


def _tell_tools(found: "ToolPaths", *, as_json: bool) -> None:
    paths = {"helm": str(found.helm), "kubectl": str(found.kubectl)}
    tell(paths, f"helm    {found.helm}\nkubectl {found.kubectl}", as_json=as_json)


@config_app.command("check")
def config_check(json_output: AsJson = False) -> None:
    """Say what is wrong with the settings and the policy file.

    Neither Slack nor ClearML nor a cluster is asked: `doctor` does that. Exit codes: 0 they are right, 1 the policy
    is not, 3 a setting is missing or wrong.
    """
    from bot.cli_settings import read_settings
    from provisioning.errors import ChatopsError
    from provisioning.policy_source import read_version

    try:
        rules = len(read_version(read_settings().policy_file).policy.rules)
    except (CliError, ChatopsError) as error:
        if json_output:
            tell({"ok": False, "problems": error.what.splitlines()}, "", as_json=True)
        raise
    tell(
        {"ok": True, "problems": [], "rules": rules}, f"settings are right; policy: {rules} rules", as_json=json_output
    )


@config_app.command("schema")
def config_schema(json_output: AsJson = False) -> None:
    """Print the settings' JSON schema."""
    from bot.settings import Settings

    found = Settings.model_json_schema()
    tell(found, json.dumps(found, indent=1), as_json=json_output)


@config_app.command("policy", examples=("config policy > policy.yaml",))
def config_policy(json_output: AsJson = False) -> None:
    """Print the default policy, to copy and change.

    With --json without its comments: YAML takes JSON, so that it is a policy file, too.
    """
    from policies.loader import default_text, load

    text = default_text()
    policy = load(text).model_dump(mode="json", by_alias=True, exclude_unset=True) if json_output else {}
    tell(policy, text.removesuffix("\n"), as_json=json_output)


@app.command()
def doctor(json_output: AsJson = False) -> None:
    """Check everything that the bot needs, and say what to do next.

    Exit codes: 0 nothing failed, 1 something did, 3 a setting is missing or wrong.
    """
    from bot.cli_report import show
    from bot.cli_settings import read_settings
    from bot.doctor import looks
    from provisioning.checks.findings import Level, examine, report

    findings = examine(looks(read_settings()))
    show(report(findings), as_json=json_output)
    raise typer.Exit(1 if any(finding.level is Level.FAIL for finding in findings) else 0)


if __name__ == "__main__":
    main()
