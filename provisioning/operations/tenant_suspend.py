"""`tenant suspend` and `tenant resume`: a tenant's agents scaled to zero, and back. Nothing else changes. Pure."""

from commands.tenant_lifecycle import TenantResume, TenantSuspend
from policies.approvals import Refusal
from provisioning.operations.base import Draft
from provisioning.operations.tenant_existing import agent_refusal, not_recorded, world_refusal
from provisioning.operations.tenant_facts import ExistingTenant
from provisioning.plan import Step

TIMEOUT_S = 300


class SuspendTenant:
    command = "tenant suspend"
    args = TenantSuspend

    def draft(self, args: TenantSuspend, facts: ExistingTenant | None) -> Draft | Refusal:
        """Return the step, or the first reason against it."""
        if facts is None:
            return not_recorded(args.name)
        if refusal := world_refusal(facts) or agent_refusal(facts, may_be_suspended=True):
            return refusal
        return Draft(
            subject=args.name,
            summary=f"Suspend tenant {args.name}: its agent stands still, all of its data stays",
            steps=(_step(facts, suspended=True),),
            warnings=(
                "Tasks that run now go on to their end; those that are queued wait until the tenant is resumed",
                "People can still sign in, look and queue tasks",
            ),
        )


class ResumeTenant:
    command = "tenant resume"
    args = TenantResume

    def draft(self, args: TenantResume, facts: ExistingTenant | None) -> Draft | Refusal:
        """Return the step, or the first reason against it."""
        if facts is None:
            return not_recorded(args.name)
        if refusal := world_refusal(facts) or agent_refusal(facts, may_be_suspended=True):
            return refusal
        return Draft(
            subject=args.name,
            summary=f"Resume tenant {args.name}: its agent takes tasks from its queues again",
            steps=(_step(facts, suspended=False),),
        )


def _step(facts: ExistingTenant, *, suspended: bool) -> Step:
    release = facts.world.configuration.agent.release
    return Step(
        id="scale",
        kind="k8s.scaled",
        title=f"Scale {release} to zero" if suspended else f"Scale {release} to what it was",
        inputs={"namespace": facts.spec.name, "releases": [release], "suspended": suspended},
        undo="scaled to what it was" if suspended else "scaled to zero again",
        timeout_s=TIMEOUT_S,
    )
