"""The Kubernetes API, through its client: reads, and the few writes that need no manifest."""

import base64
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType

from kubernetes import client
from pydantic import SecretStr

from provisioning.clients import cluster_gpus, cluster_ports, names
from provisioning.clients.cluster_access import NotFoundError, connect, getter, mapped, streamer
from provisioning.clients.cluster_lists import Reads
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
from provisioning.clients.cluster_pages import Get, decoded, pages
from provisioning.clients.cluster_reading import SUSPENDED_ANNOTATION, deployment_of, namespace_of, pod_of
from provisioning.clients.cluster_wire import FullPod, WireDeployment, WireIngress, WireNamespace, WirePolicy
from provisioning.clients.helm_storage import StoredRelease
from provisioning.configuration import Cluster
from provisioning.errors import TemporaryError

TIMEOUTS = (5.0, 20.0)  # to connect, to read, in seconds
POLL_S = 0.25
NETWORKING = "/apis/networking.k8s.io/v1"


class ClusterClient:
    """One cluster. Connects at its first use. Thread-safe.

    Methods raise PermanentError, TemporaryError and UnreachableError; absence is None.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._connected: client.ApiClient | None = None

    def ping(self) -> str:
        """Return the server's version: ``v1.36.3``."""
        with mapped("asking the cluster for its version"):
            return str(client.VersionApi(self._api()).get_code(_request_timeout=TIMEOUTS).git_version)

    def namespace(self, name: str) -> NamespaceFacts | None:
        """Return what is known of the namespace, or None where there is none."""
        try:
            with mapped(f"reading namespace {name}"):
                body = self._get()(f"/api/v1/namespaces/{names.namespace(name)}", {})
        except NotFoundError:
            return None
        return namespace_of(decoded(body, WireNamespace, f"namespace {name}"))

    def all_namespaces(self) -> tuple[NamespaceFacts, ...]:
        """Return every namespace, in the order of their names."""
        with mapped("listing namespaces"):
            return tuple(namespace_of(item) for item in pages(self._get(), "/api/v1/namespaces", WireNamespace))

    def ensure_namespace(
        self, name: str, labels: Mapping[str, str], *, at_birth: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Make the namespace exist and carry *labels*; other labels stay. *at_birth*: more, where it is made by this.

        Raises: TemporaryError while a namespace of that name is being deleted, and where another has just made it.
        """
        found = self.namespace(name)
        if found is None:
            body = client.V1Namespace(metadata=client.V1ObjectMeta(name=name, labels={**labels, **at_birth}))
            with mapped(f"creating namespace {name}"):
                self._core().create_namespace(body, _request_timeout=TIMEOUTS)
            return
        if found["phase"] == "Terminating":
            raise TemporaryError(
                f"namespace {name} is being deleted",
                next_action="wait until it is gone, then Retry",
                delay_s=5,
            )
        if not labels.items() <= found["labels"].items():
            patch = {"metadata": {"labels": dict(labels)}}
            with mapped(f"labelling namespace {name}"):
                self._core().patch_namespace(name, patch, _request_timeout=TIMEOUTS)

    def delete_namespace(self, name: str, timeout_s: float = 120) -> None:
        """Delete the namespace and wait until it is gone. A missing one is fine.

        Raises: TemporaryError where it is not gone after *timeout_s* seconds.
        """
        try:
            with mapped(f"deleting namespace {name}"):
                self._core().delete_namespace(names.namespace(name), _request_timeout=TIMEOUTS)
        except NotFoundError:
            return
        deadline = time.monotonic() + timeout_s
        while self.namespace(name) is not None:
            if time.monotonic() > deadline:
                raise TemporaryError(
                    f"namespace {name} was not gone after {timeout_s:.0f} s",
                    next_action=f"look for finalizers with `kubectl get all -n {name}`, then Retry",
                )
            time.sleep(POLL_S)

    def secret(self, namespace: str, name: str) -> dict[str, SecretStr] | None:
        """Return the Secret's values, decoded UTF-8, or None where there is none."""
        try:
            with mapped(f"reading Secret {namespace}/{name}"):
                item = self._core().read_namespaced_secret(
                    names.resource(name), names.namespace(namespace), _request_timeout=TIMEOUTS
                )
        except NotFoundError:
            return None
        return {
            key: SecretStr(base64.b64decode(value).decode(errors="replace")) for key, value in (item.data or {}).items()
        }

    def put_secret(self, namespace: str, name: str, data: Mapping[str, str], labels: Mapping[str, str]) -> None:
        """Make the Secret hold exactly *data*, creating or replacing it."""
        body = client.V1Secret(
            metadata=client.V1ObjectMeta(name=names.resource(name), labels=dict(labels)),
            type="Opaque",
            data={key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
        )
        where = names.namespace(namespace)
        try:
            with mapped(f"replacing Secret {namespace}/{name}"):
                self._core().replace_namespaced_secret(name, where, body, _request_timeout=TIMEOUTS)
        except NotFoundError:
            with mapped(f"creating Secret {namespace}/{name}"):
                self._core().create_namespaced_secret(where, body, _request_timeout=TIMEOUTS)

    def delete_secret(self, namespace: str, name: str) -> None:
        """Delete the Secret. A missing one is fine."""
        try:
            with mapped(f"deleting Secret {namespace}/{name}"):
                self._core().delete_namespaced_secret(
                    names.resource(name), names.namespace(namespace), _request_timeout=TIMEOUTS
                )
        except NotFoundError:
            return

    def nodes(self) -> tuple[Node, ...]:
        """Return every node, in the order of their names."""
        with mapped("listing nodes"):
            return cluster_gpus.nodes(self._reads())

    def gpu_nodes(self) -> tuple[Node, ...]:
        """Return the nodes with GPUs: of their labels and resources, those about GPUs."""
        with mapped("listing nodes"):
            return cluster_gpus.gpu_nodes(self._reads())

    def gpu_usage(self) -> GpuUsage:
        """Return what the pods of the cluster hold of GPUs and wait for."""
        with mapped("listing pods"):
            return cluster_gpus.gpu_usage(self._reads())

    def services(self) -> tuple[ServicePorts, ...]:
        """Return every Service of the cluster with the node ports that it holds."""
        with mapped("listing Services"):
            return cluster_ports.services(self._get())

    def host_ports(self) -> tuple[HostPorts, ...]:
        """Return the pods of the cluster that take ports of their node, or may."""
        with mapped("listing pods"):
            return cluster_ports.host_ports(self._reads())

    def stored_releases(self) -> tuple[StoredRelease, ...]:
        """Return every helm release, deployed, failed or pending, with its values' ports of sessions and limit."""
        with mapped("listing the Secrets that helm keeps releases in"):
            return cluster_ports.stored_releases(self._get())

    def node_port_range(self) -> tuple[int, int] | None:
        """Return the API server's range of NodePorts, both ends included; None where it cannot be seen."""
        with mapped("reading the API server's range of NodePorts"):
            return cluster_ports.node_port_range(self._get())

    def pods(self, namespace: str | None = None) -> tuple[Pod, ...]:
        """Return the pods of *namespace*, or of the whole cluster."""
        with mapped(f"listing pods of {namespace or 'all namespaces'}"):
            return tuple(pod_of(item) for item in pages(self._get(), _path("/api/v1", "pods", namespace), FullPod))

    def deployments(self) -> tuple[Deployment, ...]:
        """Return every Deployment of the cluster, with how many pods it asks for and has."""
        with mapped("listing Deployments"):
            return tuple(map(deployment_of, pages(self._get(), "/apis/apps/v1/deployments", WireDeployment)))

    def scale_deployment(self, namespace: str, name: str, replicas: int, *, remember: int | None) -> None:
        """Ask for *replicas* pods of the Deployment; *remember* is what it is to have again, None forgets it."""
        note = None if remember is None else str(remember)
        patch = {"metadata": {"annotations": {SUSPENDED_ANNOTATION: note}}, "spec": {"replicas": replicas}}
        with mapped(f"scaling Deployment {namespace}/{name}"):
            client.AppsV1Api(self._api()).patch_namespaced_deployment(
                names.resource(name), names.namespace(namespace), patch, _request_timeout=TIMEOUTS
            )

    def ingresses(self) -> tuple[IngressHosts, ...]:
        """Return every Ingress of the cluster with its hosts, in lower case."""
        with mapped("listing Ingresses"):
            return tuple(
                IngressHosts(
                    namespace=item.metadata.namespace,
                    name=item.metadata.name,
                    hosts=tuple(rule.host.lower() for rule in item.spec.rules if rule.host),
                )
                for item in pages(self._get(), f"{NETWORKING}/ingresses", WireIngress)
            )

    def network_policies(self, namespace: str | None = None) -> tuple[PolicyName, ...]:
        """Return every NetworkPolicy of *namespace*, or of the whole cluster, by name."""
        path = _path(NETWORKING, "networkpolicies", namespace)
        with mapped(f"listing NetworkPolicies of {namespace or 'all namespaces'}"):
            return tuple(
                PolicyName(namespace=item.metadata.namespace, name=item.metadata.name)
                for item in pages(self._get(), path, WirePolicy)
            )

    def _core(self) -> "client.CoreV1Api":
        return client.CoreV1Api(self._api())

    def _get(self) -> Get:
        return getter(self._api())

    def _reads(self) -> Reads:
        return Reads(get=self._get(), stream=streamer(self._api()))

    def _api(self) -> client.ApiClient:
        with self._lock:
            if self._connected is None:
                self._connected = connect(self._cluster)
            return self._connected


def _path(group: str, resources: str, namespace: str | None) -> str:
    where = "" if namespace is None else f"/namespaces/{names.namespace(namespace)}"
    return f"{group}{where}/{resources}"
