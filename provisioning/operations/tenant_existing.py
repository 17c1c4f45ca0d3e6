"""What every change of a recorded tenant shares: why it may not be now, and how it is recorded. Pure."""

from collections.abc import Iterable

from commands.tenants import TenantCreate
from policies.approvals import Refusal
from provisioning.operations.tenant_facts import ExistingTenant
from provisioning.operations.tenant_spec import spec_step
from provisioning.plan import Step


def not_recorded(name: str) -> Refusal:
    return Refusal(
        reason=f"there is no tenant {name} that this bot made or took up",
        next_action="look at /clearml tenant list; one that was made by hand is taken up with"
        f" /clearml tenant import {name}",
    )


def world_refusal(facts: ExistingTenant) -> Refusal | None:
    """Return why nothing of the tenant can be changed: its company is not the one that is recorded."""
    name, found = facts.spec.name, facts.world.company_id
    if found == facts.company_id:
        return None
    seen = "ClearML has no company of that name" if found is None else f"company {name} is another one now ({found})"
    return Refusal(
        reason=f"tenant {name} is recorded with company {facts.company_id}, but {seen}",
        next_action=f"look at the tenant with /clearml tenant show {name}; /clearml tenant create {name} … makes what"
        " is missing",
    )


def agent_refusal(facts: ExistingTenant, *, may_be_suspended: bool = False) -> Refusal | None:
    """Return why the tenant's agent cannot be changed: there is no place for it, or it is not there."""
    name, world = facts.spec.name, facts.world
    if world.namespace_labels is None or world.namespace_is_terminating:
        gone = "is being deleted" if world.namespace_is_terminating else "is not there"
        return Refusal(
            reason=f"namespace {name} {gone}",
            next_action=f"/clearml tenant create {name} … makes what is missing of the tenant",
        )
    if not world.namespace_is_ours(name):
        return Refusal(
            reason=f"namespace {name} does not say that it is this tenant's",
            next_action=f"/clearml tenant create {name} … mends its labels",
        )
    if facts.is_suspended and not may_be_suspended:
        return Refusal(
            reason=f"tenant {name} is suspended: its agent would not come up to prove the change",
            next_action=f"run /clearml tenant resume {name} first",
        )
    if world.release is None:
        return Refusal(
            reason=f"release {world.configuration.agent.release} of tenant {name} is not installed",
            next_action=f"/clearml tenant create {name} … installs it again",
        )
    return None


def version_refusal(facts: ExistingTenant) -> Refusal | None:
    """Return why the agent's values cannot be changed: that would change its chart's version at the same time."""
    release, chart = facts.world.release, facts.world.chart
    if release is None or (release.chart, release.chart_version) == (chart.name, chart.version):
        return None
    pinned, name = facts.spec.chart_version is not None, facts.spec.name
    return Refusal(
        reason=f"the agent of tenant {name} runs chart {release.chart} {release.chart_version}, and"
        f" {chart.name} {chart.version} is {'recorded' if pinned else 'configured'}: two"
        " changes at once would hide each other",
        next_action=f"run /clearml tenant fix {name} first: it brings the recorded chart"
        if pinned
        else f"run /clearml tenant upgrade {name} first: it brings the configured chart",
    )


def record_step(spec: TenantCreate, facts: ExistingTenant, steps: Iterable[Step]) -> Step:
    """Return the step that records *spec* behind *steps*."""
    return spec_step(
        spec,
        before=facts.world.recorded,
        company_id=facts.company_id,
        admin_user_id=facts.admin_user_id,
        after=[step.id for step in steps],
    )
