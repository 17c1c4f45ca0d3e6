"""The bot's ServiceAccount may do what the bot does, and nothing else: shown by the API server's own audit log."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioning import tools
from provisioning.configuration import Tools
from sandbox.controlplane import build
from sandbox.scenario.model import load
from sandbox.scenario.runner import Happening, Runner
from sandbox.world import World

pytestmark = [pytest.mark.scenario, pytest.mark.cluster, pytest.mark.timeout(600)]

CHART = Path(__file__).parents[2] / "deploy" / "clearml-chatops"
NAMESPACE, ACCOUNT = "chatops", "clearml-chatops"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"

# What touches the cluster, each in another way. `platform …` needs cluster-admin and is off by default.
PLAYED = (
    "tenant_create",
    "tenant_resize",
    "tenant_drift",
    "tenant_suspend",
    "tenant_rotate",
    "tenant_upgrade",
    "tenant_delete",
    "rollback",
    "ports",
    "node_mig_status",
    "doctor",
)
# Held because the agent chart's Role grants it, and used by the agent alone.
FOR_THE_AGENT = {
    ("", resource, verb)
    for resource in ("pods", "pods/log", "secrets")
    for verb in ("get", "list", "watch", "create", "patch", "delete")
}

Right = tuple[str, str, str]
"""API group, resource with subresource, verb."""


class BotsWorld(World):
    """A world whose bot has nothing but its ServiceAccount's token."""

    def start_bot(self) -> None:
        if not (self.folder / "bot.kubeconfig").exists():
            self._make_account()
        super().start_bot()

    def kubectl(self, *words: str, stdin: str = "") -> str:
        """Run kubectl as the cluster's admin."""
        binary = tools.locate(Tools()).kubectl
        command = [str(binary), "--kubeconfig", str(self.kubeconfig), *words]
        ran = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def _make_account(self) -> None:
        self.kubectl("create", "namespace", NAMESPACE)
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(rendered()))
        token = self.kubectl("create", "token", ACCOUNT, "--namespace", NAMESPACE, "--duration", "1h").strip()
        assert self.kubeconfig is not None
        config = yaml.safe_load(self.kubeconfig.read_text())
        config["users"] = [{"name": "bot", "user": {"token": token}}]
        config["contexts"][0]["context"]["user"] = "bot"
        file = self.folder / "bot.kubeconfig"
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(config))


def rendered() -> list[dict[str, Any]]:
    """The ServiceAccount and its rights, as the chart renders them by default."""
    shown = [f"--show-only=templates/{name}.yaml" for name in ("serviceaccount", "rbac")]
    command = [str(tools.locate(Tools()).helm), "template", ACCOUNT, str(CHART), "--namespace", NAMESPACE, *shown]
    values = json.dumps({"existingSecret": "given"})
    ran = subprocess.run([*command, "--values=-"], input=values, capture_output=True, text=True, check=True, timeout=60)
    documents = [one for one in yaml.safe_load_all(ran.stdout) if one]
    for one in documents:
        if one["kind"] == "ServiceAccount":
            one["metadata"]["namespace"] = NAMESPACE
    return documents


def rights_of(rules: Iterable[Mapping[str, Any]]) -> set[Right]:
    return {right for rule in rules for right in product(rule["apiGroups"], rule["resources"], rule["verbs"])}


def granted() -> set[Right]:
    return {right for one in rendered() if one["kind"] == "ClusterRole" for right in rights_of(one["rules"])}


def asked_for(log: Path) -> tuple[set[Right], set[Right]]:
    """What the bot did, and what it was refused."""
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


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[set[Right], set[Right]]]:
    """Scenario → what the bot asked of the cluster, and was refused. Filled by the tests, in their order."""
    try:
        build.ensure()
    except build.ControlPlaneUnavailable as problem:
        pytest.skip(str(problem))
    tools.install()
    return {}


@pytest.mark.parametrize("name", PLAYED)
def test_a_scenario_passes_with_the_bots_rights_alone(
    name: str, tmp_path: Path, played: dict[str, tuple[set[Right], set[Right]]]
) -> None:
    """As it does with an admin's."""
    scenario = load(Path(__file__).parent / f"{name}.yaml")
    happenings: list[Happening] = []
    settings = {**scenario.settings, "CLUSTER__KUBECONFIG": "{world}/bot.kubeconfig"}
    world = BotsWorld(
        tmp_path / "world",
        cast=scenario.cast,
        progress=lambda _line: None,
        policy=scenario.policy,
        settings=settings,
        nodes=scenario.nodes,
        audited_user=USER,
    )
    try:
        world.start()
        outcome = Runner(world, scenario, happenings.append).play()
        used, refused = asked_for(world.folder / "control-plane" / "audit.jsonl")
        if name == PLAYED[0]:
            _dangerous_things_are_denied(world)
    finally:
        world.stop()
    played[name] = used, refused
    assert refused == set()
    assert outcome.ok, [f"{one.text}: {one.detail[-600:]}" for one in happenings if one.kind == "broken"]


DANGEROUS: tuple[tuple[str, ...], ...] = (
    ("*", "*"),
    ("escalate", "clusterroles.rbac.authorization.k8s.io"),
    ("bind", "clusterroles.rbac.authorization.k8s.io"),
    ("create", "clusterroles.rbac.authorization.k8s.io"),
    ("create", "clusterrolebindings.rbac.authorization.k8s.io"),
    ("escalate", "roles.rbac.authorization.k8s.io"),
    ("bind", "roles.rbac.authorization.k8s.io"),
    ("impersonate", "users"),
    ("impersonate", "serviceaccounts"),
    ("create", "serviceaccounts", "--subresource=token"),
    ("delete", "nodes"),
    ("patch", "nodes"),
    ("create", "nodes", "--subresource=proxy"),
    ("get", "nodes", "--subresource=proxy"),
    ("create", "pods", "--subresource=attach"),
    ("create", "pods", "--subresource=portforward"),
    ("create", "daemonsets.apps"),
    ("create", "customresourcedefinitions.apiextensions.k8s.io"),
    ("create", "mutatingwebhookconfigurations.admissionregistration.k8s.io"),
    ("create", "validatingwebhookconfigurations.admissionregistration.k8s.io"),
    ("approve", "certificatesigningrequests.certificates.k8s.io"),
    ("create", "persistentvolumes"),
    ("deletecollection", "namespaces"),
    ("deletecollection", "secrets"),
    ("update", "namespaces", "--subresource=finalize"),
    ("get", "/logs"),
    ("get", "/metrics"),
)


def _dangerous_things_are_denied(world: BotsWorld) -> None:
    """The API server itself is asked: may this account do that?"""
    binary = tools.locate(Tools()).kubectl
    asked = [str(binary), "--kubeconfig", str(world.folder / "bot.kubeconfig"), "auth", "can-i"]
    allowed = []
    for words in DANGEROUS:
        where = [] if words[1].startswith("/") else ["--all-namespaces"]
        said = subprocess.run([*asked, *words, *where], capture_output=True, text=True, timeout=30, check=False)
        if said.stdout.strip() != "no":
            allowed.append((words, said.stdout + said.stderr))
    assert allowed == []


def needed_for(used: set[Right]) -> set[Right]:
    """What the log says, and what the API server checks beside it without a line of its own.

    A server-side apply is logged as a patch: where it makes the object, it needs "create" too. An exec over a
    websocket is logged as a get and needs "create" too; older clients and servers ask for "create" alone. A watch that
    begins with what there is needs no "list": older clients list first.
    """
    applied = {(group, resource, "create") for group, resource, verb in used if verb == "patch"}
    executed = {(group, resource, "create") for group, resource, verb in used if resource == "pods/exec"}
    watched = {(group, resource, "list") for group, resource, verb in used if verb == "watch"}
    return used | applied | executed | watched


def test_nothing_is_granted_that_is_not_used(played: dict[str, tuple[set[Right], set[Right]]]) -> None:
    """What all scenarios used, and the grant, are the same; but for what the agent's Role hands on."""
    if set(played) != set(PLAYED):
        pytest.skip("not every scenario was played")
    used = set().union(*(used for used, _ in played.values()))
    everybodys = {right for right in used if right[0] == "authorization.k8s.io"}
    unused = sorted(granted() - needed_for(used) - FOR_THE_AGENT)
    assert not unused, f"take these out of rbac.yaml: {unused}"
    foreign = sorted(used - everybodys - granted())
    assert not foreign, f"these were allowed by something else: {foreign}"
