"""Nodes and pods as the API gives them → what GPU nodes offer, hold, and what is odd about them."""

from typing import Any

import msgspec
import pytest

from provisioning.capacity.inventory import Inventory, Supply, take_stock
from provisioning.capacity.profiles import GpuModel, UnknownGpu
from provisioning.clients.cluster_gpus import GPU_PODS, usage_of
from provisioning.clients.cluster_objects import GpuUsage, Node
from provisioning.clients.cluster_wire import TakingPod

LABELLED: dict[str, Any] = {"mig-3g.40gb.count": "2"}
NOBODY = GpuUsage(held={}, waiting=(), waits=0)


def node(
    resources: dict[str, int] | None = None,
    *,
    product: str = "NVIDIA-H100-80GB-HBM3",
    memory: str = "81559",
    gpus: str = "4",
    unschedulable: bool = False,
    ready: bool = True,
    capacity: dict[str, int] | None = None,
    **labels: Any,
) -> Node:
    said = {"nvidia.com/gpu.product": product, "nvidia.com/gpu.memory": memory, "nvidia.com/gpu.count": gpus}
    said |= {f"nvidia.com/{name.replace('_', '.')}": value for name, value in labels.items()}
    return Node(
        name="n",
        labels={name: value for name, value in said.items() if value},
        allocatable={f"nvidia.com/{name}": str(count) for name, count in (resources or {}).items()},
        capacity={f"nvidia.com/{name}": str(count) for name, count in (capacity or {}).items()},
        unschedulable=unschedulable,
        ready=ready,
    )


def stock(one: Node, **held: int) -> Inventory:
    named = {name.replace("_", "-", 1).replace("_", "."): count for name, count in held.items()}
    usage = {("n", "acme", f"nvidia.com/{name}"): count for name, count in named.items()}
    return take_stock([one], GpuUsage(held=usage, waiting=(), waits=0))


def only(one: Node, **held: int) -> Supply:
    (supply,) = stock(one, **held).supplies
    return supply


def test_slices_and_what_pods_hold_of_them() -> None:
    """Names with a dot for a plus are the same profile; stale zeros are nothing."""
    one = node({"mig-3g.40gb": 2, "mig-1g.10gb.me": 1, "mig-7g.80gb": 0}, gpu_replicas="0")
    supply = only(one, mig_3g_40gb=1)
    assert supply.exist == {"3g.40gb": 2, "1g.10gb+me": 1}
    assert supply.used == {"3g.40gb": 1}
    assert (supply.gpus, supply.mig_gpus, supply.closed, supply.is_empty) == (4, 4, "", False)


@pytest.mark.parametrize(
    ("resources", "labels", "mig_gpus", "whole"),
    [
        ({}, {"gpu_replicas": "0"}, 4, 0),  # MIG is on everywhere, without instances: nothing is advertised
        ({"gpu": 4}, {"gpu_replicas": "1"}, 0, 4),
        ({"gpu": 3, "mig-1g.10gb": 7}, {"gpu_replicas": "1"}, 1, 3),
        ({"gpu": 6, "mig-1g.10gb": 7}, {"gpu_replicas": "2"}, 1, 6),  # shared in time: two for one
        ({"gpu": 4}, {"mig_strategy": "mixed", "mig_capable": "true", "gpu_replicas": "1"}, 0, 4),
    ],
)
def test_gpus_in_mig_mode_are_those_that_are_not_offered_as_a_whole(
    resources: dict[str, int], labels: dict[str, Any], mig_gpus: int, whole: int
) -> None:
    supply = only(node(resources, gpus="4", **labels))
    assert (supply.mig_gpus, supply.whole) == (mig_gpus, whole)


def test_an_unhealthy_gpu_is_not_taken_for_one_in_mig_mode() -> None:
    """It is missing from allocatable, not from capacity."""
    labels: dict[str, Any] = {"mig_strategy": "mixed", "mig_capable": "true"}
    assert only(node({"gpu": 3}, capacity={"gpu": 4}, **labels)).mig_gpus == 0


def test_strategy_single_names_its_slices_in_the_product() -> None:
    """All are nvidia.com/gpu, memory and count are those of slices; product and profile must name one model."""
    single = node(
        {"gpu": 14},
        product="NVIDIA-A100-SXM4-40GB-MIG-1g.5gb",
        memory="4864",
        gpus="14",
        mig_strategy="single",
    )
    found = stock(single, gpu=3)
    (supply,) = found.supplies
    assert isinstance(supply.gpu, GpuModel)
    assert (supply.gpu.name, supply.exist, supply.used) == ("A100-40GB/A800-40GB", {"1g.5gb": 14}, {"1g.5gb": 3})
    assert (supply.gpus, supply.whole) == (2, 0)
    assert "requested as nvidia.com/gpu" in found.findings[0]
    unsure = stock(node({"gpu": 7}, product="NVIDIA-H100-MIG-1g.12gb", memory="12000", gpus="7", mig_strategy="single"))
    assert isinstance(unsure.supplies[0].gpu, UnknownGpu)
    assert "not known for sure" in unsure.findings[0]


@pytest.mark.parametrize(
    ("one", "held", "said"),
    [
        (node({"mig-3g.40gb": 1}), {"mig_3g_40gb": 2}, "offers 1 x 3g.40gb and its pods hold 2"),
        (node({"mig-5g.40gb": 1}), {}, "which a H100-80GB/H800 does not have"),
        (node({}), {}, "advertises none of its 4 GPUs"),
        (node({"mig-3g.40gb": 1}, gpus=""), {}, "does not say how many GPUs it has"),
        (node({"mig-3g.40gb": 1}, **LABELLED), {}, "its label says 2"),
    ],
)
def test_what_is_odd_is_said(one: Node, held: dict[str, int], said: str) -> None:
    assert said in " ".join(stock(one, **held).findings)


def test_unknown_gpus_are_named_by_their_own_labels() -> None:
    """Nothing is computed for them; what they offer is shown under its own name."""
    supply = only(node({"mig-1g.9gb": 2}, product="NVIDIA-X1", memory="9999"))
    assert str(supply.gpu) == "NVIDIA-X1 (9999 MiB)"
    assert (supply.exist, supply.mig_gpus, supply.foreign) == ({}, 0, {"nvidia.com/mig-1g.9gb": 2})


def test_closed_nodes_say_why_and_nodes_without_gpus_are_left_out() -> None:
    assert only(node({"gpu": 1}, unschedulable=True)).closed == "cordoned"
    assert only(node({"gpu": 1}, ready=False)).closed == "not ready"
    plain = Node(name="cpu", labels={}, allocatable={"cpu": "64"}, unschedulable=False)
    assert take_stock([plain], NOBODY).supplies == ()


def pod(node_name: str | None, *containers: dict[str, Any], init: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    spec = {"containers": list(containers), "initContainers": list(init)}
    return {
        "metadata": {"namespace": "acme", "name": "p", "creationTimestamp": "2026-11-25T10:00:00Z"},
        "spec": spec | ({"nodeName": node_name} if node_name else {}),
        "status": {
            "conditions": [
                {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient."}
            ]
        },
    }


def asking(count: int, *, kind: str = "requests", **more: Any) -> dict[str, Any]:
    return {"name": "c", "resources": {kind: {"nvidia.com/mig-3g.40gb": str(count), "cpu": "2"}}, **more}


def test_scheduled_pods_hold_and_others_wait() -> None:
    """Requests count once a node is chosen, whether the pod runs yet or not; who waits says why."""
    pods = [pod("n", asking(1)), pod("n", asking(2)), pod(None, asking(1)), pod("n", {"name": "no gpu"})]
    found = map(GPU_PODS.of_struct, msgspec.convert(pods, list[TakingPod]))
    usage = usage_of(pod for pod in found if pod is not None)
    assert usage.held == {("n", "acme", "nvidia.com/mig-3g.40gb"): 3}
    (waiting,) = usage.waiting
    assert (waiting.name, waiting.requests, usage.waits) == ("p", {"nvidia.com/mig-3g.40gb": 1}, 1)
    assert waiting.reason.startswith("0/3 nodes")


@pytest.mark.parametrize(
    ("containers", "init", "expected"),
    [
        ((asking(1), asking(1)), (), 2),
        ((asking(1, kind="limits"),), (), 1),
        ((asking(1),), (asking(3),), 3),  # init containers come first, and go
        ((asking(1),), (asking(1, restartPolicy="Always"), asking(1)), 2),  # sidecars stay
        ((asking(1),), (asking(1, restartPolicy="Always"), asking(4)), 5),
    ],
)
def test_a_pods_request_is_what_the_scheduler_counts(
    containers: tuple[dict[str, Any], ...], init: tuple[dict[str, Any], ...], expected: int
) -> None:
    taking = GPU_PODS.of_struct(msgspec.convert(pod("n", *containers, init=init), TakingPod))
    assert taking is not None
    assert taking.wanted == {"nvidia.com/mig-3g.40gb": expected}
