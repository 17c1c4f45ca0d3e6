"""When something happens again and again: plain words or cron, in a time zone. Pure.

A slot is a wall-clock time of the zone. Where the clock is put forward over it, it is put forward with it (02:30
becomes 03:30); where the clock is put back and it comes twice, the first counts. Only a schedule for every hour
goes by hours that pass: it skips what does not exist and fires again in the hour that comes again.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

LEAST_GAP_MIN = 5
_FARTHEST_DAYS = 366 * 8 + 2  # 29 February can be eight years away
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SPANS = {"daily": "*", "everyday": "*", "weekdays": "1-5", "weekends": "0,6"}
_SPOKEN = {"daily": ("*", "*"), "weekdays": ("*", "1-5"), "weekends": ("*", "0,6"), "monthly": ("1", "*")}
_TIME = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*(am|pm)?", re.IGNORECASE)
EXAMPLES = "weekdays 09:00 Europe/Berlin"


class ScheduleError(ValueError):
    """The text is no schedule; it says what to write instead."""


@dataclass(frozen=True)
class _Field:
    """One field of cron. ``every``: it began with a star, so it restricts nothing or counts in steps."""

    values: frozenset[int]
    every: bool


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A cron line of five fields and the zone that it is read in."""

    cron: str
    zone: str

    def __str__(self) -> str:
        return f"{self.cron} {self.zone}"

    @property
    def words(self) -> str:
        """Return it as people say it, zone last: ``weekdays 09:00 Europe/Berlin``; as cron where there are no words."""
        minute, hour, day, month, weekday = self.cron.split()
        if self.cron == "0 * * * *":
            return f"hourly {self.zone}"
        if not (minute.isdigit() and hour.isdigit() and month == "*"):
            return str(self)
        spoken = next((word for word, said in _SPOKEN.items() if said == (day, weekday)), None)
        if spoken is None and day == "*" and re.fullmatch(r"[0-6](,[0-6])*", weekday):
            spoken = ",".join(_DAYS[int(each)] for each in weekday.split(","))
        return f"{spoken} {int(hour):02d}:{int(minute):02d} {self.zone}" if spoken else str(self)

    def slots_of(self, day: date) -> tuple[datetime, ...]:
        """Return the slots whose wall-clock time lies on *day* in the zone, as UTC, by time."""
        minutes, hours, days, months, weekdays = _fields(self.cron)
        in_month = day.day in days.values
        in_week = day.isoweekday() % 7 in weekdays.values
        # cron's own rule: where both restrict, one of them is enough.
        matches = (in_month and in_week) if days.every or weekdays.every else (in_month or in_week)
        if day.month not in months.values or not matches:
            return ()
        zone = ZoneInfo(self.zone)
        found: set[datetime] = set()
        for hour in hours.values:
            for minute in minutes.values:
                found.update(_instants(datetime.combine(day, time(hour, minute)), zone, by_hours=hours.every))
        return tuple(sorted(found))

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first slot after *moment*, or None where there never is one."""
        day = moment.astimezone(ZoneInfo(self.zone)).date() - timedelta(days=1)
        for _ in range(_FARTHEST_DAYS):
            for slot in self.slots_of(day):
                if slot > moment:
                    return slot
            day += timedelta(days=1)
        return None

    def passed(self, after: datetime, until: datetime) -> tuple[datetime, int] | None:
        """Return the last slot in (after, until] and how many others lie there; None where none does."""
        zone = ZoneInfo(self.zone)
        day, last = after.astimezone(zone).date() - timedelta(days=1), until.astimezone(zone).date() + timedelta(days=1)
        newest, count = None, 0
        while day <= last:
            for slot in self.slots_of(day):
                if after < slot <= until:
                    newest, count = slot, count + 1
            day += timedelta(days=1)
        return None if newest is None else (newest, count - 1)


def read_words(text: str) -> Schedule:
    """Return the schedule that *text* says: ``weekdays 09:00 Europe/Berlin``. Raises: ScheduleError."""
    words = [word for word in text.replace("every ", "every").split() if word.lower() not in {"at", "on", "the"}]
    if not words:
        raise ScheduleError(f"say when: {EXAMPLES}")
    zone = _zone(words.pop()) if len(words) > 1 and _is_zone(words[-1]) else "UTC"
    if [word.lower() for word in words] in (["hourly"], ["everyhour"]):
        return _checked(Schedule(cron="0 * * * *", zone=zone))
    if words and words[-1].lower() in {"am", "pm"} and len(words) > 1:
        words[-2:] = ["".join(words[-2:])]
    hour, minute = _time(words.pop())
    if len(words) > 1:
        raise ScheduleError(f"{text[:60]!r} has too many words: write days, time and zone, as in {EXAMPLES}")
    spoken = words[0].lower() if words else "daily"
    in_month = "1" if spoken == "monthly" else "*"
    in_week = "*" if spoken == "monthly" else _weekdays(spoken)
    return _checked(Schedule(cron=f"{minute} {hour} {in_month} * {in_week}", zone=zone))


def read_cron(text: str) -> Schedule:
    """Return the schedule of a cron line, with a zone behind it or in UTC. Raises: ScheduleError."""
    words = text.split()
    zone = _zone(words.pop()) if len(words) == 6 else "UTC"
    if len(words) != 5:
        raise ScheduleError(
            f"{text[:60]!r} has {len(words)} fields: cron has minute, hour, day, month and weekday, as in"
            " 0 9 * * 1-5, and may have a zone behind them"
        )
    return _checked(Schedule(cron=" ".join(words).lower(), zone=zone))


def _checked(schedule: Schedule) -> Schedule:
    minutes = sorted(_fields(schedule.cron)[0].values)
    gaps = [(later - earlier) % 60 for earlier, later in zip(minutes, [*minutes[1:], minutes[0] + 60], strict=True)]
    if min(gap or 60 for gap in gaps) < LEAST_GAP_MIN:
        raise ScheduleError(f"{schedule.cron!r} fires too often: slots must be {LEAST_GAP_MIN} minutes apart")
    if schedule.next_after(datetime(2024, 1, 1, tzinfo=UTC)) is None:
        raise ScheduleError(f"{schedule.cron!r} never fires: no such day comes")
    return schedule


def _instants(wall: datetime, zone: ZoneInfo, *, by_hours: bool) -> Iterator[datetime]:
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    exists = first.astimezone(zone).replace(tzinfo=None) == wall
    if exists or not by_hours:
        yield first
    if exists and by_hours and second != first:
        yield second


@cache
def _fields(cron: str) -> tuple[_Field, _Field, _Field, _Field, _Field]:
    minute, hour, day, month, weekday = cron.split()
    return (
        _field("minute", minute, 0, 59),
        _field("hour", hour, 0, 23),
        _field("day of the month", day, 1, 31),
        _field("month", month, 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
        _weekday_field(weekday),
    )


def _weekday_field(text: str) -> _Field:
    read = _field("weekday", text, 0, 7, {name[:3]: number for number, name in enumerate(_DAYS)})
    return _Field(frozenset(value % 7 for value in read.values), read.every)  # 7 is Sunday, too


def _field(what: str, text: str, low: int, high: int, names: dict[str, int] | None = None) -> _Field:
    values: set[int] = set()
    for part in text.split(","):
        span, _, step_text = part.partition("/")
        step = _number(what, step_text, 1, high, None) if "/" in part else 1
        if span == "*":
            first, last = low, high
        else:
            left, dash, right = span.partition("-")
            first = _number(what, left, low, high, names)
            last = _number(what, right, low, high, names) if dash else (high if "/" in part else first)
        if first > last:
            raise ScheduleError(f"{part!r} is no {what}: a range goes upwards, as in {last}-{first}")
        values.update(range(first, last + 1, step))
    return _Field(frozenset(values), text.startswith("*"))


def _number(what: str, text: str, low: int, high: int, names: dict[str, int] | None) -> int:
    if names and text in names:
        return names[text]
    if not (text.isascii() and text.isdigit() and len(text) <= 4) or not low <= int(text) <= high:
        raise ScheduleError(f"{text[:20]!r} is no {what}: write {low} to {high}" + (", or a name" if names else ""))
    return int(text)


def _time(text: str) -> tuple[int, int]:
    read = _TIME.fullmatch(text)
    if read is None:
        raise ScheduleError(f"{text[:40]!r} is no time: write it as in 09:00, behind the days: {EXAMPLES}")
    hour, minute, half = int(read[1]), int(read[2] or 0), (read[3] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise ScheduleError(f"{text[:40]!r} is no time: before am and pm the hour is 1 to 12")
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour > 23 or minute > 59:
        raise ScheduleError(f"{text[:40]!r} is no time: write 00:00 to 23:59")
    return hour, minute


def _weekdays(text: str) -> str:
    if text in _SPANS:
        return _SPANS[text]
    if "-" in text:
        first, _, last = text.partition("-")
        start, end = _weekday(first), _weekday(last)
        days = [(start + ahead) % 7 for ahead in range((end - start) % 7 + 1)]
        return ",".join(map(str, sorted(days)))
    return ",".join(map(str, sorted({_weekday(part) for part in text.split(",") if part})))


def _weekday(text: str) -> int:
    name = text.removeprefix("every").removesuffix("s") if len(text) > 5 else text
    for number, day in enumerate(_DAYS):
        if len(name) >= 3 and day.startswith(name):
            return number
    known = [*_SPANS, "monthly", "hourly", *_DAYS]
    near = get_close_matches(text, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"write daily, weekdays or monday, as in {EXAMPLES}"
    raise ScheduleError(f"{text[:40]!r} is no day: {hint}")


def _is_zone(word: str) -> bool:
    return "/" in word or word.upper() in {"UTC", "GMT"} or (word[:1].isupper() and _TIME.fullmatch(word) is None)


def _zone(name: str) -> str:
    if name.upper() in {"UTC", "GMT", "Z"}:
        return "UTC"
    every = available_timezones()
    folded = {zone.lower(): zone for zone in every}
    if exact := folded.get(name.lower()):
        try:
            return ZoneInfo(exact).key
        except (ZoneInfoNotFoundError, ValueError):
            pass
    near = get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    hint = f"did you mean {folded[near[0]]}?" if near else "write it as in Europe/Berlin, or UTC"
    raise ScheduleError(f"{name[:40]!r} is no time zone: {hint}")
