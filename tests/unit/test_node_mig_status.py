"""`node mig status`: what it says of each node, and what to do next."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from commands.nodes import NodeMigStatus
from policies.approvals import Actor, Refusal
from provisioning.clients.cluster_objects import Node
from provisioning.errors import TemporaryError
from provisioning.gpu_modes import GpuInstance, GpuMode
from provisioning.queries.base import Asked
from provisioning.queries.node_mig_status import NodeMigStatusQuery
from provisioning.reports import Lines, Report
from tests.fakes import mig_node

ASKED = Asked(actor=Actor(id="U1", name="vic"), now=datetime(2026, 11, 25, tzinfo=UTC), channel=None)


def gpu(index: int, current: str, pending: str) -> GpuMode:
    return GpuMode(index=index, bus_id=f"00000000:0{index}:00.0", model="NVIDIA", current=current, pending=pending)


@dataclass
class World:
    """One node and what its cards say."""

    node: Node
    gpus: tuple[GpuMode, ...]
    instances_: tuple[GpuInstance, ...] = ()
    error: Exception | None = None
    others: list[Node] = field(default_factory=list)

    def nodes(self) -> tuple[Node, ...]:
        return (self.node, *self.others)

    def modes(self, _node: str) -> tuple[GpuMode, ...]:
        if self.error is not None:
            raise self.error
        return self.gpus

    def instances(self, _node: str) -> tuple[GpuInstance, ...]:
        return self.instances_

    def report(self, *names: str) -> Report:
        answer = NodeMigStatusQuery(self, self).answer(NodeMigStatus(nodes=names), ASKED)
        assert isinstance(answer, Report)
        return answer

    def next_actions(self) -> tuple[str, ...]:
        return tuple(line for part in self.report().parts if isinstance(part, Lines) for line in part.lines)


ON, OFF = gpu(0, "Enabled", "Enabled"), gpu(1, "Disabled", "Disabled")
LABELLED = mig_node("gpu-1")
BARE = replace(LABELLED, labels={k: v for k, v in LABELLED.labels.items() if not k.startswith("cdmo")})


@pytest.mark.parametrize(
    ("node", "gpus", "said"),
    [
        (LABELLED, (ON,), None),
        (BARE, (OFF,), None),
        (BARE, (ON,), "without the label cdmo.clear.ml/gpu-partitioning=mig: node mig enable gpu-1 sets it"),
        (LABELLED, (OFF,), "labelled for MIG, but not in MIG mode"),
        (LABELLED, (ON, OFF), "some GPUs are in MIG mode and some are not"),
        (BARE, (gpu(0, "Disabled", "Enabled"),), "a mode is pending: drain and reboot it"),
        (LABELLED, (gpu(0, "Enabled", "Disabled"),), "a mode is pending"),
        (BARE, (gpu(0, "[N/A]", "[N/A]"),), None),
        (replace(LABELLED, unschedulable=True), (ON,), "ready, but cordoned"),
    ],
)
def test_says_what_to_do_next(node: Node, gpus: tuple[GpuMode, ...], said: str | None) -> None:
    told = World(node, gpus).next_actions()
    assert len(told) == (said is not None)
    assert said is None or said in told[0]


def test_a_node_that_does_not_answer_hides_no_other() -> None:
    """Its problem stands as what to do next, in its own words."""
    world = World(LABELLED, (ON,), error=TemporaryError("no device plugin's pod runs there", next_action="mend it"))
    assert world.next_actions() == ("gpu-1: no device plugin's pod runs there: mend it",)


def test_instances_stand_at_their_places() -> None:
    world = World(LABELLED, (ON,), (GpuInstance(gpu=0, profile="3g.40gb", id=1, start=4, size=4),))
    told = json.dumps(world.report("gpu-1").data)
    assert '"instances": [{"profile": "3g.40gb", "id": 1, "start": 4, "size": 4}]' in told


def test_unknown_nodes_are_refused_and_nodes_without_gpus_are_left_out() -> None:
    world = World(LABELLED, (ON,), others=[Node(name="cpu-1", labels={}, allocatable={}, unschedulable=False)])
    answer = NodeMigStatusQuery(world, world).answer(NodeMigStatus(nodes=("gpu-9",)), ASKED)
    assert isinstance(answer, Refusal)
    assert answer.next_action == "nodes with GPUs: gpu-1"
    assert "on 1 node " in world.report().summary
