"""`tenant domains …` and `tenant user …`: who may sign in to a tenant that is recorded. Pure."""

from collections.abc import Iterable

from commands.tenant_changes import TenantDomains, TenantDomainsRemove, TenantUser, TenantUserAdd, TenantUserRole
from commands.tenants import TenantCreate
from policies.approvals import Refusal
from policies.guardrails import domain_refusal, email_refusal
from provisioning.operations.base import Draft
from provisioning.operations.tenant_checks import unread_warnings
from provisioning.operations.tenant_existing import not_recorded, record_step, world_refusal
from provisioning.operations.tenant_facts import ExistingTenant
from provisioning.operations.tenant_merge import merged
from provisioning.operations.tenant_steps import domains_step, users_step
from provisioning.plan import Step


class AddDomains:
    command = "tenant domains add"
    args = TenantDomains

    def draft(self, args: TenantDomains, facts: ExistingTenant | None) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        if facts is None:
            return not_recorded(args.name)
        spec = merged(args, facts.spec)
        if isinstance(spec, Refusal):
            return spec
        if refusal := world_refusal(facts) or domain_refusal(args.domains) or _domain_taken(args.domains, facts):
            return refusal
        step = domains_step(facts.admin_user_id, args.domains)
        summary = f"Change tenant {args.name}: sign-in also for {', '.join(args.domains)}"
        return _draft(summary, spec, facts, step, unread_warnings(facts.world, args.domains))


class RemoveDomains:
    command = "tenant domains remove"
    args = TenantDomainsRemove

    def draft(self, args: TenantDomainsRemove, facts: ExistingTenant | None) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        if facts is None:
            return not_recorded(args.name)
        spec = merged(args, facts.spec)
        if isinstance(spec, Refusal):
            return spec
        if refusal := world_refusal(facts):
            return refusal
        if not spec.domains and not args.force:
            return Refusal(
                reason=f"that is the last domain of tenant {args.name}: nobody of it could sign in by SSO any more",
                next_action=f"add another first with /clearml tenant domains add {args.name} DOMAIN, or say --force",
            )
        step = domains_step(facts.admin_user_id, (), gone=args.domains)
        warnings = () if spec.domains else ("Nobody of this tenant can sign in by SSO after this",)
        summary = f"Change tenant {args.name}: no sign-in any more for {', '.join(args.domains)}"
        return _draft(summary, spec, facts, step, warnings)


class AddUser:
    command = "tenant user add"
    args = TenantUserAdd

    def draft(self, args: TenantUserAdd, facts: ExistingTenant | None) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        if facts is None:
            return not_recorded(args.name)
        if refusal := world_refusal(facts) or _its_admin(args, facts) or email_refusal(args.email):
            return refusal
        if facts.world.email_holder is not None:
            return Refusal(
                reason=f"{args.email} is a user of company {facts.world.email_holder} already",
                next_action="choose another address: one belongs to one user of the whole server",
            )
        present = _role(args.email, facts)
        if present is not None and present != args.role:
            return Refusal(
                reason=f"{args.email} is a user of tenant {args.name} already, as {present}",
                next_action=f"give another role with /clearml tenant user role {args.name} {args.email} {args.role}",
            )
        spec = merged(args, facts.spec)
        if isinstance(spec, Refusal):
            return spec
        step = users_step(
            facts.company_id,
            facts.admin_user_id,
            title=f"Create user {args.email} as {args.role}",
            undo="deleted, if this job made it",
            users=[f"{args.email}:{args.role}"],
        )
        return _draft(f"Change tenant {args.name}: one more user, {args.email} as {args.role}", spec, facts, step)


class RemoveUser:
    command = "tenant user remove"
    args = TenantUser

    def draft(self, args: TenantUser, facts: ExistingTenant | None) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        if facts is None:
            return not_recorded(args.name)
        if refusal := world_refusal(facts) or _its_admin(args, facts) or _unknown_user(args, facts):
            return refusal
        spec = merged(args, facts.spec)
        if isinstance(spec, Refusal):
            return spec
        step = users_step(
            facts.company_id,
            facts.admin_user_id,
            title=f"Delete user {args.email}",
            undo="not taken back: the address can be added again, as another user",
            gone=[args.email],
        )
        warnings = (f"All keys of {args.email} end with it: whatever runs with them stops being let in",)
        return _draft(f"Change tenant {args.name}: without user {args.email}", spec, facts, step, warnings)


class ChangeRole:
    command = "tenant user role"
    args = TenantUserRole

    def draft(self, args: TenantUserRole, facts: ExistingTenant | None) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        if facts is None:
            return not_recorded(args.name)
        if refusal := world_refusal(facts) or _its_admin(args, facts) or _unknown_user(args, facts):
            return refusal
        spec = merged(args, facts.spec)
        if isinstance(spec, Refusal):
            return spec
        step = users_step(
            facts.company_id,
            facts.admin_user_id,
            title=f"Make {args.email} {args.role}",
            undo=f"{_role(args.email, facts)} again",
            users=[f"{args.email}:{args.role}"],
        )
        return _draft(f"Change tenant {args.name}: {args.email} as {args.role}", spec, facts, step)


def _draft(summary: str, spec: TenantCreate, facts: ExistingTenant, step: Step, warnings: Iterable[str] = ()) -> Draft:
    steps = (step, record_step(spec, facts, [step]))
    return Draft(subject=spec.name, summary=summary, steps=steps, warnings=tuple(warnings))


def _domain_taken(domains: Iterable[str], facts: ExistingTenant) -> Refusal | None:
    for domain in domains:
        if holder := facts.world.domain_holders.get(domain):
            return Refusal(
                reason=f"domain {domain} is whitelisted for company {holder} already",
                next_action="choose another domain: with one domain on two tenants, sign-in is unstable",
            )
    return None


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
