"""Steps on nodes: cordon, drain, label, uncordon."""

import time
from collections.abc import Sequence
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from provisioning.clients.cluster_nodes import NodePod, NodeState
from provisioning.errors import PermanentError
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun

POLL_S = 0.5
ASK_AGAIN_S = 5.0  # at one pod that a budget holds, as kubectl does
MOST_NAMED = 5  # pods in one message


class Nodes(Protocol):
    """What node steps need of the cluster; `provisioning.clients.cluster_nodes` says what each promises."""

    def node(self, name: str) -> NodeState | None: ...

    def cordon(self, name: str, *, unschedulable: bool) -> None: ...

    def label(self, name: str, key: str, value: str | None) -> None: ...

    def pods(self, name: str) -> tuple[NodePod, ...]: ...

    def evict(self, pod: NodePod) -> str | None: ...


class _Inputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    node: str


class DrainInputs(_Inputs):
    timeout_s: int
    cordoned: bool = True  # a reference to the cordon's step: only then is looking at pods worth anything


class UncordonInputs(_Inputs):
    cordoned: bool  # likewise
    drain_timeout_s: int  # of undo


class LabelInputs(_Inputs):
    key: str
    value: str | None  # None: the label is not there
    before: str | None = None  # what undo puts back


def existing(nodes: Nodes, name: str) -> NodeState:
    """Return the node. Raises: PermanentError where it is gone."""
    found = nodes.node(name)
    if found is None:
        raise PermanentError(f"node {name} is not in the cluster any more", next_action="Leave, and ask for the others")
    return found


def going(pods: Sequence[NodePod]) -> tuple[NodePod, ...]:
    """Return the pods that a drain moves away: all but DaemonSets' and static ones."""
    return tuple(pod for pod in pods if not pod.stays)


class Cordon:
    """``node.cordon``: no new pods are put on the node. Outputs: ``cordoned``."""

    kind = "node.cordon"

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = _Inputs.model_validate(inputs)
        if existing(self._nodes, wanted.node).unschedulable:
            return Observation(presence=Presence.PRESENT, detail="is cordoned", outputs={"cordoned": True})
        return Observation(presence=Presence.ABSENT)

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        self._nodes.cordon(_Inputs.model_validate(inputs).node, unschedulable=True)
        return {"cordoned": True}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = _Inputs.model_validate(inputs)
        if self._nodes.node(wanted.node) is not None:
            self._nodes.cordon(wanted.node, unschedulable=False)


class Drain:
    """``node.drain``: nothing runs on the node but DaemonSets' and static pods. No outputs.

    Pods are evicted, never deleted, so PodDisruptionBudgets hold; what they forbid is asked for again until the
    time is up, and then named.
    """

    kind = "node.drain"

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = DrainInputs.model_validate(inputs)
        if going(self._nodes.pods(wanted.node)):
            return Observation(presence=Presence.ABSENT)  # how many changes by itself
        return Observation(presence=Presence.PRESENT, detail="no pods are to be evicted")

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = DrainInputs.model_validate(inputs)
        deadline = time.monotonic() + min(wanted.timeout_s, run.timeout_s)
        held: dict[str, str] = {}  # uid → what forbids its eviction
        ask_at: dict[str, float] = {}
        while left := going(self._nodes.pods(wanted.node)):
            if run.cancelled():
                raise PermanentError(f"draining {wanted.node} was stopped", next_action="Retry, or Roll back")
            now = time.monotonic()
            for pod in left:
                if not pod.leaving and ask_at.get(pod.uid, 0.0) <= now:
                    self._ask(pod, held)
                    ask_at[pod.uid] = now + ASK_AGAIN_S
            if now > deadline:
                raise _not_drained(wanted, left, held)
            run.note(_progress(left, held))
            time.sleep(POLL_S)
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        """Evicted pods were started anew elsewhere by their controllers: there is nothing to take back."""

    def _ask(self, pod: NodePod, held: dict[str, str]) -> None:
        forbids = self._nodes.evict(pod)
        if forbids is None:
            held.pop(pod.uid, None)
        else:
            held[pod.uid] = forbids


class Label:
    """``node.label``: the node carries the label with that value, or does not carry it. No outputs."""

    kind = "node.label"

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = LabelInputs.model_validate(inputs)
        found = existing(self._nodes, wanted.node).labels.get(wanted.key)
        if found == wanted.value:
            return Observation(presence=Presence.PRESENT, detail="as it shall be")
        return Observation(
            presence=Presence.ABSENT if found is None else Presence.DIFFERS,
            differences={} if found is None else {wanted.key: (found, wanted.value)},
        )

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = LabelInputs.model_validate(inputs)
        self._nodes.label(wanted.node, wanted.key, wanted.value)
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = LabelInputs.model_validate(inputs)
        found = self._nodes.node(wanted.node)
        if found is not None and found.labels.get(wanted.key) == wanted.value:
            self._nodes.label(wanted.node, wanted.key, wanted.before)


class Uncordon:
    """``node.uncordon``: pods may be put on the node again. No outputs."""

    kind = "node.uncordon"

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = UncordonInputs.model_validate(inputs)
        if existing(self._nodes, wanted.node).unschedulable:
            return Observation(presence=Presence.ABSENT)
        return Observation(presence=Presence.PRESENT, detail="takes pods")

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        self._nodes.cordon(UncordonInputs.model_validate(inputs).node, unschedulable=False)
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        """Cordon and drain it again: what is undone next must meet no pods. The cordon's own undo lets them in."""
        wanted = UncordonInputs.model_validate(inputs)
        if self._nodes.node(wanted.node) is not None:
            self._nodes.cordon(wanted.node, unschedulable=True)
            Drain(self._nodes).apply({"node": wanted.node, "timeout_s": wanted.drain_timeout_s}, run)


def _progress(left: Sequence[NodePod], held: dict[str, str]) -> str:
    blocked = [pod for pod in left if pod.uid in held]
    if not blocked:
        return f"{len(left)} pods are leaving"
    return f"{len(left)} pods left; held: {blocked[0]}: {held[blocked[0].uid]}"


def _not_drained(wanted: DrainInputs, left: Sequence[NodePod], held: dict[str, str]) -> PermanentError:
    named = [f"{pod}: {held.get(pod.uid, 'has not ended yet')}" for pod in left[:MOST_NAMED]]
    if len(left) > MOST_NAMED:
        named.append(f"and {len(left) - MOST_NAMED} more")
    return PermanentError(
        f"draining {wanted.node}: {len(left)} pods are still there after {wanted.timeout_s} s: {'; '.join(named)}",
        next_action="scale up what the budget guards or end those pods, then Retry; Roll back uncordons the node",
    )
