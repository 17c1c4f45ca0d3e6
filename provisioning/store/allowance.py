"""How much one person may ask for: so many requests in any minute, that nobody's script keeps all others waiting."""

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlite_utils import Database

from policies.approvals import Refusal
from provisioning.evidence.trail import Event
from provisioning.store.seen import Seen

if TYPE_CHECKING:
    from provisioning.store.store import Store

WINDOW = timedelta(minutes=1)
LIMITED = "request.limited"  # the audit's action, one row a person and minute


def create_table(db: Database) -> None:
    """Create the table: who asked when, for as long as it counts."""
    db.table("requests").create({"person": str, "at": str}, not_null={"person", "at"})
    db.table("requests").create_index(["person", "at"])
    db.table("requests").create_index(["at"])


class Allowance:
    """The requests of one store's people. Thread-safe, across processes and restarts.

    Args:
        most: requests of one person in any minute; 0: as many as they like.
    """

    def __init__(self, store: "Store", most: int) -> None:
        self._store = store
        self._most = most
        self._seen = Seen(store)

    def take(self, person: str) -> Refusal | None:
        """Count one request of *person* (an id), or say why not and when again.

        Inside a write transaction it counts where that commits, and only then. What is refused does not count.
        """
        if not self._most:
            return None
        now = self._store.clock.now()
        with self._store.writing() as transaction:
            db = transaction.db
            # Also those of a clock that was turned back, or they would count for ever.
            db.execute("DELETE FROM requests WHERE at <= ? OR at > ?", [_stamp(now - WINDOW), _stamp(now)])
            query = "SELECT at FROM requests WHERE person = ? ORDER BY at DESC LIMIT 1 OFFSET ?"
            oldest = db.execute(query, [person, self._most - 1]).fetchone()
            if oldest is None:
                db.execute("INSERT INTO requests (person, at) VALUES (?, ?)", [person, _stamp(now)])
                return None
            again = datetime.fromisoformat(oldest[0]) + WINDOW
            if not self._seen.before(f"limited:{person}", ttl_s=WINDOW.total_seconds()):
                detail = {"most": self._most, "in_s": int(WINDOW.total_seconds())}
                transaction.append(Event(action=LIMITED, actor=person, outcome="refused", detail=detail))
        wait_s = math.ceil((again - now).total_seconds())
        return Refusal(
            reason=f"you have sent {self._most} requests within a minute, and that is as many as one person may",
            next_action=f"send it again in {wait_s} s; denying, withdrawing and cancelling go on meanwhile",
        )


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
