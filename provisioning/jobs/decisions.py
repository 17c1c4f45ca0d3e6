"""What people may do with a stored job, and what it becomes. Pure: the fresh job in, a change or a refusal out.

Each function is called inside the store's transaction. Whether the policy lets this person use the command at
all was asked before; here stands what the job's own state and people say.
"""

from datetime import datetime

from pydantic import JsonValue

from policies.approvals import Actor, Refusal
from provisioning.evidence.trail import Event
from provisioning.jobs.asking_again import not_approved
from provisioning.jobs.changes import ENGINE, with_fields
from provisioning.jobs.job import Failure, Job, JobState, StepState, StepStatus
from provisioning.store import Change
from provisioning.wording import listed

MOST_LEFT = 8  # steps of a job that was left, told by their titles
MOST_COMMAND = 200  # characters

SPOKEN = {
    JobState.AWAITING_APPROVAL: "waits for approval",
    JobState.QUEUED: "is queued",
    JobState.RUNNING: "is running",
    JobState.WAITING: "waits for something outside",
    JobState.ROLLING_BACK: "is being rolled back",
    JobState.SUCCEEDED: "has succeeded",
    JobState.FAILED: "has failed",
    JobState.ROLLED_BACK: "has been rolled back",
    JobState.DENIED: "was denied",
    JobState.EXPIRED: "has expired",
    JobState.WITHDRAWN: "was withdrawn",
    JobState.CANCELLED: "was cancelled",
    JobState.SUPERSEDED: "was superseded",
}


def withdraw(job: Job, actor: Actor, now: datetime) -> Change | Refusal:
    """The requester takes the request back while it waits."""
    if actor.id != job.requester.id:
        return Refusal(
            reason=f"job {job.number} is @{job.requester.name}'s request",
            next_action=f"Deny it, or /clearml job cancel {job.number}",
        )
    if job.state is not JobState.AWAITING_APPROVAL:
        return Refusal(
            reason=f"job {job.number} {SPOKEN[job.state]}, and only what waits for approval can be withdrawn",
            next_action=_next_action(job),
        )
    return _end(job, actor, JobState.WITHDRAWN, "job.withdrawn", now)


def cancel(job: Job, actor: Actor, now: datetime) -> Change | Refusal:
    """Stop the job: at once where it has not begun, at the next safe point where it runs."""
    match job.state:
        case JobState.AWAITING_APPROVAL if actor.id == job.requester.id:
            return withdraw(job, actor, now)
        case JobState.AWAITING_APPROVAL:
            return _end(job, actor, JobState.CANCELLED, "job.cancelled", now)
        case JobState.QUEUED if job.is_untouched:
            return _end(job, actor, JobState.CANCELLED, "job.cancelled", now)
        case JobState.QUEUED | JobState.RUNNING if job.cancelled_by is None:
            return Change(
                job=with_fields(job, now, cancelled_by=actor),
                event=person_event(job, actor, "job.cancel_requested"),
            )
        case JobState.WAITING:  # it runs on, and stops before its next step
            return Change(
                job=with_fields(job, now, cancelled_by=actor, state=JobState.QUEUED, wakes=job.wakes + 1),
                event=person_event(job, actor, "job.cancel_requested"),
            )
        case JobState.QUEUED | JobState.RUNNING:
            return Refusal(
                reason=f"job {job.number} is being cancelled already",
                next_action="wait until its running step has stopped",
            )
        case _:
            return Refusal(
                reason=f"job {job.number} {SPOKEN[job.state]}: there is nothing to cancel",
                next_action=_next_action(job),
            )


def retry(job: Job, actor: Actor, now: datetime) -> Change | Refusal:
    """Run a failed job again. Steps that are done are looked at, not done again."""
    if job.state is not JobState.FAILED:
        return _not_failed(job)
    steps = tuple(_fresh(status) for status in job.steps)
    again = with_fields(
        job,
        now,
        state=JobState.QUEUED,
        attempt=job.attempt + 1,
        failure=None,
        cancelled_by=None,
        steps=steps,
    )
    return Change(job=again, event=person_event(again, actor, "job.retried"))


def roll_back(job: Job, actor: Actor, now: datetime) -> Change | Refusal:
    """Undo what a failed job did, newest first."""
    if job.state is not JobState.FAILED:
        return _not_failed(job)
    back = with_fields(job, now, state=JobState.ROLLING_BACK, attempt=job.attempt + 1, cancelled_by=None)
    return Change(job=back, event=person_event(back, actor, "job.rollback_started"))


def leave(job: Job, actor: Actor, now: datetime) -> Change | Refusal:
    """Close a failed job and keep what it did. Its failure stays readable, with what stays and how to go on."""
    if job.state is not JobState.FAILED:
        return _not_failed(job)
    failure = job.failure or Failure(what="failed")
    left = failure.model_copy(update={"next_action": _after_leaving(job, actor), "retryable": False})
    return Change(
        job=with_fields(job, now, state=JobState.CANCELLED, failure=left), event=person_event(job, actor, "job.left")
    )


def review(job: Job, actor: Actor, note: str, now: datetime) -> Change | Refusal:
    """Somebody else has looked at what went ahead without approval. The mark stays."""
    glass = job.break_glass
    if glass is None:
        return Refusal(
            reason=f"job {job.number} took the ordinary way: there is nothing to review",
            next_action="/clearml approvals lists what is to be reviewed",
        )
    if actor.id == job.requester.id:
        return Refusal(reason="you have broken the glass yourself", next_action="somebody else must review it")
    if glass.reviewed_by is not None:
        return Refusal(
            reason=f"job {job.number} was reviewed by @{glass.reviewed_by.name} already",
            next_action="/clearml approvals lists what is to be reviewed",
        )
    reviewed = glass.model_copy(update={"reviewed_by": actor, "reviewed_at": now, "note": note})
    return Change(
        job=with_fields(job, now, break_glass=reviewed),
        event=person_event(job, actor, "glass.reviewed", rule=glass.rule, detail={"note": note}),
    )


def expire(job: Job, now: datetime) -> Change | None:
    """Nobody decided in time."""
    if job.state is not JobState.AWAITING_APPROVAL or job.approval is None or now < job.approval.expires_at:
        return None
    failure = Failure(what="expired: nobody completed the approval in time", next_action="run the command again")
    return Change(
        job=with_fields(job, now, **not_approved(job, JobState.EXPIRED, failure)),
        event=Event(action="job.expired", actor=ENGINE, rule=job.approval.rule),
    )


def moot(job: Job, asker: Job, now: datetime) -> Change | None:
    """The job whose step had asked for this one waits for it no more."""
    if job.state is not JobState.AWAITING_APPROVAL or not job.is_untouched:
        return None
    failure = Failure(what=f"job {asker.number} {SPOKEN[asker.state]} and waits for this no more")
    return Change(
        job=with_fields(job, now, state=JobState.WITHDRAWN, failure=failure),
        event=Event(action="job.withdrawn", actor=ENGINE, detail={"why": failure.what}),
    )


def busy(holder: Job) -> Refusal:
    """Say who holds the subject, and which command frees it."""
    reason = f"{_subject_of(holder)} is locked by job {holder.number} (@{holder.requester.name})"
    if holder.state is JobState.FAILED:
        return Refusal(reason=f"{reason}, which has failed", next_action=_next_action(holder))
    return Refusal(reason=reason, next_action=f"wait, or /clearml job cancel {holder.number}")


def _subject_of(job: Job) -> str:
    """Return what the job is about, in words: ``tenant acme``, ``digest morning``, ``platform``, ``node gpu-1``."""
    kind, _, name = job.plan.subject.replace("/", ":", 1).rpartition(":")
    family = kind or job.plan.operation.split()[0]
    match family:
        case "reboot":
            return f"the reboot of {name}"
        case "node" if not kind:
            return "a set of nodes"
        case _:
            return name if name == family else f"{family} {name}"


def person_event(
    job: Job,
    actor: Actor,
    action: str,
    *,
    outcome: str = "",
    rule: str | None = None,
    detail: dict[str, JsonValue] | None = None,
) -> Event:
    return Event(
        action=action,
        actor=actor.id,
        actor_name=actor.name,
        subject=job.plan.subject,
        job=job.id,
        attempt=job.attempt,
        outcome=outcome,
        rule=rule,
        plan_digest=job.digest,
        detail=detail or {},
    )


def _end(job: Job, actor: Actor, state: JobState, action: str, now: datetime) -> Change:
    fields = not_approved(job, state, Failure(what=f"{state.value} by @{actor.name}"))
    return Change(job=with_fields(job, now, **fields), event=person_event(job, actor, action))


def _not_failed(job: Job) -> Refusal:
    return Refusal(
        reason=f"job {job.number} {SPOKEN[job.state]}, and only a failed job can be retried, rolled back or left",
        next_action=_next_action(job),
    )


def _next_action(job: Job) -> str:
    match job.state:
        case JobState.AWAITING_APPROVAL | JobState.QUEUED | JobState.RUNNING | JobState.WAITING:
            return f"wait, or /clearml job cancel {job.number}"
        case JobState.ROLLING_BACK:
            return "wait until it is rolled back"
        case JobState.FAILED:
            return f"/clearml job retry {job.number}, job rollback {job.number} or job leave {job.number}"
        case _:
            return "run the command again where it is still wanted"


def _after_leaving(job: Job, actor: Actor) -> str:
    stays = [step.title for step in job.plan.steps if job.status(step.id).applied]
    if not stays:
        return f"@{actor.name} left it, and nothing was changed: run the command again where it is still wanted"
    return (
        f"@{actor.name} left it as it is. What it has done, or begun, stays: {listed(stays, MOST_LEFT)}."
        f" /clearml {job.command[:MOST_COMMAND]} goes on from there"
    )


def _fresh(status: StepStatus) -> StepStatus:
    """Return the status as it shows before the step is tried again. What was applied stays known."""
    if status.state in {StepState.DONE, StepState.SKIPPED}:
        return status
    return status.model_copy(
        update={
            "state": StepState.PENDING,
            "note": "",
            "failure": None,
            "waiting": None,
            "started_at": None,
            "finished_at": None,
        }
    )
