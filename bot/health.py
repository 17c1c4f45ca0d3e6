"""A small HTTP server for probes and Prometheus, apart from Slack's door: /healthz, /readyz, /metrics."""

import logging
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

log = logging.getLogger(__name__)

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class HealthServer:
    """Answers on *host*:*port*; port 0 takes a free one.

    Args:
        checks: what must be so for /readyz to say 200, each by its name; /healthz only says that the process runs.
        metrics: returns the exposition format.
    """

    def __init__(
        self, *, host: str, port: int, checks: Mapping[str, Callable[[], bool]], metrics: Callable[[], bytes]
    ) -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(checks, metrics))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop answering, also where it never began."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(5)
        self._server.server_close()


def _handler(checks: Mapping[str, Callable[[], bool]], metrics: Callable[[], bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/healthz":
                    self._answer(HTTPStatus.OK, b"ok\n")
                case "/readyz":
                    states = {name: _holds(name, check) for name, check in checks.items()}
                    status = HTTPStatus.OK if all(states.values()) else HTTPStatus.SERVICE_UNAVAILABLE
                    lines = (f"{'ok  ' if state else 'FAIL'} {name}\n" for name, state in states.items())
                    self._answer(status, "".join(lines).encode())
                case "/metrics":
                    self._answer(HTTPStatus.OK, metrics(), METRICS_TYPE)
                case _:
                    self._answer(HTTPStatus.NOT_FOUND, b"/healthz, /readyz, /metrics\n")

        def _answer(self, status: HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            log.debug(format, *args)

    return Handler


def _holds(name: str, check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a check that fails is a no
        log.warning("readiness: %s: %s", name, type(error).__name__)
        return False
