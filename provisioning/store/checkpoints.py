"""The table of the audit's signed checkpoints: rows in and out. What they say is in `evidence.verifier`."""

from datetime import datetime
from typing import Any

from sqlite_utils import Database

from provisioning.evidence.formats import CHECKPOINTS, TABLE, Checkpoint

_SIGNED = f"(SELECT ifnull(max(last), 0) FROM {CHECKPOINTS})"  # noqa: S608 - our own names


def create_table(db: Database) -> None:
    """Create the table of checkpoints and the triggers that hold it."""
    db.table(CHECKPOINTS).create(
        {"number": int, "last": int, "body": str, "signature": str, "previous_signature": str},
        pk="number",
        not_null={"last", "body", "signature"},
    )
    db.table(CHECKPOINTS).create_index(["last"], unique=True)
    refuse = "BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only'); END"
    db.execute(f"CREATE TRIGGER checkpoints_no_update BEFORE UPDATE ON {CHECKPOINTS} {refuse}")


def all_of(db: Database) -> list[Checkpoint]:
    """Return every checkpoint that is kept here, oldest first."""
    return [Checkpoint.read(record) for record in db.table(CHECKPOINTS).rows_where(order_by="number")]


def insert(db: Database, record: dict[str, Any]) -> None:
    """Keep a new checkpoint."""
    db.table(CHECKPOINTS).insert(record)


def newest(db: Database) -> Checkpoint | None:
    """Return the last one, None where there is none."""
    found = next(iter(db.table(CHECKPOINTS).rows_where(order_by="number DESC", limit=1)), None)
    return Checkpoint.read(found) if found else None


def unsigned(db: Database) -> list[dict[str, Any]]:
    """Return number, time and hash of the rows that no checkpoint covers, oldest first."""
    return list(db.query(f"SELECT seq, at, hash FROM {TABLE} WHERE seq > {_SIGNED} ORDER BY seq"))  # noqa: S608


def unsigned_since(db: Database) -> datetime | None:
    """Return when the oldest row was written that no checkpoint covers (aware, UTC); None where all are covered."""
    at = db.execute(f"SELECT at FROM {TABLE} WHERE seq > {_SIGNED} ORDER BY seq LIMIT 1").fetchone()  # noqa: S608
    return datetime.fromisoformat(at[0]) if at else None


def drop_sealed(db: Database, last: int) -> None:
    """Delete the checkpoints of rows that a sealed segment holds, but for the one that the next row follows."""
    db.table(CHECKPOINTS).delete_where("last < ?", [last])
