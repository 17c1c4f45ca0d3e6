"""What an operator can say: one catalog, name → arguments, usage, risk. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType, UnionType
from typing import Any, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from commands.arguments import Domains, Email, Gpus, JobNumber, PersonName, Queues, TenantName, is_email, name_from

DEFAULT_QUEUES = ("1", "0.5", "0.25")
DRY_RUN = "--dry-run"  # of every command that makes a plan


class Risk(StrEnum):
    """How bad it can get: policies look at this first."""

    READ = "read"
    CHANGE = "change"
    DESTROY = "destroy"


class CommandArgs(BaseModel):
    """Arguments of one command. A field whose extra says so is positional, the others are flags."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


def _positional(metavar: str, description: str, **more: Any) -> Any:
    return Field(description=description, json_schema_extra={"positional": True, "metavar": metavar}, **more)


def _flag(metavar: str, description: str, *, flag: str = "", **more: Any) -> Any:
    return Field(description=description, json_schema_extra={"metavar": metavar, "flag": flag}, **more)


class TenantCreate(CommandArgs):
    """A new tenant: company, admin, credentials, SSO domain, namespace, agent, queues, ports, isolation.

    ``admin_name`` and ``domains`` are filled in from the address where they are left out. ``queues`` are shares
    of a GPU in their shortest spelling, or ``none``. Numbers and lists come in one spelling, so that one request
    has one digest.
    """

    name: TenantName = _positional("NAME", "the tenant's name; also its namespace and company")
    admin_email: Email = _flag("ADDRESS", "the tenant admin's e-mail address")
    admin_name: PersonName = _flag("NAME", "the tenant admin's name (default: from the address)", default="")
    domains: Domains = _flag(
        "DOMAIN",
        "e-mail domain whose people may sign in by SSO (default: the address's)",
        flag="--domain",
        default=(),
    )
    queues: Queues = _flag("SHARES", "GPU shares to make queues for, or none", default=DEFAULT_QUEUES)
    max_resources: Gpus = _flag("GPUS", "most GPUs in use over all queues", default=Decimal(3))
    max_pods: int = _flag("N", "most pods at once in each queue", default=10, ge=1, le=1000)
    ports: bool = _flag("", "give interactive sessions TCP ports", default=False)
    port_start: int | None = _flag(
        "PORT", "startingPort of the range (default: the next free one)", default=None, ge=29_999, le=32_767
    )
    max_services: int = _flag("N", "most sessions at once, one port each", default=10, ge=1, le=500)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_from_the_address(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        address = values.get("admin_email")
        if not is_email(address):  # one mistake is said once
            return values
        filled = dict(values)
        if not filled.get("domains"):
            filled["domains"] = (str(address).strip().rpartition("@")[2],)
        if not filled.get("admin_name"):
            filled["admin_name"] = name_from(str(address))
        return filled

    @model_validator(mode="after")
    def _ports_go_together(self) -> Self:
        if self.port_start is not None and not self.ports:
            raise ValueError("--port-start needs --ports")
        return self


class NoArgs(CommandArgs):
    """Nothing more to say."""


class JobArgs(CommandArgs):
    """A job by its number."""

    number: JobNumber = _positional("JOB", "the job's number, as in 41")


class JobsArgs(CommandArgs):
    """Which jobs to list."""

    tenant: TenantName | None = _positional("TENANT", "only this tenant's", default=None)
    limit: int = _flag("N", "how many at most, newest first", default=20, ge=1, le=100)


class AuditArgs(CommandArgs):
    """Which part of the audit trail to read."""

    tenant: TenantName | None = _positional("TENANT", "only what concerns this tenant", default=None)
    limit: int = _flag("N", "how many rows at most, newest first", default=20, ge=1, le=100)


@dataclass(frozen=True, kw_only=True)
class CommandSpec:
    """One command: what it is called, what it takes, what it does, how bad it can get."""

    name: str
    args: type[CommandArgs]
    summary: str
    risk: Risk
    examples: tuple[str, ...] = ()
    takes_dry_run: bool = False  # it makes a plan, which can be shown without running it

    @property
    def usage(self) -> str:
        """Return one line: ``tenant create NAME --admin-email ADDRESS [--domain DOMAIN …] [--dry-run]``."""
        words = [self.name]
        for name, field in self.args.model_fields.items():
            word = _usage_of(name, field)
            words.append(word if field.is_required() else f"[{word}]")
        return " ".join([*words, *([f"[{DRY_RUN}]"] if self.takes_dry_run else [])])


def flag_of(name: str, field: FieldInfo) -> str:
    """Return the flag of a field: ``admin_email`` → ``--admin-email``, ``domains`` → ``--domain``."""
    return str(_extra(field).get("flag") or "") or "--" + name.replace("_", "-")


def is_positional(field: FieldInfo) -> bool:
    return bool(_extra(field).get("positional"))


def is_many(field: FieldInfo) -> bool:
    """True where the field takes several values: repeated flags, or one with commas."""
    return _mentions(field.annotation, tuple)


def is_switch(field: FieldInfo) -> bool:
    return field.annotation is bool


def metavar_of(field: FieldInfo) -> str:
    return str(_extra(field).get("metavar", ""))


def _extra(field: FieldInfo) -> dict[str, Any]:
    extra = field.json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}


def _mentions(annotation: Any, kind: type) -> bool:
    if get_origin(annotation) in {Union, UnionType}:
        return any(_mentions(part, kind) for part in get_args(annotation))
    return annotation is kind or get_origin(annotation) is kind


def _usage_of(name: str, field: FieldInfo) -> str:
    if is_positional(field):
        return metavar_of(field)
    if is_switch(field):
        return flag_of(name, field)
    return f"{flag_of(name, field)} {metavar_of(field)}" + (" …" if is_many(field) else "")


_SPECS = (
    CommandSpec(
        name="tenant create",
        args=TenantCreate,
        summary="Create a tenant, with everything that it needs",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=(
            "tenant create acme --admin-email ana@acme.example --domain acme.example",
            "tenant create acme --admin-email ana@acme.example --ports --max-resources 8 --queues 1,0.5",
            "tenant create acme --admin-email ana@acme.example --dry-run",
        ),
    ),
    CommandSpec(name="jobs", args=JobsArgs, summary="List jobs, newest first", risk=Risk.READ, examples=("jobs acme",)),
    CommandSpec(
        name="job show",
        args=JobArgs,
        summary="Show a job's plan and progress",
        risk=Risk.READ,
        examples=("job show 41",),
    ),
    CommandSpec(
        name="job retry",
        args=JobArgs,
        summary="Run a failed job again from the step that failed",
        risk=Risk.CHANGE,
        examples=("job retry 41",),
    ),
    CommandSpec(
        name="job rollback",
        args=JobArgs,
        summary="Undo what a failed job did, newest step first",
        risk=Risk.CHANGE,
        examples=("job rollback 41",),
    ),
    CommandSpec(
        name="job leave",
        args=JobArgs,
        summary="Close a failed job and leave what it did as it is",
        risk=Risk.CHANGE,
        examples=("job leave 41",),
    ),
    CommandSpec(
        name="job cancel",
        args=JobArgs,
        summary="Withdraw a job that waits, or stop one that runs",
        risk=Risk.CHANGE,
        examples=("job cancel 41",),
    ),
    CommandSpec(name="approvals", args=NoArgs, summary="List the jobs that wait for approval", risk=Risk.READ),
    CommandSpec(
        name="audit",
        args=AuditArgs,
        summary="Read the audit trail, newest first",
        risk=Risk.READ,
        examples=("audit acme --limit 50",),
    ),
    CommandSpec(name="whoami", args=NoArgs, summary="Say who you are to the bot, and what you may do", risk=Risk.READ),
)

CATALOG: Mapping[str, CommandSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})
