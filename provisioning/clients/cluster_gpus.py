"""What the Kubernetes API says of GPUs: the nodes that have some, and who holds and wants how many."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from sys import intern

from provisioning.clients.cluster_objects import GpuUsage, Node, WaitingPod
from provisioning.clients.cluster_pages import Get, pages
from provisioning.clients.cluster_wire import Container, PodSpec, TakingPod, WireNode

PREFIX = "nvidia.com/"
KEPT_LABELS = (PREFIX, "cdmo.clear.ml/")
LIVE = "status.phase!=Succeeded,status.phase!=Failed"  # what has ended holds nothing
PAGE_SIZE = 1000
MOST_WAITING = 1000
REASON_CHARS = 400


def nodes(get: Get) -> tuple[Node, ...]:
    """Return every node."""
    return tuple(_node(item, lambda _name: True) for item in _all_nodes(get))


def gpu_nodes(get: Get) -> tuple[Node, ...]:
    """Return the nodes with GPUs: of their labels and resources, those about GPUs."""
    found = (_node(item, lambda name: name.startswith(KEPT_LABELS)) for item in _all_nodes(get))
    return tuple(node for node in found if node.labels or node.allocatable)


def gpu_usage(get: Get) -> GpuUsage:
    """Return what the pods of the cluster hold of GPUs and wait for. Memory grows with holders, not with pods."""
    return usage_of(pages(get, "/api/v1/pods", TakingPod, page_size=PAGE_SIZE, fieldSelector=LIVE))


def usage_of(pods: Iterable[TakingPod]) -> GpuUsage:
    """Return what *pods* hold and wait for. A scheduled pod holds, whether it runs yet or not."""
    held: Counter[tuple[str, str, str]] = Counter()
    waiting: list[WaitingPod] = []
    waits = 0
    for pod in pods:
        wanted = requests_of(pod.spec)
        if not wanted:
            continue
        if node := pod.spec.node_name:
            namespace = intern(pod.metadata.namespace)
            for resource, count in wanted.items():
                held[intern(node), namespace, intern(resource)] += count
            continue
        waits += 1
        if len(waiting) < MOST_WAITING:
            waiting.append(_waiting(pod, wanted))
    return GpuUsage(held=held, waiting=tuple(waiting), waits=waits)


def requests_of(spec: PodSpec) -> dict[str, int]:
    """Return the GPUs that a pod takes: ``{"nvidia.com/mig-3g.40gb": 1}``.

    As the scheduler counts: the containers' sum with those sidecars that go on, or one init container's more.
    """
    containers = spec.containers
    if len(containers) == 1 and not spec.init_containers:  # most pods
        return _asked(containers[0])
    total: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for container in spec.init_containers:
        asked = _asked(container)
        if container.restart_policy == "Always":
            total.update(asked)
            most |= total
        elif asked:
            most |= total + Counter(asked)
    for container in containers:
        total.update(_asked(container))
    return dict(total | most)


def _asked(container: Container) -> dict[str, int]:
    found: dict[str, int] = {}
    for given in (container.resources.limits, container.resources.requests):
        for name, quantity in given.items():
            if name.startswith(PREFIX) and quantity.isdigit():
                found[name] = int(quantity)
    return {name: count for name, count in found.items() if count}


def _all_nodes(get: Get) -> Iterator[WireNode]:
    return pages(get, "/api/v1/nodes", WireNode)


def _node(item: WireNode, kept: Callable[[str], bool]) -> Node:
    conditions = {one.type: one.status for one in item.status.conditions}
    return Node(
        name=item.metadata.name,
        labels=_kept(item.metadata.labels, kept),
        allocatable=_kept(item.status.allocatable, kept),
        capacity=_kept(item.status.capacity, kept),
        unschedulable=item.spec.unschedulable,
        ready=conditions.get("Ready", "True") == "True",
    )


def _kept(given: Mapping[str, str], kept: Callable[[str], bool]) -> dict[str, str]:
    return {intern(name): intern(value) for name, value in given.items() if kept(name)}


def _waiting(pod: TakingPod, wanted: Mapping[str, int]) -> WaitingPod:
    said = next(
        (
            one.message or one.reason
            for one in pod.status.conditions
            if one.type == "PodScheduled" and one.status == "False"
        ),
        "",
    )
    created = pod.metadata.creation_timestamp
    return WaitingPod(
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        requests=dict(wanted),
        reason=said[:REASON_CHARS],
        since=datetime.fromisoformat(created) if created else None,
    )
