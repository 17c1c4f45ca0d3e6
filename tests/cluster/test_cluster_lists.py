"""Lists in both of a real API server's encodings: the same objects out of either."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from kubernetes import client

from provisioning.clients import cluster_gpus, cluster_ports
from provisioning.clients.cluster_access import connect, getter, streamer
from provisioning.clients.cluster_lists import Reads, read
from provisioning.clients.cluster_objects import Node
from provisioning.clients.cluster_protobuf import NotProtobufError
from provisioning.configuration import Cluster

pytestmark = pytest.mark.cluster

GPU, SLICE, UNKNOWN = "nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "nvidia.com/mig-9g.99gb"
MOST = str(2**63 - 1)


def refusing(_path: str) -> NoReturn:
    raise NotProtobufError


@pytest.fixture
def api(kubeconfig: Path) -> Any:
    return connect(Cluster(kubeconfig=kubeconfig))


def takes(name: str, asked: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    resources = {"limits": asked, "requests": asked} if asked else {}
    return {"name": name, "image": "train:1", "resources": resources, **more}


ODD: dict[str, dict[str, Any]] = {
    "plain": {"containers": [takes("c")]},
    "waits": {"containers": [takes("c", {SLICE: "99"})]},
    "unknown": {"containers": [takes("c", {UNKNOWN: "2", "cpu": "1m", "memory": "1Ki"})]},
    "most": {"containers": [takes("c", {GPU: MOST})]},
    "thousand": {"containers": [takes("c", {GPU: "1000"})]},  # the API writes it 1k
    "nothing": {"containers": [takes("c", {GPU: "0"})]},
    "chosen": {"containers": [takes("c", {SLICE: "1"}), takes("d", {GPU: "2"})], "nodeName": "no-such-node"},
    "init": {
        "containers": [takes("c", {SLICE: "1"})],
        "initContainers": [
            takes("first", {SLICE: "3"}),
            takes("sidecar", {SLICE: "1"}, restartPolicy="Always"),
            takes("after", {GPU: "1"}),
        ],
    },
    "hostile": {
        "containers": [
            takes("c", {GPU: "1"}, env=[{"name": "A", "value": "\u202e nvidia.com/gpu \x01\n" * 9000}], args=["\x7f"])
        ]
    },
    "host-port": {"containers": [takes("c", ports=[{"containerPort": 1, "hostPort": 65535}])]},
    "on-host": {"containers": [takes("c", ports=[{"containerPort": 31_733}])], "hostNetwork": True},
}


def create(core: Any, namespace: str) -> None:
    for name, spec in ODD.items():
        about = {"name": name, "annotations": {"said": "ünï 🜲 nvidia.com/gpu"}, "labels": {"a": ""}}
        core.create_namespaced_pod(namespace, {"metadata": about, "spec": spec})
    over = {"metadata": {"name": "over"}, "spec": ODD["chosen"]}
    core.create_namespaced_pod(namespace, over)
    core.patch_namespaced_pod_status("over", namespace, {"status": {"phase": "Failed"}})


@pytest.fixture
def odd_nodes(api: Any) -> Iterator[list[str]]:
    """One that says nothing, and one that says a lot."""
    core: Any = client.CoreV1Api(api)
    names = [f"odd-{uuid.uuid4().hex[:6]}" for _ in range(2)]
    core.create_node({"metadata": {"name": names[0]}})
    core.create_node(
        {"metadata": {"name": names[1], "labels": {"nvidia.com/gpu.product": "X1", "cdmo.clear.ml/x": ""}}}
    )
    resources = {GPU: MOST, UNKNOWN: "0", "cpu": "1500m"}
    status = {"capacity": resources, "allocatable": resources}
    conditions = [{"type": "Ready", "status": "Unknown", "message": "\u202e"}]
    core.patch_node_status(names[1], {"status": {**status, "conditions": conditions}})
    core.patch_node(names[1], {"spec": {"unschedulable": True}})
    yield names
    for name in names:
        core.delete_node(name)


def test_pods_are_the_same(api: Any, namespace: str) -> None:
    """Those that wait, hold, ended, have sidecars, name unknown models and huge numbers, or text that plays tricks."""
    create(client.CoreV1Api(api), namespace)
    own = "/api/v1/pods"
    for _ in range(20):  # meanwhile the scheduler and the kubelets write, too
        fast = Reads(get=getter(api), stream=streamer(api))
        slow = Reads(get=getter(api), stream=refusing)
        one, other = (list(read(each, cluster_gpus.GPU_PODS)) for each in (fast, slow))
        ports, other_ports = cluster_ports.host_ports(fast), cluster_ports.host_ports(slow)
        if (one, ports) == (other, other_ports):
            break
    assert (one, ports) == (other, other_ports), own
    mine = {(pod.node, tuple(sorted(pod.wanted.items()))) for pod in one if pod.namespace == namespace}
    assert ("no-such-node", ((GPU, 2), (SLICE, 1))) in mine
    assert ("", ((GPU, int(MOST)),)) in mine
    assert sum(pod.namespace == namespace for pod in one) == 6  # 1k is no number here, and four take none
    held = {one.pod: (one.ports, one.host_network) for one in ports if one.namespace == namespace}
    assert held == {"host-port": ((65535,), False), "on-host": ((31_733,), True)}


def test_nodes_are_the_same(api: Any, odd_nodes: list[str]) -> None:
    def all_but_times(nodes: tuple[Node, ...]) -> list[Node]:
        return sorted(nodes, key=lambda node: node.name)

    fast = Reads(get=getter(api), stream=streamer(api))
    slow = Reads(get=getter(api), stream=refusing)
    found = all_but_times(cluster_gpus.nodes(fast))
    assert found == all_but_times(cluster_gpus.nodes(slow))
    assert cluster_gpus.gpu_nodes(fast) == cluster_gpus.gpu_nodes(slow)
    by_name = {node.name: node for node in found}
    odd = by_name[odd_nodes[1]]
    assert (odd.allocatable[GPU], odd.allocatable["cpu"]) == (MOST, "1500m")
    assert (odd.unschedulable, odd.ready, odd.labels["cdmo.clear.ml/x"]) == (True, False, "")
    assert by_name[odd_nodes[0]].allocatable == {}
    assert {"gpu-1", "gpu-2"} <= by_name.keys()
