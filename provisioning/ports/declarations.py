"""What is declared, held against itself and against the ranges there are: before any Service is looked at. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from provisioning.port_ranges import PortRange
from provisioning.ports.claims import Declared, PortClaims
from provisioning.ports.finding import Finding, Kind, note, problem, spans, warning


def envelopes_of(declared: Iterable[Declared]) -> tuple[tuple[str, PortRange], ...]:
    """Return each tenant's different envelopes, by start."""
    return tuple(sorted({(one.tenant, one.ports) for one in declared}, key=lambda one: (one[1], one[0])))


def overlaps(envelopes: Sequence[tuple[str, PortRange]]) -> Iterator[Finding]:
    """Yield who declares the same ports. Envelopes come by start: each is held against those that reach so far."""
    reaching: list[tuple[str, PortRange]] = []
    for tenant, ports in envelopes:
        reaching = [one for one in reaching if one[1].last >= ports.start]
        for other, held in reaching:
            if other == tenant:
                continue
            both = sorted(set(held.service_ports) & set(ports.service_ports))
            pair = tuple(sorted((other, tenant)))
            if both:
                yield problem(
                    Kind.OVERLAP,
                    spans(both),
                    f"{other} ({held}) and {tenant} ({ports}) both declare {spans(both)}: whose Service comes"
                    " second is refused; give one of them another range",
                    of=pair,
                )
            else:
                shared = spans(range(max(held.start, ports.start), min(held.last, ports.last) + 1))
                yield note(
                    Kind.SHARED_EDGE,
                    shared,
                    f"{other} ({held}) and {tenant} ({ports}) share {shared}, where one begins: no Service of"
                    " its takes that port, so nothing is in the way",
                    of=pair,
                )
        reaching.append((tenant, ports))


def outside(claims: PortClaims, envelopes: Sequence[tuple[str, PortRange]]) -> Iterator[Finding]:
    """Yield what lies outside the API server's range or the pool."""
    api, (first, last) = claims.node_ports, claims.pool
    if first < api.first or last > api.last:
        yield warning(
            Kind.OUT_OF_RANGE,
            f"{first}-{last}",
            f"the pool {first}-{last} is larger than the API server's range {api} ({api.source}): set"
            " PORTS__FIRST and PORTS__LAST within it",
        )
    for tenant, ports in envelopes:
        beyond = [port for port in ports.service_ports if not api.holds(port)]
        if beyond:
            yield problem(
                Kind.OUT_OF_RANGE,
                spans(beyond),
                f"{tenant} declares {spans(beyond)}, outside the API server's range {api} ({api.source}):"
                " such Services are refused",
                of=(tenant,),
            )
        elif ports.start < first or ports.last > last:
            yield note(
                Kind.OUT_OF_POOL,
                str(ports),
                f"{tenant} ({ports}) lies outside the pool {first}-{last}, though within the API server's range",
                of=(tenant,),
            )
    strange = sorted({one.port for one in claims.live if one.is_node_port and not api.holds(one.port)})
    if strange and api.source != "read":
        yield warning(
            Kind.OUT_OF_RANGE,
            spans(strange),
            f"Services hold {spans(strange)}, outside {api}: that range is {api.source} and cannot be the API"
            " server's; set PORTS__NODE_PORT_RANGE",
        )


def disagreements(claims: PortClaims) -> Iterator[Finding]:
    """Yield where leases, releases and records of one tenant do not say the same."""
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
                yield warning(
                    Kind.DISAGREE,
                    str(one.ports),
                    f"{one.detail} declares {one.ports}, and {tenant}'s lease is {held}: both are kept clear of;"
                    " run tenant create again to bring them together",
                    of=(tenant,),
                )
            else:
                yield warning(
                    Kind.NOT_LEASED,
                    str(one.ports),
                    f"{one.detail} declares {one.ports}, which nobody leased here: it is kept clear of as long"
                    " as the release is there",
                    of=(tenant,),
                )
    for tenant in sorted(claims.recorded - set(by_tenant)):
        yield warning(
            Kind.NOT_LEASED,
            "",
            f"{tenant} was made with session ports, but has neither a lease nor a release that declares any",
            of=(tenant,),
        )
