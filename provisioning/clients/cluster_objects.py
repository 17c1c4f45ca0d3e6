"""What the engine reads of a cluster: the few fields that it needs, frozen, parsed at the edge."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict


class NamespaceFacts(TypedDict):
    """One namespace. ``phase`` is Active or Terminating."""

    name: str
    phase: str
    labels: dict[str, str]
    annotations: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node. ``allocatable`` holds quantities as the cluster writes them: ``{"nvidia.com/gpu": "8"}``."""

    name: str
    labels: Mapping[str, str]
    allocatable: Mapping[str, str]
    unschedulable: bool
    ready: bool = True
    capacity: Mapping[str, str] = field(default_factory=dict)  # as allocatable, with what is unhealthy


@dataclass(frozen=True, kw_only=True)
class ServicePorts:
    """The ports of the nodes that one Service holds."""

    namespace: str
    name: str
    type: str  # ClusterIP, NodePort, LoadBalancer, ExternalName
    node_ports: tuple[int, ...]
    health_check_node_port: int | None


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One pod. ``requests`` sums its containers' extended resources: ``{"nvidia.com/gpu": 2}``."""

    namespace: str
    name: str
    phase: str  # Pending, Running, Succeeded, Failed, Unknown
    node: str | None  # None until it is scheduled
    labels: Mapping[str, str]
    requests: Mapping[str, int]
    host_ports: tuple[int, ...]
    images: tuple[str, ...] = ()  # of its containers, as written
    is_ready: bool = False
    trouble: str = ""  # why it is not: Unschedulable, ImagePullBackOff, CrashLoopBackOff, …
    owner: str = ""  # the kind of the controller that made it: ReplicaSet, Job; "" where nobody looks after it


@dataclass(frozen=True, kw_only=True)
class HostPorts:
    """A pod that takes ports of its node, or may. On the node's network it listens wherever it likes."""

    namespace: str
    pod: str
    node: str | None  # None until it is scheduled
    ports: tuple[int, ...]  # as declared
    host_network: bool


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One Deployment. ``release`` is the helm release that made it, "" where none says so."""

    namespace: str
    name: str
    release: str
    replicas: int  # asked for
    ready: int
    replicas_before: int | None = None  # what a suspended one had, and is to have again


@dataclass(frozen=True, kw_only=True)
class PolicyName:
    """One NetworkPolicy, by its name."""

    namespace: str
    name: str


@dataclass(frozen=True, kw_only=True)
class IngressHosts:
    """One Ingress, and the hosts that it takes."""

    namespace: str
    name: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class WaitingPod:
    """A pod that wants GPUs and is on no node. ``reason`` is the scheduler's, "" where it has not said."""

    namespace: str
    name: str
    requests: Mapping[str, int]
    reason: str
    since: datetime | None  # aware, UTC


@dataclass(frozen=True, kw_only=True)
class GpuUsage:
    """Who holds GPUs, by extended resource, and who waits for some.

    Of those that wait only the first thousand are named; ``waits`` counts all.
    """

    held: Mapping[tuple[str, str, str], int]  # (node, namespace, resource) → instances
    waiting: tuple[WaitingPod, ...]
    waits: int
