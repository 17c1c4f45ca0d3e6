"""The bot with its ServiceAccount's rights alone: what the chart grants, and what the API server saw it do."""

import functools
import json
import subprocess
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from provisioning import tools
from provisioning.configuration import Tools
from sandbox.scenario.model import Scenario
from sandbox.world import Progress, World

CHART = Path(__file__).parents[2] / "deploy" / "clearml-chatops"
NAMESPACE, ACCOUNT = "chatops", "clearml-chatops"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
PLATFORM = "platform"

Right = tuple[str, str, str]
"""API group, resource with subresource, verb."""
Options = frozenset[str]
"""What the chart grants on demand: names of ``rbac``'s values that are true."""

# Held because the agent chart's Role grants it, and used by the agent alone.
FOR_THE_AGENT: set[Right] = {
    ("", resource, verb)
    for resource in ("pods", "pods/log", "secrets")
    for verb in ("get", "list", "watch", "create", "patch", "delete")
}
# What Kubernetes lets everybody ask: may I?
EVERYBODYS_GROUPS = {"authorization.k8s.io", "authentication.k8s.io"}


def options_of(stem: str, scenario: Scenario) -> Options:
    """Return what an administrator must have opted into before the scenario can be played (docs/security.md)."""
    options = set()
    if stem.startswith("platform_"):
        options.add(PLATFORM)
    if stem.startswith("node_") and not stem.endswith("_status"):
        options.add("nodes")
    if any(name.startswith("ROUTER__CHART__") for name in scenario.settings):
        options.add("router")
    return frozenset(options)


@functools.cache
def rendered(options: Options = frozenset()) -> tuple[dict[str, Any], ...]:
    """Return the ServiceAccount and its rights, as the chart renders them with *options*."""
    shown = [f"--show-only=templates/{name}.yaml" for name in ("serviceaccount", "rbac")]
    command = [str(tools.locate(Tools()).helm), "template", ACCOUNT, str(CHART), "--namespace", NAMESPACE, *shown]
    values = json.dumps({"existingSecret": "given", "rbac": dict.fromkeys(options, True)})
    ran = subprocess.run([*command, "--values=-"], input=values, capture_output=True, text=True, check=True, timeout=60)
    documents = [one for one in yaml.safe_load_all(ran.stdout) if one]
    for one in documents:
        if one["kind"] == "ServiceAccount":
            one["metadata"]["namespace"] = NAMESPACE
    return tuple(documents)


def granted(options: Options = frozenset()) -> set[Right]:
    """Return what the chart's ClusterRoles grant with *options*."""
    roles = [one for one in rendered(options) if one["kind"] == "ClusterRole"]
    return {right for role in roles for right in _rights_of(role["rules"])}


def _rights_of(rules: Iterable[Mapping[str, Any]]) -> set[Right]:
    return {right for rule in rules for right in product(rule["apiGroups"], rule["resources"], rule["verbs"])}


def asked_for(log: Path) -> tuple[set[Right], set[Right]]:
    """Return what the bot did, and what it was refused, by the API server's audit log."""
    used: set[Right] = set()
    refused: set[Right] = set()
    for line in log.read_text().splitlines():
        event = json.loads(line)
        what = event.get("objectRef")
        if what is None or event["verb"] in {"", None}:
            continue  # discovery and the version, which everybody may read
        resource = "/".join(filter(None, [what["resource"], what.get("subresource")]))
        code = event.get("responseStatus", {}).get("code")
        is_refused = code == 403 and event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
        (refused if is_refused else used).add((what.get("apiGroup", ""), resource, event["verb"]))
    return used, refused


def needed_for(used: set[Right]) -> set[Right]:
    """Return what the log says, and what the API server checks beside it without a line of its own.

    A server-side apply is logged as a patch: where it makes the object, it needs "create" too. An exec over a
    websocket is logged as a get and needs "create" too; older clients and servers ask for "create" alone. A watch that
    begins with what there is needs no "list": older clients list first.
    """
    applied = {(group, resource, "create") for group, resource, verb in used if verb == "patch"}
    executed = {(group, resource, "create") for group, resource, verb in used if resource == "pods/exec"}
    watched = {(group, resource, "list") for group, resource, verb in used if verb == "watch"}
    return used | applied | executed | watched


class BotsWorld(World):
    """A world whose bot has nothing but its ServiceAccount's token, with the chart's *options*."""

    def __init__(self, folder: Path, scenario: Scenario, options: Options, progress: Progress) -> None:
        super().__init__(
            folder,
            cast=scenario.cast,
            progress=progress,
            policy=scenario.policy,
            settings={**scenario.settings, "CLUSTER__KUBECONFIG": "{world}/bot.kubeconfig"},
            nodes=scenario.nodes,
            audited_user=USER,
        )
        self._options = options

    @property
    def api_log(self) -> Path:
        """Return the API server's audit log: what the bot's account asked it for."""
        return self.folder / "control-plane" / "audit.jsonl"

    def start_bot(self) -> None:
        """Start the bot; the first time its account is made as the chart makes it. Raises: WorldError."""
        if not (self.folder / "bot.kubeconfig").exists():
            self._make_account()
        super().start_bot()

    def _make_account(self) -> None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        self._kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([namespace, *rendered(self._options)]))
        token = self._kubectl("create", "token", ACCOUNT, "--namespace", NAMESPACE, "--duration", "1h").strip()
        assert self.kubeconfig is not None
        config = yaml.safe_load(self.kubeconfig.read_text())
        config["users"] = [{"name": "bot", "user": {"token": token}}]
        config["contexts"][0]["context"]["user"] = "bot"
        file = self.folder / "bot.kubeconfig"
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(config))

    def _kubectl(self, *words: str, stdin: str = "") -> str:
        command = [str(tools.locate(Tools()).kubectl), "--kubeconfig", str(self.kubeconfig), *words]
        ran = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout
