"""What differs between the plan that was approved and the plan of today, in words. Pure."""

from provisioning.plan import Observation, Plan, Presence, Step

MOST_LINES = 12
NOT_LOOKED = Observation(presence=Presence.ABSENT)


def changes(approved: Plan, today: Plan) -> tuple[str, ...]:
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
    if before.found.presence is not after.found.presence:
        detail = f" ({after.found.detail})" if after.found.detail else ""
        return f"was {before.found.presence.value}, is {after.found.presence.value}{detail}"
    if before.found.differences != after.found.differences:
        fields = sorted(
            field
            for field in {*before.found.differences, *after.found.differences}
            if before.found.differences.get(field) != after.found.differences.get(field)
        )
        return f"differs otherwise than before in {', '.join(fields)}"
    if before.inputs != after.inputs:
        fields = sorted(
            key for key in {*before.inputs, *after.inputs} if before.inputs.get(key) != after.inputs.get(key)
        )
        return f"would now be made with another {', '.join(fields)}"
    if before.found.detail != after.found.detail:
        return f"was {before.found.detail or 'not described'}, is {after.found.detail or 'not described'}"
    return "would now be done in another way"
