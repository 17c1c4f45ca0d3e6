"""A small threaded HTTP server: what the health page and Slack's HTTP door have in common."""

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import ClassVar

from bot.settings import PREFIX
from provisioning.errors import PermanentError, reason_of

log = logging.getLogger(__name__)

TEXT = "text/plain; charset=utf-8"


MOST_CONNECTIONS = 128


class HttpServer:
    """Listens on *host*:*port* from ``start`` to ``stop``; port 0 takes a free one.

    Args:
        settings: what the names of the settings of its address begin with: ``HEALTH__``.

    Raises: PermanentError where the address cannot be had.
    """

    def __init__(
        self, handler: type[BaseHTTPRequestHandler], *, name: str, host: str, port: int, settings: str
    ) -> None:
        try:
            self._server = _Server((host, port), handler)
        except OSError as error:
            raise PermanentError(
                f"listening on {host}:{port}: {reason_of(error)}",
                next_action=f"end what has the port, perhaps another bot, or set {PREFIX}{settings}PORT and …HOST",
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name=name, daemon=True)

    @property
    def url(self) -> str:
        """Return the address, without a path."""
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


class Answering(BaseHTTPRequestHandler):
    """A request handler that answers with a body and its length, and logs nothing by itself."""

    timeout: ClassVar[float] = 10  # seconds that a client may keep a thread waiting

    def answer(self, status: int, body: bytes, kind: str = TEXT) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        log.debug(format, *args)


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
