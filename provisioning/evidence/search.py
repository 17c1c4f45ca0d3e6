"""Finding rows of the audit trail: by who, what, about whom, when, and by the words in them."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlite_utils import Database

from commands.audit import AuditArgs, moment
from provisioning.evidence.formats import TABLE
from provisioning.evidence.trail import READ

WORDS = "audit_fts"
_WORD = re.compile(r"[^\W_]+")  # what is no letter or digit parts words, as it does in the index
SEARCHED = ("action", "actor", "actor_name", "subject", "job", "step", "outcome", "rule", "detail")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which rows. What is None is not looked at; all that is given must hold."""

    subject: str | None = None  # the tenant
    job: str | None = None  # job-41
    actor: str | None = None  # id or name, whatever the case
    action: str | None = None  # job.approved, or the family: job
    command: str | None = None  # how the command begins: tenant create
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None  # words that all stand somewhere in the row
    without: str | None = None  # an action that is left out
    limit: int = 100  # the newest


def create_index(db: Database) -> None:
    """Create the index of words. Triggers keep it; the chain does not cover it, as it can be made anew."""
    db.table(TABLE).enable_fts(SEARCHED, create_triggers=True, tokenize="unicode61 remove_diacritics 2")


def wanted_by(args: AuditArgs, now: datetime) -> Wanted:
    """Return what the command asks for. Who read what is left out, unless an action is asked for."""
    return Wanted(
        subject=args.tenant,
        actor=args.actor,
        action=args.action,
        command=args.command,
        since=moment(args.since, now) if args.since else None,
        until=moment(args.until, now) if args.until else None,
        text=args.text,
        without=None if args.action else READ,
        limit=args.limit,
    )


def find(db: Database, wanted: Wanted) -> list[dict[str, Any]]:
    """Return the newest rows that fit, oldest first, ``detail`` parsed."""
    clauses: dict[str, list[str]] = {}
    if wanted.subject is not None:
        clauses["subject = ?"] = [wanted.subject]
    if wanted.job is not None:
        clauses["job = ?"] = [wanted.job]
    if wanted.actor is not None:
        clauses["(lower(actor) = lower(?) OR lower(actor_name) = lower(?))"] = [wanted.actor, wanted.actor]
    if wanted.action is not None:
        clauses[r"(action = ? OR action LIKE ? ESCAPE '\')"] = [wanted.action, f"{_literal(wanted.action)}.%"]
    if wanted.without is not None:
        clauses["action <> ?"] = [wanted.without]
    if wanted.command is not None:
        clauses[r"json_extract(detail, '$.command') LIKE ? ESCAPE '\'"] = [f"{_literal(wanted.command)}%"]
    if wanted.since is not None:
        clauses["at >= ?"] = [_instant(wanted.since)]
    if wanted.until is not None:
        clauses["at < ?"] = [_instant(wanted.until)]
    if wanted.text is not None:
        words = f"SELECT rowid FROM {WORDS} WHERE {WORDS} MATCH ?"  # noqa: S608 - our own names
        clauses[f"seq IN ({words})"] = [" ".join(f'"{word}"' for word in _WORD.findall(wanted.text)) or '""']
    values = [value for given in clauses.values() for value in given]
    found = db.table(TABLE).rows_where(" AND ".join(clauses) or None, values, order_by="seq DESC", limit=wanted.limit)
    return [{**row, "detail": json.loads(row["detail"])} for row in found][::-1]


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
