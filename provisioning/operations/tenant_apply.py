"""`tenant apply`: many tenants from one file, as one plan with a step for each. Pure."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from commands.fleet import TenantApply
from commands.tenants import TenantCreate
from policies.approvals import Refusal
from provisioning.jobs.batches import STEP_KIND
from provisioning.operations.base import Draft
from provisioning.operations.tenant_checks import choose_ports
from provisioning.operations.tenant_create import CreateTenant
from provisioning.operations.tenant_facts import TenantFacts
from provisioning.operations.tenant_spec import changed, recorded
from provisioning.plan import Step
from provisioning.port_ranges import PortRange
from provisioning.wording import counted, listed

SHOWN_NAMES = 8
SLACK_S = 360  # of one tenant beyond its agent's install


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One document, and the world as far as that tenant is concerned."""

    spec: TenantCreate
    facts: TenantFacts


@dataclass(frozen=True, kw_only=True)
class ApplyFacts:
    """The documents in their order, or what is wrong with the file."""

    wanted: tuple[Wanted, ...] = ()
    problems: tuple[str, ...] = ()
    at_once: int = 8  # jobs that the engine runs at the same time
    install_s: int = 300


class ApplyTenants:
    """The operation. A tenant that is as its document says has nothing to do."""

    command = "tenant apply"
    args = TenantApply

    def draft(self, args: TenantApply, facts: ApplyFacts) -> Draft | Refusal:
        """Return one step for each tenant, or the first reason against one of them."""
        if facts.problems:
            return Refusal(
                reason="the file is no list of tenants: " + "; ".join(facts.problems),
                next_action="mend it, and apply it again: nothing was done",
            )
        steps: list[Step] = []
        warnings: dict[str, None] = {}
        taken: list[tuple[str, PortRange]] = []
        timeout_s = -(-len(facts.wanted) // facts.at_once) * (2 * facts.install_s + SLACK_S)
        for number, one in enumerate(facts.wanted, 1):
            drafted = _one(one, taken)
            if isinstance(drafted, Refusal):
                return Refusal(
                    reason=f"document {number} ({one.spec.name}): {drafted.reason}", next_action=drafted.next_action
                )
            spec, draft = drafted
            warnings |= dict.fromkeys(draft.warnings)
            if spec.ports and spec.port_start is not None:
                taken.append((f"tenant {spec.name}, document {number}", PortRange(spec.port_start, spec.max_services)))
            steps.append(_step(spec, draft, is_new=not one.facts.is_recorded, timeout_s=timeout_s))
        return Draft(
            subject=f"batch-{hashlib.sha256(args.specs.encode()).hexdigest()[:12]}",
            summary=_summary(facts.wanted),
            steps=tuple(steps),
            warnings=tuple(warnings),
        )


def _one(one: Wanted, taken: Sequence[tuple[str, PortRange]]) -> tuple[TenantCreate, Draft] | Refusal:
    """Return the spec with its ports chosen, and the draft of making it so."""
    if refusal := _refusal_to_change(one):
        return refusal
    facts = replace(one.facts, taken_ports=(*one.facts.taken_ports, *taken))
    ports = choose_ports(one.spec, facts)
    if isinstance(ports, Refusal):
        return ports
    # Said in the spec: siblings that are planned at the same time must not choose the same range. A range that the
    # tenant holds is kept from them by its lease, and is said only where the record says it.
    said = (one.spec.port_start, (one.facts.recorded or {}).get("port_start"))
    is_kept = ports == one.facts.held and said == (None, None)
    spec = one.spec if ports is None or is_kept else changed(one.spec, {"port_start": ports.start})
    draft = CreateTenant().draft(spec, facts)
    return draft if isinstance(draft, Refusal) else (spec, draft)


def _refusal_to_change(one: Wanted) -> Refusal | None:
    """Return why a tenant that is there cannot become what the document says by applying it."""
    if one.facts.recorded is None:
        return None
    before, after = TenantCreate.model_validate(dict(one.facts.recorded)), one.spec
    if after.admin_email.casefold() != before.admin_email.casefold():
        return Refusal(
            reason=f"its admin is {before.admin_email}, and a file does not make another one",
            next_action=f"write admin_email: {before.admin_email}; users have commands of their own",
        )
    if gone := [domain for domain in before.domains if domain not in after.domains]:
        return Refusal(
            reason=f"{', '.join(gone)} may sign in, and a file takes no domain away",
            next_action="name it in the file, or take it away with its own command first",
        )
    if gone := [share for share in _shares(before) if share not in _shares(after)]:
        return Refusal(
            reason=f"it has queues for {', '.join(gone)}, and a file takes no queue away",
            next_action="name them in the file, or resize the tenant first",
        )
    return None


def _shares(spec: TenantCreate) -> tuple[str, ...]:
    return () if spec.queues == "none" else tuple(spec.queues)


def _step(spec: TenantCreate, draft: Draft, *, is_new: bool, timeout_s: int) -> Step:
    _, _, how = draft.summary.partition(": ")
    return Step(
        id=f"tenant-{spec.name}",
        kind=STEP_KIND,
        title=f"{'Create' if is_new else 'Change'} tenant {spec.name}: {how}",
        inputs={"spec": recorded(spec)},
        undo="stays: its own job can be rolled back where it failed",
        timeout_s=timeout_s,
    )


def _summary(wanted: Iterable[Wanted]) -> str:
    names = [one.spec.name for one in wanted]
    return f"Apply {counted(len(names), 'tenant')}: {listed(names, SHOWN_NAMES)}"
