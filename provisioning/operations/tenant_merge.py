"""What a command makes of a tenant's spec. Pure."""

from typing import Any

from pydantic import ValidationError

from commands.mistakes import said_of
from commands.tenant_changes import (
    TenantArgs,
    TenantDomains,
    TenantDomainsRemove,
    TenantResize,
    TenantUser,
    TenantUserAdd,
    TenantUserRole,
)
from commands.tenant_lifecycle import TenantUpgrade
from commands.tenants import TenantCreate
from policies.approvals import Refusal
from provisioning.operations.tenant_spec import changed


def merged(args: TenantArgs, spec: TenantCreate) -> TenantCreate | Refusal:
    """Return *spec* as it shall be after the command, or why its parts then do not go together."""
    try:
        return changed(spec, changes(args, spec))
    except ValidationError as problem:
        return Refusal(
            reason=f"tenant {spec.name} cannot become so: {'; '.join(said_of(one) for one in problem.errors())}",
            next_action=f"say what goes with it, or look at the tenant first: /clearml tenant show {spec.name}",
        )


def changes(args: TenantArgs, spec: TenantCreate) -> dict[str, Any]:
    """Return field → value of what *args* would have otherwise; None: as by default."""
    match args:
        case TenantResize():
            said = args.model_dump(mode="json", exclude={"name"}, exclude_none=True)
            return said | ({"port_start": None, "max_services": None} if args.ports is False else {})
        case TenantDomainsRemove():
            return {"domains": [domain for domain in spec.domains if domain not in args.domains]}
        case TenantDomains():
            return {"domains": [*dict.fromkeys((*spec.domains, *args.domains))]}
        case TenantUserAdd() | TenantUserRole():
            return {"users": [*_without(spec, args.email), f"{args.email}:{args.role}"]}
        case TenantUser():
            return {"users": _without(spec, args.email) or None}
        case TenantUpgrade():
            return {"chart_version": args.chart_version}
        case _:
            return {}


def _without(spec: TenantCreate, email: str) -> list[str]:
    return [user for user in spec.users if user.rpartition(":")[0].casefold() != email.casefold()]
