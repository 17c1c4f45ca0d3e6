"""What can be said to change a tenant that is there: its size, its sign-in domains, its users. Pure."""

from typing import Self

from pydantic import model_validator

from commands.arguments import Domains, Email, Gpus, Queues, TenantName, UserRole
from commands.spec import CommandArgs, CommandSpec, Risk, flag, positional


class TenantArgs(CommandArgs):
    """Arguments about one tenant that is there."""

    name: TenantName = positional("NAME", "the tenant's name", choices="tenants")

    @property
    def subject(self) -> str:
        return self.name


class TenantResize(TenantArgs):
    """Another size for a tenant. What is left out stays as it is."""

    max_resources: Gpus | None = flag("GPUS", "most GPUs in use over all queues", default=None)
    max_pods: int | None = flag("N", "most pods at once in each queue", default=None, ge=1, le=1000)
    queues: Queues | None = flag("SHARES", "GPU shares to have queues for, or none", default=None)
    ports: bool | None = flag("", "give interactive sessions TCP ports, or take them away", default=None)
    port_start: int | None = flag("PORT", "startingPort of another range", default=None, ge=29_999, le=32_767)
    max_services: int | None = flag("N", "most sessions at once, one port each", default=None, ge=1, le=500)
    max_users: int | None = flag("N", "most users", default=None, ge=1, le=100_000)
    max_apps: int | None = flag("N", "most running apps", default=None, ge=0, le=100_000)

    @model_validator(mode="after")
    def _something_changes(self) -> Self:
        said = self.model_dump(exclude={"name"}, exclude_none=True)
        if not said:
            raise ValueError("say what shall be another: --max-resources, --max-pods, --queues, --ports, --max-users …")
        if self.ports is False and (self.port_start is not None or self.max_services is not None):
            raise ValueError("--no-ports takes no --port-start and no --max-services")
        return self


class TenantDomains(TenantArgs):
    """Domains to add to a tenant's sign-in."""

    domains: Domains = positional("DOMAIN", "e-mail domains whose people may sign in by SSO", min_length=1)


class TenantDomainsRemove(TenantDomains):
    """Domains to take off a tenant's sign-in."""

    force: bool = flag("", "also the last one: then nobody signs in by SSO", default=False)


class TenantUser(TenantArgs):
    """One user of a tenant."""

    email: Email = positional("EMAIL", "the user's e-mail address")


class TenantUserAdd(TenantUser):
    """A user to make."""

    role: UserRole = flag("ROLE", "admin, superuser, user or annotator", default="user")


class TenantUserRole(TenantUser):
    """A user's new role."""

    role: UserRole = positional("ROLE", "admin, superuser, user or annotator")


SPECS = (
    CommandSpec(
        name="tenant resize",
        args=TenantResize,
        summary="Change a tenant's limits, queues, session ports or number of users",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=(
            "tenant resize acme --max-resources 8 --max-pods 20",
            "tenant resize acme --queues 1,0.5 --ports --max-services 20",
            "tenant resize acme --no-ports --dry-run",
        ),
    ),
    CommandSpec(
        name="tenant domains add",
        args=TenantDomains,
        summary="Let people of more e-mail domains sign in",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("tenant domains add acme acme.example acme-labs.example",),
    ),
    CommandSpec(
        name="tenant domains remove",
        args=TenantDomainsRemove,
        summary="Let people of these e-mail domains sign in no longer",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("tenant domains remove acme acme-labs.example",),
    ),
    CommandSpec(
        name="tenant user add",
        args=TenantUserAdd,
        summary="Make one more user of a tenant",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("tenant user add acme bo@acme.example --role admin",),
    ),
    CommandSpec(
        name="tenant user remove",
        args=TenantUser,
        summary="Delete a user of a tenant",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("tenant user remove acme bo@acme.example",),
    ),
    CommandSpec(
        name="tenant user role",
        args=TenantUserRole,
        summary="Give a user of a tenant another role",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("tenant user role acme bo@acme.example superuser",),
    ),
)
