"""From a command to a stored job: policy, plan, one open job for each subject."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from pydantic import JsonValue

from commands.catalog import CATALOG
from commands.grammar import render
from policies.approvals import Actor, Approval, Refusal
from policies.decide import Allow, BlastRadius, Deny, NeedsApproval, PolicyRequest, decide, decide_on, is_denied_anyhow
from provisioning.clock import Clock
from provisioning.errors import ChatopsError
from provisioning.evidence.trail import Event
from provisioning.jobs import decisions
from provisioning.jobs.batches import leases_of, subjects_of
from provisioning.jobs.blast_radius import radius_of
from provisioning.jobs.job import OPEN, AskedBy, BreakGlass, Job, JobState, Place
from provisioning.permissions import Permissions
from provisioning.plan import Plan
from provisioning.plan_ports import port_ranges_of
from provisioning.planner import Planner
from provisioning.steps.base import Ask
from provisioning.store import LeaseTakenError, Store

if TYPE_CHECKING:
    from commands.grammar import Invocation
    from policies.loader import PolicyVersion

RECENT = 1000  # jobs, newest first: among them are those that an open job has asked for
MOST_FOLLOW_UPS = 3  # in a row without an approval between them: a plan that never stays the same


@dataclass(frozen=True)
class Requested:
    """A job was stored: it waits for approval, or is queued."""

    job: Job


@dataclass(frozen=True)
class DryRun:
    """What the job would do. Nothing was stored but the audit row."""

    plan: Plan


@dataclass(frozen=True)
class NothingToDo:
    """Every step found its work done."""

    plan: Plan


@dataclass(frozen=True)
class Changed:
    """The plan is no longer the one that was seen. Nothing was stored but the audit row."""

    plan: Plan


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What the policy says to what it does not deny, and which policy that was."""

    decision: Allow | NeedsApproval
    version: "PolicyVersion"
    place: Place | None  # where people are asked

    @property
    def approval(self) -> Approval | None:
        """Return what is needed before it may run; None: nothing."""
        return self.decision.approval if isinstance(self.decision, NeedsApproval) else None


Answer: TypeAlias = Requested | DryRun | NothingToDo | Changed | Refusal


class _Busy(Exception):  # noqa: N818 - carries a refusal out of the store's transaction
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Requests:
    """Makes jobs out of commands. Thread-safe.

    Args:
        submit: takes every job that is queued from the beginning.
    """

    def __init__(
        self,
        *,
        store: Store,
        planner: Planner,
        policy: "Callable[[], PolicyVersion]",
        clock: Clock,
        submit: Callable[[Job], None],
        lease_ttl_s: int,
        permissions: Permissions,
    ) -> None:
        self._store = store
        self._planner = planner
        self._policy = policy
        self._clock = clock
        self._submit = submit
        self._lease_ttl_s = lease_ttl_s
        self._permissions = permissions

    def request(self, invocation: "Invocation", actor: Actor, channel: str | None, *, seen_digest: str = "") -> Answer:
        """Plan what was asked; store it as a job where something is to do and the policy does not deny it.

        With *seen_digest* only where the plan is still that one. Raises: ChatopsError where the world is not readable.
        """
        version = self._policy()
        subject = invocation.args.subject
        unplanned = BlastRadius.before_planning(invocation.args.gpus)
        asked = self._permissions.asked(invocation.spec, subject, actor, channel, blast=unplanned, how=invocation.how)
        if denied := is_denied_anyhow(version.policy, asked):
            return self._permissions.denied(denied, version, invocation, actor)
        try:
            return self._request(invocation, actor, channel, asked, version, seen_digest=seen_digest)
        except _Busy as busy:
            return self._permissions.refused(busy.refusal, invocation, actor)
        except LeaseTakenError as error:
            taken = Refusal(reason=error.what, next_action=error.next_action)
            return self._permissions.refused(taken, invocation, actor)
        except ChatopsError as error:
            self._permissions.record(invocation, actor, "command.failed", outcome="failed", detail={"why": error.what})
            raise

    def ask_again(self, job: Job, today: Plan) -> Job | Refusal:
        """The world has changed, so that *today* is what would be done for *job*: ask for that instead.

        May be called again for the same job, after a crash: then the job that asks again is there already.
        """
        if job.batch is not None:  # the batch goes on with it, as far as that was approved
            return Refusal(reason=f"it is a part of {job.batch}", next_action="the batch looks whether it may go on")
        newer = [one for one in self._store.jobs(subject=job.plan.subject) if one.number > job.number]
        if newer:
            return newer[-1]
        decided = self.decide_again(job, today)
        if isinstance(decided, Refusal):
            return decided
        if isinstance(decided.decision, Allow) and self._never_the_same(job):
            return Refusal(
                reason="the plan was another one at each of the last tries",
                next_action="find out what keeps changing, then run the command again",
            )
        place = Place(channel=job.place.channel) if job.place else None
        try:
            return self._create(
                job.command,
                job.requester,
                today,
                decided.decision,
                place,
                version=decided.version,
                reason=job.reason,
                instead_of=job,
            )
        except _Busy as busy:
            return busy.refusal
        except LeaseTakenError as error:
            return Refusal(reason=error.what, next_action=error.next_action)

    def decide_again(self, job: Job, today: Plan) -> "Decided | Refusal":
        """Ask the policy of this moment about *today*, which is what would be done for *job* now.

        What asked for the part of a batch was the batch, in its words and in its channel.
        """
        asker = job if job.batch is None else self._store.job(job.batch)
        channel = asker.place.channel if asker.place else None
        place = job.place or (Place(channel=channel) if channel is not None else None)
        version = self._policy()
        asked = self._permissions.asked(
            CATALOG[asker.plan.operation], job.plan.subject, job.requester, channel, blast=radius_of(today)
        )
        request = replace(asked, reason=job.reason, break_glass=asker.break_glass is not None)
        match decide_on(version.policy, request, subjects_of(today)):
            case Refusal() as refusal:
                return refusal
            case Deny() as denied:
                return Refusal(reason=denied.reason, next_action=denied.next_action)
            case Allow() | NeedsApproval() as decision:
                return Decided(decision=decision, version=version, place=place)

    def ask_for(self, asker: Job, step_id: str, ask: Ask) -> Job | Refusal:
        """A step of *asker* needs a job of its own: ask for it in the requester's name, by the policy of this moment.

        The same step of the same attempt asks once, also after a crash; an open job of an earlier attempt is
        taken up.
        """
        for job in self._store.jobs(limit=RECENT):
            by = job.asked_by
            if by is None or (by.job, by.step) != (asker.id, step_id):
                continue
            if by.attempt == asker.attempt or not job.state.is_final:
                return job
        plan = self._planner.plan(ask.operation, ask.request)
        if isinstance(plan, Refusal):
            return plan
        channel = asker.place.channel if asker.place else None
        command = CATALOG[ask.operation]
        version = self._policy()
        asked = self._permissions.asked(command, plan.subject, asker.requester, channel, blast=radius_of(plan))
        decision = decide(version.policy, replace(asked, reason=asker.reason))
        if isinstance(decision, Deny):
            return Refusal(reason=decision.reason, next_action=decision.next_action)
        try:
            return self._create(
                render(command, command.args.model_validate(ask.request)),
                asker.requester,
                plan,
                decision,
                Place(channel=channel) if channel is not None else None,
                version=version,
                reason=asker.reason,
                asked_by=AskedBy(job=asker.id, step=step_id, attempt=asker.attempt),
            )
        except _Busy as busy:
            return busy.refusal

    def _request(
        self,
        invocation: "Invocation",
        actor: Actor,
        channel: str | None,
        asked: PolicyRequest,
        version: "PolicyVersion",
        *,
        seen_digest: str,
    ) -> Answer:
        if not invocation.dry_run:
            self._check_free(asked.subject)
        plan = self._planner.plan(invocation.spec.name, invocation.args)
        if isinstance(plan, Refusal):
            return self._permissions.refused(plan, invocation, actor)
        if invocation.dry_run:
            self._permissions.record(invocation, actor, "command.dry_run", digest=plan.digest)
            return DryRun(plan)
        if plan.is_noop:
            self._permissions.record(invocation, actor, "command.nothing_to_do", digest=plan.digest)
            return NothingToDo(plan)
        if seen_digest and plan.digest != seen_digest:
            self._permissions.record(invocation, actor, "command.plan_changed", outcome="refused", digest=plan.digest)
            return Changed(plan)
        decision = decide_on(version.policy, replace(asked, blast=radius_of(plan)), subjects_of(plan))
        if isinstance(decision, Refusal):
            return self._permissions.refused(decision, invocation, actor)
        if isinstance(decision, Deny):
            return self._permissions.denied(decision, version, invocation, actor, digest=plan.digest)
        place = Place(channel=channel) if channel is not None else None
        reason = invocation.how.reason
        return Requested(self._create(invocation.text, actor, plan, decision, place, version=version, reason=reason))

    def _create(
        self,
        command: str,
        actor: Actor,
        plan: Plan,
        decision: Allow | NeedsApproval,
        place: Place | None,
        *,
        version: "PolicyVersion",
        reason: str,
        instead_of: Job | None = None,
        asked_by: AskedBy | None = None,
    ) -> Job:
        """Store the job and, where nobody has to approve it, submit it. Raises: _Busy, LeaseTakenError."""
        approval = decision.approval if isinstance(decision, NeedsApproval) else None
        broke_glass = isinstance(decision, Allow) and decision.broke_glass
        detail: dict[str, JsonValue] = {"command": command, "summary": plan.summary, "policy": version.digest}
        if reason:
            detail["reason"] = reason
        if instead_of is not None:
            detail["instead_of"] = instead_of.id
        if asked_by is not None:
            detail["asked_by"] = asked_by.job
        job = self._store.create_job(
            command=command,
            requester=actor,
            plan=plan,
            state=JobState.AWAITING_APPROVAL if approval else JobState.QUEUED,
            approval=approval,
            place=place,
            asked_by=asked_by,
            leases=port_ranges_of(plan) or (),
            leases_of_others=leases_of(plan),
            policy=version.digest,
            reason=reason,
            break_glass=BreakGlass(rule=decision.rule, told_roles=decision.told)
            if isinstance(decision, Allow) and broke_glass
            else None,
            lease_ttl_s=self._lease_ttl_s,
            extra=[_broken(decision.rule, actor, reason)] if broke_glass else [],
            check=lambda: self._check_all_free(plan, instead_of),
            event=Event(
                action="job.requested",
                actor=actor.id,
                actor_name=actor.name,
                rule=decision.rule,
                detail=detail,
            ),
        )
        if job.state is JobState.QUEUED:
            self._submit(job)
        return job

    def _check_free(self, subject: str, but: Job | None = None) -> None:
        """Raises: _Busy, where another job of *subject* is open."""
        for holder in self._store.jobs(states=OPEN, subject=subject):
            if but is None or holder.id != but.id:
                raise _Busy(decisions.busy(holder))

    def _check_all_free(self, plan: Plan, but: Job | None) -> None:
        """Raises: _Busy, where another job of what the plan is about is open."""
        for subject in (plan.subject, *subjects_of(plan)):
            self._check_free(subject, but)

    def _never_the_same(self, job: Job) -> bool:
        before = [one for one in self._store.jobs(subject=job.plan.subject) if one.number < job.number]
        last = before[:MOST_FOLLOW_UPS]
        return len(last) == MOST_FOLLOW_UPS and all(one.state is JobState.SUPERSEDED for one in last)


def _broken(rule: str, actor: Actor, reason: str) -> Event:
    detail = {"reason": reason}
    return Event(action="glass.broken", actor=actor.id, actor_name=actor.name, rule=rule, detail=detail)
