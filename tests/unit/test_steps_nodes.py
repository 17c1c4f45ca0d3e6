"""Steps on nodes and their GPUs: drains that budgets hold, modes that are read back, reboots that are waited for."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from provisioning.clients.cluster_nodes import NodePod, NodeState
from provisioning.errors import PermanentError
from provisioning.gpu_modes import GpuMode
from provisioning.plan import Presence
from provisioning.steps import node_steps
from provisioning.steps.base import Answered, StepRun, StepWaits
from provisioning.steps.mig_steps import MigMode, Reboot, RebootIfPending
from provisioning.steps.node_steps import Cordon, Drain, Label, Uncordon

RUN = StepRun(job_id="job-1", step_id="s", attempt=1, timeout_s=30)


def pod(name: str, stays: str = "") -> NodePod:
    return NodePod(namespace="acme", name=name, uid=name, leaving=False, stays=stays)


@dataclass
class FakeNodes:
    """One node. ``held``: pods whose eviction a budget forbids so many times."""

    state: NodeState = field(
        default_factory=lambda: NodeState(name="n1", labels={}, unschedulable=False, ready=True, boot_id="b1")
    )
    on_it: list[NodePod] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    evicted: list[str] = field(default_factory=list)

    def node(self, name: str) -> NodeState | None:
        return self.state if name == "n1" else None

    def cordon(self, name: str, *, unschedulable: bool) -> None:
        self.state = replace(self.state, unschedulable=unschedulable)

    def label(self, name: str, key: str, value: str | None) -> None:
        labels = {k: v for k, v in self.state.labels.items() if k != key}
        self.state = replace(self.state, labels=labels if value is None else {**labels, key: value})

    def pods(self, name: str) -> tuple[NodePod, ...]:
        return tuple(self.on_it)

    def evict(self, pod: NodePod) -> str | None:
        if self.held.get(pod.name, 0) > 0:
            self.held[pod.name] -= 1
            return "The disruption budget keep needs 1 healthy pods and has 1 currently"
        self.evicted.append(pod.name)
        self.on_it.remove(pod)
        return None


@dataclass
class FakeSmi:
    """Cards: index → (current, pending). ``pends``: a change needs a reboot; ``deaf``: nothing happens."""

    cards: dict[int, tuple[str, str]]
    pends: set[int] = field(default_factory=set)
    deaf: set[int] = field(default_factory=set)
    asked: list[tuple[int, bool]] = field(default_factory=list)
    destroyed: list[int] = field(default_factory=list)

    def modes(self, node: str) -> tuple[GpuMode, ...]:
        return tuple(
            GpuMode(index=index, bus_id=f"b{index}", model="m", current=current, pending=pending)
            for index, (current, pending) in self.cards.items()
        )

    def set_mode(self, node: str, gpu: int, *, enabled: bool) -> str:
        self.asked.append((gpu, enabled))
        mode = "Enabled" if enabled else "Disabled"
        if gpu not in self.deaf:
            self.cards[gpu] = (self.cards[gpu][0] if gpu in self.pends else mode, mode)
        return "All done."

    def destroy_instances(self, node: str, gpu: int) -> str:
        self.destroyed.append(gpu)
        return "Successfully destroyed"


OFF, ON = ("Disabled", "Disabled"), ("Enabled", "Enabled")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_steps, "POLL_S", 0.01)
    monkeypatch.setattr(node_steps, "ASK_AGAIN_S", 0.02)


def test_a_drain_leaves_what_belongs_to_the_node_and_asks_again_where_a_budget_holds() -> None:
    nodes = FakeNodes(on_it=[pod("task"), pod("web"), pod("dcgm", "DaemonSet"), pod("etcd", "static")], held={"web": 2})
    Drain(nodes).apply({"node": "n1", "timeout_s": 20}, RUN)
    assert nodes.evicted == ["task", "web"]
    assert [one.name for one in nodes.on_it] == ["dcgm", "etcd"]
    assert Drain(nodes).observe({"node": "n1", "timeout_s": 20}).presence is Presence.PRESENT


def test_a_drain_that_is_held_names_the_pod_and_its_budget() -> None:
    nodes = FakeNodes(on_it=[pod("web")], held={"web": 10_000})
    with pytest.raises(PermanentError, match=r"acme/web: The disruption budget keep needs") as failed:
        Drain(nodes).apply({"node": "n1", "timeout_s": 0}, RUN)
    assert "Roll back uncordons the node" in failed.value.next_action


def test_a_drain_stops_when_the_job_is_cancelled() -> None:
    nodes = FakeNodes(on_it=[pod("web")], held={"web": 10_000})
    with pytest.raises(PermanentError, match="was stopped"):
        Drain(nodes).apply({"node": "n1", "timeout_s": 60}, replace(RUN, cancelled=lambda: True))
    assert nodes.on_it


def test_cordon_label_and_uncordon_are_taken_back() -> None:
    nodes = FakeNodes(on_it=[pod("new")])
    label = {"node": "n1", "key": "k", "value": "mig", "before": "no"}
    Cordon(nodes).apply({"node": "n1"}, RUN)
    Label(nodes).apply(label, RUN)
    assert Label(nodes).observe(label).presence is Presence.PRESENT
    uncordon: dict[str, Any] = {"node": "n1", "cordoned": True, "drain_timeout_s": 5}
    Uncordon(nodes).apply(uncordon, RUN)
    assert not nodes.state.unschedulable
    Uncordon(nodes).undo(uncordon, {}, RUN)
    assert Cordon(nodes).observe({"node": "n1"}).presence is Presence.PRESENT
    assert nodes.evicted == ["new"]  # what has come since stands in the way of the rest
    Label(nodes).undo(label, {}, RUN)
    assert nodes.state.labels == {"k": "no"}
    Cordon(nodes).undo({"node": "n1"}, {}, RUN)
    assert not nodes.state.unschedulable


def mode(*gpus: int, to: str = "Enabled", **before: str) -> dict[str, Any]:
    return {"node": "n1", "gpus": list(gpus), "mode": to, "before": {k.removeprefix("g"): v for k, v in before.items()}}


def test_only_gpus_that_differ_are_asked_and_pending_ones_are_handed_on() -> None:
    smi = FakeSmi({0: ON, 1: OFF, 2: OFF, 3: OFF}, pends={2})
    assert MigMode(smi).apply(mode(0, 1, 2), RUN) == {"pending": [2]}
    assert smi.asked == [(1, True), (2, True)]
    assert smi.cards[3] == OFF


def test_done_is_what_is_read_back_and_failures_are_told_for_each_gpu() -> None:
    smi = FakeSmi({0: OFF, 1: OFF}, deaf={1})
    with pytest.raises(PermanentError, match="n1: 1 of 2 GPUs are not enabled") as failed:
        MigMode(smi).apply(mode(0, 1), RUN)
    assert failed.value.details == "GPU 1 (b1): disabled, not enabled; nvidia-smi said: All done.\nGPU 0: enabled"


def test_undo_puts_back_only_what_this_job_changed() -> None:
    smi = FakeSmi({0: ON, 1: ON})
    MigMode(smi).undo(mode(0, 1, g1="Disabled"), {}, RUN)
    assert smi.cards == {0: ON, 1: OFF}
    smi.deaf = {0}
    with pytest.raises(PermanentError, match="GPU 0 did not take it"):
        MigMode(smi).undo(mode(0, 1, g0="Disabled"), {}, RUN)


def test_instances_are_destroyed_before_the_mode_goes_off() -> None:
    smi = FakeSmi({0: ON})
    MigMode(smi).apply(mode(0, to="Disabled"), RUN)
    assert (smi.destroyed, smi.cards) == ([0], {0: OFF})


def test_a_pending_mode_asks_for_a_reboot_of_this_boot() -> None:
    step = RebootIfPending(FakeSmi({0: ("Disabled", "Enabled")}), FakeNodes())
    inputs = {**mode(0), "pending": [0]}
    with pytest.raises(StepWaits) as waits:
        step.apply(inputs, RUN)
    assert waits.value.ask is not None
    assert waits.value.ask.request == {"node": "n1", "boot": "b1"}
    with pytest.raises(PermanentError, match="job 42, the reboot of n1, came to nothing: denied by @dana"):
        step.apply(inputs, replace(RUN, answered=Answered(number=42, succeeded=False, why="denied by @dana")))


def test_after_the_reboot_a_lost_mode_is_asked_for_again_and_a_pending_one_is_a_failure() -> None:
    """Hopper loses the mode in a reboot; a card that still waits is held by something else."""
    answered = replace(RUN, answered=Answered(number=42, succeeded=True, why=""))
    smi = FakeSmi({0: OFF})
    assert RebootIfPending(smi, FakeNodes()).apply({**mode(0), "pending": [0]}, answered) == {}
    assert smi.cards == {0: ON}
    stuck = FakeSmi({0: ("Disabled", "Enabled")}, pends={0})
    with pytest.raises(PermanentError, match="was rebooted, and still pending are: GPU 0"):
        RebootIfPending(stuck, FakeNodes()).apply({**mode(0), "pending": [0]}, answered)


@dataclass
class FakeReboots:
    is_set: bool
    rebooted: list[str] = field(default_factory=list)

    def reboot(self, node: str, cancelled: Any) -> None:
        self.rebooted.append(node)


@pytest.mark.parametrize("by_command", [True, False])
def test_a_reboot_waits_for_another_boot_that_is_ready(by_command: bool) -> None:
    """The command is run once; waking up and looking again does not run it again."""
    nodes, reboots = FakeNodes(), FakeReboots(by_command)
    step, inputs = Reboot(nodes, reboots), {"node": "n1", "boot_id": "b1", "timeout_s": 60}
    for run in (RUN, replace(RUN, waited=True)):
        with pytest.raises(StepWaits) as waits:
            step.apply(inputs, run)
        assert waits.value.give_up_s == 60
    assert reboots.rebooted == (["n1"] if by_command else [])
    nodes.state = replace(nodes.state, boot_id="b2", ready=False)
    assert not step.may_go_on(inputs)
    nodes.state = replace(nodes.state, ready=True)
    assert step.may_go_on(inputs)
    assert step.apply(inputs, RUN) == {}
