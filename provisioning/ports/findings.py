"""Everything that does not agree among claims of ports, one sentence each, the gravest first. Pure."""

from collections.abc import Iterator, Sequence

from provisioning.port_ranges import PortRange
from provisioning.ports import declarations, holders
from provisioning.ports.claims import PortClaims
from provisioning.ports.finding import Finding, Kind, Severity, note, warning

_ORDER = (Severity.PROBLEM, Severity.WARNING, Severity.NOTE)


def findings_of(claims: PortClaims, envelopes: Sequence[tuple[str, PortRange]]) -> tuple[Finding, ...]:
    """Return what does not agree, the gravest first. *envelopes* are those of `declarations.envelopes_of`."""
    found = (
        *_unread(claims),
        *declarations.overlaps(envelopes),
        *declarations.outside(claims, envelopes),
        *declarations.disagreements(claims),
        *holders.foreign(claims, envelopes),
        *holders.not_live(claims),
        *holders.not_declared(claims, envelopes),
        *holders.dynamic_band(claims, envelopes),
    )
    return tuple(
        sorted(
            found,
            key=lambda one: (_ORDER.index(one.severity), tuple(Kind).index(one.kind), one.tenants),
        )
    )


def _unread(claims: PortClaims) -> Iterator[Finding]:
    for sentence in claims.unread:
        yield warning(Kind.UNREAD, "", sentence)
    if claims.silent_host_network_pods:
        yield note(
            Kind.UNREAD,
            "",
            f"{claims.silent_host_network_pods} pods on their node's network name no port: where they listen"
            " cannot be seen from here",
        )
