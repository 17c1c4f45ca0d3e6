"""GPU measures: what is counted, and that closed nodes are not."""

from provisioning.capacity.inventory import take_stock
from provisioning.capacity.view import look
from provisioning.clients.cluster_objects import GpuUsage, Node
from provisioning.trends.gpus import of_gpus


def node(name: str, offered: dict[str, int], *, cordoned: bool = False) -> Node:
    return Node(
        name=name,
        labels={
            "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
            "nvidia.com/gpu.memory": "81559",
            "nvidia.com/gpu.count": "2",
            "nvidia.com/mig.capable": "true",
            "nvidia.com/mig.strategy": "mixed",
        },
        allocatable={f"nvidia.com/mig-{profile}": str(count) for profile, count in offered.items()},
        unschedulable=cordoned,
    )


def measured(*nodes: Node, held: dict[tuple[str, str, str], int] | None = None, waits: int = 0) -> dict[str, float]:
    usage = GpuUsage(held=held or {}, waiting=(), waits=waits)
    return of_gpus(look(take_stock(nodes, usage), usage, {}))


def test_slices_are_counted() -> None:
    """Two H100 with a 3g each, one of them held: seven small slices fit on the one, four beside the held 3g."""
    found = measured(node("a", {"3g.40gb": 2}), held={("a", "acme", "nvidia.com/mig-3g.40gb"): 1}, waits=3)
    assert found == {
        "gpus": 2,
        "gpus.idle": 0,
        "slices.used": 1,
        "slices.idle": 1,
        "slices.room": found["slices.room"],
        "pods.waiting": 3,
    }
    assert 10 <= found["slices.room"] <= 11  # where the 3g stands is not known, so the least counts


def test_closed_nodes_do_not_count() -> None:
    assert measured(node("a", {"3g.40gb": 2}, cordoned=True))["slices.idle"] == 0


def test_nothing_is_zero() -> None:
    assert set(measured().values()) == {0}
