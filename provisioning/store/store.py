"""The store: one SQLite file, one connection behind a lock, write transactions that begin IMMEDIATE.

One connection and not one a thread: a transaction takes milliseconds, writers wait for each other in SQLite
anyway, and a lock of ours waits without polling. Other processes (the command line) wait for the busy timeout.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace as with_fields
from datetime import datetime
from pathlib import Path
from threading import RLock, local
from typing import Any

from sqlite_utils import Database

from policies.approvals import Actor, Approval
from provisioning.clock import Clock
from provisioning.evidence import search, trail
from provisioning.evidence.search import Wanted
from provisioning.evidence.trail import Event
from provisioning.jobs.job import AskedBy, BreakGlass, Job, JobState, Place, StepStatus
from provisioning.plan import Plan
from provisioning.port_ranges import PortRange
from provisioning.redact import Redactor
from provisioning.store import leases, schema, tenants
from provisioning.store.leases import PortLease
from provisioning.store.tenants import TenantRecord

BUSY_TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a job becomes, and the audit rows that go with it. ``revise`` False: nothing that people see."""

    job: Job
    event: Event | None = None
    extra: Sequence[Event] = ()
    revise: bool = True


@dataclass(frozen=True)
class Transaction:
    """An open write transaction, for the modules beside this one that have tables of their own."""

    db: Database
    append: Callable[[Event], None]  # an audit row, which commits or fails with the rest


class Store:
    """Thread-safe, and safe beside other processes on the same file.

    Raises (anywhere): sqlite3.OperationalError where the file is locked for longer than ten seconds.
    """

    def __init__(self, path: Path, *, clock: Clock, redact: Redactor) -> None:
        self.path = path
        self._clock = clock
        self._redact = redact
        self._lock = RLock()
        self._alongside = local()  # of each thread: what goes with its changes of jobs
        self._listeners: list[Callable[[Job], None]] = []
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        self._db = Database(connection)
        self._db.enable_wal()
        connection.execute("PRAGMA synchronous = FULL")
        with self._lock, self._write():
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
        """Lend a write transaction: it commits at the end, or is rolled back where something is raised."""
        with self._lock, self._write():
            yield Transaction(self._db, self._append)

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

    # -- jobs -----------------------------------------------------------------------------------------------

    def create_job(
        self,
        *,
        command: str,
        requester: Actor,
        plan: Plan,
        state: JobState,
        approval: Approval | None,
        place: Place | None,
        event: Event,
        extra: Sequence[Event] = (),
        policy: str = "",
        reason: str = "",
        break_glass: BreakGlass | None = None,
        leases: Sequence[PortRange] = (),
        leases_of_others: Sequence[tuple[str, PortRange]] = (),
        lease_ttl_s: int = 86_400,
        batch: str | None = None,
        check: Callable[[], None] = lambda: None,
        asked_by: AskedBy | None = None,
    ) -> Job:
        """Store a new job, its leases and its audit row together.

        *leases_of_others* are envelopes of tenants that are not the plan's subject: a batch's.
        *check* looks at the store inside the same transaction; what it raises is raised, and stores nothing.
        Raises: LeaseTakenError, and stores nothing.
        """
        now = self._clock.now()
        with self._lock, self._write():
            check()
            number = (self._db.execute("SELECT max(number) FROM jobs").fetchone()[0] or 0) + 1
            job = Job(
                id=f"job-{number}",
                number=number,
                command=self._redact(command),
                requester=requester,
                plan=plan,
                digest=plan.digest,
                state=state,
                created_at=now,
                updated_at=now,
                revision=1,
                approval=approval,
                policy=policy,
                reason=self._redact(reason),
                break_glass=break_glass,
                batch=batch,
                steps=tuple(StepStatus(step_id=step.id) for step in plan.steps),
                place=place,
                asked_by=asked_by,
            )
            for tenant, wanted in ((plan.subject, tuple(leases)), *((who, (one,)) for who, one in leases_of_others)):
                _take_leases(self._db, wanted, tenant=tenant, job=job.id, now=now, ttl_s=lease_ttl_s)
            self._put(job)
            for one in (event, *extra):
                self._append(_of_job(one, job))
            self._do_alongside()
        self._tell(job)
        return job

    def update_job(self, job_id: str, change: Callable[[Job], Change | None]) -> Job:
        """Let *change* look at the job as it is now and say what it becomes, in one write transaction.

        *change* must be pure and quick; None leaves all as it is. Returns the job as it then stands.
        Raises: KeyError for an unknown job, and what *change* raises.
        """
        with self._lock, self._write():
            before = self.job(job_id)
            answer = change(before)
            if answer is None:
                return before
            revision = before.revision + 1 if answer.revise else before.revision
            after = self._redacted(answer.job).model_copy(
                update={"revision": revision, "updated_at": self._clock.now()}
            )
            self._put(after)
            for event in ([answer.event] if answer.event else []) + list(answer.extra):
                self._append(_of_job(event, after))
            self._do_alongside()
        if answer.revise:
            self._tell(after)
        return after

    def job(self, job_id: str) -> Job:
        """Return the job. Raises: KeyError."""
        with self._lock:
            row = self._db.execute("SELECT body FROM jobs WHERE id = ?", [job_id]).fetchone()
        if row is None:
            raise KeyError(f"there is no job {job_id}")
        return Job.model_validate_json(row[0])

    def job_by_number(self, number: int) -> Job | None:
        """Return the job that people call by *number*."""
        with self._lock:
            row = self._db.execute("SELECT body FROM jobs WHERE number = ?", [number]).fetchone()
        return None if row is None else Job.model_validate_json(row[0])

    def jobs(
        self,
        *,
        states: Collection[JobState] | None = None,
        subject: str | None = None,
        requester: str | None = None,
        limit: int = 50,
    ) -> tuple[Job, ...]:
        """Return the newest *limit* jobs, newest first: in one of *states*, of *subject*, by *requester* (id)."""
        clauses: list[str] = []
        values: list[str] = []
        if states is not None:
            clauses.append(f"state IN ({', '.join('?' for _ in states)})")
            values += [state.value for state in states]
        for column, value in (("subject", subject), ("requester", requester)):
            if value is not None:
                clauses.append(f"{column} = ?")
                values.append(value)
        where = " AND ".join(clauses) or None
        with self._lock:
            found = list(self._db.table("jobs").rows_where(where, values, order_by="number DESC", limit=limit))
        return tuple(Job.model_validate_json(row["body"]) for row in found)

    def unreviewed(self, *, limit: int = 50) -> tuple[Job, ...]:
        """Return the newest *limit* jobs that went ahead without approval and that nobody has reviewed."""
        with self._lock:
            found = self._db.execute(
                f"SELECT body FROM jobs WHERE {schema.UNREVIEWED} AND state <> ? ORDER BY number DESC LIMIT ?",  # noqa: S608
                [JobState.SUPERSEDED.value, limit],
            ).fetchall()
        return tuple(Job.model_validate_json(row[0]) for row in found)

    def on_change(self, callback: Callable[[Job], None]) -> None:
        """Call *callback* with every job that changed, after the commit, in the committing thread. Must be quick."""
        self._listeners.append(callback)

    def changed_elsewhere(self) -> int:
        """Return a number that differs from the last one where another process has written since."""
        with self._lock:
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    # -- audit ----------------------------------------------------------------------------------------------

    def record(self, event: Event) -> None:
        """Append an audit row that goes with no job's change."""
        with self._lock, self._write():
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

    # -- leases and tenants ---------------------------------------------------------------------------------

    def leases(self) -> tuple[PortLease, ...]:
        """Return the leases that hold now, by start."""
        with self._lock:
            return leases.live(self._db, self._clock.now())

    def settle_leases(self, tenant: str, ranges: Sequence[PortRange], job_id: str) -> None:
        """Make the job's leases hold for good and give up what *tenant* holds beside *ranges*."""
        with self._lock, self._write():
            leases.settle(self._db, ranges, tenant=tenant, job=job_id)

    def release_leases(self, tenant: str, job_id: str | None = None) -> None:
        """Give up what *job_id* leased, for whomever, and has not confirmed; without a job, all of the tenant's."""
        with self._lock, self._write():
            leases.release(self._db, tenant, job_id)

    def drop_expired_leases(self) -> None:
        """Forget leases that ran out and whose tenants have no open job."""
        with self._lock, self._write():
            finals = [state.value for state in JobState if state.is_final]
            marks = ", ".join("?" for _ in finals)
            open_jobs = self._db.execute(f"SELECT subject FROM jobs WHERE state NOT IN ({marks})", finals)  # noqa: S608
            leases.drop_expired(self._db, self._clock.now(), [row[0] for row in open_jobs])

    def tenant(self, name: str) -> TenantRecord | None:
        """Return what is recorded of the tenant."""
        with self._lock:
            return tenants.read(self._db, name)

    def tenants(self) -> tuple[TenantRecord, ...]:
        """Return every tenant's record, by name."""
        with self._lock:
            return tenants.read_all(self._db)

    def put_tenant(self, record: TenantRecord, event: Event | None = None) -> None:
        """Record a tenant, in place of what was recorded of it before."""
        with self._lock, self._write():
            tenants.write(self._db, record)
            if event is not None:
                self._append(event)

    def forget_tenant(self, name: str) -> None:
        """Remove the tenant's record. Its jobs and its audit rows stay. A missing one is fine."""
        with self._lock, self._write():
            tenants.forget(self._db, name)

    # -- inside ---------------------------------------------------------------------------------------------

    @contextmanager
    def _write(self) -> Iterator[None]:
        """One write transaction. IMMEDIATE: a read that is then written must not have grown old between."""
        if self._db.conn.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.rollback()
            raise
        self._db.execute("COMMIT")

    def _do_alongside(self) -> None:
        if (also := getattr(self._alongside, "also", None)) is not None:
            also(self._db)

    def _put(self, job: Job) -> None:
        row = {
            "number": job.number,
            "id": job.id,
            "state": job.state.value,
            "subject": job.plan.subject,
            "requester": job.requester.id,
            "updated_at": job.updated_at.isoformat(timespec="milliseconds"),
            "body": job.model_dump_json(),
        }
        self._db.table("jobs").upsert(row, pk="number")

    def _append(self, event: Event) -> None:
        clean = with_fields(event, outcome=self._redact(event.outcome), actor_name=self._redact(event.actor_name))
        trail.append(self._db, clean, now=self._clock.now(), detail=self._redact.scrub(event.detail))

    def _redacted(self, job: Job) -> Job:
        """Return *job* with its free texts redacted; plans hold no secrets, and their digest must not change."""
        free = job.model_dump(include={"failure", "steps", "votes"}, mode="json")
        clean = {name: self._redact.scrub(value) for name, value in free.items()}
        return job if clean == free else Job.model_validate({**job.model_dump(), **clean})

    def _tell(self, job: Job) -> None:
        for listener in self._listeners:
            listener(job)


_take_leases = leases.take  # create_job has an argument of the module's name


def _of_job(event: Event, job: Job) -> Event:
    """Return *event* with what can be known from its job filled in."""
    return with_fields(
        event,
        job=event.job or job.id,
        subject=event.subject or job.plan.subject,
        plan_digest=event.plan_digest or job.digest,
    )
