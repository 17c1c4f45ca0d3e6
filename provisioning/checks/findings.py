"""One look and what it found; many looks at the same time, each with a limit; and the report of them."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLateError
from dataclasses import dataclass
from enum import StrEnum

from provisioning.errors import ChatopsError
from provisioning.reports import Lines, Part, Report, table

LIMIT_S = 20.0
PARALLEL = 16
_MARKS = {"ok": "✓", "warn": "!", "fail": "✗"}


class Level(StrEnum):
    """How bad it is. ``warn``: it works now, and somebody should know."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report. ``next_action`` is empty only where all is well."""

    what: str
    level: Level
    detail: str
    next_action: str = ""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One thing to look at. What it raises becomes a failure under its name."""

    what: str
    run: Callable[[], Sequence[Finding]]


def ok(what: str, detail: str) -> Finding:
    return Finding(what=what, level=Level.OK, detail=detail)


def warn(what: str, detail: str, next_action: str) -> Finding:
    return Finding(what=what, level=Level.WARN, detail=detail, next_action=next_action)


def fail(what: str, detail: str, next_action: str) -> Finding:
    return Finding(what=what, level=Level.FAIL, detail=detail, next_action=next_action)


def examine(looks: Iterable[Look], *, limit_s: float = LIMIT_S) -> tuple[Finding, ...]:
    """Look at everything at the same time, and return the findings in the order of *looks*.

    A look that does not come back in time is a failure of its own, and keeps no other from being told.
    """
    asked = list(looks)
    until = time.monotonic() + limit_s
    pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="doctor")
    try:
        running = [(look, pool.submit(_run, look)) for look in asked]
        found: list[Finding] = []
        for look, future in running:
            try:
                found += future.result(max(0.0, until - time.monotonic()))
            except TooLateError:
                found.append(fail(look.what, f"no answer within {limit_s:.0f} s", "see whether it hangs"))
        return tuple(found)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def report(findings: Sequence[Finding]) -> Report:
    """Return the findings: what failed and what to do about it before all else."""
    counts = {level: sum(one.level is level for one in findings) for level in Level}
    parts: list[Part] = [
        Lines(title=title, lines=lines, kind="warning")
        for title, level in (("Failed", Level.FAIL), ("To know of", Level.WARN))
        if (lines := _by_cause([one for one in findings if one.level is level]))
    ]
    parts.append(
        table(
            "Checks",
            ("State", "What", "Found"),
            [(_MARKS[one.level.value], one.what, one.detail) for one in findings],
        )
    )
    said = [f"{counts[Level.OK]} ok"]
    said += [f"{counts[Level.WARN]} to know of"] if counts[Level.WARN] else []
    said += [f"{counts[Level.FAIL]} failed"] if counts[Level.FAIL] else []
    return Report(
        title="Doctor",
        summary=", ".join(said),
        parts=tuple(parts),
        data={
            "ok": not counts[Level.FAIL],
            "findings": [
                {
                    "what": one.what,
                    "level": one.level.value,
                    "detail": one.detail,
                    "next_action": one.next_action or None,
                }
                for one in findings
            ],
        },
    )


def _by_cause(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return a line for each next action: one cause is often found in several places."""
    causes: dict[str, list[Finding]] = {}
    for one in findings:
        causes.setdefault(one.next_action, []).append(one)
    return tuple(
        f"{', '.join(dict.fromkeys(one.what for one in found))}:"
        f" {'; '.join(dict.fromkeys(one.detail for one in found))}. Next: {action}"
        for action, found in causes.items()
    )


def _run(look: Look) -> Sequence[Finding]:
    try:
        return look.run()
    except ChatopsError as error:
        return [fail(look.what, error.what, error.next_action or "look at the bot's log")]
    except Exception as error:  # noqa: BLE001 - its text is foreign, and may hold what nobody should read
        return [fail(look.what, f"could not be looked at ({type(error).__name__})", "look at the bot's log")]
