"""What can be said about nodes and their GPUs. Pure."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from commands.spec import CommandArgs, CommandSpec, Risk, flag, positional

MOST_NODES = 50
MOST_GPUS = 16  # of one node

_NODE = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


def _node_name(value: str) -> str:
    name = value.lower()
    if not _NODE.fullmatch(name):
        raise ValueError(f"{value[:60]!r} is no node's name: write it as `kubectl get nodes` shows it, as in gpu-1")
    return name


def _in_order(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _indexes(values: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(values)))


NodeName = Annotated[str, AfterValidator(_node_name)]
NodeNames = Annotated[tuple[NodeName, ...], Field(max_length=MOST_NODES), AfterValidator(_in_order)]
GpuIndex = Annotated[int, Field(ge=0, lt=MOST_GPUS)]
GpuIndexes = Annotated[tuple[GpuIndex, ...], AfterValidator(_indexes)]


class NodeMigStatus(CommandArgs):
    """Which nodes' MIG mode to show."""

    nodes: NodeNames = positional("NODE", "nodes (default: every node with GPUs)", choices="nodes", default=())

    @property
    def subject(self) -> str:
        return subject_of(self.nodes)


class NodeMigChange(CommandArgs):
    """Nodes whose GPUs are to be put into MIG mode, or out of it.

    A node is cordoned and drained before. Which node comes first is said by the order of the names.
    """

    nodes: NodeNames = positional("NODE", "nodes, in this order", default=())
    indexes: GpuIndexes = flag(
        "INDEXES", "only these GPUs of each node (default: all that are capable)", name="--gpus", default=()
    )
    all: bool = flag("", "every node whose GPUs are capable, in place of names", default=False)
    parallel: int = flag("N", "how many nodes at once", default=1, ge=1, le=10)
    drain_timeout: int | None = flag(
        "SECONDS", "how long evictions may take on each node (default: a setting)", default=None, ge=10, le=86_400
    )

    @property
    def subject(self) -> str:
        return subject_of(self.nodes)

    @model_validator(mode="after")
    def _names_or_all(self) -> Self:
        if self.all and self.nodes:
            raise ValueError("--all stands in place of names: give one of them")
        if not self.all and not self.nodes:
            raise ValueError("name the nodes, or say --all")
        return self


class NodeReboot(CommandArgs):
    """One drained node to be rebooted."""

    node: NodeName = positional("NODE", "the node; it must be cordoned and drained", choices="nodes")
    boot: str = flag(
        "ID",
        "only while it runs this boot, by its status.nodeInfo.bootID (default: the present one)",
        default="",
        max_length=64,
        pattern=r"^([A-Za-z0-9][A-Za-z0-9-]*)?$",
    )

    @property
    def subject(self) -> str:
        return f"reboot/{self.node}"


def subject_of(nodes: tuple[str, ...]) -> str:
    """Return what a job on these nodes is serialised by: ``node/gpu-1``; ``nodes`` for several, or for all."""
    return f"node/{nodes[0]}" if len(nodes) == 1 else "nodes"


SPECS = (
    CommandSpec(
        name="node mig status",
        args=NodeMigStatus,
        summary="Show each GPU's MIG mode, its instances, and what to do next",
        risk=Risk.READ,
        examples=("node mig status", "node mig status gpu-1 gpu-2"),
    ),
    CommandSpec(
        name="node mig enable",
        args=NodeMigChange,
        summary="Put GPUs into MIG mode: cordon, drain, enable, read back, label, uncordon",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=(
            "node mig enable gpu-1",
            "node mig enable gpu-1 gpu-2 gpu-3 --parallel 2",
            "node mig enable gpu-1 --gpus 0,1",
            "node mig enable --all --dry-run",
        ),
    ),
    CommandSpec(
        name="node mig disable",
        args=NodeMigChange,
        summary="Take GPUs out of MIG mode; their instances are destroyed",
        risk=Risk.DESTROY,
        takes_dry_run=True,
        examples=("node mig disable gpu-1", "node mig disable gpu-1 --gpus 3"),
    ),
    CommandSpec(
        name="node reboot",
        args=NodeReboot,
        summary="Reboot a drained node, or wait until somebody has",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("node reboot gpu-1",),
    ),
)
