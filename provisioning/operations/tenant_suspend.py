"""`tenant suspend` and `tenant resume`: a tenant's agent and router scaled to zero, and back. All else stays. Pure."""

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
        checked = _checked(args.name, facts)
        if isinstance(checked, Refusal):
            return checked
        router = _router(checked)
        still = "its agent and its router stand still" if router else "its agent stands still"
        return Draft(
            subject=args.name,
            summary=f"Suspend tenant {args.name}: {still}, all of its data stays",
            steps=(_step(checked, suspended=True),),
            warnings=(
                "Tasks that run now go on to their end; those that are queued wait until the tenant is resumed",
                "People can still sign in, look and queue tasks",
                *([f"Links to what runs behind {checked.spec.router_host} end until it is resumed"] if router else ()),
            ),
        )


class ResumeTenant:
    command = "tenant resume"
    args = TenantResume

    def draft(self, args: TenantResume, facts: ExistingTenant | None) -> Draft | Refusal:
        """Return the step, or the first reason against it."""
        checked = _checked(args.name, facts)
        if isinstance(checked, Refusal):
            return checked
        return Draft(
            subject=args.name,
            summary=f"Resume tenant {args.name}: its agent takes tasks from its queues again",
            steps=(_step(checked, suspended=False),),
        )


def _checked(name: str, facts: ExistingTenant | None) -> ExistingTenant | Refusal:
    """Return the tenant as it is, or why its agent cannot be scaled."""
    if facts is None:
        return not_recorded(name)
    return world_refusal(facts) or agent_refusal(facts, may_be_suspended=True) or facts


def _router(facts: ExistingTenant) -> str | None:
    """Return the name of the release of the tenant's router; None where it has none."""
    settings = facts.world.configuration.router
    return settings.release if settings and facts.spec.router_host else None


def _step(facts: ExistingTenant, *, suspended: bool) -> Step:
    releases = [facts.world.configuration.agent.release, *filter(None, [_router(facts)])]
    shown = " and ".join(releases)
    return Step(
        id="scale",
        kind="k8s.scaled",
        title=f"Scale {shown} to zero" if suspended else f"Scale {shown} to what it was",
        inputs={"namespace": facts.spec.name, "releases": list(releases), "suspended": suspended},
        undo="scaled to what it was" if suspended else "scaled to zero again",
        timeout_s=TIMEOUT_S,
    )
