"""A change of a recorded tenant that is a step and another record: how it begins, and what it is planned as. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from commands.tenant_changes import TenantArgs
from commands.tenants import TenantCreate
from policies.approvals import Refusal
from provisioning.operations.base import Draft
from provisioning.operations.tenant_existing import not_recorded, record_step, world_refusal
from provisioning.operations.tenant_facts import ExistingTenant
from provisioning.operations.tenant_merge import merged
from provisioning.plan import Step


@dataclass(frozen=True, kw_only=True)
class ChangedTenant:
    """The tenant as it is, and its spec as it shall be."""

    facts: ExistingTenant
    spec: TenantCreate

    def draft(self, summary: str, step: Step, warnings: Iterable[str] = ()) -> Draft:
        """Return the plan that does *step* and records the spec."""
        steps = (step, record_step(self.spec, self.facts, [step]))
        return Draft(subject=self.spec.name, summary=summary, steps=steps, warnings=tuple(warnings))


def begin_change(
    args: TenantArgs, facts: ExistingTenant | None, *refusals: Callable[[ExistingTenant], Refusal | None]
) -> ChangedTenant | Refusal:
    """Return the change that *args* ask for, or the first reason against it.

    A tenant that is not recorded and one whose company is another are refused before *refusals* look.
    """
    if facts is None:
        return not_recorded(args.name)
    for refuse in (world_refusal, *refusals):
        if refusal := refuse(facts):
            return refusal
    spec = merged(args, facts.spec)
    return spec if isinstance(spec, Refusal) else ChangedTenant(facts=facts, spec=spec)
