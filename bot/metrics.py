"""What Prometheus scrapes: one registry of what is counted as it happens and what is looked up at each scrape."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bot.health import holds
from bot.store_metrics import StoreMetrics
from provisioning.clock import Clock
from provisioning.jobs.history import step_key
from provisioning.jobs.job import Job, StepState
from provisioning.store import Store

STEP_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
ACK_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3)
REMEMBERED_JOBS = 1000


class Metrics:
    """One registry a process. ``watch`` and ``watch_process`` once; then ``text`` is what a scrape gets.

    Counted: ``clearml_chatops_step_duration_seconds{operation,step,outcome}``, ``…_steps_failed_total``,
    ``…_ack_seconds``. Looked up: `StoreMetrics`, ``…_ready{check}``, ``…_data_free_bytes``, ``…_data_size_bytes``,
    ``…_build_info{version}`` and the process's own ``process_…``.
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
        # The histogram's series begin with their first failure, which increase() does not see; this one begins at 0.
        self._failed = Counter("clearml_chatops_steps_failed", "Steps that failed.", registry=self._registry)
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
        self._registry.register(StoreMetrics(store, self._clock))
        store.on_change(self._observe)

    def watch_process(self, checks: Mapping[str, Callable[[], bool]], data_dir: Path) -> None:
        """Tell of the process, too: whether each of *checks* holds, and the room where *data_dir* lies."""
        self._registry.register(_ProcessMetrics(checks, data_dir))
        ProcessCollector(registry=self._registry)

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
                if status.state is StepState.FAILED:
                    self._failed.inc()

    def _is_new(self, job_id: str, end: tuple[str, int, str]) -> bool:
        with self._lock:
            seen = self._counted.setdefault(job_id, set())
            if end in seen:
                return False
            seen.add(end)
            while len(self._counted) > REMEMBERED_JOBS:
                del self._counted[next(iter(self._counted))]
            return True


class _ProcessMetrics(Collector):
    """Looks at the process when it is scraped."""

    def __init__(self, checks: Mapping[str, Callable[[], bool]], data_dir: Path) -> None:
        self._checks = checks
        self._data_dir = data_dir

    def collect(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily("clearml_chatops_ready", "1 where what /readyz asks is so.", labels=["check"])
        for name, check in self._checks.items():
            ready.add_metric([name], holds(name, check))
        yield ready
        build = GaugeMetricFamily("clearml_chatops_build_info", "1; the label says which version.", labels=["version"])
        build.add_metric([version("clearml-chatops")], 1)
        yield build
        try:
            disk = shutil.disk_usage(self._data_dir)
        except OSError:  # gone; the store's check says so
            return
        yield GaugeMetricFamily("clearml_chatops_data_free_bytes", "Room left for the data folder.", value=disk.free)
        yield GaugeMetricFamily("clearml_chatops_data_size_bytes", "Room where the data folder is.", value=disk.total)
