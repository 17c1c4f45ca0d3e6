"""`tenant fix`: the plan of the recorded spec, against whatever became of the tenant since. Pure.

Without a name it is a batch: a step for each tenant that has drifted, which becomes a job of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from commands.fleet import TenantFix
from policies.approvals import Refusal
from provisioning.jobs.batches import names_of
from provisioning.operations.base import Draft
from provisioning.operations.tenant_batch import Parts, Wanted, named
from provisioning.operations.tenant_create import CreateTenant
from provisioning.plan import Step
from provisioning.wording import counted

ALL = "batch:drift"  # the subject of a fix of all: one at a time


@dataclass(frozen=True, kw_only=True)
class FixFacts:
    """What is recorded of those that are to be fixed, each with the world as far as it is concerned."""

    recorded: tuple[Wanted, ...] = ()
    unreadable: tuple[str, ...] = ()  # sentences: records that are no specs any more
    at_once: int = 8  # jobs that the engine runs at the same time
    install_s: int = 300


class FixTenant:
    """The operation. Its plan for tenants that are as recorded has nothing to do."""

    command = "tenant fix"
    args = TenantFix

    def draft(self, args: TenantFix, facts: FixFacts) -> Draft | Refusal:
        """Return the steps of `tenant create` for the one tenant; without a name, one step for each."""
        if args.name is None:
            return _all(facts)
        if not facts.recorded:
            return Refusal(
                reason=f"nothing is recorded of tenant {args.name}, so nothing says how it shall be",
                next_action=f"see tenant list; tenant import {args.name} records one that was made by hand",
            )
        (one,) = facts.recorded
        drafted = CreateTenant().draft(one.spec, one.facts)
        if isinstance(drafted, Refusal):
            return drafted
        _, _, how = drafted.summary.partition(": ")
        return replace(drafted, summary=f"Make tenant {args.name} as recorded: {how}")


def _all(facts: FixFacts) -> Draft | Refusal:
    """Return what mends all. A tenant whose record cannot be planned is told, and keeps the others from nothing."""
    if not facts.recorded and not facts.unreadable:
        return Refusal(reason="no tenant is recorded, so nothing can have drifted", next_action="see tenant list")
    parts = Parts(len(facts.recorded), at_once=facts.at_once, install_s=facts.install_s)
    left_out = [f"Left out: {sentence}" for sentence in facts.unreadable]
    for one in facts.recorded:
        name = one.spec.name
        if refusal := parts.add(one, f"Make tenant {name} as recorded", who=f"tenant {name}, as recorded"):
            left_out.append(f"Tenant {name} is left out: {refusal}")

    def drafted(steps: Sequence[Step], summary: str) -> Draft:
        return Draft(subject=ALL, summary=summary, steps=tuple(steps), warnings=(*left_out, *parts.warnings(steps)))

    of_all = drafted(parts.steps, f"No tenant has drifted: {counted(len(parts.steps), 'tenant')} looked at")
    return replace(of_all, narrow=lambda due: drafted(due, f"Make as recorded {named(names_of(due))}"))
