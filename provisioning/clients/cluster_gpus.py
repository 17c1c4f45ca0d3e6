"""What the Kubernetes API says of GPUs: the nodes that have some, and who holds and wants how many."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from sys import intern
from typing import Any

from kubernetes import client

from provisioning.clients.cluster_objects import GpuUsage, Node, WaitingPod
from provisioning.clients.cluster_pages import pages

PREFIX = "nvidia.com/"
KEPT_LABELS = (PREFIX, "cdmo.clear.ml/")
LIVE = "status.phase!=Succeeded,status.phase!=Failed"  # what has ended holds nothing
PAGE_SIZE = 1000
MOST_WAITING = 1000
REASON_CHARS = 400


def nodes(core: client.CoreV1Api) -> tuple[Node, ...]:
    """Return every node."""
    return tuple(_node(item, lambda _name: True) for item in pages(core.list_node))


def gpu_nodes(core: client.CoreV1Api) -> tuple[Node, ...]:
    """Return the nodes with GPUs: of their labels and resources, those about GPUs."""
    found = (_node(item, lambda name: name.startswith(KEPT_LABELS)) for item in pages(core.list_node))
    return tuple(node for node in found if node.labels or node.allocatable)


def gpu_usage(core: client.CoreV1Api) -> GpuUsage:
    """Return what the pods of the cluster hold of GPUs and wait for. Memory grows with holders, not with pods."""
    return usage_of(pages(core.list_pod_for_all_namespaces, page_size=PAGE_SIZE, field_selector=LIVE))


def usage_of(pods: Iterable[Mapping[str, Any]]) -> GpuUsage:
    """Return what *pods* (the API's JSON) hold and wait for. A scheduled pod holds, whether it runs yet or not."""
    held: Counter[tuple[str, str, str]] = Counter()
    waiting: list[WaitingPod] = []
    waits = 0
    for pod in pods:
        wanted = requests_of(pod["spec"])
        if not wanted:
            continue
        namespace, node = intern(pod["metadata"]["namespace"]), pod["spec"].get("nodeName")
        if node:
            for resource, count in wanted.items():
                held[intern(node), namespace, intern(resource)] += count
            continue
        waits += 1
        if len(waiting) < MOST_WAITING:
            waiting.append(_waiting(pod, wanted))
    return GpuUsage(held=held, waiting=tuple(waiting), waits=waits)


def requests_of(spec: Mapping[str, Any]) -> dict[str, int]:
    """Return the GPUs that a pod takes: ``{"nvidia.com/mig-3g.40gb": 1}``.

    As the scheduler counts: the containers' sum with those sidecars that go on, or one init container's more.
    """
    total: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for container in spec.get("initContainers") or ():
        asked = _asked(container)
        if container.get("restartPolicy") == "Always":
            total.update(asked)
            most |= total
        elif asked:
            most |= total + Counter(asked)
    for container in spec.get("containers") or ():
        total.update(_asked(container))
    return dict(total | most)


def _asked(container: Mapping[str, Any]) -> dict[str, int]:
    resources = container.get("resources")
    if not resources:
        return {}
    quantities = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {
        name: int(quantity)
        for name, quantity in quantities.items()
        if name.startswith(PREFIX) and str(quantity).isdigit() and int(quantity)
    }


def _node(item: Mapping[str, Any], kept: Callable[[str], bool]) -> Node:
    meta, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    return Node(
        name=meta["name"],
        labels=_kept(meta.get("labels"), kept),
        allocatable=_kept(status.get("allocatable"), kept),
        capacity=_kept(status.get("capacity"), kept),
        unschedulable=bool(spec.get("unschedulable")),
        ready=conditions.get("Ready", "True") == "True",
    )


def _kept(given: Mapping[str, Any] | None, kept: Callable[[str], bool]) -> dict[str, str]:
    return {intern(name): intern(str(value)) for name, value in (given or {}).items() if kept(name)}


def _waiting(pod: Mapping[str, Any], wanted: Mapping[str, int]) -> WaitingPod:
    meta = pod["metadata"]
    said = next(
        (
            str(one.get("message") or one.get("reason") or "")
            for one in (pod.get("status") or {}).get("conditions") or ()
            if one.get("type") == "PodScheduled" and one.get("status") == "False"
        ),
        "",
    )
    return WaitingPod(
        namespace=meta["namespace"],
        name=meta["name"],
        requests=dict(wanted),
        reason=said[:REASON_CHARS],
        since=datetime.fromisoformat(meta["creationTimestamp"]) if meta.get("creationTimestamp") else None,
    )
