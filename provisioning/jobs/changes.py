"""How a job moves while it runs: from the job as stored to the job as it shall be, with its audit row. Pure.

Every function is called inside the store's transaction with the fresh job. None means that nothing changes:
the call is a repetition, or the job has moved on.
"""

from datetime import datetime
from typing import Any

from pydantic import JsonValue

from provisioning.evidence.trail import Event
from provisioning.jobs.batches import is_batch
from provisioning.jobs.job import MOVING, UNDER_WAY, Failure, Job, JobState, StepState, StepStatus, Waiting
from provisioning.plan import Outputs, Step
from provisioning.store import Change

ENGINE = "bot"  # who did it, in the audit trail, where it was nobody's click
COMPLETE = frozenset({StepState.DONE, StepState.SKIPPED})


def is_complete(job: Job) -> bool:
    return all(job.status(step.id).state in COMPLETE for step in job.plan.steps)


def waves_to_undo(job: Job) -> tuple[tuple[Step, ...], ...]:
    """Return the waves of the plan with the steps that have changed something, in the plan's order."""
    waves = (tuple(step for step in wave if job.status(step.id).applied) for wave in job.plan.waves())
    return tuple(wave for wave in waves if wave)


def start(job: Job, attempt: int, now: datetime) -> Change | None:
    if job.attempt != attempt or job.state is not JobState.QUEUED:
        return None
    return Change(
        job=with_fields(job, now, state=JobState.RUNNING, failure=None),
        event=engine_event(job, "job.started"),
    )


def step_started(job: Job, step_id: str, attempt: int, now: datetime) -> Change | None:
    """The step is about to change the world."""
    known = job.status(step_id)
    under_way = known.attempt == attempt and known.state in {StepState.RUNNING, StepState.WAITING}
    if under_way and known.applied and known.state is StepState.RUNNING:
        return None  # it goes on after a crash
    status = known.model_copy(
        update={
            "state": StepState.RUNNING,
            "attempt": attempt,
            "started_at": known.started_at if under_way else now,
            "finished_at": None,
            "note": "",
            "failure": None,
            "applied": True,
        }
    )
    return Change(job=_with_status(job, status, now), event=_step_event(job, "step.started", step_id))


def step_waits(job: Job, step_id: str, attempt: int, waiting: Waiting, now: datetime) -> Change | None:
    """The step waits for something outside. The job waits with it once its other steps have ended."""
    known = job.status(step_id)
    status = known.model_copy(
        update={"state": StepState.WAITING, "attempt": attempt, "note": f"waits for {waiting.what}", "waiting": waiting}
    )
    event = None
    if known.waiting is None or known.waiting.job != waiting.job:
        detail: dict[str, JsonValue] = {"for": waiting.what}
        if waiting.job is not None:
            detail["job"] = waiting.job
        event = _step_event(job, "step.waits", step_id, detail=detail)
    return Change(job=_with_status(job, status, now), event=event)


def wake(job: Job, now: datetime) -> Change | None:
    """What a step waited for has happened, or will not: the job goes on."""
    if job.state is not JobState.WAITING:
        return None
    return Change(
        job=with_fields(job, now, state=JobState.QUEUED, wakes=job.wakes + 1), event=engine_event(job, "job.goes_on")
    )


def noted(job: Job, step_id: str, attempt: int, line: str, now: datetime) -> Change | None:
    """A line of progress. It is not evidence: no audit row."""
    known = job.status(step_id)
    if job.state not in MOVING or known.note == line:
        return None
    update: dict[str, Any] = {"note": line}
    if known.state is StepState.PENDING or known.attempt != attempt:
        update |= {"state": StepState.RUNNING, "attempt": attempt, "started_at": now}
    return Change(job=_with_status(job, known.model_copy(update=update), now), event=None)


def step_ended(
    job: Job, step_id: str, attempt: int, *, state: StepState, outputs: Outputs, note: str, now: datetime
) -> Change | None:
    """The step's work is done: by us, or it was found done."""
    known = job.status(step_id)
    status = known.model_copy(
        update={
            "state": state,
            "attempt": attempt,
            "started_at": known.started_at if known.attempt == attempt and known.started_at else now,
            "finished_at": now,
            "note": note,
            "outputs": outputs,
            "failure": None,
            "waiting": None,
        }
    )
    detail: dict[str, JsonValue] = {"outputs": outputs} if outputs else {}
    if note:
        detail["note"] = note
    return Change(
        job=_with_status(job, status, now),
        event=_step_event(job, f"step.{state.value}", step_id, outcome="ok", detail=detail),
    )


def step_failed(job: Job, step_id: str, attempt: int, failure: Failure, now: datetime) -> Change | None:
    known = job.status(step_id)
    undoing = job.state is JobState.ROLLING_BACK
    status = known.model_copy(
        update={"state": StepState.FAILED, "attempt": attempt, "finished_at": now, "failure": failure}
    )
    event = _step_event(
        job,
        "step.undo_failed" if undoing else "step.failed",
        step_id,
        outcome="failed",
        detail=failure.model_dump(mode="json", exclude_defaults=True),
    )
    return Change(job=_with_status(job, status, now), event=event)


def undo_started(job: Job, step_id: str, attempt: int, now: datetime) -> Change | None:
    known = job.status(step_id)
    status = known.model_copy(
        update={
            "state": StepState.RUNNING,
            "attempt": attempt,
            "started_at": now,
            "finished_at": None,
            "note": "rolling back",
            "failure": None,
        }
    )
    return Change(job=_with_status(job, status, now), event=_step_event(job, "step.undo_started", step_id))


def undo_ended(job: Job, step_id: str, attempt: int, now: datetime) -> Change | None:
    status = job.status(step_id).model_copy(
        update={
            "state": StepState.UNDONE,
            "attempt": attempt,
            "finished_at": now,
            "note": "",
            "failure": None,
            "applied": False,
        }
    )
    return Change(job=_with_status(job, status, now), event=_step_event(job, "step.undone", step_id, outcome="ok"))


def finish(job: Job, attempt: int, now: datetime) -> Change | None:
    """The attempt is over. What was cancelled before it changed anything is cancelled; else it failed, so
    that somebody says whether to go on, to undo, or to leave it."""
    if job.attempt != attempt or job.state not in MOVING:
        return None
    if job.state is JobState.ROLLING_BACK:
        if job.is_untouched:
            return _end(job, JobState.ROLLED_BACK, None, now)
        return _end(job, JobState.FAILED, _why(job, "rolling back: "), now)
    if is_complete(job):
        return _end(job, JobState.SUCCEEDED, None, now)
    if job.cancelled_by is not None:
        return _cancelled(job, f"@{job.cancelled_by.name}", now)
    states = {status.state for status in job.steps}
    # One part of a batch that failed is no reason to hear no more of one that waits for people.
    if StepState.WAITING in states and (StepState.FAILED not in states or is_batch(job.plan)):
        return Change(job=with_fields(job, now, state=JobState.WAITING), event=engine_event(job, "job.waits"))
    return _end(job, JobState.FAILED, _why(job, ""), now)


def do_not_begin(job: Job, attempt: int, failure: Failure, superseded_by: Job | None, now: datetime) -> Change | None:
    """Nothing of the plan was run: the world has changed, or could not be read."""
    if job.attempt != attempt or job.state is not JobState.RUNNING:
        return None
    if superseded_by is not None:
        ended = with_fields(job, now, state=JobState.SUPERSEDED, failure=failure, superseded_by=superseded_by.id)
        return Change(
            job=ended,
            event=engine_event(job, "job.superseded", detail={"by": superseded_by.id, "why": failure.what}),
        )
    if job.cancelled_by is not None:
        return _cancelled(job, f"@{job.cancelled_by.name}", now)
    return _end(job, JobState.FAILED, failure, now)


def abandon(job: Job, attempt: int, failure: Failure, now: datetime, *, wakes: int | None = None) -> Change | None:
    """The engine could not carry the attempt through: the part of it after so many *wakes*; None: whichever runs."""
    if job.attempt != attempt or job.state not in UNDER_WAY or wakes not in {None, job.wakes}:
        return None
    return _end(job, JobState.FAILED, failure, now)


def with_fields(job: Job, now: datetime, **fields: Any) -> Job:
    """Return the job with *fields* set, changed at *now*."""
    return job.model_copy(update={**fields, "updated_at": now})


def engine_event(job: Job, action: str, *, outcome: str = "", detail: dict[str, JsonValue] | None = None) -> Event:
    return Event(
        action=action,
        actor=ENGINE,
        subject=job.plan.subject,
        job=job.id,
        attempt=job.attempt,
        outcome=outcome,
        plan_digest=job.digest,
        detail=detail or {},
    )


def _step_event(
    job: Job, action: str, step_id: str, *, outcome: str = "", detail: dict[str, JsonValue] | None = None
) -> Event:
    return Event(
        action=action,
        actor=ENGINE,
        subject=job.plan.subject,
        job=job.id,
        step=step_id,
        attempt=job.attempt,
        outcome=outcome,
        plan_digest=job.digest,
        detail=detail or {},
    )


def _with_status(job: Job, status: StepStatus, now: datetime) -> Job:
    steps = tuple(status if known.step_id == status.step_id else known for known in job.steps)
    return with_fields(job, now, steps=steps)


def _end(job: Job, state: JobState, failure: Failure | None, now: datetime) -> Change:
    detail = failure.model_dump(mode="json", exclude_defaults=True) if failure else {}
    outcome = "failed" if failure else "ok"
    return Change(
        job=with_fields(job, now, state=state, failure=failure, cancelled_by=None),
        event=engine_event(job, f"job.{state.value}", outcome=outcome, detail=detail),
    )


def _cancelled(job: Job, by: str, now: datetime) -> Change:
    if job.is_untouched:
        return _end(job, JobState.CANCELLED, Failure(what=f"cancelled by {by}, nothing was changed"), now)
    failure = Failure(
        what=f"cancelled by {by} while it ran",
        next_action="Retry goes on, Roll back undoes what was done, Leave keeps it",
        retryable=True,
    )
    return _end(job, JobState.FAILED, failure, now)


def _why(job: Job, prefix: str) -> Failure:
    """Return the first failed step's failure as the job's, naming the step."""
    failed = [
        (step, status.failure)
        for step in job.plan.steps
        if (status := job.status(step.id)).state is StepState.FAILED and status.failure
    ]
    if not failed:
        return Failure(what=f"{prefix}the job stopped before its end", next_action="Retry", retryable=True)
    step, failure = failed[0]
    more = f" (and {len(failed) - 1} more failed)" if len(failed) > 1 else ""
    return failure.model_copy(update={"what": f"{prefix}{step.title}: {failure.what}{more}"})
