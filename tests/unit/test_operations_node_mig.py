"""`node mig enable` and `disable`, `node reboot`: what they plan, and what they refuse. Pure."""

from typing import Any

import pytest

from commands.nodes import NodeMigChange, NodeReboot
from policies.approvals import Refusal
from provisioning.gpu_modes import GpuMode
from provisioning.operations.base import Draft
from provisioning.operations.node_facts import NodeFacts, NodesFacts, RebootFacts
from provisioning.operations.node_mig import ChangeMig
from provisioning.operations.node_reboot import RebootNode
from provisioning.plan import Plan

ENABLE, DISABLE = ChangeMig("node mig enable", "Enabled"), ChangeMig("node mig disable", "Disabled")


def gpus(*modes: str) -> tuple[GpuMode, ...]:
    """``on``, ``off``, ``pending`` and ``none`` for each GPU."""
    words = {
        "on": ("Enabled", "Enabled"),
        "off": ("Disabled", "Disabled"),
        "pending": ("Disabled", "Enabled"),
        "none": ("[N/A]", "[N/A]"),
    }
    return tuple(
        GpuMode(index=index, bus_id="b", model="m", current=words[mode][0], pending=words[mode][1])
        for index, mode in enumerate(modes)
    )


def node(name: str = "n1", *modes: str, **more: Any) -> NodeFacts:
    about: dict[str, Any] = {"product": "NVIDIA-H100", "label": None, "unschedulable": False} | more
    return NodeFacts(name=name, gpus=gpus(*(modes or ("off", "off"))), **about)


def facts(*nodes: NodeFacts, **more: Any) -> NodesFacts:
    about: dict[str, Any] = {"missing": (), "with_gpus": ("n1",), "busy": {}, "drain_timeout_s": 900} | more
    return NodesFacts(nodes=nodes, **about)


def args(*names: str, **more: Any) -> NodeMigChange:
    return NodeMigChange(nodes=names, **more)


def draft(operation: ChangeMig, asked: NodeMigChange, known: NodesFacts) -> Plan:
    drafted = operation.draft(asked, known)
    assert isinstance(drafted, Draft), drafted
    return Plan(
        operation="x",
        request={},
        subject=drafted.subject,
        summary=drafted.summary,
        steps=drafted.steps,
        warnings=drafted.warnings,
    )


def test_enabling_goes_from_cordon_to_uncordon_with_the_label_behind_the_mode() -> None:
    plan = draft(ENABLE, args("n1"), facts(node()))
    verbs = ["cordon", "drain", "mode", "reboot", "label", "uncordon"]
    assert [wave[0].id for wave in plan.waves()] == [f"{verb}:n1" for verb in verbs]
    assert plan.step("mode:n1").inputs["before"] == {"0": "Disabled", "1": "Disabled"}
    assert plan.subject == "node/n1"


def test_disabling_takes_the_label_off_before_it_destroys() -> None:
    plan = draft(DISABLE, args("n1"), facts(node("n1", "on", "on", label="mig")))
    assert [step.id.partition(":")[0] for step in plan.steps] == [
        "cordon", "drain", "label", "mode", "reboot", "uncordon",
    ]  # fmt: skip
    assert plan.step("mode:n1").destroys
    assert "all MIG instances on these GPUs of n1 are destroyed" in plan.warnings


def test_disabling_some_gpus_keeps_the_label_of_the_others() -> None:
    plan = draft(DISABLE, args("n1", indexes=(0,)), facts(node("n1", "on", "on", label="mig")))
    assert not any(step.id.startswith("label") for step in plan.steps)


def test_a_node_that_is_right_is_not_touched_and_only_gets_its_label() -> None:
    """Nothing is cordoned or drained where no mode changes."""
    plan = draft(ENABLE, args("n1"), facts(node("n1", "on", "on", "none")))
    assert [step.id for step in plan.steps] == ["mode:n1", "label:n1"]
    assert not plan.warnings


def test_a_cordon_of_somebody_elses_stays() -> None:
    plan = draft(ENABLE, args("n1"), facts(node(unschedulable=True)))
    assert not any(step.id.startswith("uncordon") for step in plan.steps)
    assert "n1 is cordoned already, by somebody else: it stays so" in plan.warnings


def test_what_was_pending_before_is_not_taken_back() -> None:
    plan = draft(ENABLE, args("n1"), facts(node("n1", "pending", "off")))
    assert plan.step("mode:n1").inputs["before"] == {"1": "Disabled"}


@pytest.mark.parametrize("parallel", [1, 2, 9])
def test_a_bounded_number_of_nodes_at_a_time(parallel: int) -> None:
    """Each node's steps are one chain, no node needs another, and the plan says how many are under way at once."""
    names = ["n1", "n2.example", "n3"]
    drafted = ENABLE.draft(args(*names, parallel=parallel), facts(*(node(name) for name in names)))
    assert isinstance(drafted, Draft)
    assert (drafted.chains_at_once, drafted.subject) == (parallel, "nodes")
    assert list(dict.fromkeys(step.chain for step in drafted.steps)) == names
    chain_of = {step.id: step.chain for step in drafted.steps}
    assert all(chain_of[need] == step.chain for step in drafted.steps for need in step.needs)


def test_names_with_dots_make_ids_that_can_be_referred_to() -> None:
    plan = draft(ENABLE, args("gpu-1.example.com"), facts(node("gpu-1.example.com")))
    assert plan.step("drain:gpu-1_example_com").inputs["cordoned"] == {"$ref": "cordon:gpu-1_example_com.cordoned"}


@pytest.mark.parametrize(
    ("asked", "known", "said"),
    [
        (args("n9"), facts(missing=("n9",)), "there is no node n9: nodes with GPUs: n1"),
        (args("n1"), facts(node("n1", "none")), "no GPU of n1 is capable of MIG (NVIDIA-H100)"),
        (args("n1", indexes=(7,)), facts(node()), "GPU 7: n1 has no such GPU: capable: GPU 0, GPU 1"),
        (args("n1", indexes=(1,)), facts(node("n1", "off", "none")), "GPU 1: n1 is not capable of MIG there"),
        (args("n1"), facts(node(), busy={"n1": 41}), "node n1 is being changed by job 41: wait, or /clearml job"),
        (args("n1"), facts(node(problem="no pod")), "the GPUs of n1 do not answer: no pod"),
        (args(all=True), facts(node("n1", "none")), "no node has GPUs that are capable of MIG"),
    ],
)
def test_refuses_with_the_next_action(asked: NodeMigChange, known: NodesFacts, said: str) -> None:
    answer = ENABLE.draft(asked, known)
    assert isinstance(answer, Refusal)
    assert said in str(answer)


def test_all_passes_over_what_cannot() -> None:
    plan = draft(ENABLE, args(all=True), facts(node("n1"), node("n2", "none")))
    assert "Enable MIG on n1: 2 of 2 GPUs change" in plan.summary


def reboot(**more: Any) -> RebootFacts:
    about: dict[str, Any] = {"exists": True, "unschedulable": True, "boot_id": "b1", "pods": (), "by_command": False}
    return RebootFacts(timeout_s=600, **(about | more))


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (reboot(exists=False), "there is no node n1"),
        (reboot(unschedulable=False), "only a cordoned and drained node is rebooted: kubectl drain n1"),
        (reboot(pods=("acme/task",)), "1 pods still run on n1: acme/task"),
        (reboot(boot_id=""), "has not said its bootID"),
    ],
)
def test_only_a_drained_node_is_rebooted(known: RebootFacts, said: str) -> None:
    answer = RebootNode().draft(NodeReboot(node="n1"), known)
    assert isinstance(answer, Refusal)
    assert said in str(answer)


def test_a_reboot_is_about_one_boot() -> None:
    """Asked for while another boot ran, it plans for that one: then it finds its work done."""
    drafted = RebootNode().draft(NodeReboot(node="n1", boot="b0"), reboot(unschedulable=False))
    assert isinstance(drafted, Draft)
    assert drafted.steps[0].inputs["boot_id"] == "b0"
    assert drafted.subject == "reboot/n1"
