"""HTTP mode: Slack's signed requests → Bolt, and a health page. Threads, no framework."""

import logging
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from slack_bolt import App, BoltRequest

log = logging.getLogger(__name__)

PATH = "/slack/events"
HEALTH = "/healthz"
MOST_BYTES = 1_048_576


class HttpEdge:
    """Listens on *host*:*port*. Signatures and time skew are checked by Bolt."""

    def __init__(self, app: App, *, host: str, port: int) -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(app))
        self._server.daemon_threads = True
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


def _handler(app: App) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            self._answer(HTTPStatus.OK if self.path == HEALTH else HTTPStatus.NOT_FOUND, b"")

        def do_POST(self) -> None:
            path, _, query = self.path.partition("?")
            length = self.headers.get("Content-Length", "")
            if path != PATH:
                self._answer(HTTPStatus.NOT_FOUND, b"")
            elif not length.isdigit():
                self._answer(HTTPStatus.LENGTH_REQUIRED, b"")
            elif int(length) > MOST_BYTES:
                self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"")
            else:
                body = self.rfile.read(int(length)).decode("utf-8", errors="replace")
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
