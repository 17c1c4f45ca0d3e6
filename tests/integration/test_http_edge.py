"""HTTP mode takes what Slack signed, once, and nothing else: tampering, skew, replay, size, slowness."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from slack_bolt import App
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient

from bot import http_edge, http_server
from bot.http_edge import HttpEdge
from provisioning.errors import PermanentError
from provisioning.store.seen import Seen
from sandbox.slack.http_delivery import sign
from tests.integration.store_samples import open_store

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
EVENT = {"type": "event_callback", "team_id": "T1", "event": {"type": "app_home_opened", "user": "UANA", "tab": "home"}}
BODY = json.dumps(EVENT).encode()


class Edge:
    """A running edge, and what came through it."""

    def __init__(self, edge: HttpEdge, heard: list[str]) -> None:
        self.url = edge.url
        self.heard = heard

    def post(
        self,
        body: bytes = BODY,
        *,
        signed: bytes | None = None,
        secret: str = SECRET,
        age_s: float = 0,
        headers: dict[str, str] | None = None,
    ) -> int:
        """Post *body* with the signature of *signed*; *headers* replace the right ones. Returns the status."""
        at = int(time.time() - age_s)
        given = {
            "Content-Type": "application/json",
            "X-Slack-Request-Timestamp": str(at),
            "X-Slack-Signature": sign(secret, at, body if signed is None else signed),
        } | (headers or {})
        kept = {name: value for name, value in given.items() if value}
        return httpx.post(self.url, content=body, headers=kept, timeout=10, trust_env=False).status_code

    def raw(self, request: bytes, *, wait_s: float = 5) -> bytes:
        """Send bytes, and return what is answered until the connection closes."""
        address = urlsplit(self.url)
        with socket.create_connection((str(address.hostname), int(address.port or 0)), wait_s) as connection:
            connection.sendall(request)
            answer = b""
            while part := connection.recv(4096):
                answer += part
            return answer


def _authorize() -> AuthorizeResult:
    return AuthorizeResult(
        enterprise_id=None, team_id="T1", bot_token="xoxb-1", bot_id="B1", bot_user_id="UB", user_id="UANA"
    )


def _note_in(heard: list[str]) -> Callable[..., Any]:
    def note(body: dict[str, Any], next: Callable[[], Any]) -> Any:  # noqa: A002 - Bolt's name
        heard.append(str(body["type"]))
        return next()

    return note


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    heard: list[str] = []
    app = App(
        client=WebClient(token="xoxb-1"),
        signing_secret=SECRET,
        token_verification_enabled=False,
        process_before_response=True,
        authorize=_authorize,
    )
    app.middleware(_note_in(heard))
    app.event("app_home_opened")(lambda: None)
    store = open_store(tmp_path)
    running = HttpEdge(app, signing_secret=SECRET, seen=Seen(store).before, host="127.0.0.1", port=0)
    running.start()
    try:
        yield Edge(running, heard)
    finally:
        running.stop()
        store.close()


def test_what_slack_signed_comes_through(edge: Edge) -> None:
    assert edge.post() != 401
    assert edge.post(BODY + b" ") != 401
    assert edge.heard == ["event_callback"] * 2


@pytest.mark.parametrize(
    "forge",
    [
        lambda edge: edge.post(BODY.replace(b"UANA", b"UEVE"), signed=BODY),
        lambda edge: edge.post(BODY + b"\n", signed=BODY),
        lambda edge: edge.post(secret="another-secret"),
        lambda edge: edge.post(secret=""),
        lambda edge: edge.post(age_s=301),
        lambda edge: edge.post(age_s=-360),
        lambda edge: edge.post(headers={"X-Slack-Request-Timestamp": str(int(time.time()) + 7)}),
        lambda edge: edge.post(headers={"X-Slack-Request-Timestamp": ""}),
        lambda edge: edge.post(headers={"X-Slack-Request-Timestamp": "now"}),
        lambda edge: edge.post(headers={"X-Slack-Request-Timestamp": "1e9"}),
        lambda edge: edge.post(headers={"X-Slack-Signature": ""}),
        lambda edge: edge.post(headers={"X-Slack-Signature": "v0="}),
        lambda edge: edge.post(b"\xff\xfe", signed=b"\xef\xbf\xbd\xef\xbf\xbd"),
    ],
)
def test_what_slack_did_not_sign_so_is_refused(edge: Edge, forge: Callable[[Edge], int]) -> None:
    """Changed, by another secret, too old, from the future, unsigned: 401, and nobody hears of it."""
    assert forge(edge) == 401
    assert edge.heard == []


def test_a_recorded_request_counts_once(edge: Edge) -> None:
    """Sent again within the five minutes, signature and all; also by many at once."""
    at = int(time.time())
    headers = {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": sign(SECRET, at, BODY)}
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(edge.post(headers=headers))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(409) == 7
    assert edge.heard == ["event_callback"]
    assert edge.post(age_s=-1) not in {401, 409}, "Slack's own retry is signed anew"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST /slack/events HTTP/1.1\r\nHost: x\r\n", 411),
        ("POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n", 411),
        ("POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: \xb2\r\n", 411),
        ("POST /slack/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n", 411),
        ("POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n", 413),
        (f"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: {'9' * 4000}\r\n", 413),
        ("POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n", 404),
        ("GET /slack/events HTTP/1.1\r\nHost: x\r\n", 404),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\n", 200),
        ("DELETE /slack/events HTTP/1.1\r\nHost: x\r\n", 501),
        (f"GET /{'a' * 70_000} HTTP/1.1\r\nHost: x\r\n", 414),
    ],
)
def test_odd_requests_are_answered_and_not_read(edge: Edge, head: str, status: int) -> None:
    answer = edge.raw(f"{head}\r\n".encode("latin-1"))
    assert answer.split()[1] == str(status).encode()


def test_what_is_signed_and_no_payload_is_answered(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    """Bolt trusts what is signed; where that is not shaped as Slack's, there is an answer and a line in the log."""
    assert edge.post(b"[]") == 500
    assert "a signed request could not be read" in caplog.text
    assert edge.post() == 200


def test_a_slow_body_is_given_up(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then holds a thread for so long, and no longer."""
    monkeypatch.setattr(http_edge, "READ_S", 0.5)
    address = urlsplit(edge.url)
    began = time.monotonic()
    with socket.create_connection((str(address.hostname), int(address.port or 0)), 5) as connection:
        connection.sendall(b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        answer = b""
        connection.settimeout(0.1)
        while not answer and time.monotonic() - began < 5:
            connection.sendall(b"x")
            try:
                answer = connection.recv(4096)
            except TimeoutError:
                continue
    assert b"408" in answer


def test_more_connections_than_there_are_threads_for_are_closed(edge: Edge) -> None:
    address = urlsplit(edge.url)
    where = (str(address.hostname), int(address.port or 0))
    held = [socket.create_connection(where, 5) for _ in range(http_server.MOST_CONNECTIONS)]
    try:
        time.sleep(0.3)
        assert edge.raw(b"") == b"", "closed, and the others live"
    finally:
        for one in held:
            one.close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if edge.post(age_s=2) not in {401, 409}:
                break
        except httpx.TransportError:
            time.sleep(0.1)
    assert edge.heard == ["event_callback"]


def test_a_port_that_is_taken_names_its_own_setting(tmp_path: Path) -> None:
    """Not the health page's: that is another port."""
    app = App(token="xoxb-1", signing_secret=SECRET, token_verification_enabled=False)
    store = open_store(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(PermanentError) as found:
        HttpEdge(app, signing_secret=SECRET, seen=Seen(store).before, host="127.0.0.1", port=_port(other))
    store.close()
    assert "CLEARML_CHATOPS_SLACK__HTTP_PORT" in found.value.next_action


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])
