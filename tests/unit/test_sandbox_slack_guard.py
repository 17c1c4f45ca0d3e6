"""Who may talk to the sandbox: its own page and programs of this machine, whatever a web page elsewhere tries."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from sandbox.slack.guard import Guard

TOKEN = "this-runs-token"


def ask(
    path: str = "/", *, host: str = "127.0.0.1:3000", query: bytes = b"", kind: str = "http", **headers: str
) -> list[Message]:
    """Return what the guard, before an app that answers 200 to anything, sends to such a request."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
        await send({"type": "http.response.body", "body": b"fine"})

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": kind,
        "method": "GET",
        "path": path,
        "query_string": query,
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }
    workspace: Any = SimpleNamespace(state=SimpleNamespace(base_url=""))
    asyncio.run(Guard(app, workspace=workspace, token=TOKEN)(scope, receive, send))
    return sent


def status(*given: Any, **named: Any) -> int:
    return int(ask(*given, **named)[0]["status"])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:3000", "localhost", "localhost:80", "[::1]", "[::1]:3000"])
def test_this_machine_is_let_in_by_its_own_names(host: str) -> None:
    assert status(host=host) == 200


@pytest.mark.parametrize(
    "host", ["", "evil.example", "127.0.0.1.evil.example:80", "evil.example:127.0.0.1", "[::2]:80"]
)
def test_a_name_that_only_leads_here_is_not_let_in(host: str) -> None:
    assert status(host=host) == 403


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://127.0.0.1:3000", 200),
        ("http://127.0.0.1:3001", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_another_page_is_not_let_in(origin: str, expected: int) -> None:
    assert status(origin=origin) == expected


def test_a_socket_of_another_page_is_closed_before_it_opens() -> None:
    """As policy violation, with the reason; an HTTP answer would be none there."""
    (closed,) = ask("/socket", kind="websocket", origin="https://evil.example")
    assert closed == {"type": "websocket.close", "code": 1008, "reason": "this sandbox answers its own page only"}


@pytest.mark.parametrize(
    ("path", "query", "headers", "expected"),
    [
        ("/sandbox/api/snapshot", b"", {"x_sandbox_token": TOKEN}, 200),
        ("/sandbox/api/snapshot", b"", {}, 403),
        ("/sandbox/api/snapshot", b"", {"x_sandbox_token": TOKEN + "x"}, 403),
        ("/sandbox/api/snapshot", b"token=" + TOKEN.encode(), {}, 403),
        ("/sandbox/files/F1", b"token=" + TOKEN.encode(), {}, 200),
        ("/sandbox/files/F1", b"", {"x_sandbox_token": TOKEN}, 200),
        ("/sandbox/files/F1", TOKEN.encode(), {}, 403),
        ("/sandbox/files/F1", b"x=token=" + TOKEN.encode(), {}, 403),
        ("/sandbox/files/F1", b"", {}, 403),
    ],
)
def test_people_are_played_with_the_runs_token_alone(
    path: str, query: bytes, headers: dict[str, str], expected: int
) -> None:
    """In a header, which no other page can send; in the address only of pictures."""
    assert status(path, query=query, **headers) == expected


def test_every_answer_forbids_the_browser_what_it_need_not_do() -> None:
    """Beside the app's own headers, on the answer's head alone."""
    head, body = ask()
    named = {name.decode(): value.decode() for name, value in head["headers"]}
    assert named["x-own"] == "1"
    assert "default-src 'none'; script-src 'self'" in named["content-security-policy"]
    assert "frame-ancestors 'none'" in named["content-security-policy"]
    assert (named["x-content-type-options"], named["x-frame-options"]) == ("nosniff", "DENY")
    assert (named["referrer-policy"], named["cache-control"]) == ("no-referrer", "no-store")
    assert named["cross-origin-resource-policy"] == "same-origin"
    assert "headers" not in body


def test_the_servers_own_beginning_and_end_pass() -> None:
    """They come from no page, and have no headers."""
    assert [each["type"] for each in ask(kind="lifespan", host="evil.example")] == [
        "http.response.start",
        "http.response.body",
    ]
