"""What is approved is all that an action is given: whatever input of whatever step changes, the digest does."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from provisioning import steps
from provisioning.plan import Observation, Plan, Presence, Step
from provisioning.steps import registry

_PARSED = re.compile(r"\b(\w+)\.model_validate\(")
_HANDED_ON = re.compile(r"\b(_\w+)\(inputs\)")


def _actions() -> Iterator[type[Any]]:
    for module in pkgutil.iter_modules(steps.__path__, "provisioning.steps."):
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if isinstance(getattr(found, "kind", None), str) and hasattr(found, "apply"):
                yield found


def _inputs_of(action: type[Any]) -> set[type[BaseModel]]:
    """Return the models that the action reads its inputs by."""
    found: set[type[BaseModel]] = set()
    for part in action.__mro__:
        if part.__module__.startswith("provisioning.steps."):
            module, text = inspect.getmodule(part), inspect.getsource(part)
            text += "".join(inspect.getsource(getattr(module, name)) for name in _HANDED_ON.findall(text))
            found |= {getattr(module, name) for name in _PARSED.findall(text) if name.endswith("Inputs")}
    return found


BY_KIND = {action.kind: action for action in _actions()}


def plan(kind: str, **step: Any) -> Plan:
    return Plan(
        operation="x",
        subject="acme",
        summary="x",
        request={},
        steps=(Step(id="one", title="One", **({"kind": kind} | step)),),
    )


def test_every_action_is_looked_at() -> None:
    """All that the registry imports, and those that are registered where the engine is."""
    registered = {found.kind for found in vars(registry).values() if isinstance(getattr(found, "kind", None), str)}
    assert registered <= set(BY_KIND)
    assert {"helm.release", "clearml.company", "node.drain", "tenant.apply"} <= set(BY_KIND)


@pytest.mark.parametrize("kind", sorted(BY_KIND))
def test_every_input_of_every_step_is_part_of_the_digest(kind: str) -> None:
    """An action reads its inputs by a model that knows no others, so there is no way around the plan."""
    models = _inputs_of(BY_KIND[kind])
    assert models, f"{kind} reads its inputs by no model"
    for model in models:
        assert (model.model_config.get("extra"), model.model_config.get("frozen")) == ("forbid", True)
        assert model.model_fields
        for field in model.model_fields:
            said: list[Any] = [1, 2, "1", None, True, [1], {"a": 1}, {"a": {"b": 1}}, {"$secret": "a"}]
            digests = [plan(kind, inputs={field: value}).digest for value in said]
            assert len({*digests, plan(kind).digest}) == len(said) + 1, f"{kind}: {field}"


def test_so_is_what_was_found_and_what_a_chart_renders() -> None:
    found = Observation(presence=Presence.ABSENT, detail="x")
    changes: list[dict[str, Any]] = [
        {"presence": Presence.DIFFERS},
        {"detail": "y"},
        {"outputs": {"revision": 2}},
        {"differences": {"a": (1, 2)}},
        {"renders": {"Deployment/agent": "0" * 16}},
    ]
    digests = [plan("k", found=found.model_copy(update=change)).digest for change in ({}, *changes)]
    assert len(set(digests)) == len(digests)
    assert set().union(*changes) == set(Observation.model_fields)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "other"},
        {"title": "Other"},
        {"undo": "other"},
        {"timeout_s": 1},
        {"destroys": True},
        {"id": "other"},
    ],
)
def test_so_is_the_rest_of_a_step(change: dict[str, Any]) -> None:
    step = plan("k").steps[0]
    changed = plan("k").model_copy(update={"steps": (step.model_copy(update=change),)})
    assert changed.digest != plan("k").digest


def test_an_upgrade_voids_no_approval_of_a_plan_that_it_would_make_again() -> None:
    """The digest is that of 0.1, which knew nothing of chains; one with chains has another."""
    steps = (
        Step(id="one", kind="k8s.namespace", title="Create namespace acme", inputs={"name": "acme"}),
        Step(id="api", kind="clearml.api", title="Wait", needs=("one",), momentary=True),
    )
    made = Plan(
        operation="tenant create",
        subject="acme",
        summary="Create tenant acme",
        request={"name": "acme"},
        steps=steps,
    )
    assert made.digest == "0f0952fd25be81154365fe4ac93ec221ddd1b2fccd0f14a10ce63b84fd04cae2"
    chained = made.model_copy(update={"steps": (steps[0].model_copy(update={"chain": "n1"}), steps[1])})
    assert len({made.digest, chained.digest, made.model_copy(update={"chains_at_once": 2}).digest}) == 3
