"""What decides on a tenant's router: its chart, its release, and who has which host."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from policies.approvals import Refusal
from policies.guardrails import public_secret_refusal
from provisioning.clients.interfaces import ClusterReads
from provisioning.configuration import Router
from provisioning.facts.charts import look_at
from provisioning.facts.releases import as_it_is
from provisioning.jobs.job import OPEN
from provisioning.operations.tenant_facts import RouterFacts
from provisioning.operations.tenant_router import STEP_ID
from provisioning.sources import Sources

MOST_JOBS = 500


def has_router(tenant: str, sources: Sources) -> bool:
    """Return whether the tenant has a router, by its record or by its release. Raises: ChatopsError."""
    router, record = sources.configuration.router, sources.store.tenant(tenant)
    if router is None:
        return False
    recorded = record is not None and record.request.get("router_host") is not None
    return recorded or sources.helm.release(tenant, router.release) is not None


def router_facts(tenant: str, sources: Sources) -> RouterFacts | None:
    """Return the facts; None where no router is configured. Raises: ChatopsError."""
    router, helm = sources.configuration.router, sources.helm
    if router is None:
        return None
    release = helm.release(tenant, router.release)
    values = {} if release is None else helm.values(tenant, router.release)
    return RouterFacts(
        chart=look_at(helm, router.chart),
        release=as_it_is(release),
        host=_host_of(values),
        unfit_key=_unfit_key(router, sources.cluster),
        holders=dict(_holders(tenant, sources)),
    )


def _unfit_key(router: Router, cluster: ClusterReads) -> Refusal | None:
    """Return why the token-signing secret cannot be used, where it lies in the cluster."""
    where = router.signing_key_secret
    if where is None or router.generation != "task-traffic-router":
        return None
    namespace, name, key = where.split("/")
    stored = cluster.secret(namespace, name) or {}
    if key not in stored:
        return Refusal(
            reason=f"the token-signing secret {where} is not there",
            next_action="ask an admin to set ROUTER__SIGNING_KEY_SECRET to where the server keeps it",
        )
    return public_secret_refusal({where: stored[key].get_secret_value()})


def _holders(tenant: str, sources: Sources) -> Iterator[tuple[str, str]]:
    """Yield each host and what is reached there, the tenant's own apart; what people know best comes last."""
    for ingress in sources.cluster.ingresses():
        if ingress.namespace != tenant:
            yield from ((host, f"Ingress {ingress.name} in namespace {ingress.namespace}") for host in ingress.hosts)
    for release in sources.cluster.stored_releases():
        if release.namespace != tenant and (host := _host_of(release.values)):
            yield host, f"release {release.name} in namespace {release.namespace}"
    for job in sources.store.jobs(states=OPEN, limit=MOST_JOBS):
        for step in job.plan.steps:
            if step.id == STEP_ID and job.plan.subject != tenant and (host := _host_of(step.inputs.get("values"))):
                yield host, f"job {job.number}, which makes it for tenant {job.plan.subject}"
    for record in sources.store.tenants():
        if record.name != tenant and (said := record.request.get("router_host")):
            yield str(said), f"tenant {record.name}"
    server = sources.configuration.clearml
    for url in (server.api_url, server.web_url, server.files_url):
        if own := urlsplit(url).hostname:
            yield own, "the ClearML server"


def _host_of(values: Any) -> str | None:
    """Return the host in a router's values; None where they name none."""
    ingress = values.get("ingress") if isinstance(values, Mapping) else None
    host = ingress.get("hostName") if isinstance(ingress, Mapping) else None
    return host.lower() if isinstance(host, str) and host else None
