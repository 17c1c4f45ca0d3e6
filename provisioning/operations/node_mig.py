"""`node mig enable` and `node mig disable`: per node cordon, drain, mode, reboot if pending, label, uncordon. Pure.

Each node is a chain of steps, and as many are under way at once as ``--parallel`` says. None begins after a bad one.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import JsonValue

from commands.nodes import NodeMigChange
from policies.approvals import Refusal
from provisioning.gpu_modes import GpuMode, Verdict, differing, wanted
from provisioning.operations.base import Draft
from provisioning.operations.node_facts import NodeFacts, NodesFacts
from provisioning.operations.tenant_facts import MIG_NODE_LABEL
from provisioning.plan import Step

Mode = Literal["Enabled", "Disabled"]

STEP_S, MODE_S, REBOOT_S, MARGIN_S = 60, 900, 900, 30


class ChangeMig:
    """One of the two operations. Its plan for nodes that are as they shall be has nothing to do."""

    args = NodeMigChange

    def __init__(self, command: str, mode: Mode) -> None:
        self.command = command
        self._mode = mode

    def draft(self, args: NodeMigChange, facts: NodesFacts) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        if refusal := _refusal(args, facts):
            return refusal
        chosen = [(node, wanted(node.gpus, args.indexes)) for node in facts.nodes]
        if args.all:  # nodes that cannot are passed over; named ones have been refused
            chosen = [(node, gpus) for node, gpus in chosen if gpus]
        if not chosen:
            return Refusal(reason="no node has GPUs that are capable of MIG", next_action="see node mig status")
        return Draft(
            subject=args.subject,
            summary=self._summary(chosen, args.parallel),
            steps=tuple(
                step.model_copy(update={"chain": node.name})
                for node, gpus in chosen
                for step in self._steps(node, gpus, facts.drain_timeout_s)
            ),
            warnings=tuple(self._warnings(chosen)),
            chains_at_once=args.parallel,
        )

    def _summary(self, chosen: Sequence[tuple[NodeFacts, tuple[GpuMode, ...]]], parallel: int) -> str:
        names = ", ".join(node.name for node, _ in chosen)
        title = f"{'Enable' if self._mode == 'Enabled' else 'Disable'} MIG on {names}"
        total = sum(len(gpus) for _, gpus in chosen)
        changed = sum(len(differing(gpus, self._mode)) for _, gpus in chosen)
        pace = "" if len(chosen) == 1 else f"; {parallel} at a time, and none after one that fails"
        return f"{title}: {changed} of {total} GPUs change{pace}"

    def _warnings(self, chosen: Sequence[tuple[NodeFacts, tuple[GpuMode, ...]]]) -> list[str]:
        found = []
        for node, gpus in chosen:
            if not differing(gpus, self._mode):
                continue
            found.append(f"what runs on {node.name} is evicted: tasks there end, and their local data is lost")
            if self._mode == "Disabled":
                found.append(f"all MIG instances on these GPUs of {node.name} are destroyed")
            if node.unschedulable:
                found.append(f"{node.name} is cordoned already, by somebody else: it stays so")
            if len(gpus) < sum(gpu.is_capable for gpu in node.gpus):
                found.append(f"only some GPUs of {node.name} change: a node with both kinds is hard to schedule on")
        return found

    def _steps(self, node: NodeFacts, gpus: tuple[GpuMode, ...], drain_timeout_s: int) -> list[Step]:
        """Return the node's steps. Where no mode changes, nothing on it needs to stop."""
        name = node.name
        changing = differing(gpus, self._mode)
        mode = self._mode_step(node, gpus)
        if not changing:
            label = self._label_step(node, gpus, (mode.id,))
            return [mode] if label is None else [mode, label]
        cordon = Step(
            id=_id("cordon", name),
            kind="node.cordon",
            title=f"Cordon {name}",
            inputs={"node": name},
            undo="uncordoned",
            timeout_s=STEP_S,
        )
        drain = Step(
            id=_id("drain", name),
            kind="node.drain",
            title=f"Drain {name}: evict its pods, as their disruption budgets allow",
            needs=(cordon.id,),
            inputs={"node": name, "timeout_s": drain_timeout_s, "cordoned": _ref(cordon, "cordoned")},
            timeout_s=drain_timeout_s + MARGIN_S,
        )
        steps = [cordon, drain]
        mode = mode.model_copy(update={"needs": (drain.id,)})
        reboot = Step(
            id=_id("reboot", name),
            kind="node.reboot_if_pending",
            title=f"Reboot {name}, if a mode then waits for it: with an approval of its own",
            needs=(mode.id,),
            inputs={**_gpu_inputs(name, gpus, self._mode), "pending": _ref(mode, "pending")},
            timeout_s=REBOOT_S,
        )
        if self._mode == "Enabled":
            steps += [mode, reboot]
            label = self._label_step(node, gpus, (reboot.id,))
            steps += [label] if label else []
        else:  # who makes instances by the label stops before they are destroyed
            label = self._label_step(node, gpus, (drain.id,))
            steps += [label, mode.model_copy(update={"needs": (label.id,)})] if label else [mode]
            steps.append(reboot)
        if not node.unschedulable:
            steps.append(
                Step(
                    id=_id("uncordon", name),
                    kind="node.uncordon",
                    title=f"Uncordon {name}",
                    needs=(steps[-1].id,),
                    inputs={
                        "node": name,
                        "cordoned": _ref(cordon, "cordoned"),
                        "drain_timeout_s": drain_timeout_s,
                    },
                    undo="cordoned and drained again, before the rest is undone",
                    timeout_s=drain_timeout_s + MARGIN_S,
                )
            )
        return steps

    def _mode_step(self, node: NodeFacts, gpus: tuple[GpuMode, ...]) -> Step:
        changing = differing(gpus, self._mode)
        other = "Disabled" if self._mode == "Enabled" else "Enabled"
        # What is on its way already was asked for by somebody else, and is not ours to take back.
        before: dict[str, JsonValue] = {str(gpu.index): other for gpu in changing if gpu.pending != self._mode}
        indexes = ", ".join(str(gpu.index) for gpu in changing or gpus)
        verb = "Enable" if self._mode == "Enabled" else "Destroy the instances and disable"
        return Step(
            id=_id("mode", node.name),
            kind="node.mig_mode",
            title=f"{verb} MIG on GPU {indexes} of {node.name}, and read it back",
            inputs={**_gpu_inputs(node.name, gpus, self._mode), "before": before},
            undo="put back on the GPUs that it changed" + ("; instances are not made again" if before else ""),
            destroys=self._mode == "Disabled",
            timeout_s=MODE_S,
        )

    def _label_step(self, node: NodeFacts, gpus: Sequence[GpuMode], needs: tuple[str, ...]) -> Step | None:
        """Return the step that sets the label, or takes it away where no GPU of the node stays in MIG mode."""
        key, value = MIG_NODE_LABEL
        inputs: dict[str, JsonValue] = {"node": node.name, "key": key}
        if self._mode == "Enabled":
            inputs |= {"value": value, "before": node.label}
            title = f"Label {node.name} {key}={value}"
        else:
            in_mode = {gpu.index for gpu in node.gpus if gpu.is_capable and gpu.verdict is not Verdict.DISABLED}
            if in_mode - {gpu.index for gpu in gpus}:
                return None
            inputs |= {"value": None, "before": node.label}
            title = f"Take the label {key} off {node.name}"
        return Step(
            id=_id("label", node.name),
            kind="node.label",
            title=title,
            needs=needs,
            inputs=inputs,
            undo="put back as it was",
            timeout_s=STEP_S,
        )


def _refusal(args: NodeMigChange, facts: NodesFacts) -> Refusal | None:
    if facts.missing:
        return Refusal(
            reason=f"there is no node {', '.join(facts.missing)}",
            next_action=f"nodes with GPUs: {', '.join(facts.with_gpus) or 'none'}",
        )
    for node in facts.nodes:
        if node.name in facts.busy:
            number = facts.busy[node.name]
            return Refusal(
                reason=f"node {node.name} is being changed by job {number}",
                next_action=f"wait, or /clearml job cancel {number}",
            )
        if node.problem:
            reason = f"the GPUs of {node.name} do not answer: {node.problem}"
            return Refusal(reason=reason, next_action="mend that first")
        if args.all:
            continue
        if not node.gpus or not any(gpu.is_capable for gpu in node.gpus):
            return Refusal(
                reason=f"no GPU of {node.name} is capable of MIG ({node.product or 'it has none'})",
                next_action="see node mig status for nodes that are",
            )
        for index in args.indexes:
            gpu = next((gpu for gpu in node.gpus if gpu.index == index), None)
            if gpu is None or not gpu.is_capable:
                why = "has no such GPU" if gpu is None else "is not capable of MIG there"
                return Refusal(
                    reason=f"GPU {index}: {node.name} {why}",
                    next_action="capable: " + ", ".join(f"GPU {gpu.index}" for gpu in node.gpus if gpu.is_capable),
                )
    return None


def _gpu_inputs(node: str, gpus: Sequence[GpuMode], mode: Mode) -> dict[str, JsonValue]:
    return {"node": node, "gpus": [gpu.index for gpu in gpus], "mode": mode}


def _id(verb: str, node: str) -> str:
    """Return ``cordon:gpu-1``. References end a step's id at its first dot, and nodes' names hold dots."""
    return f"{verb}:{node.replace('.', '_')}"


def _ref(step: Step, key: str) -> dict[str, JsonValue]:
    return {"$ref": f"{step.id}.{key}"}
