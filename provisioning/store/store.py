"""The store: jobs, leases and tenants. A change of one and its audit row commit together, or not at all."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from dataclasses import replace as with_fields
from pathlib import Path

from policies.approvals import Actor, Approval
from provisioning.clock import Clock
from provisioning.evidence.trail import Event
from provisioning.jobs.job import AskedBy, BreakGlass, Job, JobState, Place, StepStatus
from provisioning.plan import Plan
from provisioning.port_ranges import PortRange
from provisioning.redact import Redactor
from provisioning.store import leases, schema, tenants
from provisioning.store.file import StoreFile
from provisioning.store.leases import PortLease
from provisioning.store.tenants import TenantRecord


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a job becomes, and the audit rows that go with it. ``revise`` False: nothing that people see."""

    job: Job
    event: Event | None = None
    extra: Sequence[Event] = ()
    revise: bool = True


class Store(StoreFile):
    """Everything that the bot knows, but what DBOS keeps for itself. Thread-safe, as its file is."""

    def __init__(self, path: Path, *, clock: Clock, redact: Redactor) -> None:
        super().__init__(path, clock=clock, redact=redact)
        self._listeners: list[Callable[[Job], None]] = []

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
        with self.writing():
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

        *change* must be pure and quick; None leaves all as it is. Returns the job as it then stands. One that has
        ended and has changed nothing gives up the ports that it had leased.
        Raises: KeyError for an unknown job, and what *change* raises.
        """
        with self.writing():
            before = self.job(job_id)
            answer = change(before)
            if answer is None:
                return before
            revision = before.revision + 1 if answer.revise else before.revision
            after = self._redacted(answer.job).model_copy(
                update={"revision": revision, "updated_at": self._clock.now()}
            )
            self._put(after)
            if after.state.is_final and after.is_untouched:
                leases.release(self._db, after.id)
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

    def leases(self) -> tuple[PortLease, ...]:
        """Return the leases that hold now, by start."""
        with self._lock:
            return leases.live(self._db, self._clock.now())

    def settle_leases(self, tenant: str, ranges: Sequence[PortRange], job_id: str) -> None:
        """Make the job's leases hold for good and give up what *tenant* holds beside *ranges*."""
        with self.writing():
            leases.settle(self._db, ranges, tenant=tenant, job=job_id)

    def release_leases(self, tenant: str) -> None:
        """Give up all of the tenant's leases."""
        with self.writing():
            leases.release_all(self._db, tenant)

    def drop_expired_leases(self) -> None:
        """Forget leases that ran out and whose jobs have ended."""
        with self.writing():
            leases.drop_expired(self._db, self._clock.now())

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
        with self.writing():
            tenants.write(self._db, record)
            if event is not None:
                self._append(event)

    def forget_tenant(self, name: str) -> None:
        """Remove the tenant's record. Its jobs and its audit rows stay. A missing one is fine."""
        with self.writing():
            tenants.forget(self._db, name)

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

    def _redacted(self, job: Job) -> Job:
        """Return *job* with its free texts redacted; plans hold no secrets, and their digest must not change."""
        free = job.model_dump(include={"failure", "steps", "votes", "break_glass"}, mode="json")
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
