"""What waits for people: requests to decide on, and broken glass to review. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from policies.approvals import Actor, counted
from provisioning.jobs.job import Job, JobState


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


def pending_for(
    actor: Actor,
    waiting: Sequence[Job],
    unreviewed: Sequence[Job],
    *,
    lent: Callable[[Job], Sequence[Actor]] = lambda _job: (),
) -> Pending:
    """Sort what waits by what *actor* can do about it; the order within is kept.

    *lent* says who has lent the actor their right to vote on a job.
    """
    yours = tuple(job for job in waiting if any(may_decide(one, job, actor) for one in (actor, *lent(job))))
    return Pending(
        yours=yours,
        to_review=tuple(job for job in unreviewed if job.requester.id != actor.id),
        others=tuple(job for job in waiting if job not in yours),
        own_glass=tuple(job for job in unreviewed if job.requester.id == actor.id),
    )


def may_decide(voice: Actor, job: Job, voter: Actor) -> bool:
    """Return whether *voter* may decide on *job* by the right of *voice*, and neither has voted yet."""
    ids = {voice.id, voter.id}
    return (
        job.state is JobState.AWAITING_APPROVAL
        and job.approval is not None
        and bool(job.approval.may_vote & voice.roles)
        and job.requester.id not in ids
        and all(ids.isdisjoint({vote.actor.id, vote.voice.id}) for vote in counted(job.votes))
    )
