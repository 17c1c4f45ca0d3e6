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

CATALOG: Mapping[str, CommandSpec] = MappingProxyType(
    {spec.name: spec for family in _FAMILIES for spec in family.SPECS}
)
