"""Retention: old rows of the audit trail move into sealed files, and the chain goes on without them."""

import hashlib
import os
import sqlite3
import uuid
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database

from policies.approvals import Actor, Refusal
from provisioning.errors import PermanentError
from provisioning.evidence import search, trail
from provisioning.evidence.checkpoints import Checkpoints
from provisioning.evidence.formats import CHECKPOINTS, SEALED, SEGMENT, SEGMENTS, TABLE, Checkpoint
from provisioning.evidence.trail import Event
from provisioning.evidence.verifier import verify
from provisioning.jobs.job import OPEN
from provisioning.store import Store, checkpoints


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A sealed file: rows *first* to *last*, both ends included."""

    file: Path
    first: int
    last: int
    sha256: str


def seal(store: Store, signed: Checkpoints, *, before: datetime, actor: Actor) -> Segment | Refusal:
    """Move the rows before *before* into a read-only file beside the database, as far as checkpoints allow.

    Rows of open jobs stay, and so does what came after the first of them. The file is written and verified first;
    the rows go in the same transaction as the row that says where they went. A crash between leaves a file that
    the next try replaces. Raises: PermanentError where the trail does not verify.
    """
    signed.make()
    verdict = verify(store.path, keys=_keys(store))
    if not verdict.ok:
        raise PermanentError(
            f"sealing the audit trail: it does not verify ({verdict.problems[0].detail})",
            next_action="run `clearml-chatops audit verify`, and keep the file as it is",
        )
    with store.reading() as db:
        upto = _cut(db, before)
        if upto is None:
            return Refusal(
                reason=f"no rows before {before:%Y-%m-%d %H:%M} can be sealed:"
                " there are none, or an open job has rows among them",
                next_action="choose a later time, or close the oldest open job",
            )
        draft, segment = _write(db, store.path.parent / SEGMENTS, upto)
    with store.writing() as transaction:
        if _first(transaction.db) != segment.first:
            draft.unlink(missing_ok=True)
            raise PermanentError(
                "sealing the audit trail: another process has sealed rows meanwhile",
                next_action="run it again where there are more to seal",
            )
        draft.replace(segment.file)
        _sync_folder(segment.file.parent)
        for left in segment.file.parent.glob("*.draft"):  # by a crash, or by whoever will find these rows gone
            left.unlink(missing_ok=True)
        detail = {
            "file": segment.file.name,
            "first": segment.first,
            "last": segment.last,
            "sha256": segment.sha256,
            "head": upto.head,
        }
        transaction.append(Event(action=SEALED, actor=actor.id, actor_name=actor.name, detail=detail))
        trail.drop_sealed(transaction.db, segment.last)
        checkpoints.drop_sealed(transaction.db, segment.last)
    signed.make()  # the row that says where the others went: without them, it is believed only when it is signed
    return segment


def sealed_files(store: Store) -> list[Path]:
    """Return the sealed files that are here, oldest rows first."""
    return sorted((store.path.parent / SEGMENTS).glob("audit-*.db"))


def rows_elsewhere(store: Store) -> int:
    """Return up to which row the trail lies in sealed files that are not here; 0 where all of it is here."""
    with store.reading() as db:
        first = _first(db) or 1
    before: dict[int, int] = {}  # last row of a file → the row before its first
    for path in sealed_files(store):
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            held = file.execute(f"SELECT first, last FROM {SEGMENT}").fetchone()  # noqa: S608 - our own name
        before[int(held[1])] = int(held[0]) - 1
    at = int(first) - 1
    while at in before:
        at = before[at]
    return at


def _first(db: Database) -> int | None:
    """Return the number of the first row that is here."""
    found: int | None = db.execute(f"SELECT min(seq) FROM {TABLE}").fetchone()[0]  # noqa: S608 - our own name
    return found


def _keys(store: Store) -> tuple[str, ...]:
    with store.reading() as db:
        return tuple({one.key for one in checkpoints.all_of(db)})


def _cut(db: Database, before: datetime) -> Checkpoint | None:
    """Return the last checkpoint whose rows are all before *before* and before the first row of any open job."""
    marks = ", ".join("?" for _ in OPEN)
    query = f"SELECT min(seq) FROM {TABLE} WHERE job IN (SELECT id FROM jobs WHERE state IN ({marks}))"  # noqa: S608
    needed = db.execute(query, [state.value for state in OPEN]).fetchone()[0]
    first = _first(db)
    limit = before.astimezone(UTC).isoformat(timespec="milliseconds")
    for one in reversed(checkpoints.all_of(db)):
        at = db.execute(f"SELECT at FROM {TABLE} WHERE seq = ?", [one.last]).fetchone()  # noqa: S608
        if at and at[0] < limit and (needed is None or one.last < needed) and (first or 1) <= one.last:
            return one
    return None


def _write(db: Database, folder: Path, upto: Checkpoint) -> tuple[Path, Segment]:
    """Write the rows up to *upto*, with the checkpoints that sign them, into a draft, and verify it.

    Returns the draft, and what it becomes. Each process has its own: two may try at once.
    """
    rows = list(db.table(TABLE).rows_where("seq <= ?", [upto.last], order_by="seq"))
    first = int(rows[0]["seq"])
    folder.mkdir(mode=0o700, exist_ok=True)
    final = folder / f"audit-{first:09}-{upto.last:09}.db"
    draft = final.with_suffix(f".{os.getpid()}-{uuid.uuid4().hex[:8]}.draft")
    copy = Database(sqlite3.connect(draft, isolation_level=None))
    trail.create_table(copy)
    checkpoints.create_table(copy)
    search.create_index(copy)
    copy.table(SEGMENT).insert({"first": first, "last": upto.last})
    copy.execute("BEGIN")
    copy.table(TABLE).insert_all(rows)
    copy.table(CHECKPOINTS).insert_all(db.table(CHECKPOINTS).rows_where("last <= ?", [upto.last], order_by="number"))
    copy.execute("COMMIT")
    copy.close()
    verdict = verify(draft, upto.head, [upto.key])
    if not verdict.ok or verdict.signed != upto.last:
        raise PermanentError(f"sealing the audit trail: the copy in {draft} does not verify", next_action="try again")
    with draft.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    draft.chmod(0o400)
    return draft, Segment(file=final, first=first, last=upto.last, sha256=digest)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
