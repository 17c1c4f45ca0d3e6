"""Ranges of NodePorts for tenants' sessions. Pure.

The agent's Services take ``startingPort + 1 … startingPort + maxServices``. What is reserved for a tenant is the
envelope ``[startingPort, startingPort + maxServices]``. Source: the agent chart's session Services.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ALIGNMENT = 10


@dataclass(frozen=True, order=True)
class PortRange:
    """An envelope: *start* is the chart's startingPort, *size* its maxServices."""

    start: int
    size: int

    @property
    def last(self) -> int:
        """Return the last port of the envelope, included."""
        return self.start + self.size

    @property
    def service_ports(self) -> range:
        """Return the ports that the Services take."""
        return range(self.start + 1, self.start + self.size + 1)

    def overlaps(self, other: "PortRange") -> bool:
        """Return whether the envelopes share a port."""
        return self.start <= other.last and other.start <= self.last

    def holds(self, port: int) -> bool:
        return self.start <= port <= self.last

    def __str__(self) -> str:
        return f"{self.start}-{self.last}"


def next_free(
    *, first: int, last: int, size: int, taken: Iterable[PortRange], live: Iterable[int] = ()
) -> PortRange | None:
    """Return the lowest aligned envelope of *size* within first … last that no *taken* one overlaps and no
    *live* port lies in, or None where the pool is full."""
    envelopes, ports = tuple(taken), sorted(set(live))
    for start in range(-(-first // ALIGNMENT) * ALIGNMENT, last - size + 1, ALIGNMENT):
        candidate = PortRange(start, size)
        if not any(candidate.overlaps(envelope) for envelope in envelopes) and not any(map(candidate.holds, ports)):
            return candidate
    return None


def conflicts(
    wanted: PortRange, *, taken: Iterable[tuple[str, PortRange]], live: Iterable[tuple[str, int]]
) -> Iterator[str]:
    """Yield what stands in the way of *wanted*, one sentence each.

    *taken* are (who, envelope), *live* are (what, port).
    """
    for who, envelope in taken:
        if wanted.overlaps(envelope):
            yield f"{who} holds {envelope}"
    for what, port in live:
        if wanted.holds(port):
            yield f"{what} uses port {port}"
