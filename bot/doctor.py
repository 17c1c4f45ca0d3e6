"""What `doctor` looks at: composed from the settings alone, so that it also tells why the bot cannot start."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.oidc import looks as issuers
from bot.settings import PREFIX, Settings, Slack, unknown_names
from bot.slack.client import web_client
from commands.arguments import OFF_SLACK
from provisioning import tools
from provisioning.checks import cluster as cluster_checks
from provisioning.checks import own_state
from provisioning.checks.clocks import skew
from provisioning.checks.findings import Finding, Look, fail, ok, warn
from provisioning.clients.clearml import ClearML
from provisioning.clients.cluster import ClusterClient
from provisioning.clients.cluster_review import ClusterReview
from provisioning.clients.helm import Helm
from provisioning.clients.kubectl import Kubectl
from provisioning.clients.nvidia_smi import NvidiaSmi
from provisioning.clients.process import ChildProcesses
from provisioning.configuration import Chart
from provisioning.errors import PermanentError
from provisioning.facts.platform import read_spec
from provisioning.policy_source import read_version
from provisioning.queries.node_mig_status import NodeMigStatusQuery

SCOPES = (  # as in manifest.yml
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:read",
    "usergroups:read",
    "users:read",
)


MOST_HOLDERS = 20  # Slack is asked for each
_UNKNOWN = frozenset({"no_such_subteam", "subteam_not_found", "user_not_found", "invalid_arguments", "users_not_found"})


def looks(settings: Settings) -> list[Look]:
    """Return everything to look at. Nothing is asked yet."""
    cluster, review = ClusterClient(settings.cluster), ClusterReview(settings.cluster)
    kubectl = _kubectl(settings)
    smi = NvidiaSmi(cluster, kubectl, namespace=settings.nodes.operator_namespace)
    clearml = settings.clearml
    hosts = {"the API": clearml.api_url, "the web app": clearml.web_url, "the files server": clearml.files_url}
    slack, router = settings.slack, settings.router
    return [
        Look(what="settings", run=lambda: _settings(settings)),
        Look(what="policy", run=lambda: [_policy(settings)]),
        Look(what="helm", run=lambda: [_helm(settings)]),
        *([Look(what="platform spec", run=lambda: [_spec(settings)])] if settings.platform.file is not None else []),
        Look(what="kubectl", run=lambda: [ok("kubectl", f"{kubectl.version()} at {kubectl.path}")]),
        *([Look(what="Slack", run=lambda: _slack(slack))] if slack is not None else []),
        *([Look(what="roles", run=lambda: _roles(slack, settings))] if slack is not None else []),
        *issuers.looks(settings),
        Look(what="ClearML", run=lambda: _clearml(settings)),
        Look(what="agent's chart", run=lambda: [_chart("agent's", settings.agent.chart, settings)]),
        *([Look(what="router's chart", run=lambda: [_chart("router's", router.chart, settings)])] if router else []),
        *cluster_checks.looks(
            review,
            cluster,
            smi,
            NodeMigStatusQuery(cluster, smi),
            operator_namespace=settings.nodes.operator_namespace,
            kubectl_version=kubectl.version,
            with_platform=settings.platform.file is not None,
        ),
        *own_state.looks(settings.data_dir.expanduser(), hosts),
    ]


def _settings(settings: Settings) -> list[Finding]:
    found = [
        warn("settings", f"{name} sets nothing", "correct its spelling, or take it out of the environment")
        for name in unknown_names(os.environ)
    ]
    if not any(settings.roles.values()):
        found.append(warn("settings", "nobody has a role", f"set {PREFIX}ROLES: role → Slack user ids"))
    if not settings.slack:
        found.append(warn("settings", "no Slack workspace is set", f"set {PREFIX}SLACK__BOT_TOKEN, if it should serve"))
    return found or [ok("settings", "all names are known")]


def _policy(settings: Settings) -> Finding:
    version = read_version(settings.policy_file)
    where = settings.policy_file.name if settings.policy_file else "the one that ships"
    return ok("policy", f"{len(version.policy.rules)} rules of {where}, {version.digest[:12]}")


def _helm(settings: Settings) -> Finding:
    path = tools.locate_helm(settings.tools)
    helm = _helm_at(path, settings)
    version, pinned = helm.version(), _pinned(settings)
    if pinned:
        try:
            helm.check_digests()
        except PermanentError as error:
            return fail("helm", f"{error.what}: so is the chart of {', '.join(pinned)}", error.next_action)
    return ok("helm", f"{version} at {path}")


def _helm_at(path: Path, settings: Settings) -> Helm:
    return Helm(
        path,
        ChildProcesses(_children_folder(settings)),
        kubeconfig=settings.cluster.kubeconfig,
        context=settings.cluster.context,
        home=settings.data_dir.expanduser() / "helm",
    )


def _chart(whose: str, chart: Chart, settings: Settings) -> Finding:
    """Fetch the chart as a plan would: that it cannot be had is otherwise found out at the first tenant."""
    shown = _helm_at(tools.locate_helm(settings.tools), settings).show_chart(chart)
    return ok(f"{whose} chart", f"{shown.get('name')} {shown.get('version')}")


def _pinned(settings: Settings) -> list[str]:
    """Return whose chart is pinned by its digest."""
    charts = {"agent": settings.agent.chart, "router": settings.router.chart if settings.router else None}
    found = [name for name, chart in charts.items() if chart is not None and "@" in chart.reference]
    if settings.platform.file is not None:
        with contextlib.suppress(PermanentError):  # a look of its own says so
            spec = read_spec(settings.platform.file)
            found += [one.value for one in spec.releases() if spec.part(one).chart.digest is not None]
    return found


def _spec(settings: Settings) -> Finding:
    """Say what the platform spec holds. Raises: PermanentError where it cannot be read."""
    components = ", ".join(read_spec(settings.platform.file).components())
    return ok("platform spec", components) if components else warn("platform spec", "it has no component", "add one")


def _children_folder(settings: Settings) -> Path:
    return settings.data_dir.expanduser() / "children"


def _kubectl(settings: Settings) -> Kubectl:
    """Return kubectl, found when it is first asked: that it is not there is a finding, and hides no other."""
    return Kubectl(
        partial(tools.locate_kubectl, settings.tools),
        ChildProcesses(_children_folder(settings)),  # which is made when something runs: it may not be possible
        kubeconfig=settings.cluster.kubeconfig,
        context=settings.cluster.context,
    )


def _slack(slack: Slack) -> list[Finding]:
    client = web_client(slack, waits=False)
    try:
        answer = client.auth_test()
    except SlackApiError as error:
        said = str(error.response.get("error"))
        return [fail("Slack", f"it says {said}", f"check {PREFIX}SLACK__BOT_TOKEN: the app's OAuth page has it")]
    except OSError as error:
        what, action = f"it does not answer ({type(error).__name__})", f"check {PREFIX}SLACK__BASE_URL and the way out"
        return [fail("Slack", what, action)]
    headers = {name.lower(): value for name, value in answer.headers.items()}
    found = [ok("Slack", f"workspace {answer['team']}, as {answer['user']}"), _scopes(headers.get("x-oauth-scopes"))]
    if slack.app_token is not None:
        found.append(_app_token(slack.app_token.get_secret_value(), client))
    return [*found, skew("clock of Slack", _date(headers.get("date")), datetime.now(UTC))]


def _roles(slack: Slack, settings: Settings) -> list[Finding]:
    return known_to_slack(web_client(slack, waits=False), settings.roles)


def known_to_slack(client: WebClient, roles: Mapping[str, frozenset[str]]) -> list[Finding]:
    """Return which ids of *roles* Slack does not know: whoever is meant by them has no role."""
    holders = sorted({(one, role) for role, ids in roles.items() for one in ids if not one.startswith(OFF_SLACK)})
    found: list[Finding] = []
    for one, role in holders[:MOST_HOLDERS]:
        try:
            if one.startswith("S"):
                client.usergroups_users_list(usergroup=one)
            else:
                client.users_info(user=one)
        except SlackApiError as error:
            if str(error.response.get("error")) in _UNKNOWN:
                kind = "user group" if one.startswith("S") else "user"
                what = f"Slack knows no {kind} {one}, which should be {role}"
                found.append(fail("roles", what, f"correct {PREFIX}ROLES: “Copy ID” stands in Slack's … menus"))
    more = f", and {len(holders) - MOST_HOLDERS} more that were not asked for" if len(holders) > MOST_HOLDERS else ""
    return found or [ok("roles", f"ids that Slack knows: {min(len(holders), MOST_HOLDERS)}{more}")]


def _app_token(token: str, client: WebClient) -> Finding:
    """Ask for an address to connect to, which nobody then connects to: Slack checks token and scope before it tells."""
    what, action = "Slack's app token", f"put an xapp-… token with connections:write into {PREFIX}SLACK__APP_TOKEN"
    if not token.startswith("xapp-"):
        return fail(what, "is none", action)
    try:
        client.apps_connections_open(app_token=token)
    except SlackApiError as error:
        if (said := str(error.response.get("error"))) == "ratelimited":
            return ok(what, "Slack has been asked too often to say")
        return fail(what, f"Slack says {said}", action)
    return ok(what, "it opens connections")


def _scopes(granted: str | None) -> Finding:
    if granted is None:
        return warn("Slack's scopes", "Slack did not say which are granted", "compare the app's with manifest.yml")
    held = {scope.strip() for scope in granted.split(",")}
    if missing := [scope for scope in SCOPES if scope not in held]:
        return fail("Slack's scopes", f"not granted: {', '.join(missing)}", "install the app again from manifest.yml")
    return ok("Slack's scopes", ", ".join(SCOPES))


def _date(header: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(header or "")
    except ValueError:
        return None


def _clearml(settings: Settings) -> Sequence[Finding]:
    client = ClearML(settings.clearml)
    try:
        info = client.server_info()
        found = [
            ok("ClearML", f"server {info.version}, API {info.api_version}"),
            skew("clock of ClearML", client.time()),
        ]
        try:
            companies = client.companies()
        except PermanentError as error:
            return [*found, fail("ClearML's rights", error.what, error.next_action)]
        return [*found, ok("ClearML's rights", f"companies that it sees: {len(companies)}")]
    finally:
        client.close()
