"""A step that waits for something outside: nothing is held meanwhile, and the job goes on, gives up or is cancelled."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from policies.approvals import Refusal
from provisioning.jobs import waits
from provisioning.jobs.job import AskedBy, Job, JobState, StepState
from provisioning.steps.base import Ask, StepWaits
from provisioning.store import Change
from tests.integration.engine_samples import DANA, World, invocation
from tests.integration.store_samples import create

TWO = {"one": (), "two": ("one",)}


class TurnedClock:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 5, 9, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


class Waiting(World):
    """A world whose step *two* waits until the door is open."""

    def __init__(self, folder: Path, clock: TurnedClock, **words: Any) -> None:
        super().__init__(folder, **{"shape": TWO, "clock": clock, **words})
        self.turned = clock
        self.door = threading.Event()
        setattr(self.action, "may_go_on", lambda _inputs: self.door.is_set())  # noqa: B010 - FileAction has none

    def waiting(self, *, ask: Ask | None = None) -> Job:
        """Return a job whose second step waits."""
        self.action.problems["two"] = [StepWaits("the door", next_action="open it", give_up_s=60, ask=ask)]
        job = self.ended(self.ask())
        assert job.state is JobState.WAITING, job.failure
        return job


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "LOOK_EVERY_S", 0.0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Waiting]:
    with Waiting(tmp_path, TurnedClock()) as made:
        yield made


def test_it_goes_on_where_it_waited_once_what_it_waits_for_is_there(world: Waiting) -> None:
    job = world.waiting()
    assert job.status("two").note == "waits for the door"
    world.service.sweep()
    assert world.store.job(job.id).state is JobState.WAITING
    world.door.set()
    world.service.sweep()
    done = world.ended(job)
    assert done.state is JobState.SUCCEEDED
    assert done.status("two").waiting is None
    assert [line for line in world.log() if "apply" in line] == [
        f"apply {job.id} {step}" for step in ("one", "two", "two")
    ]
    assert [action for action in world.actions(job) if "wait" in action or "goes" in action] == [
        "step.waits two",
        "job.waits",
        "job.goes_on",
    ]


def test_a_job_that_waits_holds_no_place_but_its_subject(tmp_path: Path) -> None:
    """With room for one job at a time, another tenant's runs while this one waits."""
    with Waiting(tmp_path, TurnedClock(), max_parallel_jobs=1) as world:
        world.waiting()
        assert world.ended(world.ask("other")).state is JobState.SUCCEEDED


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    clock = TurnedClock()
    with Waiting(tmp_path, clock) as world:
        job = world.waiting()
    with Waiting(tmp_path, clock) as world:
        world.service.sweep()
        assert world.store.job(job.id).state is JobState.WAITING
        world.door.set()
        world.service.sweep()
        assert world.ended(job).state is JobState.SUCCEEDED
        assert world.log().count(f"apply {job.id} one") == 1


def test_it_gives_up_when_its_time_is_over_and_can_be_retried(world: Waiting) -> None:
    job = world.waiting()
    world.turned.time += timedelta(seconds=61)
    world.service.sweep()
    failed = world.ended(job)
    assert failed.state is JobState.FAILED
    assert failed.failure is not None
    assert "waited until 2026-01-05 09:01 UTC for the door" in failed.failure.what
    assert failed.failure.next_action == "open it, then Retry"
    world.service.retry(job.id, DANA)
    assert world.ended(job).state is JobState.SUCCEEDED


def test_a_deadline_stays_where_it_was_though_another_step_goes_on(tmp_path: Path) -> None:
    """What wakes the job has every step that waits look again: that is no new beginning of its time."""
    with Waiting(tmp_path, TurnedClock(), shape={"one": (), "two": ()}) as world:
        setattr(world.action, "may_go_on", lambda inputs: world.door.is_set() and "one" in inputs["file"])  # noqa: B010 - FileAction has none
        for step, times in (("one", 1), ("two", 9)):
            world.action.problems[step] = [StepWaits("the door", next_action="open it", give_up_s=60)] * times
        job = world.ended(world.ask())
        assert job.state is JobState.WAITING
        world.turned.time += timedelta(seconds=50)
        world.door.set()
        world.service.sweep()
        again = world.ended(job)
        assert (again.state, again.wakes) == (JobState.WAITING, 1)
        world.turned.time += timedelta(seconds=11)
        world.service.sweep()
        failed = world.ended(job)
        assert failed.state is JobState.FAILED
        assert failed.failure is not None
        assert "waited until 2026-01-05 09:01 UTC for the door" in failed.failure.what


def test_a_job_whose_look_breaks_keeps_no_other_from_going_on(world: Waiting) -> None:
    """A fault of ours in one action, at every sweep: the others' approvals and wake-ups do not wait for its mending."""
    job = world.waiting()

    def broken(_inputs: dict[str, Any]) -> bool:
        raise RuntimeError("a fault of ours")

    setattr(world.action, "may_go_on", broken)  # noqa: B010 - FileAction has none
    other = create(world.store, "other", plan=world.planner.plan("tenant create", invocation("other").args))
    world.store.update_job(
        other.id, lambda job: Change(job=job.model_copy(update={"state": JobState.QUEUED}))
    )  # as another process approves it
    world.service.sweep()
    assert world.ended(other).state is JobState.SUCCEEDED
    assert world.store.job(job.id).state is JobState.WAITING


def test_it_can_be_cancelled_while_it_waits(world: Waiting) -> None:
    job = world.waiting()
    world.service.cancel(job.id, DANA)
    stopped = world.ended(job)
    assert stopped.state is JobState.FAILED
    assert stopped.failure is not None
    assert "cancelled by @dana" in stopped.failure.what
    assert world.log().count(f"apply {job.id} two") == 1


def test_a_job_that_it_asks_for_is_asked_for_once_and_its_refusal_is_the_steps_failure(world: Waiting) -> None:
    """The step's job is its own: the same step asks once, and what is refused fails it with the reason."""
    world.runner.ask_for = lambda _job, _step, _ask: Refusal(reason="the policy says no", next_action="ask an admin")
    world.action.problems["two"] = [StepWaits("the door", ask=Ask(operation="door open", request={}))]
    failed = world.ended(world.ask())
    assert failed.state is JobState.FAILED
    assert failed.status("two").state is StepState.FAILED
    assert failed.failure is not None
    assert failed.failure.what == "Write two: the policy says no"


def test_a_request_that_nobody_waits_for_any_more_is_withdrawn(world: Waiting) -> None:
    """While the asking job waits, its request stands; once that has failed, nobody is to decide on it."""
    asker = world.waiting()
    asked = create(world.store, "other", asked_by=AskedBy(job=asker.id, step="two", attempt=1))
    world.service.sweep()
    assert world.store.job(asked.id).state is JobState.AWAITING_APPROVAL
    world.service.cancel(asker.id, DANA)
    world.ended(asker)
    world.service.sweep()
    withdrawn = world.store.job(asked.id)
    assert withdrawn.state is JobState.WITHDRAWN
    assert withdrawn.failure is not None
    assert withdrawn.failure.what == f"job {asker.number} has failed and waits for this no more"
