"""A planner for many plans of one moment: what they all look at is read once.

Planning one tenant looks at every other company's users and domains, at every release, node and Service. For all
tenants that would be the square of it.
"""

from typing import TYPE_CHECKING, cast

from provisioning.clients.cluster_objects import NamespaceFacts
from provisioning.clients.helm_releases import Release
from provisioning.clients.interfaces import ClusterWrites, HelmWrites, KubectlWrites
from provisioning.clock import Clock
from provisioning.configuration import Provisioning
from provisioning.facts import FactsGatherer
from provisioning.fleet.memory import Remembering
from provisioning.planner import Planner
from provisioning.steps.registry import build_actions

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML
    from provisioning.store import Store

CLEARML_ONCE = ("companies", "users", "domains", "queues", "credentials", "email_holder")
CLUSTER_ONCE = (
    "all_namespaces",
    "nodes",
    "gpu_nodes",
    "gpu_usage",
    "services",
    "pods",
    "host_ports",
    "deployments",
    "network_policies",
    "stored_releases",
    "node_port_range",
    "secret",
)
HELM_ONCE = ("show_chart", "show_values", "releases", "values")


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
    seen_clearml = cast("ClearML", Remembering(clearml, once=CLEARML_ONCE))
    seen_cluster = cast("ClusterWrites", _remembering_cluster(cluster))
    seen_helm = cast("HelmWrites", _remembering_helm(helm))
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
        configuration=configuration, clearml=seen_clearml, cluster=seen_cluster, helm=seen_helm, store=store
    )
    return Planner(actions=actions, facts=facts)


def _remembering_cluster(cluster: ClusterWrites) -> Remembering:
    def namespace(name: str) -> NamespaceFacts | None:
        return next((one for one in remembering.all_namespaces() if one["name"] == name), None)

    remembering = Remembering(cluster, once=CLUSTER_ONCE, instead={"namespace": namespace})
    return remembering


def _remembering_helm(helm: HelmWrites) -> Remembering:
    def release(namespace: str, name: str) -> Release | None:
        return next((one for one in remembering.releases() if (one.namespace, one.name) == (namespace, name)), None)

    remembering = Remembering(helm, once=HELM_ONCE, instead={"release": release})
    return remembering
