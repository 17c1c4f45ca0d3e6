"""When steps begin: as soon as what they need is done, and no sooner; and what a failure, a wait and a crash hold."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from provisioning.jobs.schedule import Ended, Schedule, needs_to_undo
from provisioning.plan import Plan, Step

Needs = Mapping[str, frozenset[str]]


@st.composite
def graphs(draw: st.DrawFn) -> Needs:
    """Steps s0 … sn, each needing some of those before it."""
    count = draw(st.integers(1, 9))
    return {
        f"s{number}": frozenset(draw(st.sets(st.sampled_from([f"s{one}" for one in range(number)]))))
        if number
        else frozenset()
        for number in range(count)
    }


def run(schedule: Schedule, outcomes: Mapping[str, Ended], data: st.DataObject) -> tuple[list[str], list[set[str]]]:
    """Return the order in which steps began, and what ran at each moment; which one ends next is drawn."""
    order: list[str] = []
    moments: list[set[str]] = []
    running: list[str] = []
    while True:
        new = list(schedule.begin())
        order += new
        running += new
        moments.append(set(running))
        if not running:
            return order, moments
        ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
        schedule.ended(ended, outcomes.get(ended, Ended.WELL))


@given(graphs(), st.data())
def test_every_step_runs_once_behind_all_that_it_needs_and_as_soon_as_it_may(needs: Needs, data: st.DataObject) -> None:
    """Nothing that could begin is ever left waiting for something else."""
    schedule = Schedule(needs)
    done: set[str] = set()
    running: list[str] = []
    begun: list[str] = []
    while True:
        new = list(schedule.begin())
        begun += new
        running += new
        assert set(begun) == {one for one in needs if needs[one] <= done}
        if not running:
            break
        ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
        done.add(ended)
        schedule.ended(ended, Ended.WELL)
    assert sorted(begun) == sorted(needs)


@given(graphs(), st.data())
def test_nothing_begins_after_a_failure_unless_the_plan_goes_on(needs: Needs, data: st.DataObject) -> None:
    bad = data.draw(st.sampled_from(sorted(needs)))
    for goes_on in (False, True):
        order, moments = run(Schedule(needs, goes_on=goes_on), {bad: Ended.BADLY}, data)
        behind = _all_that_need(bad, needs)
        assert not behind & set(order)
        if goes_on:
            assert set(order) == set(needs) - behind
        else:
            last = next(place for place, moment in reversed(list(enumerate(moments))) if bad in moment)
            began_by_then = set().union(*moments[: last + 1])
            assert set(order) == began_by_then


@given(graphs(), st.data())
def test_what_waits_holds_up_only_what_needs_it(needs: Needs, data: st.DataObject) -> None:
    waiting = data.draw(st.sampled_from(sorted(needs)))
    schedule = Schedule(needs)
    order, _ = run(schedule, {waiting: Ended.WAITS}, data)
    assert set(order) == set(needs) - _all_that_need(waiting, needs)
    assert schedule.waits


@given(graphs(), st.integers(1, 3), st.data())
def test_so_many_chains_are_under_way_at_most(needs: Needs, at_once: int, data: st.DataObject) -> None:
    """Three copies of a graph, each a chain: one is under way from its first step's beginning to its last one's end."""
    copies = {f"{name}{step}": {f"{name}{one}" for one in wanted} for name in "abc" for step, wanted in needs.items()}
    schedule = Schedule(copies, chains={one: one[0] for one in copies}, chains_at_once=at_once)
    order, moments = run(schedule, {}, data)
    assert sorted(order) == sorted(copies)
    assert all(len({one[0] for one in moment}) <= at_once for moment in moments)
    firsts = [next(place for place, one in enumerate(order) if one[0] == name) for name in "abc"]
    assert firsts == sorted(firsts)


def test_a_chain_whose_step_failed_keeps_its_place() -> None:
    """Its node is still out of service."""
    chains = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}
    schedule = Schedule(dict.fromkeys(chains, ()) | {"a2": ("a1",)}, chains=chains, chains_at_once=2, goes_on=True)
    assert list(schedule.begin()) == ["a1", "b1"]
    schedule.ended("a1", Ended.BADLY)
    assert list(schedule.begin()) == []
    schedule.ended("b1", Ended.WELL)
    assert list(schedule.begin()) == ["c1"]


@given(graphs(), st.data())
def test_a_run_that_was_interrupted_after_a_failure_begins_what_had_begun_and_nothing_else(
    needs: Needs, data: st.DataObject
) -> None:
    """Whatever order the replay hands things out in: that a failure is heard of early holds up nothing that ran."""
    bad = data.draw(st.sampled_from(sorted(needs)))
    begun, _ = run(Schedule(needs), {bad: Ended.BADLY}, data)
    again, _ = run(Schedule(needs, begun=frozenset(begun), held=True), {bad: Ended.BADLY}, data)
    assert sorted(again) == sorted(begun)


@given(graphs(), st.data())
def test_undoing_is_the_exact_reverse_by_dependency(needs: Needs, data: st.DataObject) -> None:
    """A step is undone once all that needed it, also through steps that changed nothing, is undone; and no later."""
    steps = tuple(Step(id=one, kind="x", title=one, needs=tuple(sorted(wanted))) for one, wanted in needs.items())
    plan = Plan(operation="x", subject="x", summary="x", request={}, steps=steps)
    applied = [one for one in steps if data.draw(st.booleans())]
    found = needs_to_undo(plan, applied)
    order, _ = run(Schedule(found), {}, data)
    assert sorted(order) == sorted(one.id for one in applied)
    for one in applied:
        behind = _all_that_need(one.id, needs) & set(order)
        assert found[one.id] == behind
        assert all(order.index(other) < order.index(one.id) for other in behind)


def _all_that_need(step_id: str, needs: Needs) -> set[str]:
    found: set[str] = set()
    for one, wanted in needs.items():
        if wanted & {step_id, *found}:
            found.add(one)
    return found
