"""What a job becomes once people have been reminded of it. Pure: each is given to ``Store.update_job``."""

from collections.abc import Callable
from datetime import datetime

from provisioning.evidence.trail import Event
from provisioning.jobs.changes import ENGINE
from provisioning.jobs.job import Job, JobState
from provisioning.store import Change


def reminded(job: Job, now: datetime) -> Change | None:
    """Approvers were reminded."""
    if job.state is not JobState.AWAITING_APPROVAL or job.approval is None:
        return None
    event = Event(action="approval.reminded", actor=ENGINE, rule=job.approval.rule)
    return Change(job=job.model_copy(update={"reminded_at": now}), event=event, revise=False)


def escalated(job: Job, now: datetime) -> Change | None:
    """Others were mentioned. A reminder that was due as well is not sent after it."""
    if job.state is not JobState.AWAITING_APPROVAL or job.approval is None:
        return None
    event = Event(
        action="approval.escalated",
        actor=ENGINE,
        rule=job.approval.rule,
        detail={"to": list(job.approval.escalate_to)},
    )
    at = {"escalated_at": now, "reminded_at": job.reminded_at or now}
    return Change(job=job.model_copy(update=at), event=event, revise=False)


def told(person: str) -> Callable[[Job], Change | None]:
    """Return the change that notes that *person* was told of the broken glass."""

    def change(job: Job) -> Change | None:
        glass = job.break_glass
        if glass is None or person in glass.told:
            return None
        noted = glass.model_copy(update={"told": (*glass.told, person)})
        event = Event(action="glass.told", actor=ENGINE, rule=glass.rule, outcome=person)
        return Change(job=job.model_copy(update={"break_glass": noted}), event=event, revise=False)

    return change


def review_asked_for(job: Job, now: datetime) -> Change | None:
    """The channel was asked for a review."""
    if job.break_glass is None or job.break_glass.is_reviewed:
        return None
    noted = job.break_glass.model_copy(update={"reminded_at": now})
    return Change(job=job.model_copy(update={"break_glass": noted}), revise=False)
