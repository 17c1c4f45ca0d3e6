"""Everything people may do with jobs: ask, vote, retry, roll back, leave, cancel, withdraw, reveal."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from commands.approvals import ApprovalDelegate, ApprovalRecall
from commands.catalog import CATALOG
from policies.approvals import Actor, Refusal, counted
from provisioning.clock import Clock
from provisioning.engine import Engine
from provisioning.jobs import decisions, votes
from provisioning.jobs.delegation import Delegations
from provisioning.jobs.job import UNDER_WAY, Job, JobState
from provisioning.jobs.pending import Pending, pending_for
from provisioning.jobs.requests import Answer, Changed, DryRun, NothingToDo, Requested, Requests
from provisioning.jobs.reveals import Reveals
from provisioning.people import People
from provisioning.permissions import Permissions
from provisioning.planner import Planner
from provisioning.store import Change, Delegation, Store
from provisioning.sweep import Sweep

if TYPE_CHECKING:
    from commands.grammar import Invocation
    from policies.loader import PolicyVersion
    from provisioning.clients.clearml import ClearML, Credentials

__all__ = ["Answer", "Changed", "DryRun", "JobService", "NothingToDo", "Requested"]

MOST_PENDING = 200  # of each kind, the newest

Decision: TypeAlias = Callable[[Job, Actor, datetime], Change | Refusal]


class JobService:
    """The one door to jobs for Slack and the command line. Thread-safe.

    What people may not do is answered with a Refusal, and audited. Raises: ChatopsError where the world could
    not be read; KeyError for an unknown job id.
    """

    def __init__(
        self,
        *,
        store: Store,
        engine: Engine,
        planner: Planner,
        policy: "Callable[[], PolicyVersion]",
        clearml: "ClearML",
        clock: Clock,
        people: People,
        lease_ttl_s: int = 86_400,
        permissions: Permissions | None = None,
    ) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock
        self._people = people
        self._permissions = permissions or Permissions(store=store, policy=policy, clock=clock)
        self._requests = Requests(
            store=store,
            planner=planner,
            policy=policy,
            clock=clock,
            submit=engine.submit,
            lease_ttl_s=lease_ttl_s,
            permissions=self._permissions,
        )
        self._delegations = Delegations(store=store, people=people, clock=clock)
        self._sweep = Sweep(store=store, engine=engine, clock=clock)
        self._reveals = Reveals(store=store, clearml=clearml, clock=clock)
        engine.runner.ask_again = self._requests.ask_again
        engine.runner.ask_for = self._requests.ask_for
        engine.runner.decide_again = self._requests.decide_again

    def start(self) -> None:
        """Start the engine, which goes on with interrupted jobs, and give it what it has not heard of."""
        self._engine.start()
        self.sweep()

    def sweep(self) -> None:
        """Expire approvals and leases; submit jobs that the engine does not have; fail those it gave up."""
        self._sweep()

    def now(self) -> datetime:
        """Return the time that jobs are kept by."""
        return self._clock.now()

    def may(self, invocation: "Invocation", actor: Actor, channel: str | None) -> Refusal | None:
        """Return why *actor* may not run a command that only reads, or None. A no is audited."""
        return self._permissions.refusal_to_read(invocation, actor, channel)

    def allows(self, invocation: "Invocation", actor: Actor, channel: str | None = None) -> bool:
        """Return whether the policy would let *actor* ask for it. Nothing is audited: nobody has asked."""
        return self._permissions.allows(invocation, actor, channel)

    def request(self, invocation: "Invocation", actor: Actor, channel: str | None, *, seen_digest: str = "") -> Answer:
        """Plan what was asked; store it as a job where something is to do and the policy does not deny it.

        With *seen_digest* only where the plan is still that one.
        """
        return self._requests.request(invocation, actor, channel, seen_digest=seen_digest)

    def vote(self, job_id: str, actor: Actor, *, approve: bool, seen_digest: str, reason: str = "") -> Job | Refusal:
        """Count the actor's word. The vote that completes the approval queues the job."""
        self._sweep.expire(job_id)
        now = self._clock.now()
        before = self._store.job(job_id)
        lent = self._delegations.lent_to(actor, before)
        concerned = {before.requester.id, *(vote.voice.id for vote in counted(before.votes))} if approve else set()
        rights = {person: self._people.actor(person).roles for person in sorted(concerned)}
        return self._settle(
            job_id,
            actor,
            "vote.refused",
            lambda job: votes.vote(
                job, actor, approve=approve, seen_digest=seen_digest, reason=reason, now=now, lent=lent, rights=rights
            ),
        )

    def refusal_to_vote(self, job_id: str, actor: Actor, *, approve: bool, seen_digest: str) -> Refusal | None:
        """Return why the actor's word would not count, before they are asked for its reason; a refusal is audited."""
        self._sweep.expire(job_id)
        job = self._store.job(job_id)
        lent = self._delegations.lent_to(actor, job)
        said = votes.vote(
            job, actor, approve=approve, seen_digest=seen_digest, reason="to be given", now=self._clock.now(), lent=lent
        )
        if not isinstance(said, Refusal):
            return None
        self._record_refusal(job, actor, "vote.refused", said)
        return said

    def lend_vote(
        self, invocation: "Invocation", args: ApprovalDelegate, actor: Actor, channel: str | None
    ) -> Delegation | Refusal:
        """Let somebody else vote by the actor's right."""
        refused = self._permissions.refusal_without_plan(invocation, actor, channel)
        return refused or self._delegations.lend(args, actor)

    def recall_vote(
        self, invocation: "Invocation", args: ApprovalRecall, actor: Actor, channel: str | None
    ) -> int | Refusal:
        """Take back what the actor has lent to somebody. Returns how many rights that were."""
        refused = self._permissions.refusal_without_plan(invocation, actor, channel)
        return refused or self._delegations.recall(args, actor)

    def withdraw(self, job_id: str, actor: Actor) -> Job | Refusal:
        """The requester takes back a request that waits for approval."""
        now = self._clock.now()
        return self._settle(job_id, actor, "command.denied", lambda job: decisions.withdraw(job, actor, now))

    def retry(self, job_id: str, actor: Actor) -> Job | Refusal:
        """Run a failed job again, from the step that failed."""
        return self._command("job retry", job_id, actor, decisions.retry)

    def roll_back(self, job_id: str, actor: Actor) -> Job | Refusal:
        """Undo what a failed job did, newest first."""
        return self._command("job rollback", job_id, actor, decisions.roll_back)

    def leave(self, job_id: str, actor: Actor) -> Job | Refusal:
        """Close a failed job and keep what it did."""
        return self._command("job leave", job_id, actor, decisions.leave)

    def review(self, job_id: str, actor: Actor, note: str) -> Job | Refusal:
        """Note that somebody else has looked at a job that went ahead without approval."""
        return self._command("job review", job_id, actor, lambda job, who, now: decisions.review(job, who, note, now))

    def pending(self, actor: Actor) -> Pending:
        """Return what waits, what *actor* can act on first."""
        waiting = self._store.jobs(states={JobState.AWAITING_APPROVAL}, limit=MOST_PENDING)
        return pending_for(
            actor,
            waiting,
            self._store.unreviewed(limit=MOST_PENDING),
            lent=lambda job: self._delegations.lent_to(actor, job),
        )

    def cancel(self, job_id: str, actor: Actor) -> Job | Refusal:
        """Stop a job: at once where it has not begun; where it runs, at the next safe point. Then it has failed,
        and can be retried, rolled back or left. Who asked for a job may always cancel it while it waits."""
        job = self._store.job(job_id)
        if actor.id == job.requester.id and job.state is JobState.AWAITING_APPROVAL:
            return self.withdraw(job_id, actor)
        answer = self._command("job cancel", job_id, actor, decisions.cancel)
        if isinstance(answer, Job) and answer.cancelled_by is not None:
            self._engine.cancel(job_id)
        return answer

    def reveal(self, job_id: str, actor: Actor) -> "Credentials | Refusal":
        """Make credentials of the tenant's admin and return them: once a job, to its requester alone."""
        job = self._store.job(job_id)
        if denied := self._permissions.refusal_on_job(CATALOG["job show"], job, actor):
            refusal = Refusal(reason=denied.reason, next_action=denied.next_action)
            self._record_refusal(job, actor, "credentials.refused", refusal, rule=denied.rule)
            return refusal
        answer = self._reveals.reveal(job_id, actor)
        if isinstance(answer, Refusal):
            self._record_refusal(self._store.job(job_id), actor, "credentials.refused", answer)
        return answer

    def unreveal(self, job_id: str, access_key: str) -> None:
        """Revoke credentials that could not be shown. They can be revealed again."""
        self._reveals.unreveal(job_id, access_key)

    def _command(self, command: str, job_id: str, actor: Actor, decision: Decision) -> Job | Refusal:
        """Ask the policy, then the job itself.

        Where the policy would have it approved, it has been: a job that ran was approved, and its plan says how
        each step is undone. Stopping and closing a job need nobody's approval.
        """
        job = self._store.job(job_id)
        if denied := self._permissions.refusal_on_job(CATALOG[command], job, actor):
            refusal = Refusal(reason=denied.reason, next_action=denied.next_action)
            self._record_refusal(job, actor, "command.denied", refusal, rule=denied.rule)
            return refusal
        now = self._clock.now()
        return self._settle(job_id, actor, "command.denied", lambda fresh: decision(fresh, actor, now))

    def _settle(
        self, job_id: str, actor: Actor, refused: str, decide_on: Callable[[Job], Change | Refusal]
    ) -> Job | Refusal:
        """Change the job in one transaction, or refuse; then do what follows from its new state."""
        refusal: Refusal | None = None

        def change(job: Job) -> Change | None:
            nonlocal refusal
            answer = decide_on(job)
            if isinstance(answer, Refusal):
                refusal = answer
                return None
            return answer

        job = self._store.update_job(job_id, change)
        if refusal is not None:
            self._record_refusal(job, actor, refused, refusal)
            return refusal
        if job.state in UNDER_WAY:
            self._engine.submit(job)
        return job

    def _record_refusal(
        self, job: Job, actor: Actor, action: str, refusal: Refusal, *, rule: str | None = None
    ) -> None:
        self._store.record(
            decisions.person_event(
                job, actor, action, outcome="refused", rule=rule or None, detail={"why": refusal.reason}
            )
        )
