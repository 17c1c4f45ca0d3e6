"""What an operator can say: one catalog, name → arguments, usage, risk. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from commands import (
    approvals,
    audit,
    capacity,
    digests,
    doctor,
    fleet,
    jobs,
    nodes,
    platform,
    policy,
    ports,
    tenant_changes,
    tenant_lifecycle,
    tenants,
    trends,
)
from commands.spec import CommandSpec

_FAMILIES = (
    tenants,
    tenant_changes,
    tenant_lifecycle,
    fleet,
    nodes,
    capacity,
    platform,
    ports,
    trends,
    digests,
    jobs,
    approvals,
    policy,
    audit,
    doctor,
)

# First word → what its commands are about, short enough for one line of a list. A single command may go without.
ABOUT: Mapping[str, str] = MappingProxyType(
    {
        "tenant": "Create, change, look at, mend, suspend and delete tenants",
        "node": "GPU nodes: MIG mode on and off, and reboots",
        "capacity": "Show what the GPUs hold, who uses what, and what still fits",
        "platform": "The platform: its spec, and what is done with it",
        "ports": "Show who has which ports, what does not agree, what is free",
        "trends": "Show how capacity and ports move, and when they run out",
        "digest": "Reports that are posted by schedule, and alerts",
        "job": "One job: look at it, run it again, undo, cancel, review",
        "approvals": "List what waits for you, and then what waits for others",
        "approval": "Lend your right to approve, and take it back",
        "policy": "The policy: who may do what, and whose approval it needs",
    }
)

CATALOG: Mapping[str, CommandSpec] = MappingProxyType(
    {spec.name: spec for family in _FAMILIES for spec in family.SPECS}
)
