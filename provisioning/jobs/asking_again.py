"""How a job that has changed something asks again for what is another since, and what becomes of it. Pure.

Its plan is then what is left to do as it would be done today. What was approved before is kept beside it until people
have decided: it is the plan again where they do not approve.
"""

from datetime import datetime
from typing import Any

from policies.approvals import Approval
from provisioning.jobs.changes import engine_event, with_fields
from provisioning.jobs.job import Failure, Job, JobState, Place
from provisioning.plan import Plan
from provisioning.store import Change

NEXT_ACTION = "Retry asks again, Roll back undoes what was done, Leave keeps it"


def go_on_with(
    job: Job,
    today: Plan,
    *,
    attempt: int,
    approval: Approval | None,
    place: Place | None,
    policy: str,
    why: str,
    now: datetime,
) -> Change | None:
    """What is left of the plan is another than was approved: *why* says in what.

    The job waits for *approval* of it, where people read it (*place*), and then its next attempt begins; None: it
    goes on at once.
    """
    if job.attempt != attempt or job.state is not JobState.RUNNING:
        return None
    changed = with_fields(job, now, plan=today, digest=today.digest, policy=policy)
    if approval is None:
        return Change(job=changed, event=engine_event(changed, "job.plan_changed", detail={"why": why}))
    asking = with_fields(
        changed,
        now,
        state=JobState.AWAITING_APPROVAL,
        attempt=attempt + 1,
        approved_plan=job.plan,
        approval=approval,
        place=place,
        votes=(),
        failure=Failure(what=why, next_action="approve what is different, or Deny it: then it can be undone"),
        reminded_at=None,
        escalated_at=None,
    )
    return Change(job=asking, event=engine_event(asking, "job.asked_again", detail={"why": why}))


def not_approved(job: Job, state: JobState, failure: Failure) -> dict[str, Any]:
    """Return the fields of a job that does not go on: it has ended, or, where it has changed something, failed.

    Then what was approved before is its plan again, so that a Retry asks anew.
    """
    if job.approved_plan is None:
        return {"state": state, "failure": failure}
    failed = Failure(what=f"what differs from the approved plan: {failure.what}", next_action=NEXT_ACTION)
    return {
        "state": JobState.FAILED,
        "failure": failed,
        "plan": job.approved_plan,
        "digest": job.approved_plan.digest,
        "approved_plan": None,
    }
