"""Samples of the platform's measures: one row a slot, hourly ones for two weeks, then the last one of each day."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlite_utils import Database

if TYPE_CHECKING:
    from provisioning.store.store import Store

FULL_DAYS = 14  # every sample is kept
KEPT_DAYS = 400  # one a day is


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What was measured at one moment: measure → value."""

    at: datetime  # aware, UTC
    values: Mapping[str, float]


def create_table(db: Database) -> None:
    """Create the table."""
    db.table("samples").create({"slot": str, "at": str, "body": str}, pk="slot", not_null={"at", "body"})
    db.table("samples").create_index(["at"])


class Samples:
    """The samples of one store. Thread-safe."""

    def __init__(self, store: "Store") -> None:
        self._store = store

    def put(self, slot: str, sample: Sample) -> bool:
        """Keep *sample* for its slot; return False where the slot has one already. Thins out what is old."""
        body = json.dumps(dict(sample.values), sort_keys=True, separators=(",", ":"))
        row = [slot, _stamp(sample.at), body]
        with self._store.writing() as transaction:
            db = transaction.db
            if db.execute("INSERT OR IGNORE INTO samples (slot, at, body) VALUES (?, ?, ?)", row).rowcount == 0:
                return False
            db.table("samples").delete_where("at < ?", [_stamp(sample.at - timedelta(days=KEPT_DAYS))])
            db.table("samples").delete_where(
                "at < ? AND at NOT IN (SELECT max(at) FROM samples GROUP BY substr(at, 1, 10))",
                [_stamp(sample.at - timedelta(days=FULL_DAYS))],
            )
        return True

    def since(self, moment: datetime) -> tuple[Sample, ...]:
        """Return the samples from *moment* on, by time."""
        with self._store.reading() as db:
            rows = list(db.table("samples").rows_where("at >= ?", [_stamp(moment)], order_by="at"))
        return tuple(map(_read, rows))

    def newest(self) -> Sample | None:
        """Return the last one taken; None where there is none."""
        with self._store.reading() as db:
            row = next(iter(db.table("samples").rows_where(order_by="at DESC", limit=1)), None)
        return _read(row) if row else None

    def has(self, slot: str) -> bool:
        """Return whether the slot has its sample."""
        with self._store.reading() as db:
            return db.execute("SELECT 1 FROM samples WHERE slot = ?", [slot]).fetchone() is not None


def _read(row: Mapping[str, Any]) -> Sample:
    return Sample(at=datetime.fromisoformat(row["at"]), values=json.loads(row["body"]))


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
