"""Traces of jobs: one a run, one span a step, with the store's own times."""

import gzip
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bot.tracing import Traces, otlp_tracer
from policies.approvals import Actor
from provisioning.clock import SystemClock
from provisioning.evidence.trail import Event
from provisioning.jobs.job import Failure, Job, JobState, StepState, StepStatus
from provisioning.plan import Plan, Step
from provisioning.redact import Redactor
from provisioning.store import Change, Store

ANA = Actor(id="U1", name="ana")
PLAN = Plan(
    operation="tenant create",
    subject="acme",
    summary="Create tenant acme",
    request={},
    steps=(
        Step(id="company", kind="clearml.company", title="Create company"),
        Step(id="agent", kind="helm.release", title="Install agent"),
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "chatops.db", clock=SystemClock(), redact=Redactor())
    yield made
    made.close()


def becomes(after: Job, _before: Job) -> Change:
    return Change(job=after)


def fail(store: Store) -> Job:
    """Return a job whose second step has failed after seven seconds."""
    job = store.create_job(
        command="tenant create acme",
        requester=ANA,
        plan=PLAN,
        state=JobState.QUEUED,
        approval=None,
        place=None,
        event=Event(action="job.requested", actor=ANA.id),
    )
    began = job.created_at
    middle, end = began + timedelta(seconds=2), began + timedelta(seconds=9)
    failure = Failure(what="helm timed out")
    steps = (
        StepStatus(step_id="company", state=StepState.DONE, started_at=began, finished_at=middle),
        StepStatus(step_id="agent", state=StepState.FAILED, started_at=middle, finished_at=end, failure=failure),
    )
    ended = job.model_copy(update={"state": JobState.FAILED, "steps": steps, "failure": failure})
    store.update_job(job.id, partial(becomes, ended))
    return store.update_job(job.id, partial(becomes, ended))  # it changes again, and is told once


def seconds(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


def test_a_run_is_a_trace_and_its_steps_are_spans(store: Store) -> None:
    """Names, times, states; the failure is the span's status; nothing is told twice."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    Traces(provider.get_tracer("test")).watch(store)
    job = fail(store)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert len(exporter.get_finished_spans()) == len(spans) == 3
    root, company, agent = spans["tenant create"], spans["clearml.company"], spans["helm.release"]
    assert company.parent is not None
    assert company.parent.span_id == root.context.span_id
    assert seconds(company) == pytest.approx(2)
    assert seconds(agent) == pytest.approx(7)
    assert agent.status.description == root.status.description == "helm timed out"
    assert root.attributes is not None
    assert root.attributes["job.plan_digest"] == job.digest
    provider.shutdown()


def test_spans_reach_a_collector(store: Store) -> None:
    """OTLP over HTTP, in the background."""
    got = threading.Event()
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            got.set()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        Traces(otlp_tracer(f"http://127.0.0.1:{server.server_port}/v1/traces")).watch(store)
        fail(store)
        assert got.wait(20)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    sent = b"".join(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body for body in bodies)
    assert b"helm timed out" in sent
