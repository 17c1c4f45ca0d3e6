"""Samples in a real store: once a slot, thinned out with age, and what trends make of them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from commands.trends import TrendsArgs
from policies.approvals import Actor, Refusal
from provisioning.errors import UnreachableError
from provisioning.ports.claims import NodePortRange, PortClaims
from provisioning.ports.reconcile import reconcile
from provisioning.queries.base import Asked
from provisioning.queries.trends import report_of
from provisioning.redact import Redactor
from provisioning.store import Store
from provisioning.store.samples import FULL_DAYS, KEPT_DAYS, Sample, Samples
from provisioning.trends.sampler import Measuring, Sampler, of_ports, slot_of

START = datetime(2026, 1, 1, tzinfo=UTC)
ACTOR = Actor(id="U1", name="ana", roles=frozenset({"viewer"}))


class TurnedClock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def store(tmp_path: Path, clock: TurnedClock) -> Store:
    return Store(tmp_path / "chatops.db", clock=clock, redact=Redactor())


def test_samples_are_thinned_and_bounded(store: Store) -> None:
    """Two years of hours: all of the last two weeks, then the last of each day, none beyond the end."""
    samples, now = Samples(store), START
    for hour in range(500 * 24):
        if hour < 450 * 24 and hour % 24 not in {0, 23}:
            continue  # the thinning does not depend on them, and the test is done sooner
        now = START + timedelta(hours=hour)
        assert samples.put(slot_of(now, 3600), Sample(at=now, values={"ports.free": float(hour)}))
    kept = samples.since(START)
    assert now - kept[0].at <= timedelta(days=KEPT_DAYS)
    recent = [one for one in kept if now - one.at <= timedelta(days=FULL_DAYS)]
    old = [one for one in kept if now - one.at > timedelta(days=FULL_DAYS + 1)]
    assert len(recent) == FULL_DAYS * 24 + 1
    assert {one.at.hour for one in old} == {23}
    assert len({one.at.date() for one in old}) == len(old)
    assert len(kept) < KEPT_DAYS + FULL_DAYS * 24 + 2


def test_a_slot_has_one_sample(store: Store, clock: TurnedClock) -> None:
    """Whoever ticks and however often; a cluster that does not answer is asked again at the next tick."""

    class Measured(Measuring):
        def __init__(self) -> None:
            self.asked, self.broken = 0, True

        def measure(self) -> dict[str, float]:
            self.asked += 1
            if self.broken:
                raise UnreachableError("listing Services: the cluster did not answer")
            return {"ports.free": 1.0}

    measured = Measured()
    told: list[Sample] = []
    sampler = Sampler(measuring=measured, samples=Samples(store), clock=clock, every_s=3600, taken=told.append)
    sampler.tick()
    assert Samples(store).since(START) == ()
    sampler.tick()
    assert measured.asked == 1  # not again at once: reading a cluster that is away takes its time
    clock.at += timedelta(seconds=31)
    measured.broken = False
    for _ in range(3):
        sampler.tick()
    assert (measured.asked, len(told)) == (2, 1)
    clock.at += timedelta(hours=5)
    sampler.tick()
    assert [one.at.hour for one in Samples(store).since(START)] == [0, 5]


def test_trends_name_what_they_know(store: Store) -> None:
    """Values, pace and forecast from the samples; a measure that was never taken is named."""
    samples = [Sample(at=START + timedelta(days=day), values={"ports.free": 100.0 - 5 * day}) for day in range(12)]
    found = report_of(samples, ("ports.free", "tenants"), days=30)
    assert found.data["ports.free"]["runs_out"]["at"] == "2026-01-21"  # type: ignore[index,call-overload]
    assert "Not sampled yet: tenants" in str(found.parts)
    assert [one.name for one in found.attachments] == ["trends.png"]
    assert found.attachments[0].alt == "Lines over time: ports.free from 100 to 45."


def test_nothing_sampled_is_said(store: Store) -> None:
    """With what to do."""
    from provisioning.queries.trends import Trends

    class Sources:
        def __init__(self) -> None:
            self.store = store

    query = Trends(Sources())  # type: ignore[arg-type]  # it looks at nothing but the store
    answer = query.answer(TrendsArgs(), Asked(actor=ACTOR, now=START, channel=None))
    assert isinstance(answer, Refusal)
    assert "no samples" in answer.reason


def test_measures_of_ports() -> None:
    claims = PortClaims(pool=(30_100, 30_199), node_ports=NodePortRange(first=30_000, last=32_767, source="read"))
    assert of_ports(reconcile(claims)) == {
        "ports.free": 100,
        "ports.room": 5,
        "ports.reserved": 0,
        "ports.live": 0,
        "ports.problems": 0,
    }
