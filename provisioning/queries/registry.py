"""Every query, by the name of its command."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioning.clients.interfaces import ClusterReads, HelmReads
from provisioning.configuration import Provisioning
from provisioning.fleet.reader import FleetReader
from provisioning.queries.base import Query
from provisioning.queries.capacity import CapacityQuery
from provisioning.queries.digest_list import DigestList
from provisioning.queries.node_mig_status import NodeMigStatusQuery
from provisioning.queries.policy import ExplainPolicy, ShowPolicy
from provisioning.queries.ports import Ports
from provisioning.queries.tenant_drift import TenantDriftQuery
from provisioning.queries.tenant_export import TenantExportQuery
from provisioning.queries.tenant_list import TenantListQuery
from provisioning.queries.tenant_show import TenantShowQuery
from provisioning.queries.trends import Trends

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML
    from provisioning.clients.nvidia_smi import NvidiaSmi
    from provisioning.people import People
    from provisioning.planner import Planner
    from provisioning.policy_source import PolicySource
    from provisioning.store import Store


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What queries read from. Shared by all threads."""

    configuration: Provisioning
    clearml: "ClearML"
    cluster: ClusterReads
    helm: HelmReads
    store: "Store"
    planner: "Planner"
    smi: "NvidiaSmi"
    planner_of_one_moment: "Callable[[], Planner]"  # reads each thing once: for many plans
    policy: "PolicySource"
    people: "People"


def build_queries(sources: Sources) -> Mapping[str, Query]:
    """Return command → query."""
    fleet = FleetReader(
        configuration=sources.configuration,
        clearml=sources.clearml,
        cluster=sources.cluster,
        helm=sources.helm,
        store=sources.store,
    )
    queries: tuple[Query, ...] = (
        CapacityQuery(sources.cluster, sources.store, sources.smi),
        Ports(sources),
        NodeMigStatusQuery(sources.cluster, sources.smi),
        Trends(sources),
        DigestList(sources),
        TenantListQuery(fleet),
        TenantShowQuery(fleet, sources.planner, sources.store),
        TenantExportQuery(sources.store),
        TenantDriftQuery(sources.planner_of_one_moment, sources.store),
        ExplainPolicy(sources),
        ShowPolicy(sources),
    )
    return {query.command: query for query in queries}
