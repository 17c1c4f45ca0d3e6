"""`tenant apply`: many tenants from one file, as one plan with a step for each. Pure."""

import hashlib
from dataclasses import dataclass

from commands.fleet import TenantApply
from commands.tenants import TenantCreate
from policies.approvals import Refusal
from provisioning.errors import PermanentError
from provisioning.operations.base import Draft
from provisioning.operations.tenant_batch import Parts, Wanted, named
from provisioning.operations.tenant_spec import of_record


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
        parts = Parts(len(facts.wanted), at_once=facts.at_once, install_s=facts.install_s)
        for number, one in enumerate(facts.wanted, 1):
            name, verb = one.spec.name, "Change" if one.facts.is_recorded else "Create"
            refusal = _refusal_to_change(one) or parts.add(
                one, f"{verb} tenant {name}", who=f"tenant {name}, document {number}"
            )
            if refusal is not None:
                return Refusal(reason=f"document {number} ({name}): {refusal.reason}", next_action=refusal.next_action)
        return Draft(
            subject=f"batch-{hashlib.sha256(args.specs.encode()).hexdigest()[:12]}",
            summary=f"Apply {named([one.spec.name for one in facts.wanted])}",
            steps=parts.steps,
            warnings=parts.warnings(parts.steps),
        )


def _refusal_to_change(one: Wanted) -> Refusal | None:
    """Return why a tenant that is there cannot become what the document says by applying it."""
    if one.facts.recorded is None:
        return None
    try:
        before, after = of_record(one.spec.name, one.facts.recorded), one.spec
    except PermanentError as error:
        return Refusal(reason=error.what, next_action=error.next_action)
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
