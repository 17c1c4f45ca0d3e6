"""`tenant fix`: the plan of the recorded spec, against whatever became of the tenant since. Pure."""

from dataclasses import dataclass, replace

from commands.fleet import TenantFix
from commands.tenants import TenantCreate
from policies.approvals import Refusal
from provisioning.operations.base import Draft
from provisioning.operations.tenant_create import CreateTenant
from provisioning.operations.tenant_facts import TenantFacts


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What is recorded of a tenant, and the world as far as that is concerned."""

    spec: TenantCreate
    facts: TenantFacts


class FixTenant:
    """The operation. Its plan for a tenant that is as recorded has nothing to do."""

    command = "tenant fix"
    args = TenantFix

    def draft(self, args: TenantFix, facts: Recorded | None) -> Draft | Refusal:
        """Return the steps of `tenant create`, of which those that find their work done are skipped."""
        if facts is None:
            return Refusal(
                reason=f"nothing is recorded of tenant {args.name}, so nothing says how it shall be",
                next_action=f"see tenant list; tenant import {args.name} records one that was made by hand",
            )
        drafted = CreateTenant().draft(facts.spec, facts.facts)
        if isinstance(drafted, Refusal):
            return drafted
        _, _, how = drafted.summary.partition(": ")
        return replace(drafted, summary=f"Make tenant {args.name} as recorded: {how}")
