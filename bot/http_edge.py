"""HTTP mode: Slack's signed requests → Bolt, and a health page. Threads, no framework.

A request counts once: whoever recorded one, with its true signature, can send it again for five minutes.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket

from slack_bolt import App, BoltRequest
from slack_sdk.signature import SignatureVerifier

log = logging.getLogger(__name__)

PATH = "/slack/events"
HEALTH = "/healthz"
MOST_BYTES = 1_048_576
MOST_CONNECTIONS = 128
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
        self._server = _Server((host, port), _handler(app, SignatureVerifier(signing_secret), seen))
        self._thread = threading.Thread(target=self._server.serve_forever, name="http-edge", daemon=True)

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}{PATH}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    """A thread for each connection, and so many at most: one more is closed at once."""

    daemon_threads = True
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)

    def process_request(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            log.warning("more than %s connections at once: one was closed", MOST_CONNECTIONS)
            self.shutdown_request(request)

    def process_request_thread(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base class's names
        log.warning("a connection broke off", exc_info=True)


def _handler(app: App, verifier: SignatureVerifier, seen: Seen) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = READ_S

        def do_GET(self) -> None:
            self._answer(HTTPStatus.OK if self.path == HEALTH else HTTPStatus.NOT_FOUND, b"")

        def do_POST(self) -> None:
            path, _, query = self.path.partition("?")
            length = self.headers.get("Content-Length", "")
            if path != PATH:
                self._answer(HTTPStatus.NOT_FOUND, b"")
            elif not (length.isascii() and length.isdigit()):
                self._answer(HTTPStatus.LENGTH_REQUIRED, b"")
            elif len(length) > 9 or int(length) > MOST_BYTES:
                self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"")
            else:
                body = self._read(int(length))
                if body is None:
                    self._answer(HTTPStatus.REQUEST_TIMEOUT, b"")
                elif (refused := self._refusal(body)) is not None:
                    self._answer(refused, b"")
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
            request = BoltRequest(body=body, query=query, headers=dict(self.headers.items()))
            answer = app.dispatch(request)
            kind = answer.first_headers().get("content-type", "text/plain; charset=utf-8")
            self._answer(answer.status, str(answer.body or "").encode(), kind)

        def _answer(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            log.debug(format, *args)

    return Handler
