"""Every query, by the name of its command. Each is made, and its module imported, when it is first asked for."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TypeAlias

from provisioning.queries.base import Query
from provisioning.queries.sources import QuerySources

Maker: TypeAlias = Callable[[QuerySources], Query]


class Queries(Mapping[str, Query]):
    """Command → query."""

    def __init__(self, sources: QuerySources, makers: Mapping[str, Maker]) -> None:
        self._sources = sources
        self._makers = makers
        self._made: dict[str, Query] = {}

    def __getitem__(self, command: str) -> Query:
        if command not in self._made:
            self._made.setdefault(command, self._makers[command](self._sources))  # the first of two threads counts
        return self._made[command]

    def __contains__(self, command: object) -> bool:  # Mapping's own would make the query
        return command in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def build_queries(sources: QuerySources, more: Mapping[str, Maker] | None = None) -> Mapping[str, Query]:
    """Return command → query, with those of *more*."""
    return Queries(sources, {**MAKERS, **(more or {})})


def _late(module: str, name: str) -> Maker:
    """Return what makes the query *name* of a *module* beside this one, out of the sources alone."""

    def make(sources: QuerySources) -> Query:
        query: Query = getattr(import_module(f"provisioning.queries.{module}"), name)(sources)
        return query

    return make


def _capacity(sources: QuerySources) -> Query:
    from provisioning.queries.capacity import CapacityQuery

    return CapacityQuery(sources.cluster, sources.store, lambda: sources.smi)


def _node_mig_status(sources: QuerySources) -> Query:
    from provisioning.queries.node_mig_status import NodeMigStatusQuery

    return NodeMigStatusQuery(sources.cluster, sources.smi)


def _tenant_list(sources: QuerySources) -> Query:
    from provisioning.fleet.reader import FleetReader
    from provisioning.queries.tenant_list import TenantListQuery

    return TenantListQuery(FleetReader(sources))


def _tenant_show(sources: QuerySources) -> Query:
    from provisioning.fleet.reader import FleetReader
    from provisioning.queries.tenant_show import TenantShowQuery

    return TenantShowQuery(FleetReader(sources), sources.planner, sources.store)


def _tenant_export(sources: QuerySources) -> Query:
    from provisioning.queries.tenant_export import TenantExportQuery

    return TenantExportQuery(sources.store)


def _tenant_drift(sources: QuerySources) -> Query:
    from provisioning.queries.tenant_drift import TenantDriftQuery

    return TenantDriftQuery(sources.planner_of_one_moment, sources.store)


def _platform_plan(sources: QuerySources) -> Query:
    from provisioning.queries.platform_plan import PlatformPlanQuery

    return PlatformPlanQuery(sources.planner)


def _platform_status(sources: QuerySources) -> Query:
    from provisioning.clients import endpoints
    from provisioning.facts.platform import PlatformFactsGatherer
    from provisioning.queries.platform_status import PlatformStatusQuery

    return PlatformStatusQuery(
        PlatformFactsGatherer("platform status", sources),
        cluster=sources.cluster,
        clearml=sources.clearml,
        look=endpoints.look,
    )


MAKERS: Mapping[str, Maker] = {
    "capacity": _capacity,
    "ports": _late("ports", "Ports"),
    "node mig status": _node_mig_status,
    "trends": _late("trends", "Trends"),
    "digest list": _late("digest_list", "DigestList"),
    "tenant list": _tenant_list,
    "tenant show": _tenant_show,
    "tenant export": _tenant_export,
    "tenant drift": _tenant_drift,
    "platform plan": _platform_plan,
    "platform status": _platform_status,
    "policy explain": _late("policy", "ExplainPolicy"),
    "policy show": _late("policy", "ShowPolicy"),
}
