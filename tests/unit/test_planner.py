"""The planner: any operation's draft, observed in order and side by side."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from commands.spec import CommandArgs
from policies.approvals import Refusal
from provisioning.errors import PermanentError, UnreachableError
from provisioning.operations.base import Draft
from provisioning.plan import Observation, Outputs, Plan, Presence, Step, references
from provisioning.plan_differences import differences
from provisioning.planner import Planner
from provisioning.steps.base import StepRun


class Args(CommandArgs):
    name: str
    size: int = 3


@dataclass
class Paint:
    """An operation whose steps are given."""

    steps: tuple[Step, ...]
    command: str = "paint"
    args: type[CommandArgs] = Args
    facts: list[Any] = field(default_factory=list)

    def draft(self, args: Any, facts: Any) -> Draft | Refusal:
        self.facts.append(facts)
        if args.name == "forbidden":
            return Refusal(reason="no", next_action="choose another")
        return Draft(subject=args.name, summary=f"paint {args.name}", steps=self.steps, warnings=("wet",))


@dataclass
class Look:
    """An action that answers from a table by the input ``thing``, and remembers what it was asked."""

    found: dict[str, Observation] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    problem: Exception | None = None
    takes_s: float = 0.0
    kind: str = "look"

    def observe(self, inputs: dict[str, Any]) -> Observation:
        self.asked.append(inputs)
        time.sleep(self.takes_s)
        if self.problem is not None:
            raise self.problem
        return self.found.get(inputs["thing"], Observation(presence=Presence.ABSENT))

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        raise AssertionError("planning must not change anything")

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        raise AssertionError("planning must not change anything")


class Facts:
    def gather(self, operation: str, args: CommandArgs) -> Any:
        return f"facts of {operation}"


def step(step_id: str, *, needs: tuple[str, ...] = (), **inputs: Any) -> Step:
    return Step(id=step_id, kind="look", title=step_id, needs=needs, inputs={"thing": step_id, **inputs})


CHAIN = (step("wall"), step("coat", needs=("wall",), on={"$ref": "wall.id"}))


def planner(action: Look, *steps: Step) -> Planner:
    return Planner(actions={"look": action}, facts=Facts(), operations={"paint": Paint(steps or CHAIN)})


def planned(answer: Plan | Refusal) -> Plan:
    assert isinstance(answer, Plan)
    return answer


@pytest.mark.parametrize("presence", [Presence.PRESENT, Presence.DIFFERS])
def test_references_are_resolved_from_what_is_found(presence: Presence) -> None:
    """A step looks with the outputs of an earlier one, whether that is as planned or differs."""
    look = Look({"wall": Observation(presence=presence, outputs={"id": "w1"})})
    planner(look).plan("paint", Args(name="acme"))
    assert {"thing": "coat", "on": "w1"} in look.asked


def test_a_step_whose_reference_does_not_exist_yet_is_absent() -> None:
    """It cannot look, and there is nothing to find: it is not even asked."""
    look = Look()
    plan = planned(planner(look).plan("paint", Args(name="acme")))
    assert plan.step("coat").found == Observation(presence=Presence.ABSENT)
    assert [inputs["thing"] for inputs in look.asked] == ["wall"]


def test_a_plan_keeps_what_was_drafted_and_what_was_asked_for() -> None:
    """Operation, subject, summary, warnings and the request, as far as it was given."""
    plan = planned(planner(Look()).plan("paint", Args(name="acme")))
    assert (plan.operation, plan.subject, plan.summary) == ("paint", "acme", "paint acme")
    assert plan.warnings == ("wet",)
    assert plan.request == {"name": "acme"}


def test_planning_again_in_an_unchanged_world_gives_the_same_digest() -> None:
    """From the stored plan alone, also after a trip through JSON."""
    look = Look({"wall": Observation(presence=Presence.PRESENT, outputs={"id": "w1"})})
    plan = planned(planner(look).plan("paint", Args(name="acme")))
    stored = Plan.model_validate_json(plan.model_dump_json())
    assert planned(planner(look).replan(stored)).digest == plan.digest


def test_what_comes_and_goes_is_no_part_of_the_digest() -> None:
    """An API that answers now and not a minute later takes no approval away; nor is it told beside what has changed."""
    wait = Step(id="api", kind="clearml.api", title="Wait for the API", momentary=True)
    other = Step(id="other", kind="x", title="Do the other thing")
    fields: dict[str, Any] = {"operation": "platform install", "subject": "platform", "summary": "x", "request": {}}
    there = Observation(presence=Presence.PRESENT, detail="it answers")
    before, after = (Plan(**fields, steps=(one, other)) for one in (wait, wait.model_copy(update={"found": there})))
    assert before.digest == after.digest
    assert differences(before, after) == ()
    changed = Plan(**fields, steps=(after.steps[0], other.model_copy(update={"found": there})))
    assert changed.digest != before.digest
    assert differences(before, changed) == ("Do the other thing: was absent, is present (it answers)",)
    assert before.digest != Plan(**fields, steps=(wait.model_copy(update={"timeout_s": 9}), other)).digest


def test_a_changed_world_gives_another_digest() -> None:
    """What a step finds is part of the digest."""
    plan = planned(planner(Look()).plan("paint", Args(name="acme")))
    changed = Look({"wall": Observation(presence=Presence.DIFFERS, detail="red")})
    assert planned(planner(changed).replan(plan)).digest != plan.digest


def test_a_refused_draft_is_handed_on_and_nobody_looks() -> None:
    """A refusal is a value; no step observes."""
    look = Look()
    answer = planner(look).plan("paint", Args(name="forbidden"))
    assert answer == Refusal(reason="no", next_action="choose another")
    assert look.asked == []


def test_facts_are_gathered_for_the_operation() -> None:
    """The draft decides by what the source of facts says."""
    paint = Paint(CHAIN)
    Planner(actions={"look": Look()}, facts=Facts(), operations={"paint": paint}).plan("paint", {"name": "acme"})
    assert paint.facts == ["facts of paint"]


def test_independent_steps_look_at_the_same_time() -> None:
    """Eight looks meet at a barrier that none could pass alone."""
    barrier = threading.Barrier(8)

    class Meet(Look):
        def observe(self, inputs: dict[str, Any]) -> Observation:
            barrier.wait(timeout=10)
            return Observation(presence=Presence.PRESENT)

    plan = planned(planner(Meet(), *(step(f"s{n}") for n in range(8))).plan("paint", Args(name="acme")))
    assert plan.is_noop


def test_a_long_chain_of_references_does_not_block_itself() -> None:
    """More waiting steps than threads: each waits for earlier ones only, so some thread can always go on."""
    found = {f"s{n}": Observation(presence=Presence.PRESENT, outputs={"id": n}) for n in range(40)}
    chain = [step("s0"), *(step(f"s{n}", needs=(f"s{n - 1}",), on={"$ref": f"s{n - 1}.id"}) for n in range(1, 40))]
    assert planned(planner(Look(found), *chain).plan("paint", Args(name="acme"))).is_noop


def test_an_unreachable_world_passes_through_with_its_next_action() -> None:
    """Nothing is planned on half of the facts."""
    look = Look(problem=UnreachableError("the cluster did not answer", next_action="check it"))
    with pytest.raises(UnreachableError, match="check it"):
        planner(look).plan("paint", Args(name="acme"))


def test_an_unknown_kind_of_step_is_named() -> None:
    """An operation that names an action nobody built is a permanent error, not a KeyError in a thread."""
    odd = Step(id="odd", kind="no.such", title="odd")
    with pytest.raises(PermanentError, match=r"no\.such"):
        planner(Look(), odd).plan("paint", Args(name="acme"))


def test_references_are_found_at_any_depth() -> None:
    """In lists, in maps; a map with more than the reference is none."""
    inputs = {"a": [{"b": {"$ref": "x.id"}}], "c": {"$ref": "y.id", "more": 1}, "d": ({"$ref": "z.id.deep"},)}
    assert references(inputs) == {"x", "z"}


def test_a_step_that_refers_to_one_that_it_does_not_need_is_no_draft() -> None:
    """It might begin before there is anything to refer to. Through others is near enough."""
    one = Step(id="one", kind="x", title="One")
    two = Step(id="two", kind="x", title="Two", needs=("one",))
    three = Step(id="three", kind="x", title="Three", needs=("two",), inputs={"colour": {"$ref": "one.colour"}})
    assert Draft(subject="x", summary="x", steps=(one, two, three)).steps[-1] is three
    with pytest.raises(ValueError, match=r"step 'three' refers to \['one'\], which it does not need"):
        Draft(subject="x", summary="x", steps=(one, two, three.model_copy(update={"needs": ()})))
