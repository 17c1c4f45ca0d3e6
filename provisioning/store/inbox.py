"""What Slack has delivered: written down before it is acked, so that an acked click is never lost."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlite_utils import Database

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


def accept(db: Database, key: str, kind: str, body: Any, now: datetime) -> bool:
    """Write a delivery down, in the caller's transaction. Returns whether it is new."""
    db.execute("DELETE FROM inbox WHERE done_at IS NOT NULL AND done_at < ?", [_stamp(now - KEPT)])
    return bool(
        db.execute(
            "INSERT OR IGNORE INTO inbox (key, kind, body, received_at) VALUES (?, ?, ?, ?)",
            [key, kind, json.dumps(body), _stamp(now)],
        ).rowcount
    )


def finish(db: Database, key: str, now: datetime) -> None:
    """Note that its work is done, in the caller's transaction: in that of its effect, where it has one."""
    db.execute("UPDATE inbox SET done_at = ?, body = '' WHERE key = ? AND done_at IS NULL", [_stamp(now), key])


def undone(db: Database) -> tuple[Delivery, ...]:
    """Return what was acked and not worked off, the oldest first."""
    found = db.execute(
        "SELECT key, kind, body, received_at FROM inbox WHERE done_at IS NULL ORDER BY received_at, rowid"
    )
    return tuple(
        Delivery(key=key, kind=kind, body=json.loads(body), received_at=datetime.fromisoformat(at), replayed=True)
        for key, kind, body, at in found.fetchall()
    )


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
