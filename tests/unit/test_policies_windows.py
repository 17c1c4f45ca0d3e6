"""When a window holds: hours of the wall clock, over midnight, over the change to summer time; spans."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from policies.windows import DAYS, Window


def _window(**said: Any) -> Window:
    return Window.model_validate(said)


@pytest.mark.parametrize(
    ("said", "inside", "outside"),
    [
        ({"days": ["fri"]}, "2026-11-27T00:00", "2026-11-28T00:00"),
        ({"hours": "09:00-17:00"}, "2026-11-25T09:00", "2026-11-25T17:00"),
        ({"hours": "22:00-06:00"}, "2026-11-25T05:59", "2026-11-25T06:00"),
        ({"hours": "22:00-06:00"}, "2026-11-25T22:00", "2026-11-25T21:59"),
        ({"days": ["fri"], "hours": "09:00-17:00"}, "2026-11-27T10:00", "2026-11-26T10:00"),
        ({"days": ["fri"], "hours": "22:00-06:00"}, "2026-11-28T05:59", "2026-11-27T05:59"),
        ({"days": ["fri"], "hours": "16:00-24:00"}, "2026-11-27T23:59", "2026-11-28T00:00"),
        ({"hours": "09:00-17:00", "timezone": "Europe/Berlin"}, "2026-01-05T08:00", "2026-01-05T16:00"),
        ({"hours": "09:00-17:00", "timezone": "Europe/Berlin"}, "2026-07-06T07:00", "2026-07-06T15:00"),
        ({"days": ["mon"], "timezone": "Asia/Tokyo"}, "2026-11-22T15:00", "2026-11-22T14:59"),
        ({"from": "2026-12-20"}, "2026-12-20T00:00", "2026-12-19T23:59"),
        ({"until": "2026-12-20 08:00"}, "2026-12-20T07:59", "2026-12-20T08:00"),
        ({"from": "2026-12-20", "timezone": "Europe/Berlin"}, "2026-12-19T23:00", "2026-12-19T22:59"),
        ({"from": "2026-12-20 08:00+02:00"}, "2026-12-20T06:00", "2026-12-20T05:59"),
        ({"from": "2026-12-20", "hours": "09:00-17:00"}, "2026-12-21T09:00", "2026-12-19T09:00"),
    ],
)
def test_a_window_holds_from_its_beginning_to_before_its_end(said: dict[str, Any], inside: str, outside: str) -> None:
    window = _window(**said)
    assert window.holds(datetime.fromisoformat(inside).replace(tzinfo=UTC))
    assert not window.holds(datetime.fromisoformat(outside).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "says nothing"),
        ({"timezone": "UTC"}, "says nothing"),
        ({"days": []}, "an empty list matches nothing"),
        ({"days": ["friday"]}, "Input should be 'mon'"),
        ({"hours": "9-17"}, "are no hours"),
        ({"hours": "09:00-09:00"}, "are no hours"),
        ({"hours": "25:00-26:00"}, "are no hours"),
        ({"days": ["mon"], "timezone": "Berlin"}, "is no time zone"),
        ({"days": ["mon"], "timezone": "../../etc/passwd"}, "is no time zone"),
        ({"from": "tomorrow"}, "is no date"),
        ({"from": "2026-02-30"}, "is no date"),
        ({"from": "2026-12-20", "until": "2026-12-19"}, "ends before it begins"),
        ({"from": "2026-12-20", "until": "2026-12-20"}, "ends before it begins"),
        ({"from": "2026-12-20T00:00+02:00", "until": "2026-12-19T22:00"}, "ends before it begins"),
    ],
)
def test_a_window_that_cannot_be_meant_is_refused(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        _window(**said)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"days": ["mon", "fri"]}, "mon fri UTC"),
        ({"hours": "22:00-06:00", "timezone": "Europe/Berlin"}, "22:00-06:00 Europe/Berlin"),
        ({"days": ["mon"], "hours": "09:00-17:00", "from": "2026-12-20"}, "mon 09:00-17:00 from 2026-12-20 00:00 UTC"),
        ({"from": "2026-12-20", "until": "2026-12-24 12:00"}, "from 2026-12-20 00:00 until 2026-12-24 12:00 UTC"),
    ],
)
def test_a_window_is_told_as_it_was_written(said: dict[str, Any], words: str) -> None:
    """All that it says, and nothing that it does not."""
    assert str(_window(**said)) == words


_HOURS = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda at: f"{at[0]:02}:{at[1]:02}")
_MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given one


@given(begin=_HOURS, end=_HOURS, at=_MOMENTS, zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]))
def test_hours_and_the_other_hours_are_the_whole_day(begin: str, end: str, at: datetime, zone: str) -> None:
    """At any moment exactly one of a span and of the rest of the day holds."""
    if begin == end:
        return
    one = _window(hours=f"{begin}-{end}", timezone=zone).holds(at)
    other = _window(hours=f"{end}-{begin}", timezone=zone).holds(at)
    assert one is not other


@given(at=_MOMENTS, days=st.sets(st.sampled_from(DAYS), min_size=1, max_size=6))
def test_days_over_midnight_last_until_the_morning(at: datetime, days: set[str]) -> None:
    """A night belongs to the day on which it begins."""
    night = _window(days=sorted(days), hours="20:00-08:00")
    in_the_evening = at.replace(hour=21)
    assert night.holds(in_the_evening) is (DAYS[in_the_evening.weekday()] in days)
    assert night.holds(in_the_evening + timedelta(hours=8)) is night.holds(in_the_evening)
