"""Batches: one job whose steps are jobs of their own, one for each tenant. Pure."""

from collections.abc import Iterable

from commands.tenants import TenantCreate
from provisioning.plan import Plan, Step
from provisioning.port_ranges import PortRange

STEP_KIND = "tenant.apply"


def is_batch(plan: Plan) -> bool:
    """True where the plan's steps are other jobs: it waits for them, and must not take their place."""
    return any(step.kind == STEP_KIND for step in plan.steps)


def specs_of(plan: Plan) -> tuple[TenantCreate, ...]:
    """Return the specs of a batch's tenants, as its steps have them; () for other plans."""
    return _specs(plan.steps)


def names_of(steps: Iterable[Step]) -> list[str]:
    """Return the tenants of a batch's steps."""
    return [spec.name for spec in _specs(steps)]


def subjects_of(plan: Plan) -> tuple[str, ...]:
    """Return what the plan is about, for policies: each tenant of a batch, else the plan's one subject."""
    return tuple(spec.name for spec in specs_of(plan)) or (plan.subject,)


def leases_of(plan: Plan) -> tuple[tuple[str, PortRange], ...]:
    """Return tenant and envelope of every tenant of a batch that has ports."""
    return tuple(
        (spec.name, PortRange(spec.port_start, spec.max_services))
        for spec in specs_of(plan)
        if spec.ports and spec.port_start is not None
    )


def _specs(steps: Iterable[Step]) -> tuple[TenantCreate, ...]:
    return tuple(TenantCreate.model_validate(step.inputs["spec"]) for step in steps if step.kind == STEP_KIND)
