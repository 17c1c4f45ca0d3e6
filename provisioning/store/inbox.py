"""What Slack has delivered: written down before it is acked, so that an acked click is never lost."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlite_utils import Database

if TYPE_CHECKING:
    from provisioning.store.store import Store

KEPT = timedelta(days=1)  # how long a key is known, against the same delivery again


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One delivery. ``replayed``: this process found it undone at its start."""

    key: str  # the same for the same click, however often it is delivered
    kind: str  # command, form, click, reason
    body: dict[str, Any]
    received_at: datetime
    replayed: bool = False


def create_table(db: Database) -> None:
    """Create the table. ``body`` is emptied once the work is done: it holds a response_url."""
    db.table("inbox").create(
        {"key": str, "kind": str, "body": str, "received_at": str, "done_at": str},
        pk="key",
        not_null={"kind", "body", "received_at"},
    )
    db.execute("CREATE INDEX inbox_undone ON inbox (received_at) WHERE done_at IS NULL")
    db.execute("CREATE INDEX inbox_done ON inbox (done_at) WHERE done_at IS NOT NULL")


class Deliveries:
    """The deliveries of one store. Thread-safe; what it keeps survives a restart."""

    def __init__(self, store: "Store") -> None:
        self._store = store

    def accept(self, delivery: Delivery) -> bool:
        """Commit what Slack has delivered, known secrets hidden. Returns whether it is new."""
        body = json.dumps(self._store.redact.scrub(delivery.body))
        at = delivery.received_at
        with self._store.writing() as transaction:
            db = transaction.db
            db.execute("DELETE FROM inbox WHERE done_at IS NOT NULL AND done_at < ?", [_stamp(at - KEPT)])
            row = [delivery.key, delivery.kind, body, _stamp(at)]
            taken = db.execute("INSERT OR IGNORE INTO inbox (key, kind, body, received_at) VALUES (?, ?, ?, ?)", row)
            return bool(taken.rowcount)

    def knows(self, key: str) -> bool:
        """Return whether it was accepted before, in the last day at least."""
        with self._store.reading() as db:
            return db.execute("SELECT 1 FROM inbox WHERE key = ?", [key]).fetchone() is not None

    def finish(self, key: str) -> None:
        """Note that a delivery's work is done, and forget what it said."""
        with self._store.writing() as transaction:
            _finish(transaction.db, key, self._store.clock.now())

    @contextmanager
    def within(self, key: str) -> Iterator[None]:
        """Let the first change of a job that this thread makes inside commit with the delivery *key* being done."""
        with self._store.alongside(lambda db: _finish(db, key, self._store.clock.now())):
            yield

    def undone(self) -> tuple[Delivery, ...]:
        """Return what was acked and not worked off, the oldest first."""
        with self._store.reading() as db:
            found = db.execute(
                "SELECT key, kind, body, received_at FROM inbox WHERE done_at IS NULL ORDER BY received_at, rowid"
            ).fetchall()
        return tuple(
            Delivery(key=key, kind=kind, body=json.loads(body), received_at=datetime.fromisoformat(at), replayed=True)
            for key, kind, body, at in found
        )

    def backlog(self) -> tuple[int, datetime | None]:
        """Return how many deliveries are not worked off, and when the oldest of them came (aware, UTC)."""
        with self._store.reading() as db:
            count, oldest = db.execute("SELECT count(*), min(received_at) FROM inbox WHERE done_at IS NULL").fetchone()
        return count, datetime.fromisoformat(oldest) if oldest else None


def _finish(db: Database, key: str, now: datetime) -> None:
    db.execute("UPDATE inbox SET done_at = ?, body = '' WHERE key = ? AND done_at IS NULL", [_stamp(now), key])


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
