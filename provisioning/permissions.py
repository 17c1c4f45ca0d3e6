"""What the policy says of commands, with what it says audited: all that a command needs that makes no plan."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import JsonValue

from commands.spec import CommandSpec
from policies.approvals import Actor, Refusal
from policies.decide import BlastRadius, Deny, PolicyRequest, decide
from provisioning.clock import Clock
from provisioning.evidence.trail import READ, Event
from provisioning.jobs.blast_radius import radius_of
from provisioning.jobs.job import Job
from provisioning.store import Store

if TYPE_CHECKING:
    from commands.grammar import How, Invocation
    from policies.loader import PolicyVersion


class Permissions:
    """Asks the policy, as of now. Thread-safe."""

    def __init__(self, *, store: Store, policy: "Callable[[], PolicyVersion]", clock: Clock, cluster: str = "") -> None:
        self._store = store
        self._policy = policy
        self._clock = clock
        self._cluster = cluster

    def asked(
        self,
        command: CommandSpec,
        subject: str,
        actor: Actor,
        channel: str | None,
        *,
        blast: BlastRadius,
        how: "How | None" = None,
    ) -> PolicyRequest:
        """Return what the policy is asked, as of now."""
        return PolicyRequest(
            command=command.name,
            risk=command.risk,
            subject=subject,
            actor=actor,
            channel=channel,
            now=self._clock.now(),
            cluster=self._cluster,
            blast=blast,
            reason=how.reason if how else "",
            break_glass=bool(how and how.break_glass),
        )

    def refusal_on_job(self, command: CommandSpec, job: Job, actor: Actor) -> Deny | None:
        """Return why the policy denies *command* on a job that is there, or None.

        Its plan is known. Where the policy would have it approved, it has been.
        """
        channel = job.place.channel if job.place else None
        asked = self.asked(command, job.plan.subject, actor, channel, blast=radius_of(job.plan))
        decision = decide(self._policy().policy, replace(asked, reason=job.reason))
        return decision if isinstance(decision, Deny) else None

    def allows(self, invocation: "Invocation", actor: Actor, channel: str | None) -> bool:
        """Return whether the policy would let *actor* ask for it, as far as that is known without a plan."""
        asked = self.asked(invocation.spec, invocation.args.subject, actor, channel, blast=BlastRadius())
        return not isinstance(decide(self._policy().policy, asked), Deny)

    def refusal_to_read(self, invocation: "Invocation", actor: Actor, channel: str | None) -> Refusal | None:
        """Return why the policy denies a command that only reads, or None. Both are audited."""
        version = self._policy()
        asked = self.asked(invocation.spec, invocation.args.subject, actor, channel, blast=BlastRadius())
        decision = decide(version.policy, asked)
        if isinstance(decision, Deny):
            return self.denied(decision, version, invocation, actor)
        self.record(invocation, actor, READ, rule=decision.rule, detail={"policy": version.digest})
        return None

    def refusal_without_plan(self, invocation: "Invocation", actor: Actor, channel: str | None) -> Refusal | None:
        """Return why the policy denies a command that makes no plan, or None. Approve counts as allow."""
        version = self._policy()
        asked = self.asked(invocation.spec, invocation.args.subject, actor, channel, blast=BlastRadius())
        decision = decide(version.policy, asked)
        return self.denied(decision, version, invocation, actor) if isinstance(decision, Deny) else None

    def denied(
        self,
        denied: Deny,
        version: "PolicyVersion",
        invocation: "Invocation",
        actor: Actor,
        *,
        digest: str | None = None,
    ) -> Refusal:
        """Return the policy's no for people, and audit it."""
        refusal = Refusal(reason=denied.reason, next_action=denied.next_action)
        detail: dict[str, JsonValue] = {"why": refusal.reason, "policy": version.digest}
        self.record(
            invocation, actor, "command.denied", outcome="refused", rule=denied.rule, digest=digest, detail=detail
        )
        return refusal

    def refused(self, refusal: Refusal, invocation: "Invocation", actor: Actor, *, rule: str | None = None) -> Refusal:
        """Audit the refusal, and return it."""
        detail: dict[str, JsonValue] = {"why": refusal.reason}
        self.record(invocation, actor, "command.denied", outcome="refused", rule=rule, detail=detail)
        return refusal

    def record(
        self,
        invocation: "Invocation",
        actor: Actor,
        action: str,
        *,
        outcome: str = "",
        rule: str | None = None,
        digest: str | None = None,
        detail: Mapping[str, JsonValue] | None = None,
    ) -> None:
        """Write one row about the command to the trail."""
        self._store.record(
            Event(
                action=action,
                actor=actor.id,
                actor_name=actor.name,
                subject=invocation.args.subject,
                outcome=outcome,
                rule=rule or None,
                plan_digest=digest,
                detail={"command": invocation.text, **(detail or {})},
            )
        )
