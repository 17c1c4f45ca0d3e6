"""What Prometheus scrapes: queue depth, step durations, ack latency, approvals waiting, the audit head's age."""

from collections.abc import Iterator
from threading import Lock

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from provisioning.clock import Clock
from provisioning.jobs.history import step_key
from provisioning.jobs.job import Job, JobState
from provisioning.store import Store

STEP_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
ACK_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3)
MOST_JOBS = 100_000
REMEMBERED_JOBS = 1000


class Metrics:
    """One registry a process. ``watch`` once; then ``text`` is what a scrape gets.

    Metrics: ``clearml_chatops_jobs{state}`` (open jobs), ``…_approvals_waiting``, ``…_audit_head_seq``,
    ``…_audit_head_age_seconds``, ``…_step_duration_seconds{operation,step,outcome}``, ``…_ack_seconds``.
    """

    def __init__(self, clock: Clock) -> None:
        self._registry = CollectorRegistry()
        self._clock = clock
        self._steps = Histogram(
            "clearml_chatops_step_duration_seconds",
            "How long steps took, from their start to their end.",
            ("operation", "step", "outcome"),
            buckets=STEP_BUCKETS_S,
            registry=self._registry,
        )
        self.acks = Histogram(
            "clearml_chatops_ack_seconds",
            "How long Slack waited for an ack. It gives 3 seconds.",
            buckets=ACK_BUCKETS_S,
            registry=self._registry,
        )
        self._lock = Lock()
        self._counted: dict[str, set[tuple[str, int, str]]] = {}  # job id → (step id, attempt, state), newest last

    def watch(self, store: Store) -> None:
        """Count what *store* tells of from now on."""
        self._registry.register(_StoreCollector(store, self._clock))
        store.on_change(self._observe)

    def text(self) -> bytes:
        """Return the exposition format."""
        return generate_latest(self._registry)

    def _observe(self, job: Job) -> None:
        for status in job.steps:
            if status.started_at is None or status.finished_at is None:
                continue
            if self._is_new(job.id, (status.step_id, status.attempt, status.state.value)):
                took = (status.finished_at - status.started_at).total_seconds()
                step = step_key(status.step_id)  # labels stay few
                self._steps.labels(job.plan.operation, step, status.state.value).observe(max(0.0, took))

    def _is_new(self, job_id: str, end: tuple[str, int, str]) -> bool:
        with self._lock:
            seen = self._counted.setdefault(job_id, set())
            if end in seen:
                return False
            seen.add(end)
            while len(self._counted) > REMEMBERED_JOBS:
                del self._counted[next(iter(self._counted))]
            return True


class _StoreCollector(Collector):
    """Looks at the store when it is scraped."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        open_states = [state for state in JobState if not state.is_final]
        counts = dict.fromkeys((state.value for state in open_states), 0)
        for job in self._store.jobs(states=open_states, limit=MOST_JOBS):
            counts[job.state.value] += 1
        jobs = GaugeMetricFamily("clearml_chatops_jobs", "Open jobs by state.", labels=["state"])
        for state, count in counts.items():
            jobs.add_metric([state], count)
        yield jobs
        yield GaugeMetricFamily(
            "clearml_chatops_approvals_waiting",
            "Jobs that wait for approval.",
            value=counts[JobState.AWAITING_APPROVAL.value],
        )
        yield from self._audit_head()

    def _audit_head(self) -> Iterator[Metric]:
        head = self._store.audit_head()
        if head is None:
            return
        seq, at = head
        yield GaugeMetricFamily("clearml_chatops_audit_head_seq", "The newest row of the audit trail.", value=seq)
        age_s = max(0.0, (self._clock.now() - at).total_seconds())
        yield GaugeMetricFamily(
            "clearml_chatops_audit_head_age_seconds", "How long ago the newest audit row was written.", value=age_s
        )
