"""The one place that reads the time. Everything pure is given ``now``."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the time, aware, UTC."""


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class ShiftedClock:
    """The system's time plus the seconds written in *offset_file*: how the sandbox turns the clock."""

    def __init__(self, offset_file: Path) -> None:
        self._offset_file = offset_file

    def now(self) -> datetime:
        try:
            offset_s = float(self._offset_file.read_text() or 0)
        except FileNotFoundError:
            offset_s = 0.0
        return datetime.now(UTC) + timedelta(seconds=offset_s)
