"""Schedules: words and cron in a zone, each wall-clock slot once, whatever the clock does."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands.schedules import Schedule, ScheduleError, read_cron, read_words

BERLIN = "Europe/Berlin"  # 2026: forward on 29 March at 02:00, back on 25 October at 03:00


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "cron", "zone"),
    [
        ("weekdays 09:00 Europe/Berlin", "0 9 * * 1-5", BERLIN),
        ("weekdays at 9am europe/berlin", "0 9 * * 1-5", BERLIN),
        ("daily 23:59", "59 23 * * *", "UTC"),
        ("every day 7:30 pm UTC", "30 19 * * *", "UTC"),
        ("09:00", "0 9 * * *", "UTC"),
        ("weekends 12am", "0 0 * * 0,6", "UTC"),
        ("every monday 08:15", "15 8 * * 1", "UTC"),
        ("mondays 08:15", "15 8 * * 1", "UTC"),
        ("mon,thu 8 America/New_York", "0 8 * * 1,4", "America/New_York"),
        ("fri-mon 08:00", "0 8 * * 0,1,5,6", "UTC"),
        ("monthly 06:00 Asia/Kolkata", "0 6 1 * *", "Asia/Kolkata"),
        ("hourly", "0 * * * *", "UTC"),
        ("every hour", "0 * * * *", "UTC"),
    ],
)
def test_words(words: str, cron: str, zone: str) -> None:
    assert read_words(words) == Schedule(cron=cron, zone=zone)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "say when"),
        ("wekdays 09:00", "did you mean weekdays?"),
        ("weekdays", "is no time"),
        ("weekdays 25:00", "00:00 to 23:59"),
        ("weekdays 13pm", "the hour is 1 to 12"),
        ("weekdays 09:00 Europe/Berlni", "did you mean Europe/Berlin?"),
        ("weekdays 09:00 Berlin", "is no time zone"),
        ("weekdays 09:00 ../../etc/passwd", "is no time zone"),
        ("mon tue wed 09:00", "too many words"),
        ("m 09:00", "is no day"),
        (f"{'x' * 4000} 09:00", "is no day"),
    ],
)
def test_words_that_say_nothing(words: str, says: str) -> None:
    """Each says what to write instead."""
    with pytest.raises(ScheduleError, match=says):
        read_words(words)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0 9 * *", "has 4 fields"),
        ("0 9 * * 1-5 Europe/Berlin extra", "has 7 fields"),
        ("60 9 * * *", "'60' is no minute: write 0 to 59"),
        ("0 24 * * *", "no hour"),
        ("0 9 0 * *", "no day of the month"),
        ("0 9 * foo *", "no month: write 1 to 12, or a name"),
        ("0 9 * * 5-1", "a range goes upwards"),
        ("0 9 * * 8", "no weekday"),
        ("0 9 * * */0", "no weekday"),
        ("* * * * *", "5 minutes apart"),
        ("58,1 9 * * *", "5 minutes apart"),
        ("0 9 31 2 *", "never fires"),
        ("0 9 -1 * *", "no day of the month"),
        ("٣ 9 * * *", "no minute"),
    ],
)
def test_cron_that_is_none(line: str, says: str) -> None:
    with pytest.raises(ScheduleError, match=says):
        read_cron(line)


def test_cron_reads_as_cron_does() -> None:
    """Names, steps, lists, Sunday as 0 and 7; day of the month or weekday where both restrict."""
    assert read_cron("0 9 * JAN mon-fri").slots_of(date(2026, 1, 1)) == (at("2026-01-01T09:00"),)
    assert (
        read_cron("0 9 * * 7").slots_of(date(2026, 11, 29)) == read_cron("0 9 * * 0").slots_of(date(2026, 11, 29)) != ()
    )
    assert len(read_cron("*/15 8-9,20/2 * * *").slots_of(date(2026, 1, 1))) == 4 * 4
    both = read_cron("0 9 13 * 5")
    assert all(both.slots_of(day) for day in (date(2026, 11, 13), date(2026, 11, 20), date(2026, 12, 13)))
    assert not both.slots_of(date(2026, 12, 14))
    leap = read_cron("0 9 29 2 *")
    assert leap.next_after(at("2026-01-01T00:00")) == at("2028-02-29T09:00")


def test_a_slot_that_does_not_exist_fires_once_and_later() -> None:
    """02:30 on the night when the clock goes from 02:00 to 03:00: at 03:30, and not again."""
    nightly = read_words(f"daily 02:30 {BERLIN}")
    assert nightly.slots_of(date(2026, 3, 29)) == (at("2026-03-29T01:30"),)
    assert nightly.passed(at("2026-03-28T12:00"), at("2026-03-29T12:00")) == (at("2026-03-29T01:30"), 0)


def test_a_slot_that_exists_twice_fires_once_and_first() -> None:
    """02:30 on the night when 03:00 becomes 02:00: in summer time, an hour before it comes again."""
    nightly = read_words(f"daily 02:30 {BERLIN}")
    assert nightly.slots_of(date(2026, 10, 25)) == (at("2026-10-25T00:30"),)
    assert nightly.passed(at("2026-10-25T00:30"), at("2026-10-25T12:00")) is None


def test_every_hour_goes_by_hours_that_pass() -> None:
    """23 slots on the short day, 25 on the long one, an hour apart each."""
    hourly = read_words(f"hourly {BERLIN}")
    for day, count in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)):
        slots = hourly.slots_of(day)
        assert len(slots) == count
        assert {later - earlier for earlier, later in pairwise(slots)} == {timedelta(hours=1)}


def test_wall_clock_time_holds_over_the_change() -> None:
    """09:00 stays 09:00 for people, and moves an hour in UTC."""
    morning = read_words(f"daily 09:00 {BERLIN}")
    assert morning.next_after(at("2026-03-28T00:00")) == at("2026-03-28T08:00")
    assert morning.next_after(at("2026-03-28T08:00")) == at("2026-03-29T07:00")


def test_missed_slots_are_counted_and_the_last_one_counts() -> None:
    found = read_words(f"weekdays 09:00 {BERLIN}").passed(at("2026-11-20T09:00"), at("2026-11-25T17:00"))
    assert found == (at("2026-11-25T08:00"), 2)  # Monday and Tuesday were missed, the weekend was none


ZONES = st.sampled_from([BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago"])
LINES = st.sampled_from(["0 9 * * *", "30 2 * * *", "0 0 * * *", "*/20 * * * *", "15 */3 * * 1-5", "59 23 1 * *"])


@settings(deadline=None, max_examples=60)
@given(LINES, ZONES, st.integers(0, 3 * 366 * 24 * 60), st.integers(1, 72))
def test_slots_come_in_order_and_each_once(line: str, zone: str, start: int, hours: int) -> None:
    """However the time is cut into pieces: the slots are those of the whole, none twice and none lost."""
    schedule = read_cron(f"{line} {zone}")
    begin = at("2025-01-01T00:00") + timedelta(minutes=start)
    end = begin + timedelta(hours=hours)
    slots, moment = [], begin
    while (slot := schedule.next_after(moment)) is not None and slot <= end:
        assert slot > moment
        slots.append(slot)
        moment = slot
    whole = schedule.passed(begin, end)
    assert whole == ((slots[-1], len(slots) - 1) if slots else None)
    middle = begin + (end - begin) / 2
    halves = [schedule.passed(begin, middle), schedule.passed(middle, end)]
    assert sum(half[1] + 1 for half in halves if half is not None) == len(slots)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("weekdays 9am Europe/Berlin", "weekdays 09:00 Europe/Berlin"),
        ("09:05", "daily 09:05 UTC"),
        ("mon,thu 23:59", "monday,thursday 23:59 UTC"),
        ("sunday 0:00", "sunday 00:00 UTC"),
        ("weekends 10:00", "weekends 10:00 UTC"),
        ("monthly 06:00", "monthly 06:00 UTC"),
        ("hourly", "hourly UTC"),
    ],
)
def test_what_was_said_in_words_is_said_in_words_again(said: str, words: str) -> None:
    """And means the same."""
    assert read_words(said).words == words
    assert read_words(words) == read_words(said)


@pytest.mark.parametrize("cron", ["0 */6 * * *", "*/15 9 * * *", "0 9 * 3 *", "0 9 1 * 1", "0 9 15 * *", "0 9 * * mon"])
def test_what_has_no_words_stays_cron(cron: str) -> None:
    assert read_cron(f"{cron} Europe/Berlin").words == f"{cron} Europe/Berlin"


@given(
    st.sampled_from(["*", "1-5", "0,6", "1", "2,3", "0,1,2"]),
    st.integers(0, 23),
    st.integers(0, 59),
    st.sampled_from(["UTC", BERLIN]),
)
def test_words_mean_what_the_cron_line_means(weekdays: str, hour: int, minute: int, zone: str) -> None:
    """Whatever is said of it can be typed, and gives the same slots."""
    schedule = read_cron(f"{minute} {hour} * * {weekdays} {zone}")
    again = read_words(schedule.words)
    for day in range(14):
        at = date(2026, 11, 2) + timedelta(days=day)
        assert again.slots_of(at) == schedule.slots_of(at)
