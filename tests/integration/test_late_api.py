"""A server that was just deployed: its API answers late, not at all, or somebody else answers in its place."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from provisioning.clients.clearml import ClearML
from provisioning.clients.clearml_errors import ClearMLError
from provisioning.configuration import ClearMLServer
from provisioning.errors import PermanentError
from provisioning.plan import Presence
from provisioning.steps import platform_steps
from provisioning.steps.base import StepRun
from provisioning.steps.platform_steps import ApiAnswers
from sandbox.clearml.api import create_app
from sandbox.clearml.state import ClearMLState
from sandbox.serving import LoopbackServer

VERSION = "3.21.6"  # of the stand-in
RUN = StepRun(job_id="job-1", step_id="api", attempt=1, timeout_s=30)
DEFAULT_BACKEND = Starlette(
    routes=[Route("/{path:path}", lambda _: PlainTextResponse("default backend", 404), methods=["GET", "POST"])]
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform_steps, "POLL_S", 0.05)


@pytest.fixture
def port() -> int:
    """Return a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def step(state: ClearMLState, url: str) -> Iterator[tuple[ApiAnswers, dict[str, str]]]:
    settings = {"api_url": url, "web_url": url, "files_url": url}
    keys = {"access_key": state.system_key, "secret_key": state.system_secret}
    client = ClearML(ClearMLServer.model_validate({**settings, **keys}))
    with closing(client):
        yield ApiAnswers(client), {"url": url}


@contextmanager
def after_notes(count: int, then: Callable[[], object]) -> Iterator[tuple[StepRun, list[str]]]:
    """Hand out a run whose progress is kept, and do *then* once it has told *count* times."""
    notes: list[str] = []
    done = threading.Event()

    def note(line: str) -> None:
        notes.append(line)
        if len(notes) >= count and not done.is_set():
            done.set()
            then()

    yield replace(RUN, note=note), notes
    assert done.is_set(), notes


def test_an_api_that_is_not_ready_behind_its_ingress_is_waited_for(state: ClearMLState, url: str) -> None:
    """503 for a while, told as progress, then the version."""
    state.is_down = True
    healthy = lambda: setattr(state, "is_down", False)  # noqa: E731 - one line says it
    with step(state, url) as (action, inputs), after_notes(3, healthy) as (run, notes):
        assert action.observe(inputs).presence is Presence.ABSENT
        outputs = action.apply(inputs, run)
        assert action.observe(inputs).presence is Presence.PRESENT
    assert outputs == {"version": VERSION}
    assert all(note.startswith("no answer yet, 0 s of 30: ") and "(503)" in note for note in notes)


def test_an_api_that_nobody_listens_for_yet_is_waited_for(state: ClearMLState, port: int) -> None:
    """Connections are refused until the server is there."""
    server = LoopbackServer(create_app(state), port=port)
    with step(state, f"http://127.0.0.1:{port}") as (action, inputs), after_notes(2, server.start) as (run, notes):
        try:
            assert action.apply(inputs, run) == {"version": VERSION}
        finally:
            server.stop()
    assert "cannot be reached" in notes[0]


def test_a_default_page_in_its_place_is_waited_for(state: ClearMLState, port: int) -> None:
    """An ingress controller answers 404 by itself until it has taken up the server's Ingress."""
    page = LoopbackServer(DEFAULT_BACKEND, port=port)
    server = LoopbackServer(create_app(state), port=port)
    page.start()

    def take_up() -> None:
        page.stop()
        server.start()

    with step(state, f"http://127.0.0.1:{port}") as (action, inputs), after_notes(2, take_up) as (run, notes):
        assert action.observe(inputs).presence is Presence.DIFFERS
        try:
            assert action.apply(inputs, run) == {"version": VERSION}
        finally:
            server.stop()
    assert "(404) is not the ClearML API's" in notes[0]


def test_one_that_stays_away_ends_the_step_with_what_to_do(state: ClearMLState, url: str) -> None:
    state.is_down = True
    with (
        step(state, url) as (action, inputs),
        pytest.raises(PermanentError, match=r"did not answer within 1 s") as ended,
    ):
        action.apply(inputs, replace(RUN, timeout_s=1))
    assert ended.value.next_action == "look at the API server's pods and its ingress, then Retry"
    assert "check that the API server's pods are ready behind its ingress" in ended.value.details


def test_a_refusal_of_the_bots_key_is_not_waited_out(state: ClearMLState, url: str) -> None:
    """No time makes another key of it."""
    state.refuse_key = True
    told: list[str] = []
    with step(state, url) as (action, inputs), pytest.raises(ClearMLError) as refused:
        action.apply(inputs, replace(RUN, note=told.append))
    assert "CLEARML_CHATOPS_CLEARML__ACCESS_KEY" in refused.value.next_action
    assert told == []


def test_waiting_stops_when_the_job_is_cancelled(state: ClearMLState, url: str) -> None:
    state.is_down = True
    with step(state, url) as (action, inputs), pytest.raises(PermanentError, match="was cancelled"):
        action.apply(inputs, replace(RUN, cancelled=lambda: True))
