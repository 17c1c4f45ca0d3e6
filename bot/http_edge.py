"""HTTP mode: Slack's signed requests → Bolt, and a health page. Threads, no framework.

A request counts once: whoever recorded one, with its true signature, can send it again for five minutes.
"""

import hashlib
import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from slack_bolt import App, BoltRequest
from slack_sdk.signature import SignatureVerifier

from bot.http_server import TEXT, Answering, HttpServer

log = logging.getLogger(__name__)

PATH = "/slack/events"
HEALTH = "/healthz"
MOST_BYTES = 1_048_576
READ_S = 10.0  # for the whole body: Slack's own arrive at once
CHUNK = 65_536

Seen = Callable[[str], bool]
"""Key → was it given before? Remembers it for longer than a signature is valid."""


class HttpEdge:
    """Listens on *host*:*port*. Refuses what is not signed, too old, too large, too slow, or sent again.

    Args:
        seen: remembers signatures, also across restarts.
    """

    def __init__(self, app: App, *, signing_secret: str, seen: Seen, host: str, port: int) -> None:
        handler = _handler(app, SignatureVerifier(signing_secret), seen)
        self._server = HttpServer(handler, name="http-edge", host=host, port=port, settings="SLACK__HTTP_")

    @property
    def url(self) -> str:
        return self._server.url + PATH

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()


def _handler(app: App, verifier: SignatureVerifier, seen: Seen) -> type[BaseHTTPRequestHandler]:
    class Handler(Answering):
        timeout = READ_S

        def do_GET(self) -> None:  # noqa: N802 - http.server calls it so
            self.answer(HTTPStatus.OK if self.path == HEALTH else HTTPStatus.NOT_FOUND, b"")

        def do_POST(self) -> None:  # noqa: N802 - http.server calls it so
            path, _, query = self.path.partition("?")
            length = self.headers.get("Content-Length", "")
            if path != PATH:
                self.answer(HTTPStatus.NOT_FOUND, b"")
            elif not (length.isascii() and length.isdigit()):
                self.answer(HTTPStatus.LENGTH_REQUIRED, b"")
            elif len(length) > 9 or int(length) > MOST_BYTES:
                self.answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"")
            else:
                body = self._read(int(length))
                if body is None:
                    self.answer(HTTPStatus.REQUEST_TIMEOUT, b"")
                elif (refused := self._refusal(body)) is not None:
                    self.answer(refused, b"")
                else:
                    self._dispatch(body.decode(), query)

        def _read(self, length: int) -> bytes | None:
            """Return the body, or None where it is not all here in time."""
            parts, left, deadline = [], length, time.monotonic() + READ_S
            while left:
                try:
                    part = self.rfile.read1(min(left, CHUNK))
                except TimeoutError:
                    return None
                if not part or time.monotonic() > deadline:
                    return None
                parts.append(part)
                left -= len(part)
            return b"".join(parts)

        def _refusal(self, body: bytes) -> HTTPStatus | None:
            timestamp = self.headers.get("X-Slack-Request-Timestamp", "")
            signature = self.headers.get("X-Slack-Signature", "")
            try:
                valid = verifier.is_valid(body.decode(), timestamp, signature)
            except (ValueError, TypeError):  # no UTF-8, a timestamp that is no number, a signature that is no ASCII
                valid = False
            if not valid:
                log.warning("a request was refused: its signature is wrong, or older than five minutes")
                return HTTPStatus.UNAUTHORIZED
            if seen(f"signature:{hashlib.sha256(signature.encode()).hexdigest()}"):
                log.warning("a request was refused: it was sent before, signature and all")
                return HTTPStatus.CONFLICT
            return None

        def _dispatch(self, body: str, query: str) -> None:
            try:
                answer = app.dispatch(BoltRequest(body=body, query=query, headers=dict(self.headers.items())))
            except Exception:  # Bolt's own: it trusts the shape of what is signed
                log.exception("a signed request could not be read")
                self.answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"")
                return
            kind = answer.first_headers().get("content-type", TEXT)
            self.answer(answer.status, str(answer.body or "").encode(), kind)

    return Handler
