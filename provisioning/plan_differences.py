"""What differs between the plan that was approved and the plan of today, in words. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from pydantic import JsonValue

from provisioning.chart_values import HIDDEN, leaves
from provisioning.clients.concealment import tells_a_secret
from provisioning.manifests import SHOWN_FINGERPRINT
from provisioning.plan import Observation, Plan, Presence, Step
from provisioning.wording import listed

MOST_LINES = 12
MOST_NAMES = 8  # of objects, in one line
MOST_FIELDS = 5  # with their values, in one line
MOST_VALUE = 60  # characters of a field's value
CHART_SHA256 = "chart_sha256"
Differences: TypeAlias = Mapping[str, tuple[JsonValue, JsonValue]]  # field → (is, shall)
NOT_LOOKED = Observation(presence=Presence.ABSENT)


def differences(approved: Plan, today: Plan) -> tuple[str, ...]:
    """Return one line for each difference, in the plan's order; () only where the digests are equal."""
    lines: list[str] = []
    then = {step.id: step for step in approved.steps}
    now = {step.id: step for step in today.steps}
    lines += [f"{step.title}: no longer part of the plan" for step in approved.steps if step.id not in now]
    for step in today.steps:
        before = then.get(step.id)
        if before is None:
            lines.append(f"{step.title}: new in the plan")
        elif _lasting(before) != _lasting(step):
            lines.append(f"{step.title}: {_change(before, step)}")
    lines += [f"new warning: {warning}" for warning in today.warnings if warning not in approved.warnings]
    lines += [f"no longer: {warning}" for warning in approved.warnings if warning not in today.warnings]
    if not lines and approved.digest != today.digest:
        lines.append(f"the plan reads now: {today.summary}")
    return tuple(lines)


def as_text(lines: tuple[str, ...]) -> str:
    """Return the lines as one text, shortened where they are many."""
    shown = list(lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        shown.append(f"… and {len(lines) - MOST_LINES} more")
    return "\n".join(shown)


def _lasting(step: Step) -> Step:
    return step.model_copy(update={"found": NOT_LOOKED}) if step.momentary else step


def _change(before: Step, after: Step) -> str:
    was, now = before.found, after.found
    said: list[str] = []
    if was.presence is not now.presence:
        detail = f" ({now.detail})" if now.detail else ""
        said.append(f"was {was.presence.value}, is {now.presence.value}{detail}")
    elif was.differences != now.differences:
        said.append(f"differs otherwise than before in {_found_otherwise(was.differences, now.differences)}")
    if before.inputs != after.inputs and was.presence is now.presence:
        said += _input_changes(before, after)
    if was.renders != now.renders and was.renders and now.renders:
        said.append(_rendering_change(was.renders, now.renders))
    if not said and was.detail != now.detail:
        said.append(f"was {was.detail or 'not described'}, is {now.detail or 'not described'}")
    return "; ".join(said) or "would now be done in another way"


def _found_otherwise(was: Differences, now: Differences) -> str:
    """Return each field that is another than it was. A field that does not differ is as it shall be."""
    said: list[str] = []
    for field in _changed(was, now):
        match was.get(field), now.get(field):
            case (found, shall), None:
                said.append(f"{field} (was {_value(found)}, is {_value(shall)})")
            case None, (found, shall):
                said.append(f"{field} (was {_value(shall)}, is {_value(found)})")
            case (before, _), (after, _) if before != after:
                said.append(f"{field} (was {_value(before)}, is {_value(after)})")
            case (_, before), (_, after):
                said.append(f"{field} (should be {_value(before)}, shall be {_value(after)})")
    return listed(said, MOST_FIELDS)


def _input_changes(before: Step, after: Step) -> Iterator[str]:
    """Yield what the step would be given otherwise, field by field."""
    said: list[str] = []
    for key in _changed(before.inputs, after.inputs):
        was, now = before.inputs.get(key), after.inputs.get(key)
        if key == CHART_SHA256:
            yield f"the chart's content is another: sha256 {_short(was)}, now {_short(now)}"
            continue
        left, right = dict(leaves(_by_name(was), key)), dict(leaves(_by_name(now), key))
        for path in _changed(left, right):
            shown = [HIDDEN if tells_a_secret(path) else _value(side.get(path)) for side in (left, right)]
            said.append(f"{path} ({shown[0]}, now {shown[1]})")
    if said:
        yield f"would now be made with another {listed(said, MOST_FIELDS)}"


def _by_name(value: JsonValue) -> JsonValue:
    """Return a list of Kubernetes objects as a mapping by their names, anything else as it is."""
    if not isinstance(value, list):
        return value
    named = {}
    for one in value:
        match one:
            case {"metadata": {"name": str(name)}}:
                named[name] = one
            case _:
                return value
    return {**named} if len(named) == len(value) else value


def _rendering_change(was: Mapping[str, str], now: Mapping[str, str]) -> str:
    said = [
        f"{what} {listed(names, MOST_NAMES)}"
        for what, names in (
            ("otherwise", [name for name in sorted(was.keys() & now.keys()) if was[name] != now[name]]),
            ("also", sorted(now.keys() - was.keys())),
            ("no longer", sorted(was.keys() - now.keys())),
        )
        if names
    ]
    return f"the chart renders {', '.join(said)}"


def _changed(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in {*was, *now} if was.get(key) != now.get(key))


def _value(value: JsonValue) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= MOST_VALUE else f"{text[: MOST_VALUE - 1]}…"


def _short(sha256: JsonValue) -> str:
    return str(sha256)[:SHOWN_FINGERPRINT] if sha256 else "not known"
