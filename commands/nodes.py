"""What can be said about nodes and their GPUs. Pure."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from commands.spec import CommandArgs, CommandSpec, Risk, positional

MOST_NODES = 50

_NODE = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


def _node_name(value: str) -> str:
    name = value.lower()
    if not _NODE.fullmatch(name):
        raise ValueError(f"{value[:60]!r} is no node's name: write it as `kubectl get nodes` shows it, as in gpu-1")
    return name


def _in_order(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


NodeName = Annotated[str, AfterValidator(_node_name)]
NodeNames = Annotated[tuple[NodeName, ...], Field(max_length=MOST_NODES), AfterValidator(_in_order)]


class NodeMigStatus(CommandArgs):
    """Which nodes' MIG mode to show."""

    nodes: NodeNames = positional("NODE", "nodes (default: every node with GPUs)", choices="nodes", default=())

    @property
    def subject(self) -> str:
        return subject_of(self.nodes)


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
)
