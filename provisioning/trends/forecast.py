"""How fast a measure moves, and when it may reach zero. Pure.

Method: one point a day; the growth is the median of the slopes between all pairs of points (Theil and Sen), which
a few odd days do not bend; its interval is Sen's, from Kendall's statistic, 95 %. That interval takes days for
independent and the growth for steady, so it is said as what the past suggests and not as a promise. Nothing is
forecast from less than a week, or further ahead than three times what was seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import TypeAlias

FEWEST_POINTS = 7
FEWEST_DAYS = 6  # between the first and the last point
AHEAD = 3  # times the days that were seen
CONFIDENCE = 1.96  # 95 %
METHOD = "Theil-Sen slope over daily samples, Sen's 95 % interval"
_DAY_S = 86_400.0

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


def daily(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the last point of each UTC day, by time."""
    last: dict[date, Point] = {}
    for point in sorted(points):
        last[point[0].date()] = point
    return tuple(last.values())


def growth(points: Sequence[Point]) -> Growth | TooFew:
    """Return the change a day over *points*, of which one a day counts."""
    kept = daily(points)
    days = (kept[-1][0] - kept[0][0]).total_seconds() / _DAY_S if kept else 0.0
    if len(kept) < FEWEST_POINTS or days < FEWEST_DAYS:
        return TooFew(points=len(kept), days=days)
    slopes = sorted(
        (later[1] - earlier[1]) / ((later[0] - earlier[0]).total_seconds() / _DAY_S)
        for place, earlier in enumerate(kept)
        for later in kept[place + 1 :]
    )
    count = len(kept)
    # Ties would narrow it; left out, the interval errs on the wide side.
    spread = CONFIDENCE * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    lowest = max(0, math.floor((len(slopes) - spread) / 2))
    highest = min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2))
    return Growth(per_day=median(slopes), low=slopes[lowest], high=slopes[highest], points=count, days=days)


def runs_out(points: Sequence[Point]) -> RunsOut | TooFew:
    """Return when the measure may reach zero, going on as over *points*."""
    found = growth(points)
    if isinstance(found, TooFew):
        return found
    now, value = daily(points)[-1]
    horizon_days = AHEAD * found.days

    def zero_at(slope: float) -> date | None:
        if value <= 0:
            return now.date()
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


def said_of(found: RunsOut | TooFew) -> str:
    """Return the forecast in words."""
    match found:
        case TooFew():
            return f"no forecast: {found}"
        case RunsOut(at=None, earliest=None):
            return f"does not run out before {found.horizon} at this rate; further ahead nothing is said"
        case RunsOut(at=None):
            return f"may run out from {found.earliest} on, if at all before {found.horizon}"
        case RunsOut(latest=None):
            return f"about {found.at}, from {found.earliest} on, perhaps never"
        case _:
            return f"about {found.at}, between {found.earliest} and {found.latest}"
