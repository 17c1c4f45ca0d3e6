"""What can be said about a tenant's whole life: suspend it, resume it, rotate its key, delete it. Pure."""

from pydantic import ValidationInfo, field_validator

from commands.arguments import ChartVersion, TenantName
from commands.spec import CommandSpec, Risk, flag
from commands.tenant_changes import TenantArgs


class TenantDelete(TenantArgs):
    """A tenant to delete, with its name once more: whoever types it twice means it."""

    confirm: TenantName = flag("NAME", "the tenant's name once more: nothing of it comes back")
    force: bool = flag("", "also while its tasks run: they are killed", default=False)

    @field_validator("confirm")
    @classmethod
    def _is_the_name(cls, value: str, info: ValidationInfo) -> str:
        if (name := info.data.get("name")) is not None and value != name:
            raise ValueError(f"type the name of the tenant to delete, {name}")
        return value


class TenantSuspend(TenantArgs):
    """A tenant whose agents are to stand still."""


class TenantResume(TenantArgs):
    """A tenant whose agents are to go on."""


class TenantRotate(TenantArgs):
    """A tenant whose agent and router get another key."""

    wait_worker: bool = flag("", "revoke the old key once a worker has reported in with the new one", default=True)


class TenantUpgrade(TenantArgs):
    """A tenant whose agent is to run another version of its chart, with the values that it has."""

    chart_version: ChartVersion | None = flag(
        "VERSION", "exact version of the agent's chart (default: the configured one)", default=None
    )
    allow_downgrade: bool = flag("", "also to an older version than it runs", default=False)


SPECS = (
    CommandSpec(
        name="tenant upgrade",
        args=TenantUpgrade,
        summary="Move a tenant's agent to another version of its chart, with the values that it has",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=(
            "tenant upgrade acme",
            "tenant upgrade acme --chart-version 1.4.0 --dry-run",
            "tenant upgrade acme --chart-version 1.3.2 --allow-downgrade",
        ),
    ),
    CommandSpec(
        name="tenant delete",
        args=TenantDelete,
        summary="Delete a tenant: its releases, its namespace, its company with all data",
        risk=Risk.DESTROY,
        takes_dry_run=True,
        examples=("tenant delete acme --confirm acme", "tenant delete acme --confirm acme --dry-run"),
    ),
    CommandSpec(
        name="tenant suspend",
        args=TenantSuspend,
        summary="Scale a tenant's agents to zero and keep all of its data",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("tenant suspend acme",),
    ),
    CommandSpec(
        name="tenant resume",
        args=TenantResume,
        summary="Let a suspended tenant's agents go on",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("tenant resume acme",),
    ),
    CommandSpec(
        name="tenant rotate",
        args=TenantRotate,
        summary="Give a tenant's agent and router another key, and revoke the old one once the new one is proven",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("tenant rotate acme", "tenant rotate acme --no-wait-worker"),
    ),
)
