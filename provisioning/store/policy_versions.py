"""Every policy that was ever used, by the digest that audit rows name."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlite_utils import Database

from provisioning.evidence.trail import Event

if TYPE_CHECKING:
    from provisioning.store.store import Store


@dataclass(frozen=True, kw_only=True)
class StoredPolicy:
    """A policy's text, when it was first seen, and when a bot last began to use it (None: only the command line)."""

    digest: str
    text: str
    first_seen_at: datetime
    in_use_since: datetime | None


def create_table(db: Database) -> None:
    """Create the table."""
    db.table("policies").create(
        {"digest": str, "text": str, "first_seen_at": str, "in_use_since": str},
        pk="digest",
        not_null={"text", "first_seen_at"},
    )


class PolicyVersions:
    """The policies of one store. Thread-safe."""

    def __init__(self, store: "Store") -> None:
        self._store = store

    def keep(self, digest: str, text: str, event: Event, *, in_use: bool) -> None:
        """Keep a policy's text under its digest; *event* is written where it is new, or newly in use."""
        now = self._store.clock.now()
        with self._store.writing() as transaction:
            if _put(transaction.db, digest, text, now, in_use=in_use):
                transaction.append(event)

    def find(self, digest: str) -> StoredPolicy | None:
        """Return the version whose digest begins so."""
        marked = digest.replace("%", "").replace("_", "")
        with self._store.reading() as db:
            return _one(db, "WHERE digest LIKE ? || '%' ORDER BY first_seen_at DESC", [marked])

    def in_use(self) -> StoredPolicy | None:
        """Return the version that a bot began to use last."""
        with self._store.reading() as db:
            return _in_use(db)


def _put(db: Database, digest: str, text: str, now: datetime, *, in_use: bool) -> bool:
    is_new = db.execute(
        "INSERT OR IGNORE INTO policies (digest, text, first_seen_at) VALUES (?, ?, ?)", [digest, text, _stamp(now)]
    ).rowcount
    if not in_use:
        return bool(is_new)
    newest = _in_use(db)
    if newest is not None and newest.digest == digest:
        return False
    if newest is not None and newest.in_use_since is not None:  # the clock may have been turned back since
        now = max(now, newest.in_use_since + timedelta(milliseconds=1))
    db.execute("UPDATE policies SET in_use_since = ? WHERE digest = ?", [_stamp(now), digest])
    return True


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _in_use(db: Database) -> StoredPolicy | None:
    return _one(db, "WHERE in_use_since IS NOT NULL ORDER BY in_use_since DESC, rowid DESC", [])


def _one(db: Database, where: str, values: list[str]) -> StoredPolicy | None:
    row = db.execute(
        f"SELECT digest, text, first_seen_at, in_use_since FROM policies {where} LIMIT 1",  # noqa: S608 - our own words
        values,
    ).fetchone()
    if row is None:
        return None
    return StoredPolicy(
        digest=row[0],
        text=row[1],
        first_seen_at=datetime.fromisoformat(row[2]),
        in_use_since=datetime.fromisoformat(row[3]) if row[3] else None,
    )
