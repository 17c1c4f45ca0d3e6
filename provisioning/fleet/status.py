"""How a tenant does, in one word. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from provisioning.fleet.seen import People, Tenant, Unknown

# Worst first: the order that they are sorted in.
Status: TypeAlias = Literal["broken", "silent", "unknown", "changing", "suspended", "unmanaged", "ready"]

SEVERITY: Mapping[str, int] = MappingProxyType({name: place for place, name in enumerate(get_args(Status))})


def status_of(tenant: Tenant, people: People) -> tuple[Status, str]:
    """Return the word, and why it is not ``ready`` ("" where it is)."""
    if tenant.job is not None:
        return "changing", f"job {tenant.job} is at work on it"
    if tenant.record is None:
        return "unmanaged", f"not recorded by this bot: tenant import {tenant.name} takes it up"
    if broken := _broken(tenant):
        return "broken", broken
    for seen in (tenant.company, tenant.namespace, tenant.agent, tenant.suspended):
        if isinstance(seen, Unknown):
            return "unknown", seen.reason
    if tenant.suspended is True:
        if tenant.router_stands_still is False:
            return (
                "suspended",
                f"its agent is scaled to zero, but its router runs: tenant suspend {tenant.name} stops it",
            )
        return "suspended", "its agent is scaled to zero"
    if tenant.router_stands_still is True:
        return "broken", f"its router is scaled to zero: tenant resume {tenant.name} brings it back"
    if isinstance(people.workers, Unknown):
        return "unknown", people.workers.reason
    if not people.workers:
        return "silent", "no worker of its agent has reported within the last minutes"
    return "ready", ""


def _broken(tenant: Tenant) -> str:
    """Return what is surely wrong, "" where nothing is. What could not be read is not."""
    if tenant.company is None:
        return "ClearML has no company of that name"
    if tenant.namespace is None:
        return "its namespace is gone"
    if not isinstance(tenant.namespace, Unknown) and tenant.namespace["phase"] != "Active":
        return f"its namespace is {tenant.namespace['phase'] or 'in no phase'}"
    if tenant.agent is None:
        return "its agent is not installed"
    if not isinstance(tenant.agent, Unknown) and tenant.agent.status != "deployed":
        return f"release {tenant.agent.name} is {tenant.agent.status}"
    return ""
