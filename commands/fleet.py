"""What can be asked and done about tenants as they are, one or all of them. Pure."""

from typing import Annotated, Literal

from pydantic import Field

from commands.arguments import Email, TenantName
from commands.spec import CommandArgs, CommandSpec, Risk, flag, positional

MOST_PAGES = 10_000
MOST_TENANTS = 1000  # in one export
MOST_SPECS = 262_144  # characters

TenantNames = Annotated[tuple[TenantName, ...], Field(max_length=MOST_TENANTS)]

TenantStatus = Literal["ready", "silent", "suspended", "changing", "broken", "unknown", "unmanaged"]
TenantOrder = Literal["name", "status", "gpus", "workers", "users"]


class TenantList(CommandArgs):
    """Which tenants to list, in which order."""

    sort: TenantOrder = flag("FIELD", "name, status, gpus, workers or users; numbers largest first", default="name")
    status: TenantStatus | None = flag(
        "STATUS", "only those: ready, silent, suspended, changing, broken, unknown or unmanaged", default=None
    )
    page: int = flag("N", "which page", default=1, ge=1, le=MOST_PAGES)
    per_page: int = flag("N", "how many tenants a page", default=20, ge=1, le=90)


class TenantShow(CommandArgs):
    """A tenant by its name."""

    name: TenantName = positional("NAME", "the tenant's name", choices="tenants")

    @property
    def subject(self) -> str:
        return self.name


class TenantDrift(CommandArgs):
    """One tenant, or all of them."""

    name: TenantName | None = positional("NAME", "only this tenant, field by field", choices="tenants", default=None)

    @property
    def subject(self) -> str:
        return self.name or ""


class TenantFix(CommandArgs):
    """A tenant that is to be made as it is recorded, or all of them."""

    name: TenantName | None = positional(
        "NAME", "only this tenant; without it, every tenant that has drifted", choices="tenants", default=None
    )

    @property
    def subject(self) -> str:
        return self.name or ""


class TenantImport(CommandArgs):
    """A tenant that was made by hand, and one of its admins: ClearML shows a company to its users only."""

    name: TenantName = positional("NAME", "the name of its company and namespace")
    admin_email: Email = flag("ADDRESS", "the e-mail address of one of its admins")

    @property
    def subject(self) -> str:
        return self.name


class TenantExport(CommandArgs):
    """Whose specs."""

    names: TenantNames = positional("NAME", "tenants (default: all)", choices="tenants", default=())

    @property
    def subject(self) -> str:
        return self.names[0] if len(self.names) == 1 else ""


class TenantApply(CommandArgs):
    """Many tenants at once. ``specs`` is YAML that is read later: its mistakes are named by document and line."""

    specs: str = flag(
        "YAML",
        "tenants as YAML documents, as tenant export writes them; in Slack the link of an uploaded file will do,"
        " on the command line -f FILE",
        is_file=True,
        min_length=1,
        max_length=MOST_SPECS,
    )


SPECS = (
    CommandSpec(
        name="tenant list",
        args=TenantList,
        summary="List the tenants as they are: status, GPUs in use, workers alive, users",
        risk=Risk.READ,
        examples=("tenant list", "tenant list --sort gpus", "tenant list --status broken --page 2"),
    ),
    CommandSpec(
        name="tenant show",
        args=TenantShow,
        summary="Show a tenant as it is: company, users, keys, releases, workers, ports, policies, drift",
        risk=Risk.READ,
        examples=("tenant show acme",),
    ),
    CommandSpec(
        name="tenant drift",
        args=TenantDrift,
        summary="Say how tenants differ from what is recorded of them; changes nothing, except with --fix",
        risk=Risk.READ,
        examples=("tenant drift", "tenant drift acme", "tenant drift acme --fix", "tenant drift --fix"),
        becomes={"--fix": "tenant fix"},
    ),
    CommandSpec(
        name="tenant fix",
        args=TenantFix,
        summary="Make a tenant as it is recorded, or every tenant that has drifted: one approval, a job for each",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("tenant fix acme", "tenant fix acme --dry-run", "tenant fix --dry-run"),
    ),
    CommandSpec(
        name="tenant import",
        args=TenantImport,
        summary="Record a tenant that was made by hand, as its agent says that it is; nothing else of it changes",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=(
            "tenant import acme --admin-email ana@acme.example",
            "tenant import acme --admin-email ana@acme.example --dry-run",
        ),
    ),
    CommandSpec(
        name="tenant export",
        args=TenantExport,
        summary="Write the specs of tenants as a YAML file, without secrets",
        risk=Risk.READ,
        examples=("tenant export", "tenant export acme beta"),
    ),
    CommandSpec(
        name="tenant apply",
        args=TenantApply,
        summary="Create or change many tenants from a file: one plan, one approval, a job for each",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=(
            'tenant apply --specs "{name: acme, admin_email: ana@acme.example}" --dry-run',
            "tenant apply https://example.slack.com/files/U0123ABCD/F0123ABCD/tenants.yaml",
        ),
    ),
)
