"""What can be said about tenants. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Self

from pydantic import model_validator

from commands.arguments import (
    ChartVersion,
    Domain,
    Domains,
    Email,
    Gpus,
    PersonName,
    Queues,
    TenantName,
    TenantUsers,
    is_email,
    name_from,
)
from commands.spec import CommandArgs, CommandSpec, Risk, flag, positional

DEFAULT_QUEUES = ("1", "0.5", "0.25")


class TenantCreate(CommandArgs):
    """A new tenant: company, admin, credentials, SSO domain, namespace, agent, queues, ports, isolation.

    ``admin_name`` and ``domains`` are filled in from the address where they are left out. ``queues`` are shares
    of a GPU in their shortest spelling, or ``none``. Numbers and lists come in one spelling, so that one request
    has one digest.
    """

    name: TenantName = positional("NAME", "the tenant's name; also its namespace and company")
    admin_email: Email = flag("ADDRESS", "the tenant admin's e-mail address")
    admin_name: PersonName = flag("NAME", "the tenant admin's name (default: from the address)", default="")
    domains: Domains = flag(
        "DOMAIN",
        "e-mail domain whose people may sign in by SSO (default: the address's)",
        name="--domain",
        default=(),
    )
    queues: Queues = flag("SHARES", "GPU shares to make queues for, or none", default=DEFAULT_QUEUES)
    max_resources: Gpus = flag("GPUS", "most GPUs in use over all queues", default=Decimal(3))
    max_pods: int = flag("N", "most pods at once in each queue", default=10, ge=1, le=1000)
    ports: bool = flag("", "give interactive sessions TCP ports", default=False)
    port_start: int | None = flag(
        "PORT", "startingPort of the range (default: the next free one)", default=None, ge=29_999, le=32_767
    )
    max_services: int = flag("N", "most sessions at once, one port each", default=10, ge=1, le=500)
    router: bool | None = flag("", "give it a router (default: where routers are configured)", default=None)
    router_host: Domain | None = flag(
        "HOST", "the router's host name, unique (default: the name in the routers' domain)", default=None
    )
    users: TenantUsers = flag(
        "ADDRESS:ROLE", "one more user of the tenant: admin, superuser, user or annotator", name="--user", default=()
    )
    max_users: int | None = flag("N", "most users (default: the server's)", default=None, ge=1, le=100_000)
    max_apps: int | None = flag("N", "most running apps (default: the server's)", default=None, ge=0, le=100_000)

    chart_version: ChartVersion | None = flag(
        "VERSION", "keep the agent on this version of its chart (default: the configured one)", default=None
    )

    @property
    def subject(self) -> str:
        return self.name

    @property
    def gpus(self) -> float:
        return float(self.max_resources)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_from_the_address(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        address = values.get("admin_email")
        if not is_email(address):  # one mistake is said once
            return values
        filled = dict(values)
        if filled.get("domains") is None:  # none at all can be said: an empty list
            filled["domains"] = (str(address).strip().rpartition("@")[2],)
        if not filled.get("admin_name"):
            filled["admin_name"] = name_from(str(address))
        return filled

    @model_validator(mode="after")
    def _the_admin_is_no_other_user(self) -> Self:
        if any(user.rpartition(":")[0].casefold() == self.admin_email.casefold() for user in self.users):
            raise ValueError(f"{self.admin_email} is the tenant's admin already: leave --user out for it")
        return self

    @model_validator(mode="after")
    def _no_router_has_no_host(self) -> Self:
        if self.router is False and self.router_host is not None:
            raise ValueError("--router-host names the host of a router: leave --no-router out")
        return self

    @model_validator(mode="after")
    def _ports_go_together(self) -> Self:
        if self.port_start is not None and not self.ports:
            raise ValueError("--port-start needs --ports")
        return self


SPECS = (
    CommandSpec(
        name="tenant create",
        args=TenantCreate,
        summary="Create a tenant, with everything that it needs",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=(
            "tenant create acme --admin-email ana@acme.example --domain acme.example",
            "tenant create acme --admin-email ana@acme.example --ports --max-resources 8 --queues 1,0.5",
            "tenant create acme --admin-email ana@acme.example --user bo@acme.example:user --max-users 20",
            "tenant create acme --admin-email ana@acme.example --router-host acme.apps.platform.example",
            "tenant create acme --admin-email ana@acme.example --dry-run",
        ),
    ),
)
