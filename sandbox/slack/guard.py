"""Who may talk to the sandbox: this machine, by its loopback names; its page, by the run's token.

Another web page open in the same browser can send requests to 127.0.0.1, or reach it by a name of its own
that resolves there. The Host check stops the second; the token, which no other origin can read and which
must come in a header, stops the first.
"""

import hmac

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.slack.workspace import Workspace

TOKEN_HEADER = "x-sandbox-token"  # noqa: S105 - a header's name
_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, workspace: Workspace, token: str) -> None:
        self._app = app
        self._workspace = workspace
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if (refusal := self._refusal(scope, headers, host)) is not None:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": refusal})
            else:
                await PlainTextResponse(refusal, status_code=403)(scope, receive, send)
            return
        self._workspace.state.base_url = f"http://{host}"

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        await self._app(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers, host: str) -> str | None:
        if host.rsplit(":", 1)[0] not in _LOOPBACK and host not in _LOOPBACK:
            return "this sandbox answers to 127.0.0.1 and localhost only"
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return "this sandbox answers its own page only"
        path = str(scope["path"])
        if not path.startswith("/sandbox/"):
            return None
        given = headers.get(TOKEN_HEADER) or _query_token(scope, path)
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return "the token of this run is missing or wrong: reload the page"
        return None


def _query_token(scope: Scope, path: str) -> str:
    """Return the token in the address: only pictures, which cannot send headers, may carry it there."""
    if not path.startswith("/sandbox/files/"):
        return ""
    query = bytes(scope.get("query_string", b"")).decode("latin-1")
    return query.removeprefix("token=") if query.startswith("token=") else ""
