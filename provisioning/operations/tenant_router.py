"""A tenant's router: whether it has one, at which host, and the step that makes it so. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import JsonValue

from commands.tenants import TenantCreate
from policies.approvals import Refusal
from provisioning.chart_values import unknown_keys
from provisioning.configuration import ClearMLServer, Provisioning
from provisioning.configuration import Router as RouterSettings
from provisioning.operations.release_steps import release_step
from provisioning.operations.router_values import router_values
from provisioning.operations.tenant_facts import RouterFacts, TenantFacts
from provisioning.plan import Step

STEP_ID = "router"
REMOVAL_ID = "no_router"  # another one: what takes a host away claims none
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*")


@dataclass(frozen=True, kw_only=True)
class Router:
    """What a tenant's router release is to be."""

    host: str
    values: dict[str, JsonValue]  # secrets by name
    warnings: tuple[str, ...] = ()


def choose_router(spec: TenantCreate, facts: TenantFacts) -> Router | Refusal | None:
    """Return the router that *spec* asks for, or why there can be none; None where it shall have none.

    Its host is the one that is said, else the recorded one, else where the release is reached now, else by default.
    """
    configuration, seen = facts.configuration, facts.router
    if spec.router is False:
        return None
    if configuration.router is None or seen is None:
        return _not_configured() if spec.router or spec.router_host else None
    domain = server_domain(configuration.clearml) or configuration.router.domain
    base = configuration.router.domain or domain
    if domain is None or base is None:
        return Refusal(
            reason=f"no domain for routers' hosts is known: {configuration.clearml.web_url} has none",
            next_action="ask an admin to set ROUTER__DOMAIN",
        )
    host = spec.router_host or _recorded_host(facts) or seen.host or f"{spec.name}.{base}"
    if refusal := seen.unfit_key or _host_refusal(host, domain, seen):
        return refusal
    values = _values(spec.name, host, configuration, configuration.router)
    if unknown := unknown_keys(values, seen.chart.values):
        return Refusal(
            reason=f"chart {seen.chart.name} {seen.chart.version} knows no {', '.join(unknown)}: helm would ignore"
            " what is set there",
            next_action="ask an admin to set ROUTER__GENERATION to what the chart is, or ROUTER__CHART__REFERENCE to"
            " one that fits",
        )
    return Router(host=host, values=values, warnings=tuple(_warnings(host, seen)))


def router_step(tenant: str, facts: TenantFacts, router: Router, *, needs: Iterable[str]) -> Step:
    """Return the step that makes the router's release so, and goes back to what was there where there was one.

    Raises: ValueError where no router is configured.
    """
    configuration, seen = facts.configuration.router, facts.router
    if configuration is None or seen is None:
        raise ValueError("a router's step needs a router's settings and facts")
    return release_step(
        STEP_ID,
        called=f"router {configuration.release} at {router.host}",
        tenant=tenant,
        release=configuration.release,
        chart=seen.chart,
        present=seen.release,
        values=router.values,
        wait_s=configuration.timeout_s,
        needs=needs,
    )


def choose_removal(spec: TenantCreate, facts: TenantFacts) -> Step | Refusal | None:
    """Return the step that takes away the router of a tenant that shall have none; None where there is nothing to take.

    Left as it is, it would go on to use the tenant's key and to hold a host that nothing records.
    """
    configuration, seen = facts.configuration.router, facts.router
    recorded = _recorded_host(facts)
    if spec.router is not False or (seen is None and recorded is None):
        return None
    if configuration is None or seen is None:
        return Refusal(
            reason=f"tenant {spec.name} has a router at {recorded}, and no router is configured any more: it would be"
            " left where it is",
            next_action="ask an admin to set ROUTER__CHART__REFERENCE and the other ROUTER settings as they were;"
            " --no-router then removes it",
        )
    host = seen.host or recorded
    if host is None:
        return Refusal(
            reason=f"release {configuration.release} in namespace {spec.name} names no host, so it is no router that"
            " this bot made",
            next_action=f"look at it with `helm get values -n {spec.name} {configuration.release}`, and uninstall it by"
            " hand if it is to go",
        )
    values = _values(spec.name, host, facts.configuration, configuration)
    chart = f"{seen.chart.name} {seen.chart.version}"
    back = router_step(spec.name, facts, Router(host=host, values=values), needs=())
    return back.model_copy(
        update={
            "id": REMOVAL_ID,
            "kind": "helm.router_removed",
            "title": f"Uninstall router {configuration.release}: {host} leads nowhere and is free for others",
            "undo": f"installed again at {host} ({chart}); sessions that were cut off do not come back",
            "destroys": True,
        }
    )


def _recorded_host(facts: TenantFacts) -> str | None:
    recorded = facts.recorded.get("router_host") if facts.recorded else None
    return None if recorded is None else str(recorded)


def _values(tenant: str, host: str, configuration: Provisioning, router: RouterSettings) -> dict[str, JsonValue]:
    return router_values(
        tenant=tenant, host=host, router=router, server=configuration.server, agent=configuration.agent
    ).as_json()


def removal_warnings(spec: TenantCreate, removal: Step | None) -> tuple[str, ...]:
    if removal is None:
        return ()
    return (f"The router of tenant {spec.name} is uninstalled: links to its host and what is open through it end",)


def server_domain(server: ClearMLServer) -> str | None:
    """Return the domain that the server's names lie in (``app.platform.example`` → ``platform.example``).

    None where the web UI is reached at an address or a name without one.
    """
    _, _, domain = (urlsplit(server.web_url).hostname or "").partition(".")
    return domain if _DOMAIN.fullmatch(domain) else None


def _not_configured() -> Refusal:
    return Refusal(
        reason="no router is configured on this platform",
        next_action="ask an admin to set ROUTER__CHART__REFERENCE and the other ROUTER settings, or say --no-router",
    )


def _host_refusal(host: str, domain: str, seen: RouterFacts) -> Refusal | None:
    if not _DOMAIN.fullmatch(host) or len(host) > 253:
        return Refusal(
            reason=f"{host[:80]!r} is no host name", next_action=f"name one as in acme.{domain} with --router-host"
        )
    if not host.endswith(f".{domain}"):
        return Refusal(
            reason=f"{host} does not lie in {domain}, the server's domain: its sign-in would not reach the router",
            next_action=f"choose a --router-host that ends with .{domain}",
        )
    if holder := seen.holders.get(host):
        return Refusal(
            reason=f"host {host} is taken by {holder}",
            next_action="choose another --router-host: one name leads to one place",
        )
    return None


def _warnings(host: str, seen: RouterFacts) -> Iterator[str]:
    if seen.host is not None and seen.host != host:
        yield f"The router moves from {seen.host} to {host}: links to the old host end"
