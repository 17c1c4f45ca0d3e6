"""Approvers lend their right to vote: to one person, for one job or a bounded time. Audited; taken back at will.

A lent right is the lender's of the moment of the click, and nobody lends on what was lent to them. Whoever votes by
it is one person all the same: lender and holder are two people's votes only where both may vote and both do.
"""

from datetime import timedelta

from commands.approvals import ApprovalDelegate, ApprovalRecall
from policies.approvals import Actor, Refusal
from provisioning.clock import Clock
from provisioning.evidence.trail import Event
from provisioning.jobs.job import Job, JobState
from provisioning.people import People
from provisioning.store import Delegation, Store
from provisioning.store.delegations import StoredDelegations


class Delegations:
    """Thread-safe."""

    def __init__(self, *, store: Store, people: People, clock: Clock) -> None:
        self._store = store
        self._lent = StoredDelegations(store)
        self._people = people
        self._clock = clock

    def lend(self, args: ApprovalDelegate, actor: Actor) -> Delegation | Refusal:
        """Let *args.person* vote by the actor's right."""
        if args.person == actor.id:
            return Refusal(reason="you have that right yourself", next_action="name somebody else")
        now, job = self._clock.now(), None
        until = now + timedelta(hours=args.hours or 0)
        if args.job is not None:
            job = self._store.job_by_number(args.job)
            if job is None or job.state is not JobState.AWAITING_APPROVAL or job.approval is None:
                return Refusal(
                    reason=f"job {args.job} does not wait for approval",
                    next_action="see what does: /clearml approvals",
                )
            if job.requester.id in {actor.id, args.person}:
                return Refusal(
                    reason=f"job {args.job} is @{job.requester.name}'s, and nobody decides on their own request",
                    next_action="lend the right to somebody else",
                )
            if not job.approval.may_vote & actor.roles:
                return Refusal(
                    reason=f"job {args.job} needs {job.approval.asks}, and you have no such right to lend",
                    next_action="ask one of them",
                )
            until = job.approval.expires_at
        lent = Delegation(
            lender=actor.id, lender_name=actor.name, holder=args.person, job=job.id if job else None, until=until
        )
        self._lent.put(lent, self._event("approval.delegated", actor, args.person, job, str(until)))
        return lent

    def recall(self, args: ApprovalRecall, actor: Actor) -> int | Refusal:
        """Take back everything that the actor has lent to *args.person*. Returns how many there were."""
        ended = self._lent.end(actor.id, args.person, self._event("approval.recalled", actor, args.person, None, ""))
        if not ended:
            return Refusal(
                reason=f"you have lent nothing to {args.person}", next_action="there is nothing to take back"
            )
        return ended

    def lent_to(self, actor: Actor, job: Job) -> tuple[Actor, ...]:
        """Return those by whose right *actor* may vote on *job*, with the roles that they hold now.

        Raises: UnreachableError where Slack cannot say.
        """
        found = (one for one in self._lent.live(actor.id) if one.job in {None, job.id})
        lenders = dict.fromkeys(one.lender for one in found if one.lender != job.requester.id)
        return tuple(self._people.actor(lender) for lender in lenders)

    def _event(self, action: str, actor: Actor, holder: str, job: Job | None, until: str) -> Event:
        return Event(
            action=action,
            actor=actor.id,
            actor_name=actor.name,
            subject=job.plan.subject if job else "",
            job=job.id if job else None,
            outcome=holder,
            detail={"to": holder, "until": until},
        )
