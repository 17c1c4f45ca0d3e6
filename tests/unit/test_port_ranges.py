"""Port envelopes: the chart's arithmetic, the next free one, and who stands in the way."""

from hypothesis import given
from hypothesis import strategies as st

from provisioning.port_ranges import PortRange, conflicts, next_free


def test_the_services_begin_one_above_the_start() -> None:
    """startingPort 31010 with 10 services occupies 31011-31020; the next legal start is 31020's successor's block."""
    ports = PortRange(31_010, 10)
    assert list(ports.service_ports) == list(range(31_011, 31_021))
    assert (ports.last, str(ports)) == (31_020, "31010-31020")
    assert ports.overlaps(PortRange(31_020, 10))
    assert not ports.overlaps(PortRange(31_021, 10))


def test_the_next_free_block_avoids_leases_and_live_ports() -> None:
    found = next_free(first=30_100, last=30_200, size=10, taken=[PortRange(30_100, 10)], live=[30_125])
    assert found == PortRange(30_130, 10)
    assert next_free(first=30_100, last=30_109, size=10, taken=[]) is None
    assert next_free(first=30_095, last=30_110, size=10, taken=[]) == PortRange(30_100, 10)


def test_conflicts_name_the_holder() -> None:
    said = list(
        conflicts(
            PortRange(31_010, 10),
            taken=[("tenant acme", PortRange(31_020, 5)), ("tenant far", PortRange(31_100, 5))],
            live=[("Service web/ui", 31_012), ("Service web/far", 31_300)],
        )
    )
    assert said == ["tenant acme holds 31020-31025", "Service web/ui uses port 31012"]


@given(st.lists(st.integers(1, 40), max_size=30), st.sets(st.integers(30_100, 31_000), max_size=20))
def test_ranges_that_are_handed_out_never_overlap(sizes: list[int], live: set[int]) -> None:
    """Whatever is asked for, one after the other: aligned, in the pool, apart, and clear of live ports."""
    taken: list[PortRange] = []
    for size in sizes:
        found = next_free(first=30_100, last=31_000, size=size, taken=taken, live=live)
        if found is not None:
            assert found.start % 10 == 0
            assert found.last <= 31_000
            assert not any(found.overlaps(other) for other in taken)
            assert not any(found.holds(port) for port in live)
            taken.append(found)
