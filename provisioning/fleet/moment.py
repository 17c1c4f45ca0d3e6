"""The clients as seen at one moment: what many look at is read once."""

from typing import TYPE_CHECKING, cast

from provisioning.clients.cluster_objects import NamespaceFacts
from provisioning.clients.helm_releases import Release
from provisioning.clients.interfaces import ClusterReads, HelmReads
from provisioning.fleet.memory import Remembering
from provisioning.sources import GivenSources, Sources

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
    "ingresses",
    "stored_releases",
    "node_port_range",
    "secret",
)
HELM_ONCE = ("show_chart", "show_values", "chart_sha256", "releases", "values")
STORE_ONCE = ("jobs", "tenants", "leases")  # of which all the newest are read, each time


def of_one_moment(sources: Sources) -> Sources:
    """Return the sources as seen at one moment."""
    return GivenSources(
        configuration=sources.configuration,
        clearml=cast("ClearML", _remembering_clearml(sources.clearml)),
        cluster=cast("ClusterReads", _remembering_cluster(sources.cluster)),
        helm=cast("HelmReads", _remembering_helm(sources.helm)),
        store=cast("Store", _remembering_store(sources.store)),
        channels=sources.channels,
    )


def _remembering_clearml(clearml: "ClearML") -> Remembering:
    """Return the client as seen at one moment."""
    return Remembering(clearml, once=CLEARML_ONCE)


def _remembering_cluster(cluster: ClusterReads) -> Remembering:
    """Return the client as seen at one moment; a namespace is looked up in the listing of all."""

    def namespace(name: str) -> NamespaceFacts | None:
        return next((one for one in remembering.all_namespaces() if one["name"] == name), None)

    remembering = Remembering(cluster, once=CLUSTER_ONCE, instead={"namespace": namespace})
    return remembering


def _remembering_helm(helm: HelmReads) -> Remembering:
    """Return the client as seen at one moment; a release is looked up in the listing of all."""

    def release(namespace: str, name: str) -> Release | None:
        return next((one for one in remembering.releases() if (one.namespace, one.name) == (namespace, name)), None)

    remembering = Remembering(helm, once=HELM_ONCE, instead={"release": release})
    return remembering


def _remembering_store(store: "Store") -> Remembering:
    """Return the store as seen at one moment, by those who look up what is known of others."""
    return Remembering(store, once=STORE_ONCE)
