"""Servers of the sandbox: uvicorn in a thread, on 127.0.0.1 only."""

import socket
import threading
import time

import uvicorn
from starlette.types import ASGIApp

START_S = 20.0
STOP_S = 5.0


def listen(port: int = 0) -> socket.socket:
    """Take *port* of 127.0.0.1, or a free one for 0. Raises: OSError where another process has it."""
    return socket.create_server(("127.0.0.1", port))


class LoopbackServer:
    """Serves *app* on 127.0.0.1, at *listener* where one is given. Port 0 takes a free one."""

    def __init__(self, app: ASGIApp, *, port: int = 0, listener: socket.socket | None = None) -> None:
        self._app = app
        self._port = port
        self._listener = listener
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> str:
        """Start serving. Returns the URL without a slash at its end. Raises: OSError, TimeoutError."""
        listener = self._listener or listen(self._port)
        # Connections inherit it. Without it each answer on a kept connection waits 40 ms for the client's ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(
            self._app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        self._server = server
        self._thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="sandbox-server", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + START_S
        while not server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise TimeoutError("the sandbox's server did not start")
            time.sleep(0.01)
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    def stop(self) -> None:
        """Stop serving and wait for the thread. Safe to call again."""
        if self._server is not None and self._thread is not None:
            # an app that lets its clients wait ends their waiting here, or the stop would wait for them
            close = getattr(getattr(self._app, "state", None), "close", None)
            if close is not None:
                close()
            self._server.should_exit = True
            self._thread.join(STOP_S)
            self._server = self._thread = None
