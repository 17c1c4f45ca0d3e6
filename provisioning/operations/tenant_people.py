"""`tenant domains …` and `tenant user …`: who may sign in to a tenant that is recorded. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from commands.tenant_changes import (
    TenantArgs,
    TenantDomains,
    TenantDomainsRemove,
    TenantUser,
    TenantUserAdd,
    TenantUserRole,
)
from policies.approvals import Refusal
from policies.guardrails import domain_refusal, email_refusal
from provisioning.operations.base import Draft
from provisioning.operations.tenant_changed import ChangedTenant, begin_change
from provisioning.operations.tenant_checks import unread_warnings
from provisioning.operations.tenant_facts import ExistingTenant
from provisioning.operations.tenant_steps import domains_step, users_step
from provisioning.plan import Step


def _domain_unfit(args: TenantDomains, _facts: ExistingTenant) -> Refusal | None:
    return domain_refusal(args.domains)


def _email_unfit(args: TenantUserAdd, _facts: ExistingTenant) -> Refusal | None:
    return email_refusal(args.email)


def _domain_taken(args: TenantDomains, facts: ExistingTenant) -> Refusal | None:
    for domain in args.domains:
        if holder := facts.world.domain_holders.get(domain):
            return Refusal(
                reason=f"domain {domain} is whitelisted for company {holder} already",
                next_action="choose another domain: with one domain on two tenants, sign-in is unstable",
            )
    return None


def _user_taken(args: TenantUserAdd, facts: ExistingTenant) -> Refusal | None:
    if facts.world.email_holder is not None:
        return Refusal(
            reason=f"{args.email} is a user of company {facts.world.email_holder} already",
            next_action="choose another address: one belongs to one user of the whole server",
        )
    present = _role(args.email, facts)
    if present is None or present == args.role:
        return None
    return Refusal(
        reason=f"{args.email} is a user of tenant {args.name} already, as {present}",
        next_action=f"give another role with /clearml tenant user role {args.name} {args.email} {args.role}",
    )


def _its_admin(args: TenantUser, facts: ExistingTenant) -> Refusal | None:
    if args.email.casefold() != facts.spec.admin_email.casefold():
        return None
    return Refusal(
        reason=f"{args.email} is the admin whose keys the agent of tenant {args.name} runs with",
        next_action="name another user: this one stays as long as the tenant does",
    )


def _unknown_user(args: TenantUser, facts: ExistingTenant) -> Refusal | None:
    if _role(args.email, facts) is not None:
        return None
    known = ", ".join(sorted(email for email, _ in facts.users)[:10])
    return Refusal(
        reason=f"tenant {args.name} has no user {args.email}", next_action=f"name one that it has: {known or 'none'}"
    )


def _role(email: str, facts: ExistingTenant) -> str | None:
    return next((role for known, role in facts.users if known.casefold() == email.casefold()), None)


class ChangePeople(ABC):
    """One step on who may sign in, and the record. ``refusals``: what speaks against it, the gravest first."""

    refusals: ClassVar[tuple[Callable[[Any, ExistingTenant], Refusal | None], ...]] = ()

    def draft(self, args: TenantArgs, facts: ExistingTenant | None) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        change = begin_change(args, facts, *(partial(refuse, args) for refuse in self.refusals))
        return change if isinstance(change, Refusal) else self._draft(args, change)

    @abstractmethod
    def _draft(self, args: Any, change: ChangedTenant) -> Draft | Refusal: ...


class AddDomains(ChangePeople):
    command = "tenant domains add"
    args = TenantDomains
    refusals = (_domain_unfit, _domain_taken)

    def _draft(self, args: TenantDomains, change: ChangedTenant) -> Draft:
        summary = f"Change tenant {args.name}: sign-in also for {', '.join(args.domains)}"
        step = domains_step(change.facts.admin_user_id, args.domains, before=change.facts.spec.domains)
        return change.draft(summary, step, unread_warnings(change.facts.world, args.domains))


class RemoveDomains(ChangePeople):
    command = "tenant domains remove"
    args = TenantDomainsRemove

    def _draft(self, args: TenantDomainsRemove, change: ChangedTenant) -> Draft | Refusal:
        is_last = not change.spec.domains
        if is_last and not args.force:
            return Refusal(
                reason=f"that is the last domain of tenant {args.name}: nobody of it could sign in by SSO any more",
                next_action=f"add another first with /clearml tenant domains add {args.name} DOMAIN, or say --force",
            )
        summary = f"Change tenant {args.name}: no sign-in any more for {', '.join(args.domains)}"
        step = domains_step(change.facts.admin_user_id, (), gone=args.domains)
        return change.draft(summary, step, ["Nobody of this tenant can sign in by SSO after this"] if is_last else ())


class AddUser(ChangePeople):
    command = "tenant user add"
    args = TenantUserAdd
    refusals = (_its_admin, _email_unfit, _user_taken)

    def _draft(self, args: TenantUserAdd, change: ChangedTenant) -> Draft:
        step = _user_step(
            args, change, title=f"Create user {args.email} as {args.role}", undo="deleted, if this job made it"
        )
        return change.draft(f"Change tenant {args.name}: one more user, {args.email} as {args.role}", step)


class RemoveUser(ChangePeople):
    command = "tenant user remove"
    args = TenantUser
    refusals = (_its_admin, _unknown_user)

    def _draft(self, args: TenantUser, change: ChangedTenant) -> Draft:
        step = users_step(
            change.facts.company_id,
            change.facts.admin_user_id,
            title=f"Delete user {args.email}",
            undo="not taken back: the address can be added again, as another user",
            gone=[args.email],
        )
        warnings = (f"All keys of {args.email} end with it: whatever runs with them stops being let in",)
        return change.draft(f"Change tenant {args.name}: without user {args.email}", step, warnings)


class ChangeRole(ChangePeople):
    command = "tenant user role"
    args = TenantUserRole
    refusals = (_its_admin, _unknown_user)

    def _draft(self, args: TenantUserRole, change: ChangedTenant) -> Draft:
        undo = f"{_role(args.email, change.facts)} again"
        step = _user_step(args, change, title=f"Make {args.email} {args.role}", undo=undo)
        return change.draft(f"Change tenant {args.name}: {args.email} as {args.role}", step)


def _user_step(args: TenantUserAdd | TenantUserRole, change: ChangedTenant, *, title: str, undo: str) -> Step:
    """Return the step that makes the one user so."""
    return users_step(
        change.facts.company_id,
        change.facts.admin_user_id,
        title=title,
        undo=undo,
        users=[f"{args.email}:{args.role}"],
        before={args.email: _role(args.email, change.facts)},
    )
