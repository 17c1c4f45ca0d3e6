"""Every query, by the name of its command."""

from collections.abc import Mapping

from provisioning.clients import endpoints
from provisioning.facts.platform import PlatformFactsGatherer
from provisioning.fleet.reader import FleetReader
from provisioning.queries.base import Query
from provisioning.queries.capacity import CapacityQuery
from provisioning.queries.digest_list import DigestList
from provisioning.queries.node_mig_status import NodeMigStatusQuery
from provisioning.queries.platform_plan import PlatformPlanQuery
from provisioning.queries.platform_status import PlatformStatusQuery
from provisioning.queries.policy import ExplainPolicy, ShowPolicy
from provisioning.queries.ports import Ports
from provisioning.queries.sources import QuerySources
from provisioning.queries.tenant_drift import TenantDriftQuery
from provisioning.queries.tenant_export import TenantExportQuery
from provisioning.queries.tenant_list import TenantListQuery
from provisioning.queries.tenant_show import TenantShowQuery
from provisioning.queries.trends import Trends


def build_queries(sources: QuerySources) -> Mapping[str, Query]:
    """Return command → query."""
    fleet = FleetReader(sources)
    queries: tuple[Query, ...] = (
        CapacityQuery(sources.cluster, sources.store, sources.smi),
        Ports(sources),
        NodeMigStatusQuery(sources.cluster, sources.smi),
        Trends(sources),
        DigestList(sources),
        TenantListQuery(fleet),
        TenantShowQuery(fleet, sources.planner, sources.store),
        TenantExportQuery(sources.store),
        PlatformPlanQuery(sources.planner),
        PlatformStatusQuery(
            PlatformFactsGatherer("platform status", sources),
            cluster=sources.cluster,
            clearml=sources.clearml,
            look=endpoints.look,
        ),
        TenantDriftQuery(sources.planner_of_one_moment, sources.store),
        ExplainPolicy(sources),
        ShowPolicy(sources),
    )
    return {query.command: query for query in queries}
