"""What waits for people: requests to decide on, and broken glass to review. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from policies.approvals import Actor
from provisioning.jobs import Job, JobState


@dataclass(frozen=True, kw_only=True)
class Pending:
    """What waits, as *actor* sees it: what they can act on stands first."""

    yours: tuple[Job, ...]  # to decide on
    to_review: tuple[Job, ...]  # broken glass, by somebody else
    others: tuple[Job, ...]  # waits for other people
    own_glass: tuple[Job, ...]  # the actor broke it: others review

    @property
    def is_empty(self) -> bool:
        return not (self.yours or self.to_review or self.others or self.own_glass)


def pending_for(actor: Actor, waiting: Sequence[Job], unreviewed: Sequence[Job]) -> Pending:
    """Sort what waits by what *actor* can do about it; the order within is kept."""
    return Pending(
        yours=tuple(job for job in waiting if may_decide(actor, job)),
        to_review=tuple(job for job in unreviewed if job.requester.id != actor.id),
        others=tuple(job for job in waiting if not may_decide(actor, job)),
        own_glass=tuple(job for job in unreviewed if job.requester.id == actor.id),
    )


def may_decide(actor: Actor, job: Job) -> bool:
    """Return whether the actor's word on *job* is asked for and not given yet."""
    return (
        job.state is JobState.AWAITING_APPROVAL
        and job.approval is not None
        and bool(job.approval.may_vote & actor.roles)
        and job.requester.id != actor.id
        and all(vote.actor.id != actor.id for vote in job.votes)
    )
