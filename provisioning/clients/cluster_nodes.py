"""Nodes, through the Kubernetes client: cordon, label, evict, and what is known of one node."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubernetes import client

from provisioning.clients import names
from provisioning.clients.cluster_access import NotFoundError, connect, mapped
from provisioning.configuration import Cluster

TIMEOUTS = (5.0, 20.0)  # to connect, to read, in seconds
MIRROR = "kubernetes.io/config.mirror"  # on the API's image of a kubelet's own, static pod
FINISHED = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, kw_only=True)
class NodeState:
    """One node as the cluster has it."""

    name: str
    labels: Mapping[str, str]
    unschedulable: bool
    ready: bool
    boot_id: str  # another one after every reboot; "" until the kubelet has said it


@dataclass(frozen=True, kw_only=True)
class NodePod:
    """A pod on a node. ``stays`` says why a drain leaves it: "DaemonSet", "static", or "" where it goes."""

    namespace: str
    name: str
    uid: str
    leaving: bool  # it is being deleted
    stays: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class ClusterNodes:
    """The nodes of one cluster. Connects at its first use. Thread-safe.

    Methods raise PermanentError, TemporaryError and UnreachableError; only `node` answers for a missing one.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._connected: client.ApiClient | None = None

    def node(self, name: str) -> NodeState | None:
        """Return the node, or None where there is none of that name."""
        try:
            with mapped(f"reading node {name}"):
                item: Any = self._core().read_node(names.resource(name), _request_timeout=TIMEOUTS)
        except NotFoundError:
            return None
        conditions = {one.type: one.status for one in item.status.conditions or ()}
        return NodeState(
            name=name,
            labels=dict(item.metadata.labels or {}),
            unschedulable=bool(item.spec.unschedulable),
            ready=conditions.get("Ready") == "True",
            boot_id=(item.status.node_info.boot_id if item.status.node_info else "") or "",
        )

    def cordon(self, name: str, *, unschedulable: bool) -> None:
        """Let the scheduler put no new pods on the node, or let it again."""
        with mapped(f"{'cordoning' if unschedulable else 'uncordoning'} node {name}"):
            self._patch(name, {"spec": {"unschedulable": unschedulable or None}})

    def label(self, name: str, key: str, value: str | None) -> None:
        """Set the node's label, or remove it where *value* is None."""
        with mapped(f"labelling node {name} with {key}"):
            self._patch(name, {"metadata": {"labels": {key: value}}})

    def pods(self, name: str) -> tuple[NodePod, ...]:
        """Return the pods on the node that have not finished, by namespace and name."""
        with mapped(f"listing the pods on node {name}"):
            found: Any = self._core().list_pod_for_all_namespaces(
                field_selector=f"spec.nodeName={names.resource(name)}", _request_timeout=TIMEOUTS
            )
        pods = [_pod(item) for item in found.items if item.status.phase not in FINISHED]
        return tuple(sorted(pods, key=lambda pod: (pod.namespace, pod.name)))

    def evict(self, pod: NodePod) -> str | None:
        """Ask that the pod leaves. Returns None where it does or is gone, else what forbids it, in the API's words."""
        body = client.V1Eviction(
            metadata=client.V1ObjectMeta(name=pod.name, namespace=pod.namespace),
            delete_options=client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=pod.uid)),
        )
        try:
            with mapped(f"evicting pod {pod}"):
                try:
                    self._core().create_namespaced_pod_eviction(
                        pod.name, pod.namespace, body, _request_timeout=TIMEOUTS
                    )
                except client.ApiException as refusal:
                    if refusal.status == 409:  # another pod of that name by now
                        return None
                    if refusal.status in {429, 500} and (budget := _budget(refusal)):
                        return budget
                    raise
        except NotFoundError:
            return None
        return None

    def _patch(self, name: str, body: Mapping[str, Any]) -> None:
        self._core().patch_node(names.resource(name), dict(body), _request_timeout=TIMEOUTS)

    def _core(self) -> "client.CoreV1Api":
        with self._lock:
            if self._connected is None:
                self._connected = connect(self._cluster)
            return client.CoreV1Api(self._connected)


def _pod(item: Any) -> NodePod:
    owners = {owner.kind for owner in item.metadata.owner_references or () if owner.controller}
    static = MIRROR in (item.metadata.annotations or {})
    return NodePod(
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        uid=item.metadata.uid,
        leaving=item.metadata.deletion_timestamp is not None,
        stays="static" if static else "DaemonSet" if "DaemonSet" in owners else "",
    )


def _budget(refusal: client.ApiException) -> str:
    """Return what the API says of the disruption budget that forbids an eviction, or "" where it is none."""
    try:
        status = json.loads(refusal.body or "")
    except ValueError:
        return ""
    causes = (status.get("details") or {}).get("causes") or []
    said = [str(cause.get("message", "")) for cause in causes if cause.get("reason") == "DisruptionBudget"]
    message = str(status.get("message", ""))
    if not said and "disruption budget" not in message.lower() and "PodDisruptionBudget" not in message:
        return ""
    return "; ".join(said) or message
