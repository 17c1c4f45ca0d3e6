"""Probes and metrics: what Kubernetes and Prometheus get from a running bot."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.health import HealthServer
from bot.metrics import Metrics
from policies.approvals import Actor
from provisioning.clock import SystemClock
from provisioning.errors import PermanentError
from provisioning.evidence.trail import Event
from provisioning.jobs.job import Job, JobState, StepState, StepStatus
from provisioning.plan import Plan, Step
from provisioning.redact import Redactor
from provisioning.store import Change, Store

ANA = Actor(id="U1", name="ana")
PLAN = Plan(
    operation="tenant create",
    subject="acme",
    summary="Create tenant acme",
    request={},
    steps=(Step(id="company", kind="k", title="Create company"),),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "chatops.db", clock=SystemClock(), redact=Redactor())
    yield made
    made.close()


def samples(text: bytes) -> dict[str, float]:
    """Return name{labels} → value."""
    return {
        sample.name + "".join(f",{key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def becomes(after: Job, _before: Job) -> Change:
    return Change(job=after)


def get(url: str) -> tuple[int, str]:
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_jobs_steps_and_the_trail_are_counted(store: Store) -> None:
    """Open jobs by state; a step's duration once, however often the job changes afterwards; the head's age."""
    metrics = Metrics(SystemClock())
    metrics.watch(store)
    job = store.create_job(
        command="tenant create acme",
        requester=ANA,
        plan=PLAN,
        state=JobState.AWAITING_APPROVAL,
        approval=None,
        place=None,
        event=Event(action="job.requested", actor="U1"),
    )
    assert samples(metrics.text())["clearml_chatops_approvals_waiting"] == 1
    began = job.created_at
    done = StepStatus(
        step_id="company", state=StepState.DONE, started_at=began, finished_at=began + timedelta(seconds=3), attempt=1
    )
    for state in (JobState.RUNNING, JobState.SUCCEEDED):
        after = job.model_copy(update={"state": state, "steps": (done,)})
        store.update_job(job.id, partial(becomes, after))
    found = samples(metrics.text())
    labels = ",operation=tenant create,outcome=done,step=company"
    assert found[f"clearml_chatops_step_duration_seconds_count{labels}"] == 1
    assert found[f"clearml_chatops_step_duration_seconds_sum{labels}"] == 3
    assert found["clearml_chatops_jobs,state=running"] == 0
    assert found["clearml_chatops_audit_head_seq"] == 1
    assert 0 <= found["clearml_chatops_audit_head_age_seconds"] < 60


def test_ready_says_what_is_not(store: Store) -> None:
    """503 and the check's name, also where the check itself breaks; alive is another question."""
    ready = {"engine": True}

    def slack() -> bool:
        raise OSError("gone")

    server = HealthServer(
        host="127.0.0.1",
        port=0,
        checks={"engine": lambda: ready["engine"], "slack": slack},
        metrics=lambda: b"# none\n",
    )
    server.start()
    try:
        assert get(f"{server.url}/healthz") == (200, "ok\n")
        assert get(f"{server.url}/readyz") == (503, "ok   engine\nFAIL slack\n")
        assert get(f"{server.url}/metrics") == (200, "# none\n")
        assert get(f"{server.url}/etc/passwd")[0] == 404
    finally:
        server.stop()


def test_a_port_that_is_taken_names_the_setting(store: Store) -> None:
    """The bot ends with what to do next, as with every other setting, and not with a fault of its own."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PermanentError, match=f"listening on 127.0.0.1:{port}: Address already in use") as found:
            HealthServer(host="127.0.0.1", port=port, checks={}, metrics=lambda: b"")
        assert "CLEARML_CHATOPS_HEALTH__PORT" in found.value.next_action
