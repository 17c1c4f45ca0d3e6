"""The Kubernetes API's objects → the few fields that the engine needs. Pure."""

from collections import Counter

from provisioning.clients.cluster_objects import Deployment, NamespaceFacts, Pod
from provisioning.clients.cluster_wire import FullPod, FullPodStatus, WireDeployment, WireNamespace

RELEASE_ANNOTATION = "meta.helm.sh/release-name"  # helm puts it on everything that it makes
SUSPENDED_ANNOTATION = "clearml-chatops/replicas-before"  # how many pods a suspended Deployment had


def namespace_of(item: WireNamespace) -> NamespaceFacts:
    """Return what is known of the namespace."""
    return NamespaceFacts(
        name=item.metadata.name,
        phase=item.status.phase,
        labels=item.metadata.labels,
        annotations=item.metadata.annotations,
    )


def deployment_of(item: WireDeployment) -> Deployment:
    """Return the Deployment, with how many pods it asks for and has."""
    notes = item.metadata.annotations
    return Deployment(
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        release=notes.get(RELEASE_ANNOTATION, ""),
        replicas=1 if item.spec.replicas is None else item.spec.replicas,
        ready=item.status.ready_replicas or 0,
        replicas_before=_number(notes.get(SUSPENDED_ANNOTATION, "")),
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def pod_of(item: FullPod) -> Pod:
    """Return the pod, with the sum of its containers' extended resources."""
    containers = item.spec.containers
    requests: Counter[str] = Counter()
    for container in containers:
        for resource, quantity in container.resources.requests.items():
            if "/" in resource and (count := _number(quantity)) is not None:
                requests[resource] += count
    status = item.status
    return Pod(
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        phase=status.phase or "Unknown",
        node=item.spec.node_name or None,
        labels=item.metadata.labels,
        requests=dict(requests),
        host_ports=tuple(sorted({port.host_port for one in containers for port in one.ports if port.host_port})),
        images=tuple(container.image for container in containers if container.image),
        is_ready=any(one.type == "Ready" and one.status == "True" for one in status.conditions),
        trouble=_trouble(status),
        owner=next((one.kind for one in item.metadata.owner_references if one.controller), ""),
    )


def _trouble(status: FullPodStatus) -> str:
    """Return the first reason that Kubernetes gives for a pod that does not run, "" where it gives none."""
    for one in status.container_statuses:
        if one.state.waiting.reason:
            return one.state.waiting.reason
    for condition in status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False" and condition.reason:
            return condition.reason
    return ""
