"""Windows of time in a policy: weekly hours in a time zone, and a span with a beginning and an end. Pure."""

import re
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from commands.arguments import as_moment

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24:00))")


def _hours(value: str) -> str:
    if not _HOURS.fullmatch(value) or value[:5] == value[6:]:
        raise ValueError(f"{value[:60]!r} are no hours: write them as in 09:00-17:30, or 22:00-06:00 over midnight")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, KeyError, OSError):  # not a name, not known, or a path
        raise ValueError(f"{value[:60]!r} is no time zone: write its name as in Europe/Berlin, or UTC") from None
    return value


def _days(values: tuple[Day, ...]) -> tuple[Day, ...]:
    if not values:
        raise ValueError("an empty list matches nothing: name days, or leave the line out for every day")
    return values


_Moment = Annotated[datetime, BeforeValidator(as_moment)]


class Window(BaseModel):
    """When a rule holds. All that is said must hold; at least one thing is said.

    ``days`` are those on which the hours begin: fri with 22:00-06:00 lasts until Saturday morning. Hours, and dates
    without an offset, are those of the wall clock in ``timezone``; ``from`` is part of it, ``until`` is not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: Annotated[tuple[Day, ...], AfterValidator(_days)] | None = None
    hours: Annotated[str, AfterValidator(_hours)] | None = None
    start: _Moment | None = Field(default=None, alias="from")
    end: _Moment | None = Field(default=None, alias="until")
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.days is None and self.hours is None and self.start is None and self.end is None:
            raise ValueError("says nothing: write days, hours, from or until")
        if self.start is not None and self.end is not None and self._fixed(self.start) >= self._fixed(self.end):
            raise ValueError("ends before it begins: from must come before until")
        return self

    def holds(self, now: datetime) -> bool:
        """Return whether *now* (aware) lies in it."""
        if self.start is not None and now < self._fixed(self.start):
            return False
        if self.end is not None and now >= self._fixed(self.end):
            return False
        local = now.astimezone(_zone_of(self.timezone))
        if self.hours is None:
            return self.days is None or DAYS[local.weekday()] in self.days
        begin, end = _span(self.hours)
        clock = local.time()
        if begin < end:
            return begin <= clock < end and self._has_day(local)
        return (clock >= begin and self._has_day(local)) or (clock < end and self._has_day(local - timedelta(days=1)))

    def __str__(self) -> str:
        parts = [" ".join(self.days) if self.days else "", self.hours or ""]
        parts += [f"from {self.start:%Y-%m-%d %H:%M}" if self.start else ""]
        parts += [f"until {self.end:%Y-%m-%d %H:%M}" if self.end else ""]
        return " ".join(part for part in [*parts, self.timezone] if part)

    def _has_day(self, day: datetime) -> bool:
        return self.days is None or DAYS[day.weekday()] in self.days

    def _fixed(self, moment: datetime) -> datetime:
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=_zone_of(self.timezone))


def _span(hours: str) -> tuple[time, time]:
    begin, _, end = hours.partition("-")
    return time.fromisoformat(begin), time.max if end == "24:00" else time.fromisoformat(end)


@lru_cache(maxsize=64)
def _zone_of(name: str) -> ZoneInfo:
    return ZoneInfo(name)
