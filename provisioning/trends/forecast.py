"""How fast a measure moves, and when it may reach zero. Pure.

Method: one point a day; the growth is the median of the slopes between all pairs of points (Theil and Sen), which
a few odd days do not bend. Its interval is the wider of two, 95 % each: Sen's, which takes days for independent, as
noise about a line is; and a random walk's, since counts of ports and tenants carry each day's change on for good. For
such a walk Sen's alone would hold the truth in one case of four. What moved in one step has no pace, and what has run
out needs no forecast. Nothing is said from less than a week, or further ahead than three times the days that were seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import TypeAlias

FEWEST_POINTS = 7
FEWEST_DAYS = 6  # between the first and the last point
AHEAD = 3  # times the days that were seen
CONFIDENCE = 1.96  # 95 %
ONE_STEP, STEP_DAYS = 0.8, 2  # of all that moved, from one sample to the next: no pace
METHOD = "Theil-Sen slope over daily samples; its 95 % interval is the wider of Sen's and a random walk's"
_DAY_S = 86_400.0
_STUDENT = (
    12.71,
    4.30,
    3.18,
    2.78,
    2.57,
    2.45,
    2.36,
    2.31,
    2.26,
    2.23,
)  # 95 %, by degrees of freedom; on the wide side

Point: TypeAlias = tuple[datetime, float]


@dataclass(frozen=True, kw_only=True)
class TooFew:
    """Not enough was seen to say anything."""

    points: int
    days: float

    def __str__(self) -> str:
        return (
            f"{self.points} daily sample{'' if self.points == 1 else 's'} over {self.days:.0f} days are too few:"
            f" {FEWEST_POINTS} over {FEWEST_DAYS} days are needed"
        )


@dataclass(frozen=True, kw_only=True)
class OneStep:
    """Nearly all that moved did so between two samples: there is no pace that could go on."""

    change: float
    on: date

    def __str__(self) -> str:
        return f"it moved in one step, {self.change:+g} by {self.on}, and hardly otherwise"


NoPace: TypeAlias = TooFew | OneStep


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Change a day: the middle, and the ends of its 95 % interval."""

    per_day: float
    low: float
    high: float
    points: int
    days: float


@dataclass(frozen=True, kw_only=True)
class RunsOut:
    """When zero is reached. ``earliest`` and ``latest`` are the interval's ends.

    None: not within ``horizon``, the last day that the samples allow to speak of.
    """

    growth: Growth
    at: date | None
    earliest: date | None
    latest: date | None
    horizon: date


@dataclass(frozen=True, kw_only=True)
class HasRunOut:
    """There is none left, and was none since that day's sample."""

    since: date


def daily(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the last point of each UTC day, by time."""
    last: dict[date, Point] = {}
    for point in sorted(points):
        last[point[0].date()] = point
    return tuple(last.values())


def growth(points: Sequence[Point]) -> Growth | NoPace:
    """Return the change a day over *points*, of which one a day counts."""
    kept = daily(points)
    days = _days(kept[0], kept[-1]) if kept else 0.0
    if len(kept) < FEWEST_POINTS or days < FEWEST_DAYS:
        return TooFew(points=len(kept), days=days)
    if step := _one_step(kept):
        return step
    slopes = sorted(
        (later[1] - earlier[1]) / _days(earlier, later)
        for place, earlier in enumerate(kept)
        for later in kept[place + 1 :]
    )
    count, middle = len(kept), median(slopes)
    # Ties would narrow it; left out, the interval errs on the wide side.
    spread = CONFIDENCE * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    lowest = max(0, math.floor((len(slopes) - spread) / 2))
    highest = min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2))
    walked = _walk_error(kept)
    return Growth(
        per_day=middle,
        low=min(slopes[lowest], middle - walked),
        high=max(slopes[highest], middle + walked),
        points=count,
        days=days,
    )


def runs_out(points: Sequence[Point]) -> RunsOut | HasRunOut | NoPace:
    """Return when the measure may reach zero, going on as over *points*."""
    kept = daily(points)
    if kept and kept[-1][1] <= 0:
        left = [place for place, (_, value) in enumerate(kept) if value > 0]
        return HasRunOut(since=kept[left[-1] + 1 if left else 0][0].date())
    found = growth(kept)
    if not isinstance(found, Growth):
        return found
    now, value = kept[-1]
    horizon_days = AHEAD * min(found.days, found.points)  # a gap was not seen

    def zero_at(slope: float) -> date | None:
        if slope >= 0 or -value / slope > horizon_days:
            return None
        return (now + timedelta(days=-value / slope)).date()

    return RunsOut(
        growth=found,
        at=zero_at(found.per_day),
        earliest=zero_at(found.low),
        latest=zero_at(found.high),
        horizon=(now + timedelta(days=horizon_days)).date(),
    )


def said_of(found: RunsOut | HasRunOut | NoPace) -> str:
    """Return the forecast in words."""
    match found:
        case TooFew() | OneStep():
            return f"no forecast: {found}"
        case HasRunOut(since=since):
            return f"has run out: none left since {since}"
        case RunsOut(at=None, earliest=None):
            return f"does not run out before {found.horizon} at this rate; further ahead nothing is said"
        case RunsOut(at=None):
            return f"may run out from {found.earliest} on, if at all before {found.horizon}"
        case RunsOut(latest=None):
            return f"about {found.at}, from {found.earliest} on, perhaps not before {found.horizon}"
        case RunsOut() if found.earliest == found.latest:
            return f"about {found.at}, going on as evenly as so far"
        case _:
            return f"about {found.at}, between {found.earliest} and {found.latest}"


def pace_of(found: Growth) -> str:
    """Return the change a day with no more digits than its interval leaves: ``-12 (-14 … -9)``."""
    wide = found.high - found.low
    digits = 0 if wide <= 0 else max(0, -math.floor(math.log10(wide / 2)))
    said = [found.per_day, found.low, found.high]
    texts = [f"{one:+.3g}" if wide <= 0 else f"{round(one, digits) + 0.0:+,.{digits}f}" for one in said]
    return f"{texts[0]} ({texts[1]} … {texts[2]})"


def _one_step(kept: Sequence[Point]) -> OneStep | None:
    whole = sum(abs(later[1] - earlier[1]) for earlier, later in pairwise(kept))
    earlier, later = max(pairwise(kept), key=lambda pair: abs(pair[1][1] - pair[0][1]))
    change = later[1] - earlier[1]
    if not whole or abs(change) < ONE_STEP * whole or _days(earlier, later) > STEP_DAYS:
        return None  # over a gap nobody knows in how many steps it went
    return OneStep(change=change, on=later[0].date())


def _walk_error(kept: Sequence[Point]) -> float:
    """Return how far a random walk's pace may lie from what was seen, 95 %.

    Its variance a day is taken over stretches of several days, where noise about a line cancels out.
    """
    count, days = len(kept), _days(kept[0], kept[-1])
    mean = (kept[-1][1] - kept[0][1]) / days
    reach = max(1, round(math.sqrt(count)))
    squares = []
    for earlier, later in zip(kept, kept[reach:], strict=False):
        apart = _days(earlier, later)
        squares.append((later[1] - earlier[1] - mean * apart) ** 2 / apart)
    variance = sum(squares) / len(squares) / (1 - reach / count)
    freedom = max(1, (count - 1) // reach)
    return _STUDENT[min(freedom, len(_STUDENT)) - 1] * math.sqrt(variance / days)


def _days(earlier: Point, later: Point) -> float:
    return (later[0] - earlier[0]).total_seconds() / _DAY_S
