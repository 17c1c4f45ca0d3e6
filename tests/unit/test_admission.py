"""What a plan says of room: for the tenant's full quota now, and at everyone's; and what policies make of it."""

from decimal import Decimal

import pytest

from policies.conditions import BlastRadius, matches
from policies.loader import load
from provisioning.capacity.admission import admission
from provisioning.capacity.inventory import take_stock
from provisioning.capacity.view import View, look
from provisioning.clients.cluster_objects import GpuUsage
from provisioning.jobs.blast_radius import radius_of
from provisioning.plan import Admission, Plan, Step
from tests.unit.test_capacity_report import gpu_node

HALF, QUARTER = "nvidia.com/mig-3g.40gb", "nvidia.com/mig-2g.20gb"
QUEUES = {HALF: Decimal("0.5"), QUARTER: Decimal("0.25")}


def view(held: dict[tuple[str, str, str], int], *nodes: dict[str, int]) -> View:
    usage = GpuUsage(held=held, waiting=(), waits=0)
    return look(take_stock([gpu_node(f"n{at}", one) for at, one in enumerate(nodes)], usage), usage, {})


@pytest.mark.parametrize(
    ("limit", "fits"),
    [("1", True), ("1.5", True), ("2", False)],  # two GPUs take eight 2g of 20 GB, an H100 holds three
)
def test_the_full_quota_is_held_against_each_queue_alone(limit: str, fits: bool) -> None:
    found = admission(view({}, {}), {}, "acme", Decimal(limit), QUEUES)
    assert found.fits is fits
    assert "to be had" in found.lines[0]


def test_what_depends_on_places_that_are_not_known_is_not_promised() -> None:
    """One 3g in use somewhere: one or two 2g beside it on its GPU."""
    found = admission(
        view({("n0", "globex", HALF): 1}, {"3g.40gb": 1}), {}, "acme", Decimal("1.25"), {QUARTER: Decimal("0.25")}
    )
    assert found.fits is None
    assert "places are not known" in found.lines[0]


def test_what_the_tenant_holds_already_is_its_own() -> None:
    """A tenant that uses all there is still fits into what it uses."""
    held = {("n0", "acme", "nvidia.com/mig-7g.80gb"): 2}
    queues = {"nvidia.com/mig-7g.80gb": Decimal(1)}
    assert admission(view(held, {"7g.80gb": 2}), {}, "acme", Decimal(2), queues).fits is True
    assert admission(view(held, {"7g.80gb": 2}), {}, "globex", Decimal(1), queues).fits is False


def test_everyones_quota_counts_the_new_one_in_place_of_an_older() -> None:
    """Two GPUs; globex has 3, acme had 2 and asks for 1."""
    found = admission(view({}, {}), {"globex": Decimal(3), "acme": Decimal(2)}, "acme", Decimal(1), QUEUES)
    assert found.overcommit == 2.0
    assert found.lines[-1] == "At everyone's full quota 4 GPUs of 2 are promised: 2.00 times"


def plan(found: Admission | None) -> Plan:
    request = {"name": "acme", "admin_email": "ana@acme.example"}
    step = Step(id="one", kind="k", title="Do it")
    return Plan(
        operation="tenant create", subject="acme", summary="s", request=dict(request), steps=(step,), admission=found
    )


def test_the_figures_are_no_part_of_what_is_approved() -> None:
    """Pods come and go: the digest stays."""
    assert plan(None).digest == plan(Admission(fits=False, overcommit=9, lines=("x",))).digest


@pytest.mark.parametrize(
    ("condition", "found", "holds"),
    [
        ("lacks_room: true", Admission(fits=False, overcommit=1), True),
        ("lacks_room: true", Admission(fits=None, overcommit=1), True),
        ("lacks_room: true", Admission(fits=True, overcommit=1), False),
        ("lacks_room: false", Admission(fits=True, overcommit=1), True),
        ("lacks_room: true", None, False),  # no GPU queue is asked for
        ("overcommit_over: 1.5", Admission(fits=True, overcommit=1.6), True),
        ("overcommit_over: 1.5", Admission(fits=True, overcommit=1.5), False),
        ("overcommit_over: 1.5", Admission(fits=False, overcommit=None), False),
    ],
)
def test_policies_can_ask_for_room(condition: str, found: Admission | None, holds: bool) -> None:
    from tests.unit.test_policies_decide import _request

    policy = load(f"rules: [{{name: a, {condition}, effect: approve}}, {{name: b, effect: allow}}]")
    assert matches(policy.rules[0], _request(blast=radius_of(plan(found)))) is holds
    before = _request(blast=BlastRadius.before_planning(gpus=1))
    assert matches(policy.rules[0], before) is None
