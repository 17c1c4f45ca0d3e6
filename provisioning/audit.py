"""The audit trail: append-only, hash-chained rows in SQLite.

Each row's hash covers its canonical JSON and the hash of the row before it. Triggers refuse UPDATE, DELETE and
an INSERT over an existing row; whoever drops the triggers breaks the chain, and ``verify`` says at which row.
A chain cannot show that its tail was cut: for that its head is kept outside the file and given to ``verify``.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue
from sqlite_utils import Database

GENESIS = "0" * 64
TABLE = "audit"

# The columns in the order in which they are hashed; "hash" itself comes last and is not.
FIELDS = (
    "seq",
    "at",
    "action",
    "actor",
    "actor_name",
    "subject",
    "job",
    "step",
    "attempt",
    "outcome",
    "rule",
    "plan_digest",
    "detail",
    "prev",
)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that was asked, decided or done. ``action``: ``job.approved``, ``step.done``, ``command.denied``."""

    action: str
    actor: str  # opaque id; "bot" for the bot itself
    actor_name: str = ""
    subject: str = ""  # the tenant
    job: str | None = None
    step: str | None = None
    attempt: int | None = None
    outcome: str = ""
    rule: str | None = None  # of the policy
    plan_digest: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong at row *seq*."""

    seq: int
    kind: Literal["changed", "removed", "inserted", "head"]
    detail: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What ``verify`` found. ``head`` is the last row's hash."""

    rows: int
    head: str
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def create_table(db: Database) -> None:
    """Create the table and its triggers."""
    db.table(TABLE).create(
        {
            "seq": int,
            "at": str,
            "action": str,
            "actor": str,
            "actor_name": str,
            "subject": str,
            "job": str,
            "step": str,
            "attempt": int,
            "outcome": str,
            "rule": str,
            "plan_digest": str,
            "detail": str,
            "prev": str,
            "hash": str,
        },
        pk="seq",
        not_null=set(FIELDS) - {"job", "step", "attempt", "rule", "plan_digest"} | {"hash"},
    )
    db.table(TABLE).create_index(["subject", "seq"])
    db.table(TABLE).create_index(["job", "seq"])
    # A step that runs again after a crash must not write twice.
    db.execute(
        f"CREATE UNIQUE INDEX audit_once ON {TABLE} (job, step, attempt, action)"
        " WHERE job IS NOT NULL AND step IS NOT NULL AND attempt IS NOT NULL"
    )
    refuse = "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
    db.execute(f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON {TABLE} {refuse}")
    db.execute(f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON {TABLE} {refuse}")
    # INSERT OR REPLACE deletes without firing the delete trigger.
    db.execute(
        f"CREATE TRIGGER audit_no_replace BEFORE INSERT ON {TABLE}"  # noqa: S608 - our own names
        f" WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE seq = NEW.seq) {refuse}"
    )


def append(db: Database, event: Event, *, now: datetime, detail: JsonValue) -> bool:
    """Append a row inside the caller's write transaction. Returns False where a step had written it already.

    *detail* is the event's, redacted.
    """
    if event.job is not None and event.step is not None and event.attempt is not None:
        written = db.execute(
            f"SELECT 1 FROM {TABLE} WHERE job = ? AND step = ? AND attempt = ? AND action = ?",  # noqa: S608
            [event.job, event.step, event.attempt, event.action],
        ).fetchone()
        if written:
            return False
    last = db.execute(f"SELECT seq, hash FROM {TABLE} ORDER BY seq DESC LIMIT 1").fetchone()  # noqa: S608
    seq, prev = (last[0] + 1, last[1]) if last else (1, GENESIS)
    row: dict[str, Any] = {
        "seq": seq,
        "at": now.isoformat(timespec="milliseconds"),
        "action": event.action,
        "actor": event.actor,
        "actor_name": event.actor_name,
        "subject": event.subject,
        "job": event.job,
        "step": event.step,
        "attempt": event.attempt,
        "outcome": event.outcome,
        "rule": event.rule,
        "plan_digest": event.plan_digest,
        "detail": json.dumps(detail, sort_keys=True, ensure_ascii=False, separators=(",", ":")),
        "prev": prev,
    }
    columns = [*FIELDS, "hash"]
    marks = ", ".join("?" for _ in columns)
    db.execute(
        f"INSERT INTO {TABLE} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608 - our own names
        [*(row[name] for name in FIELDS), row_hash(row)],
    )
    return True


def row_hash(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the row's canonical JSON, its ``prev`` included, 64 hex digits."""
    canonical = json.dumps([row[name] for name in FIELDS], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", errors="surrogatepass")).hexdigest()


def rows(db: Database, *, subject: str | None = None, job: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Return the newest *limit* rows, oldest first, ``detail`` parsed."""
    wanted = {name: value for name, value in (("subject", subject), ("job", job)) if value is not None}
    where = " AND ".join(f"{name} = :{name}" for name in wanted) or None
    found = db.table(TABLE).rows_where(where, wanted, order_by="seq DESC", limit=limit)
    return [{**row, "detail": json.loads(row["detail"])} for row in found][::-1]


def verify(path: Path, expected_head: str | None = None) -> Verdict:
    """Check every row of the database at *path*, reading only.

    *expected_head* is a head that was kept outside the file: a row with that hash must be in the chain.
    Raises: FileNotFoundError; sqlite3.DatabaseError where it is no such database.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        return _verify(connection, expected_head)
    finally:
        connection.close()


def _verify(connection: sqlite3.Connection, expected_head: str | None) -> Verdict:
    problems: list[Problem] = []
    before, before_seq, count, head_seen = GENESIS, 0, 0, expected_head in {None, GENESIS}
    for row in connection.execute(f"SELECT * FROM {TABLE} ORDER BY seq"):  # noqa: S608
        count, seq = count + 1, row["seq"]
        if seq > before_seq + 1:
            gone = f"{before_seq + 1}" if seq == before_seq + 2 else f"{before_seq + 1} to {seq - 1}"
            problems.append(Problem(seq=before_seq + 1, kind="removed", detail=f"row {gone} is missing"))
        is_own = row_hash(dict(row)) == row["hash"]
        if not is_own:
            problems.append(Problem(seq=seq, kind="changed", detail="its content is not what its hash was made of"))
        elif row["prev"] != before and seq == before_seq + 1:
            kind: Literal["inserted"] = "inserted"
            detail = "it does not follow the row before it: a row was inserted, or written anew, here or before"
            problems.append(Problem(seq=seq, kind=kind, detail=detail))
        before, before_seq = row["hash"], seq
        head_seen = head_seen or row["hash"] == expected_head
    if not head_seen:
        problems.append(
            Problem(
                seq=before_seq + 1,
                kind="head",
                detail=f"the head {str(expected_head)[:12]}… that was kept outside is not in the chain:"
                " rows were cut off or written anew",
            )
        )
    return Verdict(rows=count, head=before, problems=tuple(problems))
