"""Rights to vote that approvers have lent to others: for one job, or for a time."""

from dataclasses import dataclass
from datetime import datetime

from sqlite_utils import Database


@dataclass(frozen=True, kw_only=True)
class Delegation:
    """*lender*'s right to vote, used by *holder*: on *job* alone, or on any until then. Ids are opaque."""

    lender: str
    lender_name: str
    holder: str
    job: str | None
    until: datetime  # aware, UTC


def create_table(db: Database) -> None:
    """Create the table. A delegation that was taken back has an ``ended_at``."""
    db.table("delegations").create(
        {
            "id": int,
            "lender": str,
            "lender_name": str,
            "holder": str,
            "job": str,
            "until": str,
            "made_at": str,
            "ended_at": str,
        },
        pk="id",
        not_null={"lender", "lender_name", "holder", "until", "made_at"},
    )
    db.table("delegations").create_index(["holder", "until"])


def put(db: Database, one: Delegation, now: datetime) -> None:
    """Keep a delegation, in the caller's transaction, in place of the same one."""
    end(db, one.lender, one.holder, now, job=one.job)
    db.execute(
        "INSERT INTO delegations (lender, lender_name, holder, job, until, made_at) VALUES (?, ?, ?, ?, ?, ?)",
        [one.lender, one.lender_name, one.holder, one.job, _stamp(one.until), _stamp(now)],
    )


def end(db: Database, lender: str, holder: str, now: datetime, *, job: str | None = None) -> int:
    """Take back what *lender* has lent to *holder*: on *job*, or for a time. Returns how many there were."""
    return int(
        db.execute(
            "UPDATE delegations SET ended_at = ?"
            " WHERE lender = ? AND holder = ? AND job IS ? AND ended_at IS NULL AND until > ?",
            [_stamp(now), lender, holder, job, _stamp(now)],
        ).rowcount
    )


def end_all(db: Database, lender: str, holder: str, now: datetime) -> int:
    """Take back everything that *lender* has lent to *holder*. Returns how many there were."""
    return int(
        db.execute(
            "UPDATE delegations SET ended_at = ? WHERE lender = ? AND holder = ? AND ended_at IS NULL AND until > ?",
            [_stamp(now), lender, holder, _stamp(now)],
        ).rowcount
    )


def live(db: Database, now: datetime, *, holder: str) -> tuple[Delegation, ...]:
    """Return what *holder* may use now, the oldest first."""
    found = db.execute(
        "SELECT lender, lender_name, holder, job, until FROM delegations"
        " WHERE holder = ? AND ended_at IS NULL AND until > ? ORDER BY id",
        [holder, _stamp(now)],
    )
    return tuple(
        Delegation(lender=row[0], lender_name=row[1], holder=row[2], job=row[3], until=datetime.fromisoformat(row[4]))
        for row in found.fetchall()
    )


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
