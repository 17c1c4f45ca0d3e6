"""`platform plan`: what installing and upgrading would do, before anybody asks for it."""

from typing import TYPE_CHECKING

from pydantic import JsonValue

from commands.platform import PlatformArgs, PlatformInstall, PlatformUpgrade
from policies.approvals import Refusal
from provisioning.plan import Plan, Presence
from provisioning.queries.base import Asked
from provisioning.reports import Cell, Lines, Part, Report, table

if TYPE_CHECKING:
    from provisioning.planner import Planner

_MARKS = {Presence.ABSENT: "new", Presence.DIFFERS: "change", Presence.PRESENT: "there"}
_VERSION = "chart version"


class PlatformPlanQuery:
    """The two plans side by side. Nothing is stored, and nothing is leased."""

    command = "platform plan"

    def __init__(self, planner: "Planner") -> None:
        self._planner = planner

    def answer(self, args: PlatformArgs, asked: Asked) -> Report | Refusal:  # noqa: ARG002 - a plan knows no asker
        """Return both plans. Where one of them is refused, its reason stands in its place."""
        install = self._planner.plan(
            "platform install", PlatformInstall(component=args.component, generate_secrets=True)
        )
        upgrade = self._planner.plan("platform upgrade", PlatformUpgrade(component=args.component))
        if isinstance(install, Refusal) and isinstance(upgrade, Refusal):
            return install
        parts: list[Part] = [*_part("Install", install), *_part("Upgrade", upgrade), *_differences(upgrade)]
        said = tuple(
            dict.fromkeys(warning for plan in (install, upgrade) if isinstance(plan, Plan) for warning in plan.warnings)
        )
        if said:
            parts.append(Lines(title="Warnings", lines=said, kind="warning"))
        return Report(
            title="Platform plan",
            summary=f"Installing: {_summed(install)}. Upgrading: {_summed(upgrade)}.",
            parts=tuple(parts),
            data={"install": _data(install), "upgrade": _data(upgrade)},
        )


def _summed(plan: Plan | Refusal) -> str:
    if isinstance(plan, Refusal):
        return "not possible"
    count = sum(not step.is_noop for step in plan.steps)
    return f"{count} of {len(plan.steps)} steps have something to do" if count else "nothing to do"


def _part(title: str, plan: Plan | Refusal) -> list[Part]:
    if isinstance(plan, Refusal):
        return [Lines(title=title, lines=(str(plan),))]
    steps = [step for wave in plan.waves() for step in wave]
    numbers = {step.id: number for number, step in enumerate(steps, 1)}
    rows: list[tuple[Cell, ...]] = [
        (
            numbers[step.id],
            step.title,
            ", ".join(str(number) for number in sorted(numbers[need] for need in step.needs)) or None,
            _MARKS[step.found.presence],
            step.found.detail or None,
        )
        for step in steps
    ]
    return [table(title, (">No.", "Step", "After", "Found", "Detail"), rows)]


def _differences(plan: Plan | Refusal) -> list[Part]:
    """Return versions and values apart: they are better changed one after the other."""
    if isinstance(plan, Refusal):
        return []
    found = [
        (step.id, path, was, shall) for step in plan.steps for path, (was, shall) in step.found.differences.items()
    ]
    parts: list[Part] = []
    for title, wanted in (("Versions that differ", True), ("Values that differ", False)):
        rows: list[tuple[Cell, ...]] = [
            (step, path, _text(was), _text(shall)) for step, path, was, shall in found if (path == _VERSION) is wanted
        ]
        if rows:
            parts.append(table(title, ("Step", "Field", "Is", "Shall be"), rows))
    return parts


def _text(value: JsonValue) -> Cell:
    return None if value is None else str(value)


def _data(plan: Plan | Refusal) -> JsonValue:
    if isinstance(plan, Refusal):
        return {"refused": plan.reason, "next_action": plan.next_action}
    return {**plan.model_dump(mode="json"), "digest": plan.digest}
