"""Forecasts: right on a line, honest about noise, silent about too little."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.trends.forecast import (
    Growth,
    HasRunOut,
    OneStep,
    Point,
    RunsOut,
    TooFew,
    daily,
    growth,
    pace_of,
    runs_out,
    said_of,
)

DAY_0 = datetime(2026, 11, 1, 8, tzinfo=UTC)
CHANCE = random.Random(1)  # noqa: S311 - no secret hangs on it


def points(*values: float, every_h: float = 24) -> tuple[Point, ...]:
    return tuple((DAY_0 + timedelta(hours=every_h * number), value) for number, value in enumerate(values))


def test_a_line_is_followed_to_its_end() -> None:
    """100 ports, five fewer a day, ten days: zero on day 20, and the interval is that day."""
    found = runs_out(points(*(100 - 5 * day for day in range(10))))
    assert isinstance(found, RunsOut)
    assert (found.growth.per_day, found.growth.low, found.growth.high) == (-5, -5, -5)
    assert found.at == found.earliest == found.latest == date(2026, 11, 21)
    assert said_of(found) == "about 2026-11-21, going on as evenly as so far"
    assert pace_of(found.growth) == "-5 (-5 … -5)"


@pytest.mark.parametrize(
    "given_points",
    [(), points(5), points(*range(6)), points(*range(100), every_h=1), points(*range(7), every_h=20)],
)
def test_too_little_is_no_forecast(given_points: tuple[Point, ...]) -> None:
    """Few days are few however many samples they hold; the answer says what is needed."""
    found = runs_out(given_points)
    assert isinstance(found, TooFew)
    assert "7 over 6 days are needed" in said_of(found)


def test_what_grows_or_stands_does_not_run_out() -> None:
    for values in (range(20), [50] * 20):
        found = runs_out(points(*values))
        assert isinstance(found, RunsOut)
        assert (found.at, found.earliest) == (None, None)
        assert "does not run out before" in said_of(found)


def test_far_ahead_nothing_is_said() -> None:
    """A pace that would take years is no date: three times what was seen is the horizon."""
    found = runs_out(points(*(10_000 - day for day in range(10))))
    assert isinstance(found, RunsOut)
    assert found.at is None
    assert found.horizon == date(2026, 12, 7)


def test_noise_widens_the_interval() -> None:
    """With the middle where the line is, and the ends on both sides of it."""
    noise = (0, 9, -8, 4, -3, 7, -9, 2, 5, -6, 0, 8, -4, 3)
    found = runs_out(points(*(100 - 5 * day + noise[day] for day in range(14))))
    assert isinstance(found, RunsOut)
    assert found.growth.low < -5 < found.growth.high
    assert found.at is not None
    assert found.earliest is not None
    assert found.latest is not None
    assert found.earliest < found.at < found.latest


def test_a_few_odd_days_do_not_bend_it() -> None:
    """A day on which the survey saw half of the world is no trend."""
    values = [100.0 - day for day in range(20)]
    values[7] = values[13] = 0
    found = growth(points(*values))
    assert isinstance(found, Growth)
    assert found.per_day == pytest.approx(-1, abs=0.1)


@pytest.mark.parametrize(
    ("values", "since"),
    [(([3] * 9) + [0], date(2026, 11, 10)), ([9, 0, 2, 0, 0], date(2026, 11, 4)), ([0], DAY_0.date())],
)
def test_what_is_used_up_is_said_to_be(values: list[float], since: date) -> None:
    """However few samples there are: nothing is to be forecast. Since when is the last run of zeros."""
    found = runs_out(points(*values))
    assert found == HasRunOut(since=since)
    assert said_of(found) == f"has run out: none left since {since}"


def test_one_step_is_no_pace() -> None:
    """A pool that was made smaller once, with a tenant's few ports before and after; two steps are a pace."""
    values = [100.0] * 9 + [60.0] * 11
    found = runs_out(points(*values))
    assert found == OneStep(change=-40, on=date(2026, 11, 10))
    assert said_of(found) == "no forecast: it moved in one step, -40 by 2026-11-10, and hardly otherwise"
    values[15:] = [57.0] * 5
    assert isinstance(growth(points(*values)), OneStep)
    values[15:] = [30.0] * 5
    assert isinstance(growth(points(*values)), Growth)


def test_a_gap_is_no_time_that_was_seen() -> None:
    """Eight days of samples about a stop of two months speak of 24 days ahead, not of half a year."""
    seen = [(DAY_0 + timedelta(days=day), 1000.0 - day - (day % 2)) for day in (0, 1, 2, 3, 60, 61, 62, 63)]
    found = runs_out(seen)
    assert isinstance(found, RunsOut)
    assert found.horizon == (seen[-1][0] + timedelta(days=24)).date()


def walk(days: int, step: Callable[[], float], *, noise: float = 0) -> tuple[Point, ...]:
    """Return a walk of *step* a day, seen with *noise*."""
    level, seen = 10_000.0, []
    for _ in range(days):
        level += step()
        seen.append(level + CHANCE.gauss(0, noise))
    return points(*seen)


@pytest.mark.parametrize("days", [7, 14, 30])
@pytest.mark.parametrize(
    ("truth", "step", "noise"),
    [
        (-5.0, lambda: -5.0, 10.0),  # a line, seen badly
        (-5.0, lambda: CHANCE.gauss(-5, 10), 0.0),  # a random walk
        (-11 / 3, lambda: -11.0 * (CHANCE.random() < 1 / 3), 0.0),  # a tenant's ports, every third day or so
    ],
    ids=["noise", "walk", "tenants"],
)
def test_the_interval_holds_the_truth_as_often_as_it_says(
    days: int, truth: float, step: Callable[[], float], noise: float
) -> None:
    """Or nearly: of a handful of jumps nobody can have 95 %. Sen's interval alone holds a walk's pace in 23 to 75 %."""
    CHANCE.seed(days)
    found = [growth(walk(days, step, noise=noise)) for _ in range(150)]
    grown = [one for one in found if isinstance(one, Growth)]
    held = sum(one.low <= truth <= one.high for one in grown)
    assert len(grown) > 100
    assert held / len(grown) > (0.83 if days == 7 else 0.88)


@pytest.mark.parametrize(
    ("per_day", "low", "high", "said"),
    [
        (-12.345, -14.28, -9.1, "-12 (-14 … -9)"),
        (-0.123, -0.2, 0.04, "-0.1 (-0.2 … +0.0)"),
        (-1234.5, -2000, -900, "-1,234 (-2,000 … -900)"),
        (0.0, 0.0, 0.0, "+0 (+0 … +0)"),
        (-0.04, -3, 2, "+0 (-3 … +2)"),
    ],
)
def test_a_pace_has_no_more_digits_than_it_deserves(per_day: float, low: float, high: float, said: str) -> None:
    assert pace_of(Growth(per_day=per_day, low=low, high=high, points=9, days=9)) == said


@given(st.lists(st.tuples(st.integers(0, 90 * 24), st.integers(0, 3000)), min_size=0, max_size=120))
def test_whatever_was_sampled_the_interval_holds_the_middle(given_points: list[tuple[int, int]]) -> None:
    """And dates stand in order; nothing raises."""
    series = tuple((DAY_0 + timedelta(hours=hour), float(value)) for hour, value in given_points)
    assert len(daily(series)) == len({moment.date() for moment, _ in series})
    found = runs_out(series)
    assert said_of(found)
    if isinstance(found, RunsOut):
        assert found.growth.low <= found.growth.per_day <= found.growth.high
        dates = [found.earliest or found.horizon, found.at or found.horizon, found.latest or found.horizon]
        assert dates == sorted(dates)


@given(
    per_day=st.integers(-20, 20),
    noise=st.lists(st.integers(-30, 30), min_size=7, max_size=7, unique=True),
)
def test_fewer_samples_widen_the_interval(per_day: int, noise: list[int]) -> None:
    """The same weekly noise seen for two weeks leaves more open than seen for eight."""

    def width(days: int) -> float:
        found = growth(points(*(5000 + per_day * day + noise[day % 7] for day in range(days))))
        assert isinstance(found, Growth)
        return found.high - found.low

    assert width(14) > width(56) > 0
