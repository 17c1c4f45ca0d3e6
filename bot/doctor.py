"""Preflight: is everything there that the bot needs? Each finding with what to do next."""

from collections.abc import Callable
from dataclasses import dataclass

from slack_sdk.errors import SlackApiError

from bot.settings import Settings
from bot.slack.client import web_client
from provisioning import tools
from provisioning.clients.clearml import ClearML
from provisioning.clients.cluster import ClusterClient
from provisioning.errors import ChatopsError
from provisioning.policy_source import read_version


@dataclass(frozen=True)
class Finding:
    what: str
    ok: bool
    detail: str
    next_action: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at everything; one thing that fails does not keep the others from being looked at."""
    clearml = ClearML(settings.clearml)
    looks: list[tuple[str, Callable[[], str]]] = [
        ("helm", lambda: str(tools.locate(settings.tools).helm)),
        ("kubectl", lambda: str(tools.locate(settings.tools).kubectl)),
        ("cluster", lambda: f"Kubernetes {ClusterClient(settings.cluster).ping()}"),
        ("ClearML", lambda: f"server {clearml.server_info().version}"),
        ("ClearML rights", lambda: f"{len(clearml.companies())} companies"),
    ]
    looks.append(("policy", lambda: _policy(settings)))
    slack = settings.slack
    if slack is not None:
        looks.append(("Slack", lambda: f"workspace {web_client(slack).auth_test()['team']}"))
    findings = [_look(what, look) for what, look in looks]
    clearml.close()
    return findings


def _policy(settings: Settings) -> str:
    version = read_version(settings.policy_file)
    return f"{len(version.policy.rules)} rules, {version.digest[:12]}"


def _look(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except ChatopsError as error:
        return Finding(what, False, error.what, error.next_action)
    except SlackApiError as error:
        said = str(error.response.get("error"))
        return Finding(what, False, f"Slack says {said}", "check CLEARML_CHATOPS_SLACK__BOT_TOKEN and its scopes")
    except OSError as error:
        return Finding(what, False, f"no answer ({type(error).__name__})", "check CLEARML_CHATOPS_SLACK__BASE_URL")
