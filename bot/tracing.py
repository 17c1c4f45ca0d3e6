"""OpenTelemetry traces of jobs, by a setting: one trace a run, one span a step.

Spans are made from what the store tells once a run has ended, with the times that it has: nothing that does the work
knows of tracing, and a crash in the middle loses no span.
"""

import logging
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING

from provisioning.errors import PermanentError
from provisioning.jobs.job import Job, JobState, StepState, StepStatus
from provisioning.store import Store

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

log = logging.getLogger(__name__)

NAME = "clearml-chatops"
ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.ROLLED_BACK, JobState.SUPERSEDED})
REMEMBERED = 1000


class Traces:
    """Exports the runs of jobs. ``watch`` once."""

    def __init__(self, tracer: "Tracer") -> None:
        self._tracer = tracer
        self._lock = Lock()
        self._told: dict[tuple[str, int, JobState], None] = {}  # runs, newest last

    def watch(self, store: Store) -> None:
        """Export each run that *store* tells the end of from now on."""
        store.on_change(self._observe)

    def _observe(self, job: Job) -> None:
        began = [status.started_at for status in job.steps if status.started_at is not None]
        if job.state not in ENDED or not began or not self._is_new(job):
            return
        from opentelemetry.trace import set_span_in_context

        root = self._tracer.start_span(job.plan.operation, start_time=_ns(min(began)), attributes=_of_job(job))
        context = set_span_in_context(root)
        for status in job.steps:
            if status.started_at is not None and status.finished_at is not None:
                attributes = {"step.id": status.step_id, "step.state": status.state.value}
                span = self._tracer.start_span(
                    job.plan.step(status.step_id).kind,
                    context=context,
                    start_time=_ns(status.started_at),
                    attributes=attributes,
                )
                _mark(span, status)
                span.end(_ns(status.finished_at))
        if job.failure is not None and job.state is JobState.FAILED:
            _fail(root, job.failure.what)
        root.end(_ns(job.updated_at))

    def _is_new(self, job: Job) -> bool:
        """A job changes after its end, too: its message is shown, its credentials are revealed."""
        run = (job.id, job.attempt, job.state)
        with self._lock:
            if run in self._told:
                return False
            self._told[run] = None
            while len(self._told) > REMEMBERED:
                del self._told[next(iter(self._told))]
            return True


def otlp_tracer(endpoint: str) -> "Tracer":
    """Return a tracer that sends to *endpoint* (OTLP over HTTP) in the background.

    Raises: PermanentError where the libraries are not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as missing:
        raise PermanentError(
            f"traces need {missing.name}, which is not installed",
            next_action="pip install 'clearml-chatops[tracing]', or unset CLEARML_CHATOPS_TRACES_ENDPOINT",
        ) from missing
    provider = TracerProvider(resource=Resource.create({"service.name": NAME}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return provider.get_tracer(NAME)


def _of_job(job: Job) -> dict[str, str | int]:
    return {
        "job.id": job.id,
        "job.number": job.number,
        "job.attempt": job.attempt,
        "job.state": job.state.value,
        "job.subject": job.plan.subject,
        "job.plan_digest": job.digest,
    }


def _mark(span: "Span", status: StepStatus) -> None:
    if status.state is StepState.FAILED and status.failure is not None:
        _fail(span, status.failure.what)


def _fail(span: "Span", what: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, what[:500]))


def _ns(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000_000)
