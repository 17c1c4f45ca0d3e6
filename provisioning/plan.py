"""Plan and Step: pure data, JSON both ways, with a digest over all of it.

A plan holds no secret and no clock: the same world and the same request give the same digest, so a digest
that differs means that the world changed. Values that only exist once an earlier step has run are
references, ``{"$ref": "company.id"}``: step id, then the key in that step's outputs.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue, model_validator

Outputs: TypeAlias = dict[str, JsonValue]


class Presence(StrEnum):
    """What a step finds when it looks."""

    ABSENT = "absent"
    DIFFERS = "differs"
    PRESENT = "present"


class Observation(BaseModel):
    """What a step found, and what it would hand on if nothing had to be done.

    ``detail`` is for people (``revision 3 deployed, chart 1.4.0``) and must not hold anything that changes
    by itself (ages, timestamps): it is part of the plan's digest. ``differences`` names the fields that
    differ: field path → (is, shall). ``renders`` binds what a chart would render: object → fingerprint.
    """

    model_config = ConfigDict(frozen=True)

    presence: Presence
    detail: str = ""
    outputs: Outputs = {}
    differences: dict[str, tuple[JsonValue, JsonValue]] = {}
    renders: dict[str, str] = {}


class Step(BaseModel):
    """One idempotent action of a plan."""

    model_config = ConfigDict(frozen=True)

    id: str  # unique in the plan: "company"
    kind: str  # the registered action: "clearml.company"
    title: str  # for people, imperative: "Create company acme"
    needs: tuple[str, ...] = ()  # ids of the steps that must have succeeded before
    inputs: dict[str, JsonValue] = {}  # what the action gets; no secrets; may hold references
    found: Observation = Observation(presence=Presence.ABSENT)  # at planning time
    undo: str = ""  # how it is undone, for people; "" where nothing is to undo
    timeout_s: int = 60
    destroys: bool = False  # it takes away what its undo cannot bring back: policies count these
    momentary: bool = False  # it only waits for what comes and goes, as an API's answers do: see Plan.digest
    chain: str = ""  # the part of the world that it is a step of, where only so many are changed at once: a node

    @property
    def is_noop(self) -> bool:
        return self.found.presence is Presence.PRESENT


class Admission(BaseModel):
    """Whether what a plan promises fits on the GPUs, as it was when it was planned. ``lines`` are for people."""

    model_config = ConfigDict(frozen=True)

    fits: bool | None  # now; None: it depends on places that are not known
    overcommit: float | None  # everyone's full quota over the GPUs there are; None where there are none
    lines: tuple[str, ...] = ()


class Plan(BaseModel):
    """What an operation would do, in the order it would do it.

    ``request`` is the validated argument model of the command as JSON: with it the same operation can plan
    again (operations.registry). ``warnings`` are for the approver; so is ``admission``, which the digest leaves
    out: pods come and go, and no approval must be void for that.
    """

    model_config = ConfigDict(frozen=True)

    operation: str  # "tenant create", the command's name
    subject: str  # what jobs are serialised by: the tenant, "platform", a node
    summary: str  # one line, "Create tenant acme: queues …": before the colon what, behind it how
    request: dict[str, JsonValue]
    steps: tuple[Step, ...]
    warnings: tuple[str, ...] = ()
    admission: Admission | None = None
    goes_on: bool = False  # where a step fails, those that do not need it still run
    chains_at_once: int | None = None  # how many chains of steps are under way at most; None: all

    @model_validator(mode="after")
    def _steps_are_a_dag_in_order(self) -> "Plan":
        seen: set[str] = set()
        for step in self.steps:
            if step.id in seen:
                raise ValueError(f"two steps are called {step.id!r}")
            if missing := set(step.needs) - seen:
                raise ValueError(f"step {step.id!r} needs {sorted(missing)}, which come later or never")
            seen.add(step.id)
        return self

    @property
    def is_noop(self) -> bool:
        """True where every step found its work done."""
        return all(step.is_noop for step in self.steps)

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the canonical JSON without what is of the moment, 64 hex digits."""
        lasting = self.model_dump(mode="json", exclude={"admission"})
        if self.chains_at_once is None:  # as it was before there were chains: an upgrade voids no approval
            del lasting["chains_at_once"]
        for step in lasting["steps"]:
            if step.pop("momentary"):
                del step["found"]
            if not step["chain"]:
                del step["chain"]
        canonical = json.dumps(lasting, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def step(self, step_id: str) -> Step:
        """Return the step called *step_id*. Raises: KeyError."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    def waves(self) -> tuple[tuple[Step, ...], ...]:
        """Return the steps in waves: each wave needs only earlier ones."""
        depth: dict[str, int] = {}
        for step in self.steps:
            depth[step.id] = 1 + max((depth[need] for need in step.needs), default=-1)
        return tuple(
            tuple(step for step in self.steps if depth[step.id] == level)
            for level in range(max(depth.values(), default=-1) + 1)
        )


def resolve(inputs: Mapping[str, Any], outputs: Mapping[str, Outputs]) -> dict[str, Any]:
    """Return *inputs* with every ``{"$ref": "step.key"}`` replaced from *outputs* (step id → outputs).

    Raises: KeyError, naming the reference that nothing provides.
    """

    def walk(value: Any) -> Any:
        match value:
            case {"$ref": str(path)} if len(value) == 1:
                step_id, _, key = path.partition(".")
                try:
                    return outputs[step_id][key]
                except KeyError:
                    raise KeyError(f"no step has provided {path}") from None
            case dict():
                return {key: walk(item) for key, item in value.items()}
            case list() | tuple():
                return [walk(item) for item in value]
            case _:
                return value

    return {key: walk(value) for key, value in inputs.items()}


def all_needs(steps: Iterable[Step]) -> dict[str, frozenset[str]]:
    """Return step id → the steps that it needs, directly or through others. *steps* stand behind what they need."""
    found: dict[str, frozenset[str]] = {}
    for step in steps:
        found[step.id] = frozenset(step.needs).union(*(found.get(need, ()) for need in step.needs))
    return found


def references(inputs: Any) -> frozenset[str]:
    """Return the ids of the steps whose outputs *inputs* refer to."""
    return frozenset(_references(inputs))


def _references(value: Any) -> Iterator[str]:
    match value:
        case {"$ref": str(path)} if len(value) == 1:
            yield path.partition(".")[0]
        case dict():
            for item in value.values():
                yield from _references(item)
        case list() | tuple():
            for item in value:
                yield from _references(item)
