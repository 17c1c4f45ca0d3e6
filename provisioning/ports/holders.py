"""What the cluster has handed out, held against what is declared, and what it may hand out yet. Pure.

Whatever Kubernetes decides by itself is said as what may happen, never as what will.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from provisioning.port_ranges import PortRange
from provisioning.ports.claims import LivePort, PortClaims
from provisioning.ports.declarations import envelopes_of
from provisioning.ports.finding import Finding, Kind, note, problem, spans, warning
from provisioning.wording import listed

SHOWN = 5  # names in one sentence


def foreign(claims: PortClaims, envelopes: Sequence[tuple[str, PortRange]]) -> Iterator[Finding]:
    """Yield who else holds ports inside a tenant's envelope."""
    holders: dict[int, list[tuple[str, PortRange]]] = defaultdict(list)
    for tenant, ports in envelopes:
        for port in range(ports.start, ports.last + 1):
            holders[port].append((tenant, ports))
    inside: dict[tuple[str, PortRange, str, str, str], set[LivePort]] = defaultdict(set)
    for one in claims.live:
        for tenant, ports in holders.get(one.port, ()):
            if one.namespace != tenant:
                inside[tenant, ports, one.kind, one.namespace, one.name].add(one)
    for (tenant, ports, _, _, _), found in sorted(inside.items()):
        who = min(found, key=lambda one: one.port)
        taken = {one.port for one in found}
        hits = taken & set(ports.service_ports)
        if not who.is_node_port:
            where = f" on node {who.node}" if who.node else ""
            yield warning(
                Kind.HOST_PORT,
                spans(taken),
                f"{who} listens on {spans(taken)}{where} ({who.via}), inside {tenant}'s {ports}: Kubernetes does"
                " not hold that against NodePorts, and on that node one of the two is not reached",
                of=(tenant,),
            )
        else:
            effect = (
                f"{len(hits)} of {tenant}'s sessions cannot have their port"
                if hits
                else "where that range begins, and no session of its takes that port"
            )
            yield (problem if hits else note)(
                Kind.FOREIGN,
                spans(taken),
                f"{who} holds {spans(taken)} ({who.via}), inside {tenant}'s {ports}: {effect}",
                of=(tenant,),
            )


def not_live(claims: PortClaims) -> Iterator[Finding]:
    """Yield the declared ports for which there is no Service."""
    own: dict[str, set[int]] = defaultdict(set)
    for one in claims.live:
        if one.is_node_port:
            own[one.namespace].add(one.port)
    for tenant, ports in envelopes_of(one for one in claims.declared if one.holds_for_good):
        missing = [port for port in ports.service_ports if port not in own[tenant]]
        if not missing:
            continue
        share = "none" if len(missing) == ports.size else f"{ports.size - len(missing)} of {ports.size}"
        yield warning(
            Kind.NOT_LIVE,
            spans(missing),
            f"{tenant} declares {ports}, and {share} of its Services are there: {spans(missing)} missing;"
            " look at its agent's release",
            of=(tenant,),
        )


def not_declared(claims: PortClaims, envelopes: Sequence[tuple[str, PortRange]]) -> Iterator[Finding]:
    """Yield the ports that are held and that nothing declares."""
    first, last = claims.pool
    ranges: dict[str, list[PortRange]] = defaultdict(list)
    for tenant, ports in envelopes:
        ranges[tenant].append(ports)
    tenants = set(ranges) | claims.recorded
    stray: dict[str, set[int]] = defaultdict(set)
    strangers: dict[str, set[int]] = defaultdict(set)
    reserved = {port for _, ports in envelopes for port in range(ports.start, ports.last + 1)}
    for one in claims.live:
        if not one.is_node_port:
            continue
        if one.namespace in tenants:
            if not any(ports.holds(one.port) for ports in ranges[one.namespace]):
                stray[one.namespace].add(one.port)
        elif first <= one.port <= last and one.port not in reserved:
            strangers[str(one)].add(one.port)
    for tenant, found in sorted(stray.items()):
        yield warning(
            Kind.NOT_DECLARED,
            spans(found),
            f"Services of {tenant} hold {spans(found)}, which nothing declares for it",
            of=(tenant,),
        )
    if strangers:
        every = {port for found in strangers.values() for port in found}
        yield note(
            Kind.IN_POOL,
            spans(every),
            f"{_named(strangers)} hold{'s' if len(strangers) == 1 else ''} {spans(every)} in the pool, outside"
            " every range: no new range is put there",
        )


def dynamic_band(claims: PortClaims, envelopes: Sequence[tuple[str, PortRange]]) -> Iterator[Finding]:
    """Yield the declared ports that Kubernetes may hand to another Service, since none holds them yet."""
    api = claims.node_ports
    held = {one.port for one in claims.live if one.is_node_port}
    open_ports: dict[str, set[int]] = defaultdict(set)
    for tenant, ports in envelopes:
        free = {p for p in ports.service_ports if api.static_band_last < p <= api.last and p not in held}
        if free:
            open_ports[tenant] |= free
    if not open_ports:
        return
    every = {port for found in open_ports.values() for port in found}
    yield warning(
        Kind.DYNAMIC_BAND,
        spans(every),
        f"{len(every)} declared ports of {_named(open_ports)} have no Service yet and lie in the dynamic band"
        f" {api.static_band_last + 1}-{api.last}: Kubernetes may hand any of them to another Service",
        of=tuple(sorted(open_ports)),
    )


def _named(names: Iterable[str]) -> str:
    return listed(sorted(names), SHOWN)
