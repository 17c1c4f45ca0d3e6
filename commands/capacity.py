"""What can be asked about GPU capacity. Pure."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from commands.arguments import TenantName
from commands.nodes import NodeName
from commands.spec import CommandArgs, CommandSpec, Risk, flag

MOST_PARTS = 20

_PROFILE = re.compile(r"[0-9]{1,2}g\.[0-9]{1,4}gb(?:[+.-][a-z.]{1,8})?")
_COUNT = re.compile(r"\d+[x*\u00d7]")
_PART = re.compile(r"(?:([1-9]\d{0,2})\s*[x*\u00d7]\s*)?(\S+)")  # phones write x as a multiplication sign


def _profile(value: str) -> str:
    name = value.lower().removeprefix("nvidia.com/").removeprefix("mig-")
    if not _PROFILE.fullmatch(name):
        raise ValueError(f"{value[:40]!r} is no MIG profile: write it as in 3g.40gb")
    return name


def _part(value: Any) -> Any:
    matched = _PART.fullmatch(value.strip()) if isinstance(value, str) else None
    if matched is not None and matched.group(1) is None and _COUNT.match(matched.group(2)):
        raise ValueError(f"{value.strip()[:40]!r} is no request: ask for 1 to 999 of a profile, as in 2x3g.40gb")
    if matched is None:
        raise ValueError(f"{str(value)[:40]!r} is no request: write COUNTxPROFILE, as in 2x3g.40gb")
    return f"{matched.group(1) or 1}x{_profile(matched.group(2))}"


Profile = Annotated[str, AfterValidator(_profile)]
SliceRequest = Annotated[str, BeforeValidator(_part)]
SliceRequests = Annotated[tuple[SliceRequest, ...], Field(max_length=MOST_PARTS)]


class CapacityArgs(CommandArgs):
    """What of the GPUs to show, and what should fit. ``fits`` is in one spelling: ``2x3g.40gb``, ``1x1g.10gb``."""

    node: NodeName | None = flag("NODE", "only this node, GPU by GPU", choices="nodes", default=None)
    profile: Profile | None = flag("PROFILE", "only this MIG profile", choices="profiles", default=None)
    tenant: TenantName | None = flag(
        "NAME", "only what this tenant holds and waits for", choices="tenants", default=None
    )
    fits: SliceRequests = flag("SLICES", "whether these fit, and where: 2x3g.40gb,1x1g.10gb", default=())
    probe: bool = flag("", "read from the nodes where instances stand, for exact numbers", default=False)
    export: Literal["csv", "json"] | None = flag("csv|json", "attach the numbers as a file", default=None)

    @property
    def subject(self) -> str:
        return self.tenant or self.node or ""


SPECS = (
    CommandSpec(
        name="capacity",
        args=CapacityArgs,
        summary="Show what the GPUs hold, who uses what, what still fits and what is lost to fragmentation",
        risk=Risk.READ,
        examples=(
            "capacity",
            "capacity --fits 2x3g.40gb,1g.10gb --probe",
            "capacity --tenant acme",
            "capacity --node gpu-1 --export csv",
        ),
    ),
)
