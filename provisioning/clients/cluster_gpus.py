"""What the Kubernetes API says of GPUs: the nodes that have some, and who holds and wants how many."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from sys import intern
from typing import Any, NamedTuple

from provisioning.clients.cluster_lists import Listed, Reads, read
from provisioning.clients.cluster_objects import GpuUsage, Node, WaitingPod
from provisioning.clients.cluster_schema import message
from provisioning.clients.cluster_wire import Condition, Container, TakingPod, WireNode

PREFIX = "nvidia.com/"
KEPT_LABELS = (PREFIX, "cdmo.clear.ml/")
OVER = frozenset({"Succeeded", "Failed"})  # what has ended holds nothing
PAGE_SIZE = 1000
MOST_WAITING = 1000
REASON_CHARS = 400


class GpuPod(NamedTuple):
    """A pod that takes GPUs and has not ended. ``node`` is "" until it is scheduled, ``waiting`` None from then on."""

    node: str
    namespace: str
    wanted: Mapping[str, int]  # extended resource → how many, at least 1
    waiting: WaitingPod | None


def nodes(api: Reads) -> tuple[Node, ...]:
    """Return every node."""
    return tuple(read(api, _nodes(_any)))


def gpu_nodes(api: Reads) -> tuple[Node, ...]:
    """Return the nodes with GPUs: of their labels and resources, those about GPUs."""
    return tuple(node for node in read(api, _nodes(_is_about_gpus)) if node.labels or node.allocatable)


def gpu_usage(api: Reads) -> GpuUsage:
    """Return what the pods of the cluster hold of GPUs and wait for. Memory grows with holders, not with pods."""
    return usage_of(read(api, GPU_PODS))


def usage_of(pods: Iterable[GpuPod]) -> GpuUsage:
    """Return what *pods* hold and wait for. A scheduled pod holds, whether it runs yet or not."""
    held: Counter[tuple[str, str, str]] = Counter()
    waiting: list[WaitingPod] = []
    waits = 0
    for node, namespace, wanted, waits_for in pods:
        if waits_for is None:
            for resource, count in wanted.items():
                held[node, namespace, resource] += count
            continue
        waits += 1
        if len(waiting) < MOST_WAITING:
            waiting.append(waits_for)
    return GpuUsage(held=held, waiting=tuple(waiting), waits=waits)


def requests_of(
    containers: Iterable[Mapping[str, int]], init_containers: Iterable[tuple[Mapping[str, int], bool]] = ()
) -> dict[str, int]:
    """Return the GPUs that a pod takes: ``{"nvidia.com/mig-3g.40gb": 1}``.

    As the scheduler counts: the containers' sum with those sidecars that go on, or one init container's more.

    Args:
        containers: what each asks for.
        init_containers: the same, and whether it goes on as a sidecar.
    """
    total: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for asked, goes_on in init_containers:
        if goes_on:
            total.update(asked)
            most |= total
        elif asked:
            most |= total + Counter(asked)
    for asked in containers:
        total.update(asked)
    return dict(total | most)


def _gpus(limits: Iterable[tuple[str, str]], requests: Iterable[tuple[str, str]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for given in (limits, requests):
        for name, quantity in given:
            if name.startswith(PREFIX) and quantity.isascii() and quantity.isdigit():
                found[intern(name)] = int(quantity)
    return {name: count for name, count in found.items() if count}


def _pod_of_struct(pod: TakingPod) -> GpuPod | None:
    spec = pod.spec
    wanted = requests_of(
        [_asked(one) for one in spec.containers],
        [(_asked(one), one.restart_policy == "Always") for one in spec.init_containers],
    )
    return _gpu_pod(pod, wanted, _waits_of_struct)


def _waits_of_struct(pod: TakingPod) -> tuple[str, datetime | None]:
    created = pod.metadata.creation_timestamp
    return _reason(pod.status.conditions), datetime.fromisoformat(created) if created else None


def _asked(container: Container) -> dict[str, int]:
    return _gpus(container.resources.limits.items(), container.resources.requests.items())


def _pod_of_message(pod: Any) -> GpuPod | None:
    spec = pod.spec
    containers = spec.containers
    init = spec.init_containers
    wanted: Mapping[str, int]
    if len(containers) == 1 and not init:  # most pods
        wanted = _asked_in(containers[0].resources)
    else:
        wanted = requests_of(
            [_asked_in(one.resources) for one in containers],
            [(_asked_in(one.resources), one.restart_policy == "Always") for one in init],
        )
    return _gpu_pod(pod, wanted, _waits_of_message)


def _waits_of_message(pod: Any) -> tuple[str, datetime | None]:
    created = pod.metadata.creation_timestamp
    since = datetime.fromtimestamp(message("Time").FromString(created).seconds, UTC) if created else None
    return _reason(map(message("Condition").FromString, pod.status.conditions)), since


def _gpu_pod(
    pod: Any, wanted: Mapping[str, int], waits_of: Callable[[Any], tuple[str, datetime | None]]
) -> GpuPod | None:
    """Return the pod where it counts. Both encodings call their fields alike; *waits_of* reads the others: why it
    waits, and since when."""
    if not wanted or pod.status.phase in OVER:
        return None
    meta, node, waiting = pod.metadata, pod.spec.node_name, None
    if not node:
        reason, since = waits_of(pod)
        waiting = WaitingPod(
            namespace=meta.namespace, name=meta.name, requests=dict(wanted), reason=reason, since=since
        )
    return GpuPod(intern(node), intern(meta.namespace), wanted, waiting)


@lru_cache(maxsize=4096)
def _asked_in(resources: bytes) -> Mapping[str, int]:
    """Return what one container asks for, out of its encoded resources: most containers' are like others'."""
    found = message("Resources").FromString(resources)
    return _gpus(_kept_amounts(found.limits, _any).items(), _kept_amounts(found.requests, _any).items())


def _reason(conditions: Iterable[Condition]) -> str:
    said = (one.message or one.reason for one in conditions if one.type == "PodScheduled" and one.status == "False")
    return next(said, "")[:REASON_CHARS]


def _is_about_gpus(name: str) -> bool:
    return name.startswith(KEPT_LABELS)


def _node_of_struct(kept: Callable[[str], bool], item: WireNode) -> Node:
    return _node(item, kept, _kept)


def _node_of_message(kept: Callable[[str], bool], item: Any) -> Node:
    return _node(item, kept, _kept_amounts)


def _node(
    item: Any,
    kept: Callable[[str], bool],
    amounts: Callable[[Mapping[str, Any], Callable[[str], bool]], dict[str, str]],
) -> Node:
    """Both encodings call their fields alike; *amounts* reads those that are written otherwise."""
    status = item.status
    said = {one.type: one.status for one in status.conditions}
    return Node(
        name=item.metadata.name,
        labels=_kept(item.metadata.labels, kept),
        allocatable=amounts(status.allocatable, kept),
        capacity=amounts(status.capacity, kept),
        unschedulable=item.spec.unschedulable,
        ready=said.get("Ready", "True") == "True",
    )


def _kept_amounts(given: Mapping[str, Any], kept: Callable[[str], bool]) -> dict[str, str]:
    return {intern(name): intern(amount.string) for name, amount in given.items() if kept(name)}


def _any(_name: str) -> bool:
    return True


def _kept(given: Mapping[str, str], kept: Callable[[str], bool]) -> dict[str, str]:
    return {intern(name): intern(value) for name, value in given.items() if kept(name)}


GPU_PODS = Listed(
    path="/api/v1/pods",
    kind="PodList",
    of_message=_pod_of_message,
    struct=TakingPod,
    of_struct=_pod_of_struct,
    page_size=PAGE_SIZE,
)


def _nodes(kept: Callable[[str], bool]) -> Listed[Node]:
    return Listed(
        path="/api/v1/nodes",
        kind="NodeList",
        of_message=partial(_node_of_message, kept),
        struct=WireNode,
        of_struct=partial(_node_of_struct, kept),
    )
