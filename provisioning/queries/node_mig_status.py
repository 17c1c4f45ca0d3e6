"""`node mig status`: each GPU's MIG mode, its instances, and what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from commands.nodes import NodeMigStatus
from policies.approvals import Refusal
from provisioning.capacity.profiles import COUNT_LABEL, PRODUCT_LABEL
from provisioning.clients.cluster_objects import Node
from provisioning.errors import ChatopsError
from provisioning.gpu_modes import GpuInstance, GpuMode, Verdict
from provisioning.looks import Tell, look_at_all, tell_nobody
from provisioning.operations.tenant_facts import MIG_NODE_LABEL
from provisioning.queries.base import Asked
from provisioning.reports import Lines, Part, Report, table

PARALLEL = 8  # nodes asked at once


class Nodes(Protocol):
    def nodes(self) -> tuple[Node, ...]: ...


class Smi(Protocol):
    def modes(self, node: str) -> tuple[GpuMode, ...]: ...

    def instances(self, node: str) -> tuple[GpuInstance, ...]: ...


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """One node, and what its GPUs said. ``problem``: why they could not be asked."""

    node: Node
    gpus: tuple[GpuMode, ...] = ()
    instances: tuple[GpuInstance, ...] = ()
    problem: str = ""

    @property
    def labelled(self) -> bool:
        key, value = MIG_NODE_LABEL
        return self.node.labels.get(key) == value

    @property
    def next_action(self) -> str:
        """Return what to do with the node as a whole, or ""."""
        name = self.node.name
        verdicts = {gpu.verdict for gpu in self.gpus if gpu.is_capable}
        if self.problem:
            return self.problem
        if verdicts & {Verdict.ENABLE_PENDING, Verdict.DISABLE_PENDING}:
            return f"{name}: a mode is pending: drain and reboot it, or run node mig enable {name}, which asks for that"
        if verdicts == {Verdict.ENABLED, Verdict.DISABLED}:
            return f"{name}: some GPUs are in MIG mode and some are not: node mig enable {name} makes them alike"
        if verdicts == {Verdict.ENABLED} and not self.labelled:
            return (
                f"{name}: in MIG mode, but without the label {'='.join(MIG_NODE_LABEL)}: node mig enable {name} sets it"
            )
        if verdicts == {Verdict.DISABLED} and self.labelled:
            return (
                f"{name}: labelled for MIG, but not in MIG mode (a reboot of Hopper or newer loses it):"
                f" node mig enable {name}"
            )
        if verdicts == {Verdict.ENABLED} and self.node.unschedulable:
            return f"{name}: ready, but cordoned: kubectl uncordon {name}, once you know why it is"
        return ""


class NodeMigStatusQuery:
    """Asks each node's cards themselves, by exec; labels alone prove nothing."""

    command = "node mig status"

    def __init__(self, cluster: Nodes, smi: Smi) -> None:
        self._cluster = cluster
        self._smi = smi

    def answer(self, args: NodeMigStatus, asked: Asked) -> Report | Refusal:
        known = {node.name: node for node in self._cluster.nodes()}
        if unknown := [name for name in args.nodes if name not in known]:
            with_gpus = ", ".join(name for name, node in known.items() if _has_gpus(node)) or "none has GPUs"
            return Refusal(reason=f"there is no node {', '.join(unknown)}", next_action=f"nodes with GPUs: {with_gpus}")
        chosen = [known[name] for name in args.nodes] or [node for node in known.values() if _has_gpus(node)]
        return _report(tuple(self._look_at_all(chosen, asked.tell)))

    def todo(self) -> tuple[str, ...]:
        """Return what to do on which node, over all nodes with GPUs."""
        nodes = [node for node in self._cluster.nodes() if _has_gpus(node)]
        return tuple(seen.next_action for seen in self._look_at_all(nodes, tell_nobody) if seen.next_action)

    def _look_at_all(self, nodes: Sequence[Node], tell: Tell) -> list[_Seen]:
        def said(done: Sequence[_Seen]) -> str:
            return f"{len(done)} of {len(nodes)} nodes asked"

        return look_at_all(nodes, self._look, said, tell, at_once=PARALLEL)

    def _look(self, node: Node) -> _Seen:
        """Return what the node's cards say. One node that does not answer keeps no other from being shown."""
        try:
            return _Seen(node=node, gpus=self._smi.modes(node.name), instances=self._smi.instances(node.name))
        except ChatopsError as error:
            return _Seen(node=node, problem=f"{node.name}: {error}")


def _has_gpus(node: Node) -> bool:
    return PRODUCT_LABEL in node.labels or node.labels.get(COUNT_LABEL, "0") != "0"


def _report(seen: tuple[_Seen, ...]) -> Report:
    gpus = [gpu for one in seen for gpu in one.gpus]
    enabled = sum(gpu.verdict is Verdict.ENABLED for gpu in gpus)
    todo = tuple(one.next_action for one in seen if one.next_action)
    parts: list[Part] = [
        table(
            "Nodes",
            ("Node", "Model", ">GPUs", "Label", "Scheduling"),
            [
                (
                    one.node.name,
                    one.node.labels.get(PRODUCT_LABEL),
                    len(one.gpus) or None,
                    "mig" if one.labelled else "no",
                    "cordoned" if one.node.unschedulable else "open",
                )
                for one in seen
            ],
            empty="no node has GPUs",
        ),
        table(
            "GPUs",
            ("Node", ">GPU", "Bus", "Current", "Pending", "Verdict", "Instances"),
            [
                (
                    one.node.name,
                    gpu.index,
                    gpu.bus_id,
                    gpu.current,
                    gpu.pending,
                    gpu.verdict.value,
                    _listed(one.instances, gpu.index),
                )
                for one in seen
                for gpu in one.gpus
            ],
            empty="no GPU answered",
        ),
    ]
    if todo:
        parts.append(Lines(title="Next", lines=todo, kind="warning"))
    return Report(
        title="MIG mode of nodes",
        summary=f"{enabled} of {len(gpus)} GPUs on {_counted(seen)} are in MIG mode"
        + (f"; to do on {_counted(todo)}" if todo else ""),
        parts=tuple(parts),
        data={"nodes": [_data(one) for one in seen]},
    )


def _counted(nodes: Sequence[object]) -> str:
    return "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"


def _listed(instances: tuple[GpuInstance, ...], gpu: int) -> str | None:
    """Return ``3g.40gb@0 1g.10gb@4``: the GPU's instances by place."""
    own = sorted((one for one in instances if one.gpu == gpu), key=lambda one: one.start)
    return " ".join(f"{one.profile}@{one.start}" for one in own) or None


def _data(one: _Seen) -> dict[str, JsonValue]:
    return {
        "node": one.node.name,
        "model": one.node.labels.get(PRODUCT_LABEL),
        "labelled": one.labelled,
        "cordoned": one.node.unschedulable,
        "problem": one.problem or None,
        "next_action": one.next_action or None,
        "gpus": [
            {
                "index": gpu.index,
                "bus_id": gpu.bus_id,
                "model": gpu.model,
                "current": gpu.current,
                "pending": gpu.pending,
                "verdict": gpu.verdict.value,
                "instances": [
                    {"profile": own.profile, "id": own.id, "start": own.start, "size": own.size}
                    for own in one.instances
                    if own.gpu == gpu.index
                ],
            }
            for gpu in one.gpus
        ],
    }
