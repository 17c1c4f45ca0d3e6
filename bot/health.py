"""A small HTTP server for probes and Prometheus, apart from Slack's door: /healthz, /readyz, /metrics."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from bot.http_server import Answering, HttpServer

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
        handler = _handler(checks, metrics)
        self._server = HttpServer(handler, name="health", host=host, port=port, settings="HEALTH__")

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()


def _handler(checks: Mapping[str, Callable[[], bool]], metrics: Callable[[], bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(Answering):
        def do_GET(self) -> None:  # noqa: N802 - http.server calls it so
            match self.path.partition("?")[0]:
                case "/healthz":
                    self.answer(HTTPStatus.OK, b"ok\n")
                case "/readyz":
                    states = {name: holds(name, check) for name, check in checks.items()}
                    status = HTTPStatus.OK if all(states.values()) else HTTPStatus.SERVICE_UNAVAILABLE
                    lines = (f"{'ok  ' if state else 'FAIL'} {name}\n" for name, state in states.items())
                    self.answer(status, "".join(lines).encode())
                case "/metrics":
                    self.answer(HTTPStatus.OK, metrics(), METRICS_TYPE)
                case _:
                    self.answer(HTTPStatus.NOT_FOUND, b"/healthz, /readyz, /metrics\n")

    return Handler


def holds(name: str, check: Callable[[], bool]) -> bool:
    """Return whether *check* says yes; one that fails says no, and the log says which."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a check that fails is a no
        log.warning("readiness: %s: %s", name, type(error).__name__)
        return False
