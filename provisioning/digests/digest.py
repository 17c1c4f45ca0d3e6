"""A digest as it is kept: when, where, what, and which limit turns it into an alert. Pure."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from commands.digests import Section
from commands.measures import Condition
from commands.schedules import Schedule


class Digest(BaseModel):
    """One digest. Holds nothing that changes by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    cron: str
    zone: str
    channel: str  # id
    include: tuple[Section, ...]
    alert: Condition | None = None
    clear: Condition | None = None  # given wherever alert is
    paused: bool = False

    @property
    def schedule(self) -> Schedule:
        return Schedule(cron=self.cron, zone=self.zone)


class Turn(StrEnum):
    """What a digest becomes by what was measured."""

    ALERT = "alert"
    CLEAR = "clear"


def turn_of(digest: Digest, *, alerting: bool, values: Mapping[str, float]) -> Turn | None:
    """Return whether the alert begins or ends now. Between the two limits, and where nothing was measured, all
    stays as it is: that is what keeps it from flapping."""
    if digest.alert is None or digest.clear is None or digest.alert.measure not in values:
        return None
    value = values[digest.alert.measure]
    if not alerting and digest.alert.holds(value):
        return Turn.ALERT
    if alerting and digest.clear.holds(value):
        return Turn.CLEAR
    return None


def local(moment: datetime, zone: str) -> str:
    """Return *moment* as the people of *zone* read it: ``Mon 2026-11-30 09:00 Europe/Berlin``."""
    return f"{moment.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M} {zone}"
