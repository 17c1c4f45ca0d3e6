"""What is known of ports, gathered from five sources, as frozen values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeGuard

from provisioning.port_ranges import PortRange

DEFAULT_NODE_PORTS = (30_000, 32_767)
_LEAST_BAND, _MOST_BAND, _BAND_SHARE = 16, 128, 32  # Kubernetes' own: KEP-3668


@dataclass(frozen=True, kw_only=True)
class Declared:
    """An envelope that somebody declared for a tenant."""

    tenant: str  # a release's namespace is its tenant
    ports: PortRange
    source: Literal["lease", "release"]
    detail: str  # "lease of job-3", "release acme/clearml-agent (deployed)"
    until: datetime | None = None  # a lease whose job has not succeeded yet

    @property
    def holds_for_good(self) -> bool:
        return self.until is None

    def __str__(self) -> str:
        return f"tenant {self.tenant}" if self.source == "lease" else self.detail


@dataclass(frozen=True, kw_only=True)
class LivePort:
    """One port that the cluster has handed out."""

    kind: Literal["Service", "Pod"]
    namespace: str
    name: str
    port: int
    via: str  # NodePort, LoadBalancer, ClusterIP, health check, hostPort, hostNetwork
    node: str | None = None  # of a pod: its port is taken on that node alone

    @property
    def is_node_port(self) -> bool:
        return self.kind == "Service"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class NodePortRange:
    """The API server's ``--service-node-port-range``, both ends included, and how it is known."""

    first: int
    last: int
    source: Literal["read", "configured", "assumed"]

    @property
    def static_band_last(self) -> int:
        """Return the last port that Kubernetes hands out only when asked for it by number, or when nothing
        else is free. Source: KEP-3668, min(max(16, size / 32), 128) ports from the first."""
        size = self.last - self.first + 1
        band = min(max(_LEAST_BAND, size // _BAND_SHARE), _MOST_BAND)
        return self.first + band - 1 if size > band else self.first - 1

    def holds(self, port: int) -> bool:
        return self.first <= port <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


@dataclass(frozen=True, kw_only=True)
class PortClaims:
    """Everything known of ports at one moment."""

    pool: tuple[int, int]  # where this platform hands out ranges, both ends included
    node_ports: NodePortRange
    declared: tuple[Declared, ...] = ()
    live: tuple[LivePort, ...] = ()
    recorded: frozenset[str] = frozenset()  # tenants that were made with session ports
    unread: tuple[str, ...] = ()  # sentences: what could not be read
    silent_host_network_pods: int = 0  # on their node's network, naming no port: they may listen anywhere

    def ranges_of_others(self, tenant: str) -> tuple[tuple[str, PortRange], ...]:
        """Return (who, envelope) of everybody but *tenant*; what lease and release agree on stands once."""
        found: dict[tuple[str, PortRange], str] = {}
        for one in self.declared:
            if one.tenant != tenant:
                found.setdefault((one.tenant, one.ports), str(one))
        return tuple((who, ports) for (_, ports), who in found.items())

    def ports_of_others(self, tenant: str) -> tuple[tuple[str, int], ...]:
        """Return (what, port) of every live port outside the namespace of *tenant*."""
        return tuple((str(one), one.port) for one in self.live if one.namespace != tenant)


def declared_by(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> PortRange | None:
    """Return the envelope that a release's *values* give its sessions, over its chart's *defaults*; else None."""
    for path in (("agentk8sglue", "sessions"), ("sessions",)):  # the open-source chart has sessions at the top
        sessions = {**_at(defaults, path), **_at(values, path)}
        start, size = sessions.get("startingPort"), sessions.get("maxServices")
        if sessions.get("portModeEnabled") is True and _is_port(start) and _is_port(size):
            return PortRange(int(start), int(size))
    return None


def _at(values: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    found: Any = values
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _is_port(value: object) -> TypeGuard[int | float]:
    """JSON from Go may hold 31000 as 31000.0; NaN and infinity are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 65_535
