"""What `tenant create` decides by, gathered through the clients. Independent facts are asked for at the same time."""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from commands.tenants import TenantCreate
from provisioning.capacity.holdings import limits_of
from provisioning.capacity.profiles import COUNT_LABEL, RESOURCE_PREFIX, identify
from provisioning.capacity.reading import read_gpus
from provisioning.capacity.view import View, look
from provisioning.clients.cluster_objects import Node
from provisioning.configuration import Chart
from provisioning.facts.releases import as_it_is
from provisioning.facts.tenant_router import has_router, router_facts
from provisioning.jobs.job import Job, StepState
from provisioning.known_users import KnownUsers
from provisioning.operations.chart_facts import ChartFacts
from provisioning.operations.tenant_facts import (
    MIG_NODE_LABEL,
    MigNodes,
    RouterFacts,
    TenantFacts,
)
from provisioning.other_companies import OtherCompanies, look_at_others
from provisioning.plan import Presence
from provisioning.port_ranges import PortRange
from provisioning.ports.claims import PortClaims
from provisioning.ports.survey import PortSurvey
from provisioning.sources import Sources

if TYPE_CHECKING:
    from provisioning.store import PortLease

PARALLEL_QUESTIONS = 12


class TenantCreateFacts:
    """Gathers what `tenant create` decides by. Thread-safe."""

    command = "tenant create"

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._survey = PortSurvey(pool=sources.configuration.ports, cluster=sources.cluster, store=sources.store)

    def gather(self, args: TenantCreate) -> TenantFacts:
        """Return the facts. Raises: ChatopsError."""
        return self.look(args, email=args.admin_email, gpus=True, router=True)

    def look(self, args: TenantCreate, *, email: str | None, gpus: bool = False, router: bool = False) -> TenantFacts:
        """Return the facts. *email* is looked for in the other companies; None: those are not looked at.

        *gpus* says whether to look at who uses them, which takes seconds in a large cluster; *router*
        whether to look at its router and at who has which host.
        Raises: ChatopsError.
        """
        configuration, cluster = self._sources.configuration, self._sources.cluster
        configured = configuration.agent.chart.at(args.chart_version)
        with ThreadPoolExecutor(PARALLEL_QUESTIONS, thread_name_prefix="facts") as pool:
            # Whoever asks for a fact here does not wait for another of this pool.
            chart = pool.submit(self._chart, configured)
            values = pool.submit(self._sources.helm.show_values, configured)
            sha256 = pool.submit(self._sources.helm.chart_sha256, configured)
            others = pool.submit(self._others, args.name, email)
            namespace = pool.submit(cluster.namespace, args.name)
            redis = pool.submit(cluster.namespace, configuration.redis.namespace)
            nodes = pool.submit(cluster.nodes)
            claims = pool.submit(self._ports, args)
            release = pool.submit(self._sources.helm.release, args.name, configuration.agent.release)
            seen = pool.submit(self._gpus) if gpus and args.queues != "none" else None
            routing = pool.submit(self._router, args) if router else None
            asked = [one for one in (seen, routing) if one is not None]
            _first_error(chart, values, sha256, others, namespace, redis, nodes, claims, release, *asked)
        found: OtherCompanies = others.result()
        ports = claims.result()
        space, (chart_name, chart_version) = namespace.result(), chart.result()
        record = self._sources.store.tenant(args.name)
        return TenantFacts(
            configuration=configuration,
            chart=ChartFacts(name=chart_name, version=chart_version, values=values.result(), sha256=sha256.result()),
            company_id=found.own_id,
            recorded=None if record is None else record.request,
            made_by_job=maker(self._sources.store.jobs(subject=args.name)),
            namespace_labels=None if space is None else space["labels"],
            namespace_is_terminating=space is not None and space["phase"] == "Terminating",
            email_holder=found.email_holder,
            domain_holders=found.domain_holders,
            unread_companies=found.unread,
            redis_namespace_exists=redis.result() is not None,
            mig_nodes=mig_nodes(nodes.result()),
            release=as_it_is(release.result()),
            gpus=None if seen is None else seen.result(),
            router=None if routing is None else routing.result(),
            limits=limits_of(self._sources.store.tenants()),
            leased=own_lease(self._sources.store.leases(), args.name),
            held=held_lease(self._sources.store.leases(), args.name),
            taken_ports=ports.ranges_of_others(args.name) if ports else (),
            unread_ports=ports.unread if ports else (),
            live_ports=ports.ports_of_others(args.name) if ports else (),
        )

    def _others(self, tenant: str, email: str | None) -> OtherCompanies:
        if email is None:
            own = self._sources.clearml.company_by_name(tenant)
            return OtherCompanies(own_id=None if own is None else own.id)
        return look_at_others(self._sources.clearml, KnownUsers(self._sources.store).survey(), name=tenant, email=email)

    def _chart(self, chart: Chart) -> tuple[str, str]:
        shown = self._sources.helm.show_chart(chart)
        return str(shown["name"]), str(shown["version"])

    def _ports(self, args: TenantCreate) -> PortClaims | None:
        return self._survey.look() if args.ports else None

    def _router(self, args: TenantCreate) -> RouterFacts | None:
        if args.router is False and not has_router(args.name, self._sources):
            return None
        return router_facts(args.name, self._sources)

    def _gpus(self) -> View:
        stock, usage = read_gpus(self._sources.cluster)
        return look(stock, usage, {})


def mig_nodes(nodes: Iterable[Node]) -> tuple[MigNodes, ...]:
    """Return the nodes of the dynamic MIG operator by the kind of GPU that they hold, in a stable order."""
    label, value = MIG_NODE_LABEL
    kinds: dict[str, MigNodes] = {}
    for node in nodes:
        if node.labels.get(label) != value:
            continue
        gpu, count = identify(node.labels), node.labels.get(COUNT_LABEL, "")
        gpus = int(count) if count.isascii() and count.isdigit() else 0
        resources = frozenset(name for name in node.allocatable if name.startswith(RESOURCE_PREFIX))
        kind = kinds.get(str(gpu), MigNodes(gpu=gpu, gpus=0))
        kinds[str(gpu)] = MigNodes(gpu=gpu, gpus=kind.gpus + gpus, resources=kind.resources | resources)
    return tuple(kinds[key] for key in sorted(kinds))


def held_lease(leases: "Iterable[PortLease]", tenant: str) -> PortRange | None:
    """Return the tenant's envelope that a job has proved."""
    return next((one.ports for one in leases if one.tenant == tenant and one.expires_at is None), None)


def own_lease(leases: "Iterable[PortLease]", tenant: str) -> PortRange | None:
    """Return the tenant's envelope: the one that a job has taken and not yet proved, else the one that it has."""
    own = sorted((one for one in leases if one.tenant == tenant), key=lambda one: one.expires_at is None)
    return own[0].ports if own else None


def maker(jobs: Iterable[Job]) -> int | None:
    """Return the number of a job that set out to make the company, though it may have crashed or failed since."""
    for job in jobs:
        for step, status in zip(job.plan.steps, job.steps, strict=False):
            began = status.applied or status.state in {StepState.DONE, StepState.UNDONE}
            if step.kind == "clearml.company" and step.found.presence is Presence.ABSENT and began:
                return job.number
    return None


def _first_error(*facts: Future[Any]) -> None:
    """Wait for the facts in turn. Raises: what the first of them failed with."""
    for fact in facts:
        fact.result()
