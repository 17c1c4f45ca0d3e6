"""A planner for many plans of one moment: what they all look at is read once.

Planning one tenant looks at every other company's users and domains, at every release, node and Service. For all
tenants that would be the square of it.
"""

from typing import TYPE_CHECKING, cast

from provisioning.clients.interfaces import ClusterWrites, HelmWrites, KubectlWrites
from provisioning.clock import Clock
from provisioning.configuration import Provisioning
from provisioning.facts import FactsGatherer
from provisioning.fleet.memory import Remembering
from provisioning.fleet.moment import remembering_clearml, remembering_cluster, remembering_helm, remembering_store
from provisioning.planner import Planner
from provisioning.sources import GivenSources
from provisioning.steps.registry import build_actions

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML
    from provisioning.store import Store


def planner_of_one_moment(
    *,
    configuration: Provisioning,
    clearml: "ClearML",
    cluster: ClusterWrites,
    helm: HelmWrites,
    kubectl: KubectlWrites,
    store: "Store",
    clock: Clock,
) -> Planner:
    """Return a planner that sees the world as it is when it first looks. For reports, not for jobs."""
    seen_clearml = cast("ClearML", remembering_clearml(clearml))
    seen_cluster = cast("ClusterWrites", remembering_cluster(cluster))
    seen_helm = cast("HelmWrites", remembering_helm(helm))
    actions = build_actions(
        configuration=configuration,
        clearml=seen_clearml,
        cluster=seen_cluster,
        helm=seen_helm,
        kubectl=cast("KubectlWrites", Remembering(kubectl, once=("diff",))),
        store=store,
        clock=clock,
    )
    facts = FactsGatherer(
        GivenSources(
            configuration=configuration,
            clearml=seen_clearml,
            cluster=seen_cluster,
            helm=seen_helm,
            store=cast("Store", remembering_store(store)),
        )
    )
    return Planner(actions=actions, facts=facts)
