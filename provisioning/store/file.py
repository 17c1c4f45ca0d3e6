"""One SQLite file, one connection behind a lock, write transactions that begin IMMEDIATE; and its audit trail.

One connection and not one a thread: a transaction takes milliseconds, writers wait for each other in SQLite
anyway, and a lock of ours waits without polling. Other processes (the command line) wait for the busy timeout.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import RLock, local
from typing import Any

from sqlite_utils import Database

from provisioning.clock import Clock
from provisioning.evidence import search, trail
from provisioning.evidence.search import Wanted
from provisioning.evidence.trail import Event
from provisioning.redact import Redactor
from provisioning.store import schema

BUSY_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Transaction:
    """An open write transaction, for the modules beside this one that have tables of their own."""

    db: Database
    append: Callable[[Event], None]  # an audit row, which commits or fails with the rest


class StoreFile:
    """Thread-safe, and safe beside other processes on the same file.

    Raises (anywhere): sqlite3.OperationalError where the file is locked for longer than ten seconds.
    """

    def __init__(self, path: Path, *, clock: Clock, redact: Redactor) -> None:
        self.path = path
        self._clock = clock
        self._redact = redact
        self._lock = RLock()
        self._alongside = local()  # of each thread: what goes with its changes of jobs
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        self._db = Database(connection)
        self._db.enable_wal()
        connection.execute("PRAGMA synchronous = FULL")
        with self.writing():
            schema.migrate(self._db)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """Lend the connection to read from."""
        with self._lock:
            yield self._db

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Lend a write transaction: it commits at the end, or is rolled back where something is raised.

        Inside another one of the same thread it is a part of that. IMMEDIATE: a read that is then written must not
        have grown old between.
        """
        with self._lock:
            transaction = Transaction(self._db, self._append)
            if self._db.conn.in_transaction:
                yield transaction
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield transaction
                self._db.execute("COMMIT")
            except BaseException:
                self._db.rollback()  # a COMMIT that fails leaves it open, and the next would join it
                raise

    @contextmanager
    def alongside(self, also: Callable[[Database], None]) -> Iterator[None]:
        """Let every change of a job that this thread makes inside do *also* in its own transaction."""
        self._alongside.also = also
        try:
            yield
        finally:
            self._alongside.also = None

    @property
    def clock(self) -> Clock:
        """Return the clock that everything here is stamped by."""
        return self._clock

    @property
    def redact(self) -> Redactor:
        """Return what hides secrets before anything is written."""
        return self._redact

    def changed_elsewhere(self) -> int:
        """Return a number that differs from the last one where another process has written since."""
        with self._lock:
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def record(self, event: Event) -> None:
        """Append an audit row that goes with no job's change."""
        with self.writing():
            self._append(event)

    def audit_rows(
        self, *, subject: str | None = None, job: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Return the newest *limit* rows, oldest first."""
        return self.find_audit_rows(Wanted(subject=subject, job=job, limit=limit))

    def find_audit_rows(self, wanted: Wanted) -> list[dict[str, Any]]:
        """Return the newest rows that fit, oldest first."""
        with self._lock:
            return search.find(self._db, wanted)

    def audit_head(self) -> tuple[int, datetime] | None:
        """Return the newest row's number and time (aware, UTC); None where there is none."""
        rows = self.find_audit_rows(Wanted(limit=1))
        return (int(rows[-1]["seq"]), datetime.fromisoformat(rows[-1]["at"])) if rows else None

    def _do_alongside(self) -> None:
        if (also := getattr(self._alongside, "also", None)) is not None:
            also(self._db)

    def _append(self, event: Event) -> None:
        clean = replace(event, outcome=self._redact(event.outcome), actor_name=self._redact(event.actor_name))
        trail.append(self._db, clean, now=self._clock.now(), detail=self._redact.scrub(event.detail))
