"""The sandbox's nodes: what real MIG nodes carry, as kwok nodes.

Sources: GPU feature discovery's labels and the device plugin's resource names under strategy *mixed*.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.gpus.state import CARDS, card_of


@dataclass(frozen=True, kw_only=True)
class FakeNode:
    """A node with *gpus* GPUs, in MIG mode (or not) and holding *slices*: resource suffix → instances."""

    name: str
    product: str = ""
    memory_mib: int = 0
    gpus: int = 0
    slices: dict[str, int] = field(default_factory=dict)
    mig: bool = True
    mig_label: bool = True


DEFAULT_NODES = (
    FakeNode(name="cpu-1"),
    FakeNode(
        name="gpu-1",
        product="NVIDIA-H100-80GB-HBM3",
        memory_mib=81559,
        gpus=4,
        slices={"7g.80gb": 1, "3g.40gb": 2, "2g.20gb": 3, "1g.10gb": 8},
    ),
    FakeNode(
        name="gpu-2",
        product="NVIDIA-H100-80GB-HBM3",
        memory_mib=81559,
        gpus=4,
        slices={"7g.80gb": 2, "3g.40gb": 2, "2g.20gb": 2, "1g.10gb": 3},
    ),
)


def from_words(words: Mapping[str, Any]) -> FakeNode:
    """Return the node that a scenario's head describes: ``{name: a1, card: a100, gpus: 2, mig: false}``.

    Raises: ValueError.
    """
    known = {"name", "card", "gpus", "mig", "label", "slices"}
    if unknown := set(words) - known or {"name"} - set(words):
        raise ValueError(f"a node has name, card, gpus, mig, label and slices; wrong or missing: {', '.join(unknown)}")
    card = words.get("card")
    if card not in {None, *CARDS}:
        raise ValueError(f"the sandbox has no card {card!r}; it has: {', '.join(CARDS)}")
    mig = bool(words.get("mig", False))
    return FakeNode(
        name=str(words["name"]),
        product=CARDS[card].product if card else "",
        memory_mib=CARDS[card].memory_mib if card else 0,
        gpus=int(words.get("gpus", 1)) if card else 0,
        slices={str(name): int(count) for name, count in (words.get("slices") or {}).items()},
        mig=mig,
        mig_label=bool(words.get("label", mig)),
    )


def manifest(node: FakeNode) -> dict[str, Any]:
    """Return the Node object."""
    labels = {
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "type": "kwok",
    }
    resources = {"cpu": "64", "memory": "512Gi", "ephemeral-storage": "1Ti", "pods": "110"}
    if node.gpus:
        labels |= {
            "nvidia.com/gpu.present": "true",
            "nvidia.com/gpu.product": node.product,
            "nvidia.com/gpu.memory": str(node.memory_mib),
            "nvidia.com/gpu.count": str(node.gpus),
            "nvidia.com/gpu.replicas": "0" if node.mig else "1",
            "nvidia.com/mig.capable": str(bool(card_of(node.product).table)).lower(),
            "nvidia.com/mig.strategy": "mixed",
        }
        if not node.mig:
            resources["nvidia.com/gpu"] = str(node.gpus)
        if node.mig_label:
            labels["cdmo.clear.ml/gpu-partitioning"] = "mig"
        for profile, count in node.slices.items():
            labels[f"nvidia.com/mig-{profile}.count"] = str(count)
            resources[f"nvidia.com/mig-{profile}"] = str(count)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": {},
        "status": {"allocatable": resources, "capacity": resources},
    }
