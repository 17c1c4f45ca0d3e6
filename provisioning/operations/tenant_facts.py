"""What operations on tenants decide by. Pure data, gathered by provisioning.facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from pydantic import JsonValue

from commands.tenants import TenantCreate
from policies.approvals import Refusal
from policies.network import TENANT_LABEL
from provisioning.capacity.profiles import Gpu
from provisioning.capacity.view import View
from provisioning.configuration import Provisioning
from provisioning.operations.chart_facts import ChartFacts
from provisioning.port_ranges import PortRange

MIG_NODE_LABEL = ("cdmo.clear.ml/gpu-partitioning", "mig")


@dataclass(frozen=True, kw_only=True)
class MigNodes:
    """All nodes of the dynamic MIG operator that hold one kind of GPU."""

    gpu: Gpu
    gpus: int  # physical ones, on all these nodes
    resources: frozenset[str] = frozenset()  # nvidia.com/mig-… that they advertise


@dataclass(frozen=True, kw_only=True)
class AgentRelease:
    """A helm release of a tenant as it is."""

    revision: int
    status: str
    chart: str
    chart_version: str


@dataclass(frozen=True, kw_only=True)
class RouterFacts:
    """What decides on a tenant's router."""

    chart: ChartFacts
    release: AgentRelease | None = None  # the tenant's router as it is
    host: str | None = None  # where that one is reached
    unfit_key: Refusal | None = None  # why the token-signing secret in the cluster cannot be used
    holders: Mapping[str, str] = field(default_factory=dict)  # host → what else is reached there


@dataclass(frozen=True, kw_only=True)
class TenantFacts:
    """The world as far as one tenant is concerned, new or not."""

    configuration: Provisioning
    chart: ChartFacts
    company_id: str | None = None  # of the company that has the tenant's name
    recorded: Mapping[str, JsonValue] | None = None  # the spec that we keep of this tenant
    made_by_job: int | None = None  # the number of an earlier job of ours that set out to make the company
    namespace_labels: Mapping[str, str] | None = None  # None where there is no such namespace
    namespace_is_terminating: bool = False
    email_holder: str | None = None  # another company that has a user of the admin's e-mail
    domain_holders: Mapping[str, str] = field(default_factory=dict)  # domain → another company
    unread_companies: tuple[str, ...] = ()  # whose users and domains only they can see
    redis_namespace_exists: bool = True
    mig_nodes: tuple[MigNodes, ...] = ()
    release: AgentRelease | None = None  # of the tenant's agent
    router: RouterFacts | None = None  # None where none is configured, or none was asked about
    leased: PortRange | None = None  # this tenant's own: what a job of it has taken last
    held: PortRange | None = None  # this tenant's own that has proved itself: its Services have these ports
    gpus: View | None = None  # what they hold and who uses them; None where that was not looked at
    limits: Mapping[str, Decimal] = field(default_factory=dict)  # every recorded tenant's maxResources
    taken_ports: tuple[tuple[str, PortRange], ...] = ()  # who, envelope; empty where no ports are asked for
    unread_ports: tuple[str, ...] = ()  # what may declare ports and could not be read
    live_ports: tuple[tuple[str, int], ...] = ()  # what, port; likewise

    @property
    def is_recorded(self) -> bool:
        """True where we keep a record of this tenant."""
        return self.recorded is not None

    def namespace_is_ours(self, tenant: str) -> bool:
        """True where the namespace is there and says that it is this tenant's."""
        return self.namespace_labels is not None and self.namespace_labels.get(TENANT_LABEL) == tenant


@dataclass(frozen=True, kw_only=True)
class ExistingTenant:
    """A recorded tenant, and the world as `tenant create` would see it."""

    spec: TenantCreate
    company_id: str
    admin_user_id: str
    world: TenantFacts
    users: tuple[tuple[str, str], ...] = ()  # e-mail, role; read where a command is about users
    is_suspended: bool = False  # its agent's Deployment is scaled to zero
    unknown_keys: tuple[str, ...] = ()  # what its release was given and the chart does not know; for an upgrade


@dataclass(frozen=True, kw_only=True)
class AgentKeys:
    """The keys around a tenant's agent, by fingerprint."""

    old: str  # the one that a rotation takes away
    others: tuple[str, ...]  # of our label, and not in the agent's Secret
    is_live: bool  # the Secret holds a key that ClearML knows
    is_unfinished: bool  # a rotation was left: the Secret holds the old key and a new one
    releases: tuple[str, ...] = ()  # of the tenant's namespace whose values hold one of the Secret's keys


@dataclass(frozen=True, kw_only=True)
class RotatedTenant:
    """A recorded tenant, its keys, and how many of its workers reported in within the last hour."""

    tenant: ExistingTenant
    keys: AgentKeys | None = None  # None where the Secret is not there or holds none
    workers: int = 0
