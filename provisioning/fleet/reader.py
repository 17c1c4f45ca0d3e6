"""Reads tenants as they are: what can be listed for all of them is listed once, the rest a bounded number at a time."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from policies.network import TENANT_LABEL
from provisioning.errors import PermanentError
from provisioning.fleet.seen import Details, Key, Known, People, Platform, Tenant, Unknown, names_of, read, tenant_of
from provisioning.jobs.job import UNDER_WAY
from provisioning.known_users import KnownUsers
from provisioning.sources import Sources

AGENT_IN_CHART_NAME = "agent"  # the agent's charts changed names; all of them have this in it
PARALLEL_LISTINGS = 8
PARALLEL_TENANTS = 16
ALIVE_S = 600  # the server forgets a worker that has not reported for so long
ALL = 1000  # jobs at work at one moment: more than there ever are

T = TypeVar("T")


class FleetReader:
    """Reads; changes nothing. Thread-safe. What one source does not tell is Unknown, and the rest is still read."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def platform(self) -> Platform:
        """Return one listing of each kind, all asked for at the same time."""
        with ThreadPoolExecutor(PARALLEL_LISTINGS, thread_name_prefix="listing") as pool:
            companies = pool.submit(read, self._sources.clearml.companies)
            namespaces = pool.submit(read, self._sources.cluster.all_namespaces)
            releases = pool.submit(read, self._sources.helm.releases)
            pods = pool.submit(read, self._sources.cluster.pods)
            services = pool.submit(read, self._sources.cluster.services)
            deployments = pool.submit(read, self._sources.cluster.deployments)
            policies = pool.submit(read, self._sources.cluster.network_policies)
            stored = pool.submit(read, self._sources.cluster.stored_releases)
        working = self._sources.store.jobs(states=UNDER_WAY, limit=ALL)
        return Platform(
            companies=companies.result(),
            namespaces=namespaces.result(),
            releases=releases.result(),
            pods=pods.result(),
            services=services.result(),
            deployments=deployments.result(),
            policies=policies.result(),
            stored=stored.result(),
            records={record.name: record for record in self._sources.store.tenants()},
            leases={lease.tenant: lease.ports for lease in self._sources.store.leases()},
            changing={job.plan.subject: job.number for job in working},
            users=KnownUsers(self._sources.store).survey().users,
        )

    def tenants(self, platform: Platform) -> tuple[Tenant, ...]:
        """Return every tenant, by name."""
        names = names_of(platform, label=TENANT_LABEL, agent=AGENT_IN_CHART_NAME)
        return tuple(self.tenant(platform, name) for name in names)

    def tenant(self, platform: Platform, name: str) -> Tenant:
        """Return what the listings tell of one tenant, also where there is nothing of it."""
        configuration = self._sources.configuration
        return tenant_of(
            platform,
            name,
            release=configuration.agent.release,
            agent=AGENT_IN_CHART_NAME,
            router=configuration.router.release if configuration.router else None,
        )

    def people(self, platform: Platform, tenants: Collection[Tenant]) -> Mapping[str, People]:
        """Return tenant → what ClearML tells of its people and workers."""
        with ThreadPoolExecutor(PARALLEL_TENANTS, thread_name_prefix="people") as pool:
            found = pool.map(lambda tenant: self._people(platform, tenant), tenants)
            return dict(zip((tenant.name for tenant in tenants), found, strict=True))

    def details(self, platform: Platform, tenant: Tenant, people: People) -> Details:
        """Return what is only worth reading for one tenant."""
        with ThreadPoolExecutor(PARALLEL_TENANTS, thread_name_prefix="details") as pool:
            keys = pool.submit(self._keys, people)
            domains = pool.submit(self._as_user, platform, tenant, self._sources.clearml.domains)
            queues = pool.submit(self._as_user, platform, tenant, self._sources.clearml.queues)
        queued = queues.result()
        return Details(
            keys=keys.result(),
            domains=domains.result(),
            queues=queued if isinstance(queued, Unknown) else tuple(sorted(one.name for one in queued)),
        )

    def _people(self, platform: Platform, tenant: Tenant) -> People:
        return People(
            users=self._as_user(platform, tenant, self._sources.clearml.users),
            workers=self._as_user(
                platform, tenant, lambda user_id: self._sources.clearml.workers(user_id, seen_within_s=ALIVE_S)
            ),
        )

    def _as_user(self, platform: Platform, tenant: Tenant, ask: Callable[[str], T]) -> Known[T]:
        """Ask as one of the company's users: ClearML shows a company to nobody else."""
        company = tenant.company
        if isinstance(company, Unknown):
            return company
        if company is None:
            return Unknown("ClearML has no company of that name")
        why = Unknown("no user of its company is known to this bot")
        for user_id in platform.users.get(company.id, ()):
            answer = read(partial(_ask, ask, user_id))
            if not isinstance(answer, _Gone):
                return answer
            why = Unknown(f"user {user_id}, whom this bot knows of its company, cannot be asked: {answer.why}")
        return why

    def _keys(self, people: People) -> Known[tuple[Key, ...]]:
        if isinstance(people.users, Unknown):
            return people.users
        found: list[Key] = []
        for user in people.users:
            keys = read(partial(self._sources.clearml.credentials, user.id))
            if isinstance(keys, Unknown):
                return keys
            found += [Key(user=user, info=info) for info in keys]
        return tuple(found)


class _Gone:
    """This user cannot be asked; another one may."""

    def __init__(self, why: str) -> None:
        self.why = why


def _ask(ask: Callable[[str], T], user_id: str) -> T | _Gone:
    try:
        return ask(user_id)
    except PermanentError as error:
        return _Gone(error.what)
