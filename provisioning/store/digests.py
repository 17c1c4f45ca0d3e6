"""Digests and what they owe: a row for each slot that is due, so that each is posted once whoever fires.

A post's id names its digest and slot, and is written in the transaction that moves the digest past the slot: however
many processes fire, one of them writes it. A post is claimed before it is sent and settled after. A process that dies
in between leaves it claimed; the next start makes it due again, marked as perhaps there already: at least once, since
an alert that stands twice is better than one that nobody saw.
"""

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlite_utils import Database

from provisioning.digests.digest import Digest
from provisioning.digests.posts import Owner, Post, PostKind, Standing, post_id
from provisioning.evidence import trail
from provisioning.evidence.trail import Event

if TYPE_CHECKING:
    from provisioning.store.store import Store

KEPT_DAYS = 90  # settled posts


def create_tables(db: Database) -> None:
    """Create the tables."""
    db.table("digests").create(
        {"name": str, "body": str, "cursor": str, "alert_since": str}, pk="name", not_null={"body", "cursor"}
    )
    db.table("digest_posts").create(
        {
            "id": str,
            "digest": str,
            "kind": str,
            "slot": str,
            "missed": int,
            "measured": str,
            "state": str,
            "tries": int,
            "owner": str,
            "retry_at": str,
            "problem": str,
        },
        pk="id",
        not_null={"digest", "kind", "slot", "state"},
    )
    db.table("digest_posts").create_index(["state", "slot"])
    db.table("digest_posts").create_index(["digest", "slot"])


def add_owners(db: Database) -> None:
    """Add who is told where a digest cannot be posted, and what they were told last."""
    for column in ("owner", "owner_name", "trouble"):
        db.table("digests").add_column(column, str)
    db.table("digest_posts").add_column("addressee", str)


class Digests:
    """The digests of one store. Thread-safe."""

    def __init__(self, store: "Store") -> None:
        self._store = store

    def get(self, name: str) -> Digest | None:
        with self._store.reading() as db:
            row = next(db.table("digests").rows_where("name = ?", [name]), None)
        return None if row is None else Digest.model_validate_json(row["body"])

    def all(self) -> tuple[Standing, ...]:
        """Return every digest and how it stands, by name."""
        with self._store.reading() as db:
            rows = list(db.table("digests").rows_where(order_by="name"))
            return tuple(
                Standing(
                    digest=Digest.model_validate_json(row["body"]),
                    cursor=datetime.fromisoformat(row["cursor"]),
                    alert_since=datetime.fromisoformat(row["alert_since"]) if row["alert_since"] else None,
                    last=_last(db, row["name"]),
                    owner=Owner(id=row["owner"], name=row["owner_name"]) if row["owner"] else None,
                    trouble=row["trouble"] or "",
                )
                for row in rows
            )

    def put(self, digest: Digest, now: datetime, owner: Owner | None = None) -> None:
        """Keep *digest* in place of what was kept; its slots count from *now* on. An alert of another condition
        is over. *owner* None: it stays whose it was."""
        with self._store.writing() as transaction:
            table = transaction.db.table("digests")
            before = next(table.rows_where("name = ?", [digest.name]), None)
            kept = before is not None and Digest.model_validate_json(before["body"]).alert == digest.alert
            row = {
                "name": digest.name,
                "body": digest.model_dump_json(),
                "cursor": _stamp(now),
                "alert_since": before["alert_since"] if before is not None and kept else None,
                "owner": owner.id if owner else before and before["owner"],
                "owner_name": owner.name if owner else before and before["owner_name"],
                "trouble": None,
            }
            table.insert(row, replace=True)

    def remove(self, name: str) -> None:
        """Forget the digest and what it still owes."""
        with self._store.writing() as transaction:
            transaction.db.table("digests").delete_where("name = ?", [name])
            transaction.db.table("digest_posts").delete_where("digest = ? AND state = 'due'", [name])

    def owe(self, post: Post, *, cursor: datetime | None = None) -> bool:
        """Make *post* due, and move its digest's cursor with it. False where another process did so before."""
        with self._store.writing() as transaction:
            if cursor is not None:
                transaction.db.execute(
                    "UPDATE digests SET cursor = ? WHERE name = ? AND cursor < ?",
                    [_stamp(cursor), post.digest, _stamp(cursor)],
                )
            return _insert(transaction.db, post)

    def turn(self, post: Post, *, since: datetime | None, event: Event, cursor: datetime | None = None) -> bool:
        """Begin the alert of *post*'s digest (*since* when) or end it (None), make *post* due and append *event*,
        all at once. False where another process did so before."""
        with self._store.writing() as transaction:
            was = "IS NULL" if since is not None else "IS NOT NULL"
            turned = transaction.db.execute(
                f"UPDATE digests SET alert_since = ? WHERE name = ? AND alert_since {was}",  # noqa: S608 - our own words
                [_stamp(since) if since else None, post.digest],
            )
            if turned.rowcount == 0:
                return False
            if cursor is not None:
                transaction.db.execute("UPDATE digests SET cursor = ? WHERE name = ?", [_stamp(cursor), post.digest])
            transaction.append(event)
            return _insert(transaction.db, post)

    def claim(self, owner: str, now: datetime) -> Post | None:
        """Return the oldest post that is due, as *owner*'s to send; None where nothing is."""
        with self._store.writing() as transaction:
            db = transaction.db
            where = "state = 'due' AND (retry_at IS NULL OR retry_at <= ?)"
            row = next(db.table("digest_posts").rows_where(where, [_stamp(now)], order_by="slot", limit=1), None)
            if row is None:
                return None
            update = "UPDATE digest_posts SET state = 'claimed', owner = ?, tries = tries + 1 WHERE id = ?"
            db.execute(update, [owner, row["id"]])
            return _post(row)

    def settle(self, post: Post, event: Event, *, problem: str = "", tell: Collection[str] = ()) -> None:
        """Close a claimed post: posted, or failed for good where *problem* says why.

        A digest's trouble is audited, and told to the people of ids *tell*, when it begins and when it becomes another
        one; not again at each slot. What turns an alert is no slot: each is audited and told.
        """
        state = "failed" if problem else "posted"
        with self._store.writing() as transaction:
            db = transaction.db
            db.execute("UPDATE digest_posts SET state = ?, problem = ? WHERE id = ?", [state, problem, post.id])
            begins = not problem or post.kind is not PostKind.SLOT
            if post.kind is not PostKind.TROUBLE:
                turned = db.execute(
                    "UPDATE digests SET trouble = ? WHERE name = ? AND coalesce(trouble, '') <> ?",
                    [problem, post.digest, problem],
                )
                begins |= bool(turned.rowcount)
            if begins:
                transaction.append(event)
                for person in tell:
                    _insert(db, _trouble(post, person))
            oldest = _stamp(post.slot - timedelta(days=KEPT_DAYS))
            transaction.db.table("digest_posts").delete_where("state IN ('posted', 'failed') AND slot < ?", [oldest])

    def again(self, post: Post, *, at: datetime, problem: str) -> None:
        """Make a claimed post due again, from *at* on."""
        with self._store.writing() as transaction:
            transaction.db.execute(
                "UPDATE digest_posts SET state = 'due', retry_at = ?, problem = ? WHERE id = ?",
                [_stamp(at), problem, post.id],
            )

    def forget(self, post: Post) -> None:
        """Owe a claimed post no more: there is nothing left to say."""
        with self._store.writing() as transaction:
            transaction.db.table("digest_posts").delete_where("id = ?", [post.id])

    def release(self, owner: str) -> int:
        """Make due again what others than *owner* claimed and never settled: they are dead, since whoever starts
        holds the data folder alone. Returns how many."""
        with self._store.writing() as transaction:
            cursor = transaction.db.execute(
                "UPDATE digest_posts SET state = 'due', retry_at = NULL WHERE state = 'claimed' AND owner <> ?", [owner]
            )
            return int(cursor.rowcount)

    def head(self) -> tuple[int, str]:
        """Return the audit chain's newest row: its number and its hash."""
        with self._store.reading() as db:
            return trail.head(db)


def _insert(db: Database, post: Post) -> bool:
    row = [
        post.id,
        post.digest,
        post.kind.value,
        _stamp(post.slot),
        post.missed,
        json.dumps(dict(post.values)),
        post.addressee,
    ]
    cursor = db.execute(
        "INSERT OR IGNORE INTO digest_posts"
        " (id, digest, kind, slot, missed, measured, addressee, state, tries, problem)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'due', 0, '')",
        row,
    )
    return bool(cursor.rowcount)


def _trouble(post: Post, person: str) -> Post:
    """Return the word to *person* that *post*, or the word of it to somebody else, failed."""
    about = post.id.removeprefix(f"{post.digest}:")
    return Post(
        id=post_id(post.digest, PostKind.TROUBLE, f"{about}:{person}"),
        digest=post.digest,
        kind=PostKind.TROUBLE,
        slot=post.slot,
        values=post.values,
        addressee=person,
    )


def _last(db: Database, name: str) -> Post | None:
    where, known = "digest = ? AND kind <> ?", [name, PostKind.TROUBLE.value]
    row = next(db.table("digest_posts").rows_where(where, known, order_by="slot DESC, rowid DESC", limit=1), None)
    return None if row is None else _post(row)


def _post(row: Mapping[str, Any]) -> Post:
    return Post(
        id=row["id"],
        digest=row["digest"],
        kind=PostKind(row["kind"]),
        slot=datetime.fromisoformat(row["slot"]),
        missed=row["missed"],
        values=json.loads(row["measured"]),
        state=row["state"],
        tries=row["tries"],
        problem=row["problem"] or "",
        addressee=row["addressee"] or "",
    )


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
