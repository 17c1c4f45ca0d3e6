"""What a scrape looks up in the store: what waits and for how long, the audit trail, backups, the newest sample."""

import logging
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from threading import Lock

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from commands.measures import MEASURES
from provisioning.clock import Clock
from provisioning.jobs.job import OPEN, Job, JobState, StepState
from provisioning.store import Deliveries, Store, checkpoints
from provisioning.store.samples import Samples
from provisioning.trends.forecast import HasRunOut, RunsOut, runs_out

log = logging.getLogger(__name__)

MOST_JOBS = 100_000
FORECAST_FROM = timedelta(days=30)  # as `trends` does where nothing else is asked
AUDIT_BACKUP = "backup.made"


class StoreMetrics(Collector):
    """Thread-safe. A store that cannot be read yields nothing: the check ``store`` says so, and the scrape goes on.

    Metrics: ``clearml_chatops_jobs{state}`` (open jobs), ``…_approvals_waiting``, ``…_approval_oldest_seconds``,
    ``…_step_oldest_seconds{state}`` (running, waiting), ``…_inbox_undone``, ``…_inbox_oldest_seconds``,
    ``…_audit_head_seq``, ``…_audit_head_age_seconds``, ``…_audit_unsigned_age_seconds``, ``…_backup_age_seconds``,
    ``…_sample_age_seconds``, ``…_measure{measure}``, ``…_runs_out_seconds{measure}``. Ages are 0 where nothing waits.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = Lock()
        self._backup = _LastBackup()
        self._forecast = _Forecast(Samples(store))

    def collect(self) -> Iterator[Metric]:
        try:
            with self._lock:
                found = [*self._jobs(), *self._inbox(), *self._audit(), *self._samples()]
        except sqlite3.Error as error:
            log.warning("the store could not be read for a scrape: %s", error)
            return
        yield from found

    def _age_s(self, since: datetime | None) -> float:
        return 0.0 if since is None else max(0.0, (self._clock.now() - since).total_seconds())

    def _jobs(self) -> Iterator[Metric]:
        jobs = self._store.jobs(states=OPEN, limit=MOST_JOBS)
        counted = GaugeMetricFamily("clearml_chatops_jobs", "Open jobs by state.", labels=["state"])
        for state in OPEN:
            counted.add_metric([state.value], sum(job.state is state for job in jobs))
        yield counted
        waiting = [job for job in jobs if job.state is JobState.AWAITING_APPROVAL]
        yield _gauge("approvals_waiting", "Jobs that wait for approval.", len(waiting))
        oldest = min((job.created_at for job in waiting), default=None)
        yield _gauge("approval_oldest_seconds", "Since when the oldest of them was asked for.", self._age_s(oldest))
        steps = GaugeMetricFamily(
            "clearml_chatops_step_oldest_seconds", "For how long a step runs, or waits, at most.", labels=["state"]
        )
        for kind in (StepState.RUNNING, StepState.WAITING):
            steps.add_metric([kind.value], self._age_s(_oldest_step(jobs, kind)))
        yield steps

    def _inbox(self) -> Iterator[Metric]:
        count, oldest = Deliveries(self._store).backlog()
        yield _gauge("inbox_undone", "Deliveries of Slack that were acked and are not worked off.", count)
        yield _gauge("inbox_oldest_seconds", "How long ago the oldest of them came.", self._age_s(oldest))

    def _audit(self) -> Iterator[Metric]:
        with self._store.reading() as db:
            unsigned = checkpoints.unsigned_since(db)
            backup = self._backup.look(db.conn)
        yield _gauge(
            "audit_unsigned_age_seconds", "How long the oldest row waits for a checkpoint.", self._age_s(unsigned)
        )
        if backup is not None:
            yield _gauge(
                "backup_age_seconds", "Since the last backup or, without one, the first row.", self._age_s(backup)
            )
        if (head := self._store.audit_head()) is not None:
            seq, at = head
            yield _gauge("audit_head_seq", "The newest row of the audit trail.", seq)
            yield _gauge("audit_head_age_seconds", "How long ago the newest audit row was written.", self._age_s(at))

    def _samples(self) -> Iterator[Metric]:
        now = self._clock.now()
        newest, values, ends = self._forecast.look(now)
        if newest is None:
            return
        yield _gauge("sample_age_seconds", "How old the newest sample of the platform is.", self._age_s(newest))
        measured = GaugeMetricFamily("clearml_chatops_measure", "The newest sample.", labels=["measure"])
        for name, value in values.items():
            measured.add_metric([name], value)
        yield measured
        until = GaugeMetricFamily(
            "clearml_chatops_runs_out_seconds",
            "Until the measure reaches 0, going on as it did; absent without a forecast.",
            labels=["measure"],
        )
        for name, end in ends.items():
            until.add_metric([name], max(0.0, (datetime.combine(end, time(), tzinfo=UTC) - now).total_seconds()))
        yield until


class _LastBackup:
    """Looks for the newest backup among the audit rows that came since it last looked."""

    def __init__(self) -> None:
        self._seen = 0
        self._at: str | None = None  # of the last backup or, before there is one, of the first row

    def look(self, connection: sqlite3.Connection) -> datetime | None:
        if self._at is None:
            self._at = connection.execute("SELECT min(at) FROM audit").fetchone()[0]
        head = connection.execute("SELECT max(seq) FROM audit").fetchone()[0] or 0
        if head > self._seen:
            made = "SELECT max(at) FROM audit WHERE seq > ? AND action = ?"
            self._at = connection.execute(made, [self._seen, AUDIT_BACKUP]).fetchone()[0] or self._at
            self._seen = head
        return datetime.fromisoformat(self._at) if self._at else None


class _Forecast:
    """The newest sample, and when its measures run out: worked out once a sample, since samples come by the hour."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._newest: datetime | None = None
        self._values: Mapping[str, float] = {}
        self._ends: Mapping[str, date] = {}

    def look(self, now: datetime) -> tuple[datetime | None, Mapping[str, float], Mapping[str, date]]:
        newest = self._samples.newest()
        if newest is not None and newest.at != self._newest:
            samples = self._samples.since(now - FORECAST_FROM)
            ends = {}
            for name in (one.name for one in MEASURES.values() if one.runs_out):
                match runs_out([(one.at, one.values[name]) for one in samples if name in one.values]):
                    case HasRunOut(since=since):
                        ends[name] = since
                    case RunsOut(at=at) if at is not None:
                        ends[name] = at
            self._newest, self._values, self._ends = newest.at, newest.values, ends
        return self._newest, self._values, self._ends


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"clearml_chatops_{name}", meaning, value=value)


def _oldest_step(jobs: tuple[Job, ...], kind: StepState) -> datetime | None:
    starts = (
        step.started_at for job in jobs if job.state is not JobState.FAILED for step in job.steps if step.state is kind
    )
    return min((start for start in starts if start is not None), default=None)
