"""What steps and facts need of the cluster, helm and kubectl: the clients have it, and so have tests' stand-ins.

What each method promises stands at the client's own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pydantic import SecretStr

from provisioning.clients.chart_files import MadeAnew
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
from provisioning.clients.helm_releases import Release
from provisioning.clients.helm_renderings import Rendering
from provisioning.clients.helm_storage import StoredRelease
from provisioning.clients.kubectl_diff import ObjectChange
from provisioning.clients.process import Completed
from provisioning.configuration import Chart


class ClusterReads(Protocol):
    def namespace(self, name: str) -> NamespaceFacts | None: ...

    def all_namespaces(self) -> tuple[NamespaceFacts, ...]: ...

    def secret(self, namespace: str, name: str) -> dict[str, SecretStr] | None: ...

    def nodes(self) -> tuple[Node, ...]: ...

    def gpu_nodes(self) -> tuple[Node, ...]: ...

    def gpu_usage(self) -> GpuUsage: ...

    def services(self) -> tuple[ServicePorts, ...]: ...

    def host_ports(self) -> tuple[HostPorts, ...]: ...

    def stored_releases(self) -> tuple[StoredRelease, ...]: ...

    def node_port_range(self) -> tuple[int, int] | None: ...

    def pods(self, namespace: str | None = None) -> tuple[Pod, ...]: ...

    def deployments(self) -> tuple[Deployment, ...]: ...

    def ingresses(self) -> tuple[IngressHosts, ...]: ...

    def network_policies(self, namespace: str | None = None) -> tuple[PolicyName, ...]: ...


class ClusterWrites(ClusterReads, Protocol):
    def ensure_namespace(self, name: str, labels: Mapping[str, str], *, at_birth: Mapping[str, str] = ...) -> None: ...

    def scale_deployment(self, namespace: str, name: str, replicas: int, *, remember: int | None) -> None: ...

    def delete_namespace(self, name: str, timeout_s: float = 120) -> None: ...

    def put_secret(self, namespace: str, name: str, data: Mapping[str, str], labels: Mapping[str, str]) -> None: ...

    def delete_secret(self, namespace: str, name: str) -> None: ...


class KubectlWrites(Protocol):
    def apply(self, manifests: Sequence[Mapping[str, Any]], *, namespace: str | None = None) -> None: ...

    def changes(
        self, manifests: Sequence[Mapping[str, Any]], *, namespace: str | None = None
    ) -> tuple[ObjectChange, ...]: ...

    def delete(
        self, manifests: Sequence[Mapping[str, Any]], *, namespace: str | None = None, timeout_s: float = 120
    ) -> None: ...

    def exec(
        self,
        namespace: str,
        pod: str,
        container: str | None,
        argv: Sequence[str],
        *,
        timeout_s: float = 60,
        cancelled: Callable[[], bool] = ...,
    ) -> Completed: ...


class HelmReads(Protocol):
    def show_chart(self, chart: Chart) -> dict[str, Any]: ...

    def show_values(self, chart: Chart) -> dict[str, Any]: ...

    def chart_sha256(self, chart: Chart) -> str: ...

    def is_made_anew(self, chart: Chart) -> MadeAnew: ...

    def rendering(self, namespace: str, name: str, chart: Chart, values: Mapping[str, Any]) -> Rendering: ...

    def release(self, namespace: str, name: str) -> Release | None: ...

    def releases(self, namespace: str | None = None) -> tuple[Release, ...]: ...

    def values(self, namespace: str, name: str) -> dict[str, Any]: ...

    def manifest(self, namespace: str, name: str) -> str: ...

    def render_upgrade(self, namespace: str, name: str, chart: Chart, values: Mapping[str, Any]) -> str: ...


class HelmWrites(HelmReads, Protocol):
    def upgrade_install(
        self,
        namespace: str,
        name: str,
        chart: Chart,
        values: Mapping[str, Any],
        *,
        timeout_s: float,
        cancelled: Callable[[], bool] = ...,
    ) -> Release: ...

    def uninstall(
        self, namespace: str, name: str, *, timeout_s: float, cancelled: Callable[[], bool] = ...
    ) -> None: ...

    def recover(self, namespace: str, name: str, *, timeout_s: float = 120) -> str | None: ...

    def roll_back(self, namespace: str, name: str, revision: int, *, timeout_s: float) -> None: ...
