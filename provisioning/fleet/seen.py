"""What is seen of tenants. What could not be read is a value of its own, with the reason: never a guess. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol, TypeAlias, TypeVar

from provisioning.capacity.profiles import RESOURCE_PREFIX
from provisioning.clients.clearml_records import Company, CredentialInfo, User, Worker
from provisioning.clients.cluster_objects import Deployment, NamespaceFacts, Pod, PolicyName, ServicePorts
from provisioning.clients.helm_releases import Release
from provisioning.clients.helm_storage import StoredRelease
from provisioning.errors import ChatopsError
from provisioning.operations.agent_values import REQUIRED_RESOURCES
from provisioning.port_ranges import PortRange
from provisioning.store import TenantRecord

T = TypeVar("T")

WHOLE_GPU = "nvidia.com/gpu"
ON_A_NODE = frozenset({"Pending", "Running"})  # pods that hold what they ask for, or are about to
MOST_REASON_CHARS = 200
MOST_COUNTED = 100_000  # GPUs of one pod


@dataclass(frozen=True)
class Unknown:
    """It could not be read, and why."""

    reason: str


Known: TypeAlias = T | Unknown


class InNamespace(Protocol):
    """An object of one namespace."""

    @property
    def namespace(self) -> str: ...


N = TypeVar("N", bound=InNamespace)


def read(ask: Callable[[], T]) -> Known[T]:
    """Return the answer, or why there is none."""
    try:
        return ask()
    except ChatopsError as error:
        return Unknown(error.what[:MOST_REASON_CHARS])


def within(found: Known[Sequence[N]], namespace: str) -> Known[tuple[N, ...]]:
    """Return those of *namespace*."""
    return found if isinstance(found, Unknown) else tuple(one for one in found if one.namespace == namespace)


@dataclass(frozen=True, kw_only=True)
class Platform:
    """One listing of each kind of thing, for all tenants together."""

    companies: Known[tuple[Company, ...]]
    namespaces: Known[tuple[NamespaceFacts, ...]]
    releases: Known[tuple[Release, ...]]
    pods: Known[tuple[Pod, ...]]
    services: Known[tuple[ServicePorts, ...]]
    deployments: Known[tuple[Deployment, ...]]
    policies: Known[tuple[PolicyName, ...]]
    stored: Known[tuple[StoredRelease, ...]]  # releases with their values, which hold secrets
    records: Mapping[str, TenantRecord]
    leases: Mapping[str, PortRange]
    changing: Mapping[str, int]  # tenant → the number of the job that is at work on it
    users: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # company id → ids of users that are known


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """One tenant, as far as listings tell."""

    name: str
    record: TenantRecord | None
    lease: PortRange | None
    job: int | None  # at work on it at this moment
    company: Known[Company | None]
    namespace: Known[NamespaceFacts | None]
    releases: Known[tuple[Release, ...]]
    agent: Known[Release | None]
    deployments: Known[tuple[Deployment, ...]]
    pods: Known[tuple[Pod, ...]]
    services: Known[tuple[ServicePorts, ...]]
    policies: Known[tuple[PolicyName, ...]]
    limit: Known[Decimal | None]  # the agent's maxResources; None where its release sets none
    router: str | None = None  # what its router's release is called, where routers are configured

    @property
    def suspended(self) -> Known[bool]:
        """True where the agent asks for no pods at all."""
        if isinstance(self.agent, Unknown):
            return self.agent
        if isinstance(self.deployments, Unknown):
            return self.deployments
        return _stands_still(self.deployments, self.agent.name if self.agent else "") is True

    @property
    def router_stands_still(self) -> Known[bool | None]:
        """True where its router asks for no pods at all; None where it has none."""
        if isinstance(self.deployments, Unknown):
            return self.deployments
        return _stands_still(self.deployments, self.router or "")

    @property
    def node_ports(self) -> Known[tuple[int, ...]]:
        """Return the ports of the nodes that its live Services hold, in order."""
        if isinstance(self.services, Unknown):
            return self.services
        return tuple(sorted(port for one in self.services for port in one.node_ports))

    @property
    def slices(self) -> Known[Mapping[str, int]]:
        """Return profile → how many its pods hold, whole cards as ``gpu``: ``{"3g.40gb": 2}``."""
        if isinstance(self.pods, Unknown):
            return self.pods
        held: dict[str, int] = {}
        for pod in self.pods:
            for resource, count in pod.requests.items() if pod.phase in ON_A_NODE and pod.node else ():
                if resource.startswith((RESOURCE_PREFIX, WHOLE_GPU)):
                    profile = resource.removeprefix(RESOURCE_PREFIX).removeprefix("nvidia.com/")
                    held[profile] = held.get(profile, 0) + count
        return dict(sorted(held.items()))

    @property
    def counted(self) -> Known[Decimal]:
        """Return what its pods count toward the agent's maxResources, in GPUs."""
        if isinstance(self.pods, Unknown):
            return self.pods
        total = Decimal(0)
        for pod in self.pods:
            share = pod.labels.get(REQUIRED_RESOURCES)
            if share is None or pod.phase not in ON_A_NODE:
                continue
            counts = _number(share)
            if counts is None:
                return Unknown(f"pod {pod.name} is labelled {REQUIRED_RESOURCES}={share[:20]}, which is no number")
            total += counts
        return total


def _number(text: str) -> Decimal | None:
    """Return what a label counts, in GPUs. Tenants write their pods' labels: ``NaN`` and ``1E9`` are none."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() and 0 <= found <= MOST_COUNTED else None


def _stands_still(deployments: Sequence[Deployment], release: str) -> bool | None:
    mine = [one for one in deployments if one.release == release]
    return all(one.replicas == 0 for one in mine) if mine else None


@dataclass(frozen=True, kw_only=True)
class People:
    """What ClearML tells of the tenant's company to one of its users."""

    users: Known[tuple[User, ...]]
    workers: Known[tuple[Worker, ...]]  # that reported within the last minutes, by the server's clock


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of one user. Its secret is not known to anybody but its holder."""

    user: User
    info: CredentialInfo


@dataclass(frozen=True, kw_only=True)
class Details:
    """What is only read where one tenant is looked at."""

    keys: Known[tuple[Key, ...]]
    domains: Known[tuple[str, ...]]
    queues: Known[tuple[str, ...]]


def names_of(platform: Platform, *, label: str, agent: str) -> Iterator[str]:
    """Yield every tenant's name: recorded, labelled as one, or with an agent's release in a namespace of its own.

    Args:
        label: of the namespaces that are tenants'.
        agent: what all agent charts have in their name.
    """
    found = dict.fromkeys(platform.records)
    if not isinstance(platform.namespaces, Unknown):
        found |= dict.fromkeys(one["name"] for one in platform.namespaces if one["labels"].get(label) == one["name"])
    if not isinstance(platform.releases, Unknown):
        found |= dict.fromkeys(one.namespace for one in platform.releases if agent in one.chart)
    yield from sorted(found)


def tenant_of(platform: Platform, name: str, *, release: str, agent: str, router: str | None = None) -> Tenant:
    """Return what the listings tell of the tenant *name*.

    Args:
        release: the configured name of the agent's release.
        agent: what all agent charts have in their name: a tenant made by hand may have named it otherwise.
        router: the configured name of the router's release; None where no router is configured.
    """
    releases = within(platform.releases, name)
    installed = releases if isinstance(releases, Unknown) else _agent(releases, release, agent)
    return Tenant(
        name=name,
        record=platform.records.get(name),
        lease=platform.leases.get(name),
        job=platform.changing.get(name),
        company=_company(platform.companies, name),
        namespace=(
            platform.namespaces
            if isinstance(platform.namespaces, Unknown)
            else next((one for one in platform.namespaces if one["name"] == name), None)
        ),
        releases=releases,
        agent=installed,
        deployments=within(platform.deployments, name),
        pods=within(platform.pods, name),
        services=within(platform.services, name),
        policies=within(platform.policies, name),
        limit=_limit(installed, within(platform.stored, name)),
        router=router,
    )


def _company(companies: Known[tuple[Company, ...]], name: str) -> Known[Company | None]:
    if isinstance(companies, Unknown):
        return companies
    found = [one for one in companies if one.active and one.name.casefold() == name.casefold()]
    if len(found) > 1:
        return Unknown(f"ClearML has {len(found)} companies of that name: {', '.join(one.id for one in found)}")
    return found[0] if found else None


def _agent(releases: Sequence[Release], name: str, agent: str) -> Release | None:
    by_name = next((one for one in releases if one.name == name), None)
    return by_name or next((one for one in releases if agent in one.chart), None)


def _limit(agent: Known[Release | None], stored: Known[tuple[StoredRelease, ...]]) -> Known[Decimal | None]:
    if isinstance(agent, Unknown):
        return agent
    if agent is None:
        return Unknown("its agent is not installed")
    if isinstance(stored, Unknown):
        return stored
    found = next((one for one in stored if (one.name, one.revision) == (agent.name, agent.revision)), None)
    if found is None or found.problem:
        return Unknown(f"the values of release {agent.name}: {found.problem if found else 'helm keeps none'}")
    return max_resources(found.values)


def max_resources(values: Mapping[str, Any]) -> Decimal | None:
    """Return the maxResources that an agent's release was given, None where it was given none."""
    glue = values.get("agentk8sglue")
    monitored = glue.get("monitoredResources") if isinstance(glue, Mapping) else None
    limit = monitored.get("maxResources") if isinstance(monitored, Mapping) else None
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        return None
    return Decimal(str(limit))
