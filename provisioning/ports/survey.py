"""Looks at every source of port claims: leases, releases, Services, pods, the API server. At the same time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

from provisioning.clients.cluster_objects import HostPorts, ServicePorts
from provisioning.clients.helm_storage import StoredRelease
from provisioning.clients.interfaces import ClusterReads
from provisioning.configuration import PortPool
from provisioning.errors import PermanentError
from provisioning.ports.claims import DEFAULT_NODE_PORTS, Declared, LivePort, NodePortRange, PortClaims, declared_by

if TYPE_CHECKING:
    from provisioning.store import PortLease, Store

MOST_UNREAD = 20  # named one by one


class PortSurvey:
    """Looks at one platform's ports. Thread-safe."""

    def __init__(self, *, pool: PortPool, cluster: ClusterReads, store: "Store") -> None:
        self._pool = pool
        self._cluster = cluster
        self._store = store

    def look(self) -> PortClaims:
        """Return what everybody claims now. Raises: ChatopsError where leases, releases, Services or pods could
        not be read: a range must not look free because nobody could look."""
        with ThreadPoolExecutor(4, thread_name_prefix="ports") as pool:
            releases = pool.submit(self._cluster.stored_releases)
            services = pool.submit(self._cluster.services)
            pods = pool.submit(self._cluster.host_ports)
            node_ports = pool.submit(self._node_ports)
            for one in (releases, services, pods, node_ports):
                one.result()
        stored, held = releases.result(), pods.result()
        return PortClaims(
            pool=(self._pool.first, self._pool.last),
            node_ports=node_ports.result(),
            declared=(*map(_leased, self._store.leases()), *_released(stored)),
            live=(*_of_services(services.result()), *_of_pods(held)),
            recorded=frozenset(one.name for one in self._store.tenants() if one.request.get("ports") is True),
            unread=tuple(_unread(stored)),
            silent_host_network_pods=sum(pod.host_network and not pod.ports for pod in held),
        )

    def _node_ports(self) -> NodePortRange:
        if self._pool.node_port_range is not None:
            first, last = map(int, self._pool.node_port_range.split("-"))
            return NodePortRange(first=first, last=last, source="configured")
        try:
            read = self._cluster.node_port_range()
        except PermanentError:  # the right to read kube-system is not needed for anything else
            read = None
        first, last = read or DEFAULT_NODE_PORTS
        return NodePortRange(first=first, last=last, source="read" if read else "assumed")


def _leased(lease: "PortLease") -> Declared:
    detail = f"lease of {lease.job}" + ("" if lease.expires_at is None else f", until {_minute(lease.expires_at)}")
    return Declared(tenant=lease.tenant, ports=lease.ports, source="lease", detail=detail, until=lease.expires_at)


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _released(stored: tuple[StoredRelease, ...]) -> Iterator[Declared]:
    for one in stored:
        ports = declared_by(one.values, one.defaults)
        if ports is not None:
            detail = f"release {one.namespace}/{one.name} ({one.status})"
            yield Declared(tenant=one.namespace, ports=ports, source="release", detail=detail)


def _unread(stored: tuple[StoredRelease, ...]) -> Iterator[str]:
    broken = [one for one in stored if one.problem]
    for one in broken[:MOST_UNREAD]:
        yield (
            f"release {one.namespace}/{one.name} revision {one.revision} could not be read ({one.problem}): whether"
            " it declares ports is not known"
        )
    if len(broken) > MOST_UNREAD:
        yield f"{len(broken) - MOST_UNREAD} more releases could not be read"


def _of_services(services: tuple[ServicePorts, ...]) -> Iterator[LivePort]:
    for one in services:
        for port in one.node_ports:
            yield LivePort(kind="Service", namespace=one.namespace, name=one.name, port=port, via=one.type)
        if one.health_check_node_port:
            yield LivePort(
                kind="Service",
                namespace=one.namespace,
                name=one.name,
                port=one.health_check_node_port,
                via="health check",
            )


def _of_pods(pods: tuple[HostPorts, ...]) -> Iterator[LivePort]:
    for one in pods:
        via = "hostNetwork" if one.host_network else "hostPort"
        for port in one.ports:
            yield LivePort(kind="Pod", namespace=one.namespace, name=one.pod, port=port, via=via, node=one.node)
