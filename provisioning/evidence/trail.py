"""The audit trail: append-only, hash-chained rows in SQLite.

Each row's hash covers its canonical JSON and the hash of the row before it. Triggers refuse UPDATE, DELETE and
an INSERT over an existing row; whoever drops the triggers breaks the chain, and `verifier` says at which row.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import JsonValue
from sqlite_utils import Database

from provisioning.evidence.formats import FIELDS, GENESIS, TABLE, row_hash

READ = "report.read"  # the action of every command that only reads

_REFUSE = "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"


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
    db.execute(f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON {TABLE} {_REFUSE}")
    db.execute(f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON {TABLE} {_REFUSE}")
    # INSERT OR REPLACE deletes without firing the delete trigger.
    db.execute(
        f"CREATE TRIGGER audit_no_replace BEFORE INSERT ON {TABLE}"  # noqa: S608 - our own names
        f" WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE seq = NEW.seq) {_REFUSE}"
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


def head(db: Database) -> tuple[int, str]:
    """Return the newest row's ``seq`` and hash: kept outside the file, it shows whether the tail was cut."""
    last = db.execute(f"SELECT seq, hash FROM {TABLE} ORDER BY seq DESC LIMIT 1").fetchone()  # noqa: S608 - our own name
    return (int(last[0]), str(last[1])) if last else (0, GENESIS)


def drop_sealed(db: Database, last: int) -> None:
    """Delete the rows up to *last*, which a sealed segment holds. Nothing else may: the trigger is back at once."""
    db.execute("DROP TRIGGER audit_no_delete")
    db.execute(f"DELETE FROM {TABLE} WHERE seq <= ?", [last])  # noqa: S608 - our own name
    db.execute(f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON {TABLE} {_REFUSE}")
