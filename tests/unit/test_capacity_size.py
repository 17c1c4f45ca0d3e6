"""5,000 nodes and 50,000 pods from a source of pages: read in seconds, kept in little memory, solved in a second."""

import json
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from provisioning.capacity.inventory import take_stock
from provisioning.capacity.view import look
from provisioning.clients import cluster_gpus
from sandbox.controlplane.nodes import FakeNode, manifest
from tests.unit.cluster_encodings import encoded_node, encoded_pod, field, json_alone, list_body, protobuf_alone, varint

NODES, PODS = 5000, 50_000
PROFILES = ("3g.40gb", "2g.20gb", "1g.10gb", "")


class Pages:
    """Stands where the API server stands: answers lists with pages of JSON, one at a time."""

    def __init__(self, nodes: int, pods: int) -> None:
        self._nodes, self._pods = nodes, pods
        self.largest = 0
        self.spent = 0.0  # processor time on making pages

    def __call__(self, path: str, query: Mapping[str, str]) -> bytes:
        if path == "/api/v1/nodes":
            return self._page(self._nodes, _node, query)
        assert path == "/api/v1/pods"
        return self._page(self._pods, _pod, query)

    def _page(self, count: int, made: Callable[[int], dict[str, Any]], query: Mapping[str, str]) -> bytes:
        limit = int(query["limit"])
        assert 1 <= limit <= 1000
        began = time.thread_time()
        first = int(query.get("continue", 0))
        last = min(count, first + limit)
        self.largest = max(self.largest, last - first)
        token = {"continue": str(last)} if last < count else {}
        data = json.dumps({"metadata": token, "items": [made(number) for number in range(first, last)]}).encode()
        self.spent += time.thread_time() - began
        return data


def _node(number: int) -> dict[str, Any]:
    slices = {"3g.40gb": 8, "2g.20gb": 8, "1g.10gb": 8}
    return manifest(
        FakeNode(name=f"n{number}", product="NVIDIA-H100-80GB-HBM3", memory_mib=81559, gpus=8, slices=slices)
    )


def _pod(number: int) -> dict[str, Any]:
    profile = PROFILES[number % 4]
    limits = {f"nvidia.com/mig-{profile}": "1"} if profile else {}
    managed = [{"manager": "kubelet", "fieldsV1": {"f:spec": {f"f:{at}": {} for at in range(40)}}}]
    return {
        "metadata": {"namespace": f"tenant-{number % 50}", "name": f"p{number}", "managedFields": managed},
        "spec": {
            "nodeName": f"n{number // 10 % NODES}",
            "containers": [{"name": "c", "resources": {"limits": limits}}],
        },
        "status": {"phase": "Running"},
    }


def test_a_large_cluster_is_read_and_solved_in_seconds() -> None:
    """On processor time: the machine may do other things as well. Making the pages is not counted."""
    source = Pages(NODES, PODS)
    api = json_alone(source)
    began = time.process_time()
    nodes, usage = cluster_gpus.gpu_nodes(api), cluster_gpus.gpu_usage(api)
    view = look(take_stock(nodes, usage), usage, {})
    took = time.process_time() - began - source.spent
    (h100,) = view.totals
    assert (h100.gpus, sum(h100.exist.values()), sum(h100.used.values())) == (40_000, 120_000, 37_500)
    assert source.largest <= 1000
    assert took < 12  # about three seconds on an idle machine


def test_memory_does_not_grow_with_pods() -> None:
    """Thrice the pods on the same nodes take no more: a page at a time, and of each pod a count."""
    peaks = []
    for pods in (2000, 6000):
        tracemalloc.start()
        usage = cluster_gpus.gpu_usage(json_alone(Pages(100, pods)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert sum(usage.held.values()) == pods * 3 // 4
    assert peaks[1] < 1.5 * peaks[0]


class Answers:
    """Stands where the API server stands: answers lists with protobuf, a few thousand bytes at a time."""

    def __init__(self, nodes: int, pods: int) -> None:
        self._nodes, self._pods = nodes, pods

    def __call__(self, path: str) -> Iterator[bytes]:
        nodes = path == "/api/v1/nodes"
        kinds = [encoded_node(_node(0))] if nodes else [encoded_pod(_pod(at)) for at in range(200)]
        managed = field(17, b"x" * 400)  # unread, as most of an object is
        parts = [field(2, field(1, managed) + each) for each in kinds]
        count = self._nodes if nodes else self._pods
        each, rest = divmod(count, len(parts))
        assert not rest
        whole = list_body("NodeList" if nodes else "PodList", ())
        size = sum(map(len, parts)) * each
        opened = whole[: whole.index(b"\x12", 5 + whole[5])]
        meta = field(1, field(2, b"7"))
        yield opened + b"\x12" + varint(len(meta) + size) + meta
        for _ in range(each):
            yield from parts


def test_as_protobuf_the_same_cluster_takes_a_second() -> None:
    """On processor time, without making the answer: that is 200 pods over and over."""
    api = protobuf_alone(Answers(1000, PODS))
    began = time.process_time()
    nodes, usage = cluster_gpus.gpu_nodes(api), cluster_gpus.gpu_usage(api)
    took = time.process_time() - began
    assert (len(nodes), sum(usage.held.values())) == (1000, 37_500)
    assert took < 4  # about half a second on an idle machine


def test_memory_does_not_grow_with_pods_as_protobuf() -> None:
    """Ten times the pods take no more: an object at a time, and of each pod a count."""
    peaks = []
    for pods in (2000, 20_000):
        tracemalloc.start()
        usage = cluster_gpus.gpu_usage(protobuf_alone(Answers(100, pods)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert sum(usage.held.values()) == pods * 3 // 4
    assert peaks[1] < 1.5 * peaks[0]
