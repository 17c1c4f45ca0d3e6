"""From claims to a report: each range and what became of it, what does not agree, what is free. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from provisioning.port_ranges import ALIGNMENT, PortRange, next_free
from provisioning.ports.claims import Declared, PortClaims
from provisioning.ports.declarations import envelopes_of
from provisioning.ports.finding import Finding, Severity
from provisioning.ports.findings import findings_of

BLOCK = 10  # services of a tenant where nothing else is asked for: what room is counted in


@dataclass(frozen=True, kw_only=True)
class RangeState:
    """One tenant's envelope and what has become of it."""

    tenant: str
    ports: PortRange
    sources: tuple[str, ...]
    live: int  # service ports that the tenant's own Services hold
    foreign: int  # ports of the envelope that others hold
    waits: bool  # leased for a job that has not ended


@dataclass(frozen=True, kw_only=True)
class PortReport:
    """The answer. ``room``: how many more tenants with ``BLOCK`` sessions fit, in aligned blocks."""

    claims: PortClaims
    ranges: tuple[RangeState, ...]
    findings: tuple[Finding, ...]
    next_free: PortRange | None
    free_ports: int  # of the pool: in no envelope, and not live
    room: int

    def count(self, severity: Severity) -> int:
        return sum(finding.severity is severity for finding in self.findings)


def reconcile(claims: PortClaims, *, size: int = BLOCK) -> PortReport:
    """Return what agrees and what does not. *size*: sessions that the next free block is for."""
    envelopes = envelopes_of(claims.declared)
    first, last = _usable(claims)
    blocked = {port for _, ports in envelopes for port in range(ports.start, ports.last + 1)}
    blocked |= {one.port for one in claims.live}
    return PortReport(
        claims=claims,
        ranges=_states(claims, envelopes),
        findings=findings_of(claims, envelopes),
        next_free=next_free(
            first=first,
            last=last,
            size=size,
            taken=[ports for _, ports in envelopes],
            live=[p.port for p in claims.live],
        ),
        free_ports=sum(port not in blocked for port in range(first, last + 1)),
        room=_room(first, last, blocked),
    )


def _usable(claims: PortClaims) -> tuple[int, int]:
    """Return the part of the pool that the API server hands out at all."""
    return max(claims.pool[0], claims.node_ports.first), min(claims.pool[1], claims.node_ports.last)


def _room(first: int, last: int, blocked: set[int]) -> int:
    found, start = 0, -(-first // ALIGNMENT) * ALIGNMENT
    while start + BLOCK <= last:
        if any(port in blocked for port in range(start, start + BLOCK + 1)):
            start += ALIGNMENT
        else:
            found += 1
            start += -(-(BLOCK + 1) // ALIGNMENT) * ALIGNMENT
    return found


def _states(claims: PortClaims, envelopes: Sequence[tuple[str, PortRange]]) -> tuple[RangeState, ...]:
    declared: dict[tuple[str, PortRange], list[Declared]] = defaultdict(list)
    for one in claims.declared:
        declared[one.tenant, one.ports].append(one)
    holders: dict[int, set[str]] = defaultdict(set)  # port → namespaces
    own: dict[str, set[int]] = defaultdict(set)
    for live in claims.live:
        holders[live.port].add(live.namespace)
        if live.is_node_port:
            own[live.namespace].add(live.port)
    return tuple(
        RangeState(
            tenant=tenant,
            ports=ports,
            sources=tuple(dict.fromkeys(one.detail for one in declared[tenant, ports])),
            live=sum(port in own[tenant] for port in ports.service_ports),
            foreign=sum(bool(holders.get(port, set()) - {tenant}) for port in range(ports.start, ports.last + 1)),
            waits=all(not one.holds_for_good for one in declared[tenant, ports]),
        )
        for tenant, ports in envelopes
    )
