"""What does not agree among claims of ports, one sentence each, the gravest first. Pure.

Whatever Kubernetes decides by itself is said as what may happen, never as what will.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from provisioning.port_ranges import PortRange
from provisioning.ports.claims import Declared, LivePort, PortClaims
from provisioning.wording import listed

SHOWN = 5  # names in one sentence


class Severity(StrEnum):
    """PROBLEM: sessions fail or will. WARNING: somebody should look. NOTE: good to know."""

    PROBLEM = "problem"
    WARNING = "warning"
    NOTE = "note"


class Kind(StrEnum):
    """What does not agree."""

    OVERLAP = "declared overlap"
    SHARED_EDGE = "shared edge"
    OUT_OF_RANGE = "out of range"
    OUT_OF_POOL = "out of pool"
    DISAGREE = "lease and release disagree"
    NOT_LEASED = "declared, not leased"
    NOT_LIVE = "declared, not live"
    NOT_DECLARED = "live, not declared"
    FOREIGN = "foreign claimant"
    HOST_PORT = "port of a node"
    IN_POOL = "in the pool"
    DYNAMIC_BAND = "dynamic band"
    UNREAD = "not read"


_ORDER = (Severity.PROBLEM, Severity.WARNING, Severity.NOTE)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that does not agree, in one sentence. ``ports``: ``31011-31014, 31017`` or ""."""

    kind: Kind
    severity: Severity
    tenants: tuple[str, ...]  # whom it concerns; nobody in particular where empty
    ports: str
    text: str


def findings_of(claims: PortClaims, envelopes: Sequence[tuple[str, PortRange]]) -> tuple[Finding, ...]:
    """Return what does not agree, the gravest first. *envelopes* are those of `envelopes_of`."""
    found = (
        *_unread(claims),
        *_overlaps(envelopes),
        *_outside(claims, envelopes),
        *_disagreements(claims),
        *_foreign(claims, envelopes),
        *_not_live(claims),
        *_not_declared(claims, envelopes),
        *_dynamic_band(claims, envelopes),
    )
    return tuple(
        sorted(
            found,
            key=lambda one: (_ORDER.index(one.severity), tuple(Kind).index(one.kind), one.tenants),
        )
    )


def envelopes_of(declared: Iterable[Declared]) -> tuple[tuple[str, PortRange], ...]:
    """Return each tenant's different envelopes, by start."""
    return tuple(sorted({(one.tenant, one.ports) for one in declared}, key=lambda one: (one[1], one[0])))


def spans(ports: Iterable[int]) -> str:
    """Return ports as people write them: ``31011-31014, 31017``."""
    runs: list[list[int]] = []
    for port in sorted(set(ports)):
        if runs and port == runs[-1][1] + 1:
            runs[-1][1] = port
        else:
            runs.append([port, port])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _unread(claims: PortClaims) -> Iterator[Finding]:
    for sentence in claims.unread:
        yield Finding(kind=Kind.UNREAD, severity=Severity.WARNING, tenants=(), ports="", text=sentence)
    if claims.silent_host_network_pods:
        yield Finding(
            kind=Kind.UNREAD,
            severity=Severity.NOTE,
            tenants=(),
            ports="",
            text=f"{claims.silent_host_network_pods} pods on their node's network name no port: where they listen"
            " cannot be seen from here",
        )


def _overlaps(envelopes: Sequence[tuple[str, PortRange]]) -> Iterator[Finding]:
    """Envelopes come by start, so that each is held against those before it that reach so far."""
    reaching: list[tuple[str, PortRange]] = []
    for tenant, ports in envelopes:
        reaching = [one for one in reaching if one[1].last >= ports.start]
        for other, held in reaching:
            if other == tenant:
                continue
            both = sorted(set(held.service_ports) & set(ports.service_ports))
            pair = tuple(sorted((other, tenant)))
            if both:
                yield Finding(
                    kind=Kind.OVERLAP,
                    severity=Severity.PROBLEM,
                    tenants=pair,
                    ports=spans(both),
                    text=f"{other} ({held}) and {tenant} ({ports}) both declare {spans(both)}: whose Service comes"
                    " second is refused; give one of them another range",
                )
            else:
                shared = spans(range(max(held.start, ports.start), min(held.last, ports.last) + 1))
                yield Finding(
                    kind=Kind.SHARED_EDGE,
                    severity=Severity.NOTE,
                    tenants=pair,
                    ports=shared,
                    text=f"{other} ({held}) and {tenant} ({ports}) share {shared}, where one begins: no Service of"
                    " its takes that port, so nothing is in the way",
                )
        reaching.append((tenant, ports))


def _outside(claims: PortClaims, envelopes: Sequence[tuple[str, PortRange]]) -> Iterator[Finding]:
    api, (first, last) = claims.node_ports, claims.pool
    if first < api.first or last > api.last:
        yield Finding(
            kind=Kind.OUT_OF_RANGE,
            severity=Severity.WARNING,
            tenants=(),
            ports=f"{first}-{last}",
            text=f"the pool {first}-{last} is larger than the API server's range {api} ({api.source}): set"
            " PORTS__FIRST and PORTS__LAST within it",
        )
    for tenant, ports in envelopes:
        beyond = [port for port in ports.service_ports if not api.holds(port)]
        if beyond:
            yield Finding(
                kind=Kind.OUT_OF_RANGE,
                severity=Severity.PROBLEM,
                tenants=(tenant,),
                ports=spans(beyond),
                text=f"{tenant} declares {spans(beyond)}, outside the API server's range {api} ({api.source}):"
                " such Services are refused",
            )
        elif ports.start < first or ports.last > last:
            yield Finding(
                kind=Kind.OUT_OF_POOL,
                severity=Severity.NOTE,
                tenants=(tenant,),
                ports=str(ports),
                text=f"{tenant} ({ports}) lies outside the pool {first}-{last}, though within the API server's range",
            )
    strange = sorted({one.port for one in claims.live if one.is_node_port and not api.holds(one.port)})
    if strange and api.source != "read":
        yield Finding(
            kind=Kind.OUT_OF_RANGE,
            severity=Severity.WARNING,
            tenants=(),
            ports=spans(strange),
            text=f"Services hold {spans(strange)}, outside {api}: that range is {api.source} and cannot be the API"
            " server's; set PORTS__NODE_PORT_RANGE",
        )


def _disagreements(claims: PortClaims) -> Iterator[Finding]:
    by_tenant: dict[str, list[Declared]] = defaultdict(list)
    for one in claims.declared:
        by_tenant[one.tenant].append(one)
    for tenant, declared in sorted(by_tenant.items()):
        leased = {one.ports for one in declared if one.source == "lease"}
        for one in declared:
            if one.source != "release" or one.ports in leased:
                continue
            if leased:
                held = ", ".join(map(str, sorted(leased)))
                yield Finding(
                    kind=Kind.DISAGREE,
                    severity=Severity.WARNING,
                    tenants=(tenant,),
                    ports=str(one.ports),
                    text=f"{one.detail} declares {one.ports}, and {tenant}'s lease is {held}: both are kept clear of;"
                    " run tenant create again to bring them together",
                )
            else:
                yield Finding(
                    kind=Kind.NOT_LEASED,
                    severity=Severity.WARNING,
                    tenants=(tenant,),
                    ports=str(one.ports),
                    text=f"{one.detail} declares {one.ports}, which nobody leased here: it is kept clear of as long"
                    " as the release is there",
                )
    for tenant in sorted(claims.recorded - set(by_tenant)):
        yield Finding(
            kind=Kind.NOT_LEASED,
            severity=Severity.WARNING,
            tenants=(tenant,),
            ports="",
            text=f"{tenant} was made with session ports, but has neither a lease nor a release that declares any",
        )


def _foreign(claims: PortClaims, envelopes: Sequence[tuple[str, PortRange]]) -> Iterator[Finding]:
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
            yield Finding(
                kind=Kind.HOST_PORT,
                severity=Severity.WARNING,
                tenants=(tenant,),
                ports=spans(taken),
                text=f"{who} listens on {spans(taken)}{where} ({who.via}), inside {tenant}'s {ports}: Kubernetes does"
                " not hold that against NodePorts, and on that node one of the two is not reached",
            )
        else:
            effect = (
                f"{len(hits)} of {tenant}'s sessions cannot have their port"
                if hits
                else "where that range begins, and no session of its takes that port"
            )
            yield Finding(
                kind=Kind.FOREIGN,
                severity=Severity.PROBLEM if hits else Severity.NOTE,
                tenants=(tenant,),
                ports=spans(taken),
                text=f"{who} holds {spans(taken)} ({who.via}), inside {tenant}'s {ports}: {effect}",
            )


def _not_live(claims: PortClaims) -> Iterator[Finding]:
    own: dict[str, set[int]] = defaultdict(set)
    for one in claims.live:
        if one.is_node_port:
            own[one.namespace].add(one.port)
    for tenant, ports in envelopes_of(one for one in claims.declared if one.holds_for_good):
        missing = [port for port in ports.service_ports if port not in own[tenant]]
        if not missing:
            continue
        share = "none" if len(missing) == ports.size else f"{ports.size - len(missing)} of {ports.size}"
        yield Finding(
            kind=Kind.NOT_LIVE,
            severity=Severity.WARNING,
            tenants=(tenant,),
            ports=spans(missing),
            text=f"{tenant} declares {ports}, and {share} of its Services are there: {spans(missing)} missing;"
            " look at its agent's release",
        )


def _not_declared(claims: PortClaims, envelopes: Sequence[tuple[str, PortRange]]) -> Iterator[Finding]:
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
        yield Finding(
            kind=Kind.NOT_DECLARED,
            severity=Severity.WARNING,
            tenants=(tenant,),
            ports=spans(found),
            text=f"Services of {tenant} hold {spans(found)}, which nothing declares for it",
        )
    if strangers:
        every = {port for found in strangers.values() for port in found}
        yield Finding(
            kind=Kind.IN_POOL,
            severity=Severity.NOTE,
            tenants=(),
            ports=spans(every),
            text=f"{_named(strangers)} hold{'s' if len(strangers) == 1 else ''} {spans(every)} in the pool, outside"
            " every range: no new range is put there",
        )


def _dynamic_band(claims: PortClaims, envelopes: Sequence[tuple[str, PortRange]]) -> Iterator[Finding]:
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
    yield Finding(
        kind=Kind.DYNAMIC_BAND,
        severity=Severity.WARNING,
        tenants=tuple(sorted(open_ports)),
        ports=spans(every),
        text=f"{len(every)} declared ports of {_named(open_ports)} have no Service yet and lie in the dynamic band"
        f" {api.static_band_last + 1}-{api.last}: Kubernetes may hand any of them to another Service",
    )


def _named(names: Iterable[str]) -> str:
    return listed(sorted(names), SHOWN)
