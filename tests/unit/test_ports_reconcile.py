"""Ports reconciled: each finding where it must be, none where all agrees."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.port_ranges import PortRange
from provisioning.ports.claims import Declared, LivePort, NodePortRange, PortClaims, declared_by
from provisioning.ports.finding import Kind, Severity, spans
from provisioning.ports.reconcile import BLOCK, reconcile

API = NodePortRange(first=30_000, last=32_767, source="read")


def lease(tenant: str, start: int, size: int = 10, *, waits: bool = False) -> Declared:
    until = datetime(2026, 11, 25, 12, tzinfo=UTC) if waits else None
    return Declared(tenant=tenant, ports=PortRange(start, size), source="lease", detail="lease of job-1", until=until)


def release(tenant: str, start: int, size: int = 10, status: str = "deployed") -> Declared:
    detail = f"release {tenant}/clearml-agent ({status})"
    return Declared(tenant=tenant, ports=PortRange(start, size), source="release", detail=detail)


def services(namespace: str, ports: Sequence[int], *, via: str = "NodePort") -> list[LivePort]:
    return [LivePort(kind="Service", namespace=namespace, name="web", port=port, via=via) for port in ports]


def pod(port: int) -> LivePort:
    return LivePort(kind="Pod", namespace="mon", name="exporter", port=port, via="hostPort", node="gpu-1")


def claims(*declared: Declared, live: Sequence[LivePort] = (), api: NodePortRange = API, **more: Any) -> PortClaims:
    return PortClaims(pool=(30_100, 32_767), node_ports=api, declared=declared, live=tuple(live), **more)


AGREED = (lease("acme", 31_010), release("acme", 31_010))
ALIVE = services("acme", range(31_011, 31_021))


def test_what_agrees_is_quiet() -> None:
    """Lease, release and Services say the same: no finding, and the range stands once."""
    found = reconcile(claims(*AGREED, live=ALIVE))
    assert found.findings == ()
    assert [(one.tenant, str(one.ports), one.live, one.foreign, one.waits) for one in found.ranges] == [
        ("acme", "31010-31020", 10, 0, False)
    ]
    assert found.free_ports == 32_767 - 30_100 + 1 - 11
    assert str(found.next_free) == "30100-30110"


@pytest.mark.parametrize(
    ("given", "kind", "severity", "tenants", "ports"),
    [
        (
            claims(*AGREED, release("beta", 31_015), live=[*ALIVE, *services("beta", range(31_021, 31_026))]),
            Kind.OVERLAP,
            Severity.PROBLEM,
            ("acme", "beta"),
            "31016-31020",
        ),
        (
            claims(*AGREED, lease("beta", 31_020, waits=True), live=ALIVE),
            Kind.SHARED_EDGE,
            Severity.NOTE,
            None,
            "31020",
        ),
        (claims(release("acme", 32_760), live=()), Kind.OUT_OF_RANGE, Severity.PROBLEM, ("acme",), "32768-32770"),
        (claims(release("acme", 30_010)), Kind.OUT_OF_POOL, Severity.NOTE, ("acme",), "30010-30020"),
        (claims(lease("acme", 31_010), release("acme", 31_110)), Kind.DISAGREE, Severity.WARNING, None, "31110-31120"),
        (claims(release("acme", 31_010, status="failed")), Kind.NOT_LEASED, Severity.WARNING, None, "31010-31020"),
        (claims(recorded=frozenset({"lost"})), Kind.NOT_LEASED, Severity.WARNING, ("lost",), ""),
        (claims(*AGREED, live=ALIVE[:7]), Kind.NOT_LIVE, Severity.WARNING, ("acme",), "31018-31020"),
        (
            claims(*AGREED, live=[*ALIVE, *services("acme", [31_500])]),
            Kind.NOT_DECLARED,
            Severity.WARNING,
            ("acme",),
            "31500",
        ),
        (
            claims(*AGREED, live=[*ALIVE[:9], *services("web", [31_020], via="health check")]),
            Kind.FOREIGN,
            Severity.PROBLEM,
            ("acme",),
            "31020",
        ),
        (claims(*AGREED, live=[*ALIVE, *services("web", [31_010])]), Kind.FOREIGN, Severity.NOTE, ("acme",), "31010"),
        (claims(*AGREED, live=[*ALIVE, pod(31_012)]), Kind.HOST_PORT, Severity.WARNING, ("acme",), "31012"),
        (claims(live=services("web", [30_500, 30_501])), Kind.IN_POOL, Severity.NOTE, (), "30500-30501"),
        (claims(lease("acme", 31_010, waits=True)), Kind.DYNAMIC_BAND, Severity.WARNING, ("acme",), "31011-31020"),
        (claims(unread=("release x/y could not be read",)), Kind.UNREAD, Severity.WARNING, (), ""),
        (claims(silent_host_network_pods=3), Kind.UNREAD, Severity.NOTE, (), ""),
        (
            claims(live=services("web", [29_000]), api=NodePortRange(first=30_000, last=32_767, source="assumed")),
            Kind.OUT_OF_RANGE,
            Severity.WARNING,
            (),
            "29000",
        ),
        (
            claims(api=NodePortRange(first=30_000, last=31_000, source="read")),
            Kind.OUT_OF_RANGE,
            Severity.WARNING,
            (),
            "30100-32767",
        ),
    ],
)
def test_each_disagreement_is_found(
    given: PortClaims, kind: Kind, severity: Severity, tenants: tuple[str, ...] | None, ports: str
) -> None:
    """With whom it concerns and which ports."""
    found = [finding for finding in reconcile(given).findings if finding.kind is kind]
    assert [(one.severity, one.ports) for one in found] == [(severity, ports)]
    assert tenants is None or found[0].tenants == tenants
    assert found[0].text


def beyond(*declared: Declared, pool: tuple[int, int], **more: Any) -> list[tuple[Kind, str]]:
    """Return what is found outside a range or a pool."""
    found = reconcile(replace(claims(*declared, **more), pool=pool)).findings
    return [(one.kind, one.ports) for one in found if one.kind in {Kind.OUT_OF_RANGE, Kind.OUT_OF_POOL}]


def test_the_pool_may_be_the_whole_range_and_no_more() -> None:
    """One port beyond either end of the API server's is too many."""
    assert beyond(pool=(30_000, 32_767)) == []
    assert beyond(pool=(29_999, 32_767)) == [(Kind.OUT_OF_RANGE, "29999-32767")]
    assert beyond(pool=(30_000, 32_768)) == [(Kind.OUT_OF_RANGE, "30000-32768")]


def test_a_tenants_range_may_be_the_whole_pool_and_no_more() -> None:
    """The port before its first session belongs to it."""
    pool = (31_010, 31_020)
    assert beyond(release("acme", 31_010), pool=pool) == []
    assert beyond(release("acme", 31_009), pool=pool) == [(Kind.OUT_OF_POOL, "31009-31019")]
    assert beyond(release("acme", 31_011), pool=pool) == [(Kind.OUT_OF_POOL, "31011-31021")]


def test_a_range_that_was_read_is_believed_and_another_only_as_far_as_services_bear_it_out() -> None:
    """A pod's host port lies wherever it likes."""
    assumed, strange = NodePortRange(first=30_000, last=32_767, source="assumed"), services("web", [29_000])
    pool = (30_100, 32_767)
    assert beyond(pool=pool, live=strange, api=assumed) == [(Kind.OUT_OF_RANGE, "29000")]
    assert beyond(pool=pool, live=strange, api=API) == []
    assert beyond(pool=pool, live=[pod(29_000)], api=assumed) == []
    assert beyond(pool=pool, live=services("web", [30_000, 30_500, 32_767]), api=assumed) == []


def test_a_lease_that_waits_is_not_missed() -> None:
    """Its job has not run yet, so no Service can be there; that its ports are open to others is said."""
    found = reconcile(claims(lease("acme", 31_010, waits=True)))
    assert [finding.kind for finding in found.findings] == [Kind.DYNAMIC_BAND]
    assert found.ranges[0].waits


def test_the_static_band_is_as_kubernetes_computes_it() -> None:
    """min(max(16, size / 32), 128) ports; of a small range there is none."""
    assert API.static_band_last == 30_085
    assert NodePortRange(first=20_000, last=40_000, source="read").static_band_last == 20_127
    assert NodePortRange(first=30_000, last=30_099, source="read").static_band_last == 30_015
    assert NodePortRange(first=30_000, last=30_009, source="read").static_band_last == 29_999
    assert NodePortRange(first=30_000, last=30_015, source="read").static_band_last == 29_999
    assert NodePortRange(first=30_000, last=30_016, source="read").static_band_last == 30_015


def test_a_range_holds_both_of_its_ends() -> None:
    """And nothing beyond them."""
    assert [
        port for port in range(29_998, 30_005) if NodePortRange(first=30_000, last=30_002, source="read").holds(port)
    ] == [
        30_000,
        30_001,
        30_002,
    ]


def test_declared_and_live_ranges_of_others_are_kept_clear_of() -> None:
    """What lease and release agree on stands once; another range of the same tenant stands beside it."""
    given = claims(*AGREED, release("beta", 31_100), release("acme", 31_200), live=[*ALIVE, pod(31_400)])
    assert given.ranges_of_others("beta") == (
        ("tenant acme", PortRange(31_010, 10)),
        ("release acme/clearml-agent (deployed)", PortRange(31_200, 10)),
    )
    assert given.ports_of_others("acme") == (("Pod mon/exporter", 31_400),)


@pytest.mark.parametrize(
    ("values", "defaults", "expected"),
    [
        ({"agentk8sglue": {"sessions": {"portModeEnabled": True, "startingPort": 31_000.0, "maxServices": 4}}}, {}, 4),
        ({"sessions": {"portModeEnabled": True}}, {"sessions": {"startingPort": 30_000, "maxServices": 20}}, 20),
        ({"sessions": {"portModeEnabled": False}}, {"sessions": {"startingPort": 30_000, "maxServices": 20}}, None),
        ({"sessions": {"portModeEnabled": True, "startingPort": float("nan"), "maxServices": 4}}, {}, None),
        ({"agentk8sglue": ["sessions"]}, {"agentk8sglue": None}, None),
        ({"sessions": {"portModeEnabled": True, "startingPort": 31_000}}, {}, None),
        ({"sessions": {"portModeEnabled": True, "startingPort": 31_000, "maxServices": "4"}}, {}, None),
        ({"sessions": {"portModeEnabled": True, "startingPort": 31_000, "maxServices": True}}, {}, None),
        ({"sessions": {"portModeEnabled": True, "startingPort": 31_000, "maxServices": 0}}, {}, None),
        ({"sessions": {"portModeEnabled": True, "startingPort": 65_536, "maxServices": 4}}, {}, None),
        ({"sessions": {"portModeEnabled": True, "startingPort": 65_535, "maxServices": 4}}, {}, 4),
        ({"sessions": {"portModeEnabled": True, "startingPort": 31_000, "maxServices": 1}}, {}, 1),
    ],
)
def test_what_a_release_declares(values: dict[str, Any], defaults: dict[str, Any], expected: int | None) -> None:
    """Its values over its chart's defaults, in either chart's place; nonsense declares nothing."""
    found = declared_by(values, defaults)
    assert (None if found is None else found.size) == expected


def test_spans() -> None:
    assert spans([31_017, 31_011, 31_012, 31_011]) == "31011-31012, 31017"
    assert spans([]) == ""


TENANTS = st.sampled_from(["acme", "beta", "gamma"])
DECLARED = st.builds(
    lambda tenant, start, size, leased, waits: (
        lease(tenant, start, size, waits=waits) if leased else release(tenant, start, size)
    ),
    TENANTS,
    st.integers(29_990, 32_770),
    st.integers(1, 60),
    st.booleans(),
    st.booleans(),
)
LIVE = st.builds(
    lambda namespace, port, is_pod: pod(port) if is_pod else services(namespace, [port])[0],
    st.sampled_from(["acme", "beta", "web"]),
    st.integers(29_990, 32_770),
    st.booleans(),
)


@given(st.lists(DECLARED, max_size=12), st.lists(LIVE, max_size=40))
def test_whatever_is_claimed_the_sums_hold(declared: list[Declared], live: list[LivePort]) -> None:
    """Overlaps are all pairs that share a Service's port; what is free is free of everybody; nothing is lost."""
    given_claims = claims(*declared, live=live)
    found = reconcile(given_claims)
    pairs = {
        tuple(sorted((one.tenant, other.tenant)))
        for one in declared
        for other in declared
        if one.tenant != other.tenant and set(one.ports.service_ports) & set(other.ports.service_ports)
    }
    assert {finding.tenants for finding in found.findings if finding.kind is Kind.OVERLAP} == pairs
    taken = {port for one in declared for port in range(one.ports.start, one.ports.last + 1)}
    taken |= {one.port for one in live}
    assert found.free_ports == len(set(range(30_100, 32_768)) - taken)
    if found.next_free is not None:
        assert not taken & set(range(found.next_free.start, found.next_free.last + 1))
    assert (found.room == 0) == (found.next_free is None)
    assert found.room * (BLOCK + 1) <= found.free_ports
    foreign = {
        (one.tenant, other.port)
        for one in declared
        for other in live
        if other.namespace != one.tenant and one.ports.holds(other.port)
    }
    told = {finding.tenants[0] for finding in found.findings if finding.kind in {Kind.FOREIGN, Kind.HOST_PORT}}
    assert told == {tenant for tenant, _ in foreign}
    assert len({(one.tenant, one.ports) for one in declared}) == len(found.ranges)
