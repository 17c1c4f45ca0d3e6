"""How a job moves: every repetition changes nothing, and nothing moves a job that has moved on."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from policies.approvals import Actor, Approval, Refusal
from provisioning.jobs import changes, decisions
from provisioning.jobs.job import Failure, Job, JobState, StepState, StepStatus
from provisioning.plan import Plan, Step
from provisioning.store import Change

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
DANA = Actor(id="UDANA", name="dana", roles=frozenset({"operator"}))
OLAF = Actor(id="UOLAF", name="olaf", roles=frozenset({"operator"}))
PLAN = Plan(
    operation="tenant create",
    subject="acme",
    summary="Create tenant acme",
    request={},
    steps=(
        Step(id="one", kind="k", title="Do one"),
        Step(id="two", kind="k", title="Do two", needs=("one",)),
    ),
)


def test_a_run_that_was_given_up_fails_no_later_one_of_the_same_attempt() -> None:
    """The sweep has read the job before it waited and went on: what it saw end is not what runs now."""
    woken = job(JobState.QUEUED, wakes=1)
    assert changes.abandon(woken, 1, Failure(what="given up"), NOW, wakes=0) is None
    assert changes.abandon(woken, 1, Failure(what="given up"), NOW, wakes=1) is not None


def job(state: JobState, *steps: StepStatus, **words: Any) -> Job:
    known = {status.step_id: status for status in steps}
    fields: dict[str, Any] = {
        "id": "job-1",
        "number": 1,
        "command": "tenant create acme",
        "requester": DANA,
        "plan": PLAN,
        "digest": PLAN.digest,
        "state": state,
        "created_at": NOW,
        "updated_at": NOW,
        "revision": 1,
        "steps": tuple(known.get(step.id, StepStatus(step_id=step.id)) for step in PLAN.steps),
    }
    return Job(**(fields | words))


def status(step_id: str, state: str, **words: Any) -> StepStatus:
    return StepStatus(step_id=step_id, state=StepState(state), **words)


def become(change: Change | Refusal | None) -> Job:
    assert isinstance(change, Change), change
    return change.job


@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.QUEUED])
def test_only_a_queued_job_starts(state: JobState) -> None:
    """A repeated begin, and the begin of a cancelled job, change nothing."""
    assert changes.start(job(state), 1, NOW) is None
    assert changes.start(job(JobState.QUEUED), 2, NOW) is None
    assert become(changes.start(job(JobState.QUEUED), 1, NOW)).state is JobState.RUNNING


def test_a_step_that_goes_on_after_a_crash_is_not_started_again() -> None:
    """Its start stands in the store: neither the time nor the revision moves."""
    running = job(JobState.RUNNING, status("one", "running", attempt=1, applied=True, started_at=NOW))
    assert changes.step_started(running, "one", 1, NOW + timedelta(minutes=1)) is None
    again = become(changes.step_started(running, "one", 2, NOW + timedelta(minutes=1)))
    assert again.status("one").started_at == NOW + timedelta(minutes=1)


def test_a_note_is_no_evidence() -> None:
    """It moves the live message, and writes no audit row; the same line twice is one."""
    noted = changes.noted(job(JobState.RUNNING), "one", 1, "pulling", NOW)
    assert noted is not None
    assert noted.event is None
    assert noted.job.status("one").state is StepState.RUNNING
    assert not noted.job.status("one").applied
    assert changes.noted(noted.job, "one", 1, "pulling", NOW) is None
    assert changes.noted(job(JobState.FAILED), "one", 1, "late", NOW) is None


@pytest.mark.parametrize(
    ("one", "two", "fields", "expected"),
    [
        ("done", "skipped", {}, JobState.SUCCEEDED),
        ("done", "failed", {}, JobState.FAILED),
        ("done", "pending", {}, JobState.FAILED),
        ("done", "pending", {"cancelled_by": OLAF}, JobState.FAILED),
        ("pending", "pending", {"cancelled_by": OLAF}, JobState.CANCELLED),
        ("skipped", "pending", {"cancelled_by": OLAF}, JobState.CANCELLED),
        ("done", "done", {"cancelled_by": OLAF}, JobState.SUCCEEDED),
    ],
)
def test_how_a_run_ends(one: str, two: str, fields: dict[str, Any], expected: JobState) -> None:
    """Cancelled is only what has changed nothing; otherwise somebody must decide what becomes of it."""
    steps = [
        status(step_id, state, attempt=1, applied=state == "done") for step_id, state in (("one", one), ("two", two))
    ]
    ended = become(changes.finish(job(JobState.RUNNING, *steps, **fields), 1, NOW))
    assert ended.state is expected
    assert (ended.failure is None) is (expected is JobState.SUCCEEDED)
    assert ended.cancelled_by is None
    assert changes.finish(ended, 1, NOW) is None


def test_rolling_back_ends_when_nothing_applied_is_left() -> None:
    """A step that could not be undone fails the job again."""
    left = job(JobState.ROLLING_BACK, status("one", "failed", applied=True, failure=Failure(what="in use")), attempt=2)
    ended = become(changes.finish(left, 2, NOW))
    assert ended.failure is not None
    assert ended.failure.what == "rolling back: Do one: in use"
    clean = job(JobState.ROLLING_BACK, status("one", "undone"), attempt=2)
    assert become(changes.finish(clean, 2, NOW)).state is JobState.ROLLED_BACK


def test_retry_keeps_what_is_known_of_each_step() -> None:
    """Done stays done; what was begun stays known as begun, so that rolling back still looks at it."""
    failed = job(
        JobState.FAILED,
        status("one", "done", attempt=1, applied=True, outputs={"id": "7"}),
        status("two", "failed", attempt=1, applied=True, failure=Failure(what="no")),
    )
    again = become(decisions.retry(failed, OLAF, NOW))
    assert (again.state, again.attempt, again.failure) == (JobState.QUEUED, 2, None)
    assert again.status("one") == failed.status("one")
    assert again.status("two").state is StepState.PENDING
    assert [[step.id for step in wave] for wave in changes.waves_to_undo(again)] == [["one"], ["two"]]


Decision = Callable[[Job, Actor, datetime], Change | Refusal]


@pytest.mark.parametrize("decision", [decisions.retry, decisions.roll_back, decisions.leave])
@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.FAILED])
def test_only_a_failed_job_is_decided_on(decision: Decision, state: JobState) -> None:
    """A second click on a button changes nothing, and says what the job is doing."""
    answer = decision(job(state), OLAF, NOW)
    assert isinstance(answer, Refusal)
    assert answer.reason.startswith(f"job 1 {decisions.SPOKEN[state]}")
    assert answer.next_action


def test_every_state_can_be_spoken_of() -> None:
    """Refusals name the state in words."""
    assert set(decisions.SPOKEN) == set(JobState)


def test_expiry_waits_for_its_moment() -> None:
    """To the second; and only while the request waits."""
    approval = Approval(rule="r", approver_roles=frozenset({"approver"}), count=1, expires_at=NOW)
    waiting = job(JobState.AWAITING_APPROVAL, approval=approval)
    assert decisions.expire(waiting, NOW - timedelta(seconds=1)) is None
    assert become(decisions.expire(waiting, NOW)).state is JobState.EXPIRED
    assert decisions.expire(job(JobState.QUEUED, approval=approval), NOW) is None
