"""Rights to vote that approvers have lent to others: for one job, or for a time."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlite_utils import Database

from provisioning.evidence.trail import Event

if TYPE_CHECKING:
    from provisioning.store.store import Store

_END = "UPDATE delegations SET ended_at = ? WHERE lender = ? AND holder = ? AND ended_at IS NULL AND until > ?"


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


class StoredDelegations:
    """The delegations of one store. Thread-safe."""

    def __init__(self, store: "Store") -> None:
        self._store = store

    def put(self, one: Delegation, event: Event) -> None:
        """Keep a delegation in place of the same one, with its audit row."""
        now = _stamp(self._store.clock.now())
        with self._store.writing() as transaction:
            transaction.db.execute(f"{_END} AND job IS ?", [now, one.lender, one.holder, now, one.job])
            transaction.db.execute(
                "INSERT INTO delegations (lender, lender_name, holder, job, until, made_at) VALUES (?, ?, ?, ?, ?, ?)",
                [one.lender, one.lender_name, one.holder, one.job, _stamp(one.until), now],
            )
            transaction.append(event)

    def end(self, lender: str, holder: str, event: Event) -> int:
        """Take back all that *lender* has lent to *holder*; audited where there was any. Returns how many."""
        now = _stamp(self._store.clock.now())
        with self._store.writing() as transaction:
            ended = int(transaction.db.execute(_END, [now, lender, holder, now]).rowcount)
            if ended:
                transaction.append(event)
        return ended

    def live(self, holder: str) -> tuple[Delegation, ...]:
        """Return what *holder* may use now, the oldest first."""
        with self._store.reading() as db:
            found = db.execute(
                "SELECT lender, lender_name, holder, job, until FROM delegations"
                " WHERE holder = ? AND ended_at IS NULL AND until > ? ORDER BY id",
                [holder, _stamp(self._store.clock.now())],
            ).fetchall()
        return tuple(
            Delegation(
                lender=row[0], lender_name=row[1], holder=row[2], job=row[3], until=datetime.fromisoformat(row[4])
            )
            for row in found
        )


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
