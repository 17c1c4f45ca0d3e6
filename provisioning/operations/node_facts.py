"""What operations on nodes decide by. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass

from provisioning.gpu_modes import GpuMode


@dataclass(frozen=True, kw_only=True)
class NodeFacts:
    """One node and its GPUs. ``problem``: why its cards could not be asked."""

    name: str
    product: str
    label: str | None  # the value of MIG_NODE_LABEL
    unschedulable: bool
    gpus: tuple[GpuMode, ...]
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class NodesFacts:
    """The nodes of a change, in its order."""

    nodes: tuple[NodeFacts, ...]
    missing: tuple[str, ...]  # named, and not in the cluster
    with_gpus: tuple[str, ...]  # what there is, for people
    busy: Mapping[str, int]  # node → the open job that changes it
    drain_timeout_s: int


@dataclass(frozen=True, kw_only=True)
class RebootFacts:
    """One node that is to be rebooted."""

    exists: bool
    unschedulable: bool
    boot_id: str
    pods: tuple[str, ...]  # that a drain would move away: namespace/name
    by_command: bool  # something is configured that reboots it
    timeout_s: int
