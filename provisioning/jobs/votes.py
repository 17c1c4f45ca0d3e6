"""One person's word on a request that waits, counted with those before it. Pure: called in the store's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from pydantic import JsonValue

from policies.approvals import Actor, Refusal, Standing, Vote, as_of_now, counted, refusal_to_vote, standing
from provisioning.jobs.asking_again import not_approved
from provisioning.jobs.changes import with_fields
from provisioning.jobs.decisions import SPOKEN, person_event
from provisioning.jobs.job import Failure, Job, JobState
from provisioning.store import Change


def vote(
    job: Job,
    actor: Actor,
    *,
    approve: bool,
    seen_digest: str,
    reason: str,
    now: datetime,
    lent: Sequence[Actor] = (),
    rights: Mapping[str, frozenset[str]] = MappingProxyType({}),
) -> Change | Refusal:
    """Count one person's word. The vote that completes the approval queues the job.

    *lent* are those who have lent the actor their right: it is used where the actor has none of their own.
    *rights* are the roles that the requester and those who have voted hold now, by id: who has lost theirs counts no
    more, and what the requester may no longer ask for is not approved.
    """
    if job.state is not JobState.AWAITING_APPROVAL or job.approval is None:
        return Refusal(
            reason=f"job {job.number} {SPOKEN[job.state]}", next_action="there is nothing to decide any more"
        )
    before = as_of_now(job.approval, job.votes, rights)
    has_own = bool(job.approval.may_vote & actor.roles)
    refusals: list[Refusal] = []
    for behalf in (None,) if has_own or not lent else lent:
        refusal = refusal_to_vote(
            approval=job.approval,
            requester=job.requester,
            votes=before,
            voter=actor,
            plan_digest=job.digest,
            seen_digest=seen_digest,
            approve=approve,
            reason=reason,
            now=now,
            behalf=behalf,
            rights_of_requester=rights.get(job.requester.id),
        )
        if refusal is None:
            break
        refusals.append(refusal)
    else:
        return refusals[0]
    cast = Vote(actor=actor, approve=approve, at=now, digest=seen_digest, reason=reason.strip(), behalf=behalf)
    votes = (*before, cast)
    detail: dict[str, JsonValue] = {"reason": cast.reason} if cast.reason else {}
    if behalf is not None:
        detail["on_behalf_of"] = behalf.id
    approvals = sum(one.approve for one in counted(votes))
    match standing(job.approval, votes):
        case Standing.DENIED:
            what = f"denied by @{actor.name}" + (f": {cast.reason}" if cast.reason else "")
            fields: dict[str, Any] = not_approved(job, JobState.DENIED, Failure(what=what))
        case Standing.APPROVED:
            fields = {"state": JobState.QUEUED, "approved_plan": None}
        case Standing.PENDING:
            fields = {}
    return Change(
        job=with_fields(job, now, votes=votes, **fields),
        event=person_event(
            job,
            actor,
            "job.approved" if approve else "job.denied",
            outcome=f"{approvals} of {job.approval.needed}" if approve else "denied",
            rule=job.approval.rule,
            detail=detail,
        ),
        extra=[
            person_event(job, now_lost.voice, "vote.lapsed", outcome="the right was lost", rule=job.approval.rule)
            for was, now_lost in zip(job.votes, before, strict=True)
            if now_lost.lapsed and not was.lapsed
        ],
    )
