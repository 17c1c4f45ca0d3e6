"""Strict stand-ins for the clients, in memory: they refuse what the real ones refuse, and count what they do."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import httpx
import yaml
from pydantic import SecretStr

from commands.arguments import OFF_SLACK
from policies.approvals import Actor
from provisioning.clients.chart_files import MadeAnew
from provisioning.clients.clearml import ClearML
from provisioning.clients.cluster_objects import (
    Deployment,
    GpuUsage,
    HostPorts,
    IngressHosts,
    NamespaceFacts,
    Node,
    Pod,
    PolicyName,
    ServicePorts,
)
from provisioning.clients.cluster_ports import kept_of
from provisioning.clients.helm import Release
from provisioning.clients.helm_renderings import Rendering, fingerprints
from provisioning.clients.helm_storage import StoredRelease
from provisioning.clients.kubectl_diff import ObjectChange
from provisioning.clients.process import Completed
from provisioning.configuration import Chart, ClearMLServer
from provisioning.errors import PermanentError, TemporaryError
from provisioning.known_users import KnownUsers, Records
from provisioning.manifests import named_objects
from sandbox.clearml.api import create_app
from sandbox.clearml.state import ClearMLState

CHART_VALUES: dict[str, Any] = {
    "imageCredentials": {"password": ""},
    "clearml": {"agentk8sglueKey": "", "agentk8sglueSecret": ""},
    "agentk8sglue": {
        "image": {"repository": "agent", "tag": ""},
        "extraEnvs": [],
        "monitoredResources": {
            "maxResources": 0,
            "minResourcesFieldName": "",
            "maxResourcesFieldName": "",
        },
        "apiServerUrlReference": "",
        "fileServerUrlReference": "",
        "webServerUrlReference": "",
        "defaultContainerImage": "",
        "debugMode": False,
        "createQueues": False,
        "queues": {},
        "sessions": {
            "portModeEnabled": False,
            "agentID": "",
            "externalIP": "0.0.0.0",
            "startingPort": 30000,
            "maxServices": 10,
        },
    },
}


def mig_node(
    name: str = "gpu-1",
    *,
    product: str = "NVIDIA-H100-80GB-HBM3",
    memory_mib: int = 81559,
    gpus: int = 4,
    profiles: Sequence[str] = ("7g.80gb", "3g.40gb", "2g.20gb"),
) -> Node:
    return Node(
        name=name,
        labels={
            "cdmo.clear.ml/gpu-partitioning": "mig",
            "nvidia.com/gpu.product": product,
            "nvidia.com/gpu.memory": str(memory_mib),
            "nvidia.com/gpu.count": str(gpus),
        },
        allocatable={f"nvidia.com/mig-{profile}": "1" for profile in profiles} | {"cpu": "64"},
        unschedulable=False,
    )


@dataclass
class FakeCluster:
    """A cluster with one MIG node and the platform's namespaces."""

    namespaces: dict[str, dict[str, str]] = field(
        default_factory=lambda: {"redis-shared": {}, "clearml": {}, "kube-system": {}}
    )
    terminating: set[str] = field(default_factory=set)
    secrets: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    all_nodes: list[Node] = field(default_factory=lambda: [mig_node()])
    all_services: list[ServicePorts] = field(default_factory=list)
    all_pods: list[Pod] = field(default_factory=list)
    usage: GpuUsage = field(default_factory=lambda: GpuUsage(held={}, waiting=(), waits=0))
    all_host_ports: list[HostPorts] = field(default_factory=list)
    api_range: tuple[int, int] | None = None
    unreadable: list[StoredRelease] = field(default_factory=list)  # releases that no one can unpack
    policies: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    all_ingresses: list[IngressHosts] = field(default_factory=list)
    releases: dict[tuple[str, str], "FakeRelease"] = field(default_factory=dict)
    scaled_before: dict[tuple[str, str], int] = field(default_factory=dict)  # what a suspended one had
    scaled: dict[tuple[str, str], int] = field(default_factory=dict)  # (namespace, Deployment) → pods
    writes: list[str] = field(default_factory=list)
    fail_next_write: Exception | None = None
    answer_exec: Callable[[list[str]], Completed] = lambda _argv: Completed(0, "done\n", "")

    def write(self, what: str) -> None:
        if self.fail_next_write is not None:
            problem, self.fail_next_write = self.fail_next_write, None
            raise problem
        self.writes.append(what)

    def need(self, namespace: str) -> None:
        if namespace not in self.namespaces:
            raise PermanentError(f"namespace {namespace} not found")

    def namespace(self, name: str) -> NamespaceFacts | None:
        if name not in self.namespaces:
            return None
        phase = "Terminating" if name in self.terminating else "Active"
        return NamespaceFacts(name=name, phase=phase, labels=dict(self.namespaces[name]), annotations={})

    def all_namespaces(self) -> tuple[NamespaceFacts, ...]:
        return tuple(found for name in sorted(self.namespaces) if (found := self.namespace(name)) is not None)

    def ensure_namespace(
        self, name: str, labels: Mapping[str, str], *, at_birth: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        if name in self.terminating:
            raise TemporaryError(f"namespace {name} is being deleted")
        self.write(f"namespace {name}")
        self.namespaces.setdefault(name, dict(at_birth)).update(labels)

    def delete_namespace(self, name: str, timeout_s: float = 120) -> None:
        self.write(f"delete namespace {name}")
        self.namespaces.pop(name, None)
        for objects in (self.secrets, self.policies, self.releases, self.scaled, self.scaled_before):
            for key in [key for key in objects if key[0] == name]:
                del objects[key]

    def scale_deployment(self, namespace: str, name: str, replicas: int, *, remember: int | None) -> None:
        assert (namespace, name) in self.releases, "no such Deployment"
        self.write(f"scale {namespace}/{name} to {replicas}")
        self.scaled[namespace, name] = replicas
        self.scaled_before.pop((namespace, name), None)
        if remember is not None:
            self.scaled_before[namespace, name] = remember

    def secret(self, namespace: str, name: str) -> dict[str, SecretStr] | None:
        data = self.secrets.get((namespace, name))
        return None if data is None else {key: SecretStr(value) for key, value in data.items()}

    def put_secret(self, namespace: str, name: str, data: Mapping[str, str], labels: Mapping[str, str]) -> None:
        self.need(namespace)
        self.write(f"secret {namespace}/{name}")
        self.secrets[namespace, name] = dict(data)

    def delete_secret(self, namespace: str, name: str) -> None:
        self.write(f"delete secret {namespace}/{name}")
        self.secrets.pop((namespace, name), None)

    def nodes(self) -> tuple[Node, ...]:
        return tuple(self.all_nodes)

    def gpu_nodes(self) -> tuple[Node, ...]:
        return tuple(self.all_nodes)

    def gpu_usage(self) -> GpuUsage:
        return self.usage

    def services(self) -> tuple[ServicePorts, ...]:
        return tuple(self.all_services)

    def host_ports(self) -> tuple[HostPorts, ...]:
        return tuple(self.all_host_ports)

    def stored_releases(self) -> tuple[StoredRelease, ...]:
        """As slim as the client's: without secrets."""
        stored = (
            StoredRelease(
                namespace=namespace,
                name=name,
                revision=one.release.revision,
                status=one.release.status,
                chart=one.release.chart,
                values=kept_of(one.values),
                defaults={},
            )
            for (namespace, name), one in self.releases.items()
        )
        return (*stored, *self.unreadable)

    def node_port_range(self) -> tuple[int, int] | None:
        return self.api_range

    def pods(self, namespace: str | None = None) -> tuple[Pod, ...]:
        return tuple(pod for pod in self.all_pods if namespace in {None, pod.namespace})

    def deployments(self) -> tuple[Deployment, ...]:
        """One for each release, as the agent's chart has it; ``scaled`` says which are not at one pod."""
        return tuple(
            Deployment(
                namespace=namespace,
                name=name,
                release=name,
                replicas=self.scaled.get((namespace, name), 1),
                ready=self.scaled.get((namespace, name), 1),
                replicas_before=self.scaled_before.get((namespace, name)),
            )
            for namespace, name in self.releases
        )

    def ingresses(self) -> tuple[IngressHosts, ...]:
        return tuple(self.all_ingresses)

    def network_policies(self, namespace: str | None = None) -> tuple[PolicyName, ...]:
        return tuple(
            PolicyName(namespace=where, name=name) for where, name in self.policies if namespace in {None, where}
        )


class FakeKubectl:
    """Applies NetworkPolicies to a FakeCluster, and compares as ``Kubectl.changes`` does."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster

    def apply(self, manifests: Sequence[Mapping[str, Any]], *, namespace: str | None = None) -> None:
        for key, manifest in self._keyed(manifests, namespace):
            self._cluster.need(key[0])
            self._cluster.write(f"policy {'/'.join(key)}")
            self._cluster.policies[key] = json.loads(json.dumps(manifest))

    def changes(
        self, manifests: Sequence[Mapping[str, Any]], *, namespace: str | None = None
    ) -> tuple[ObjectChange, ...]:
        changes = []
        for key, manifest in self._keyed(manifests, namespace):
            self._cluster.need(key[0])
            found = self._cluster.policies.get(key)
            if found != manifest:
                changes.append(ObjectChange(name=key[1], found=found, shall=manifest))
        return tuple(sorted(changes, key=lambda change: change.name))

    def delete(
        self, manifests: Sequence[Mapping[str, Any]], *, namespace: str | None = None, timeout_s: float = 120
    ) -> None:
        for key, _ in self._keyed(manifests, namespace):
            self._cluster.write(f"delete policy {'/'.join(key)}")
            self._cluster.policies.pop(key, None)

    def exec(
        self,
        namespace: str,
        pod: str,
        container: str | None,
        argv: Sequence[str],
        *,
        timeout_s: float = 60,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Completed:
        if not any((one.namespace, one.name) == (namespace, pod) for one in self._cluster.all_pods):
            raise PermanentError(f'running {argv[0]} in {namespace}/{pod}: pods "{pod}" not found')
        self._cluster.write(f"exec {namespace}/{pod}: {' '.join(argv)}")
        return self._cluster.answer_exec(list(argv))

    @staticmethod
    def _keyed(
        manifests: Sequence[Mapping[str, Any]], namespace: str | None
    ) -> list[tuple[tuple[str, str], Mapping[str, Any]]]:
        keyed = []
        for manifest in manifests:
            assert manifest["kind"] == "NetworkPolicy"
            within = manifest["metadata"].get("namespace", namespace)
            assert within == namespace, "kubectl refuses another namespace than the flag's"
            keyed.append(((within, manifest["metadata"]["name"]), manifest))
        return keyed


@dataclass
class FakeRelease:
    release: Release
    values: dict[str, Any]


# The routers' charts by their names, which are also what tests call them by in settings.
ROUTER_CHARTS: Mapping[str, Mapping[str, Any]] = {
    "clearml-task-traffic-router": {
        "imageCredentials": {"password": ""},
        "clearml": {"apiServerUrlReference": "", "apiserverKey": "", "apiserverSecret": "", "jwksKey": ""},
        "ingress": {"enabled": False, "hostName": ""},
    },
    "clearml-enterprise-app-gateway": {
        "imageCredentials": {"password": ""},
        "clearml": {"apiServerUrlReference": "", "apiKey": "", "apiSecret": "", "authCookieName": ""},
        "ingress": {"enabled": False, "hostName": ""},
    },
}


class FakeHelm:
    """Releases in a FakeCluster; values as the real helm stores them: plain JSON."""

    def __init__(self, cluster: FakeCluster, *, chart_values: Mapping[str, Any] = CHART_VALUES) -> None:
        self._cluster = cluster
        self.chart_values = chart_values
        self.chart_version = "1.0.0"  # of the chart where its reference names no version
        self.templates: dict[str, dict[str, Any]] = {}  # version → what its Deployment has in its spec
        self.installs: list[dict[str, Any]] = []
        self.renderings: list[str] = []  # the values of each, as JSON
        self.fail_rendering: Exception | None = None
        self.history: dict[tuple[str, str], list[tuple[Release, dict[str, Any]]]] = {}
        self.recovered: list[str] = []
        self.fail_next_install: Exception | None = None

    def show_chart(self, chart: Chart) -> dict[str, Any]:
        return {"name": _name_of(chart), "version": self._version(chart)}

    def chart_sha256(self, chart: Chart) -> str:
        said = json.dumps([chart.reference, self._version(chart), self.templates.get(self._version(chart))])
        return hashlib.sha256(said.encode()).hexdigest()

    def is_made_anew(self, chart: Chart) -> MadeAnew:
        return MadeAnew(makes=False, tells_the_time=False)

    def rendering(self, namespace: str, name: str, chart: Chart, values: Mapping[str, Any]) -> Rendering:
        if self.fail_rendering is not None:
            raise self.fail_rendering
        given = json.dumps(values)  # no SecretStr comes here
        assert "$secret" not in given, "a reference reached helm"
        self.renderings.append(given)
        return Rendering(objects=fingerprints(named_objects(self._rendered(name, self._version(chart), dict(values)))))

    def _version(self, chart: Chart) -> str:
        has_many = chart.version is not None and "{version}" in chart.reference
        return str(chart.version) if has_many else self.chart_version

    def manifest(self, namespace: str, name: str) -> str:
        found = self._cluster.releases[namespace, name]
        return self._rendered(name, found.release.chart_version, found.values)

    def render_upgrade(self, namespace: str, name: str, chart: Chart, values: Mapping[str, Any]) -> str:
        assert (namespace, name) in self._cluster.releases
        return self._rendered(name, self._version(chart), _plain(values))

    def _rendered(self, name: str, version: str, values: Mapping[str, Any]) -> str:
        label = {"helm.sh/chart": f"clearml-enterprise-agent-{version}"}
        spec = self.templates.get(version, {})
        return yaml.safe_dump_all(
            [
                {"kind": "Deployment", "metadata": {"name": name, "labels": label}, "spec": {"replicas": 1, **spec}},
                {"kind": "Secret", "metadata": {"name": name}, "stringData": {"values": json.dumps(values)}},
            ]
        )

    def show_values(self, chart: Chart) -> dict[str, Any]:
        return dict(ROUTER_CHARTS.get(chart.reference, self.chart_values))

    def release(self, namespace: str, name: str) -> Release | None:
        found = self._cluster.releases.get((namespace, name))
        return None if found is None else found.release

    def releases(self, namespace: str | None = None) -> tuple[Release, ...]:
        return tuple(one.release for key, one in self._cluster.releases.items() if namespace in {None, key[0]})

    def values(self, namespace: str, name: str) -> dict[str, Any]:
        return self._cluster.releases[namespace, name].values

    def upgrade_install(
        self,
        namespace: str,
        name: str,
        chart: Chart,
        values: Mapping[str, Any],
        *,
        timeout_s: float,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Release:
        self._cluster.need(namespace)
        before = self._cluster.releases.get((namespace, name))
        if before is not None and before.release.is_pending:
            raise TemporaryError("another operation (install/upgrade/rollback) is in progress")
        if self.fail_next_install is not None:
            problem, self.fail_next_install = self.fail_next_install, None
            raise problem
        self._cluster.write(f"release {namespace}/{name}")
        release = Release(
            name=name,
            namespace=namespace,
            revision=before.release.revision + 1 if before else 1,
            status="deployed",
            chart=_name_of(chart),
            chart_version=self._version(chart),
            app_version="1.24",
        )
        plain = _plain(values)
        self.installs.append(plain)
        self.history.setdefault((namespace, name), []).append((release, plain))
        self._cluster.releases[namespace, name] = FakeRelease(release, plain)
        return release

    def uninstall(
        self, namespace: str, name: str, *, timeout_s: float, cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        self._cluster.write(f"uninstall {namespace}/{name}")
        for objects in (self._cluster.releases, self._cluster.scaled, self._cluster.scaled_before, self.history):
            objects.pop((namespace, name), None)

    def roll_back(self, namespace: str, name: str, revision: int, *, timeout_s: float) -> None:
        found = self._cluster.releases[namespace, name]
        assert revision < found.release.revision
        self._cluster.write(f"roll back {namespace}/{name} to {revision}")
        newest = found.release.revision
        for release, values in self.history.get((namespace, name), ()):
            if release.revision == revision:
                found = FakeRelease(release, values)
        found.release = replace(found.release, revision=newest + 1, status="deployed")
        self._cluster.releases[namespace, name] = found

    def recover(self, namespace: str, name: str, *, timeout_s: float = 120) -> str | None:
        found = self._cluster.releases.get((namespace, name))
        if found is None or not found.release.is_pending:
            return None
        del self._cluster.releases[namespace, name]
        self.recovered.append(f"{namespace}/{name}")
        return f"{namespace}/{name} was left {found.release.status}: removed it"


def _name_of(chart: Chart) -> str:
    return chart.reference if chart.reference in ROUTER_CHARTS else "clearml-enterprise-agent"


def _plain(value: Any) -> Any:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case dict():
            assert "$secret" not in value, "a reference reached helm"
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def clearml_at(state: ClearMLState, *, records: Records | None = None) -> ClearML:
    """Return the real client, wired to the stand-in server without a network."""
    app = create_app(state)

    def answer(request: httpx.Request) -> httpx.Response:
        sent: list[dict[str, Any]] = []
        scope = {
            "type": "http",
            "method": request.method,
            "path": request.url.path,
            "query_string": b"",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": request.content, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        asyncio.run(app(scope, receive, send))
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return httpx.Response(sent[0]["status"], content=body)

    server = ClearMLServer(
        api_url="https://api.platform.example",
        web_url="https://app.platform.example",
        files_url="https://files.platform.example",
        access_key=state.system_key,
        secret_key=SecretStr(state.system_secret),
    )
    known = KnownUsers(records) if records is not None else lambda _company_id: ()
    return ClearML(server, known_users=known, transport=httpx.MockTransport(answer))


@dataclass
class FakePeople:
    """People with the roles that they are given. Whoever is not listed is nobody."""

    roles: dict[str, frozenset[str]] = field(default_factory=dict)  # role → ids

    def actor(self, actor_id: str) -> Actor:
        held = frozenset(role for role, ids in self.roles.items() if actor_id in ids)
        return Actor(id=actor_id, name=actor_id.lower(), roles=held)

    def holders(self) -> Mapping[str, frozenset[str]]:
        return self.roles

    def people_with(self, roles: frozenset[str]) -> frozenset[str]:
        held = (ids for role, ids in self.roles.items() if role in roles)
        return frozenset(one for ids in held for one in ids if not one.startswith(OFF_SLACK))
