"""Socket Mode's side of the server: tickets, hello, envelopes, acks, disconnects."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from sandbox.slack.delivery import DeliveryError, Envelope
from sandbox.slack.model import JSON
from sandbox.slack.passes import Passes

MAX_CONNECTIONS = 10
Reason: TypeAlias = Literal["warning", "refresh_requested", "link_disabled", "too_many_websockets"]
_CLOSES_AFTER_S = {
    "warning": 10.0,
    "refresh_requested": 1.0,
    "link_disabled": 0.0,
    "too_many_websockets": 0.0,
}


@dataclass(eq=False)
class _Connection:
    socket: WebSocket
    loop: asyncio.AbstractEventLoop
    waiting: "dict[str, list[Future[JSON]]]" = field(default_factory=dict)  # an envelope may be sent twice
    leaving: bool = False


class SocketHub:
    """A Transport: each payload goes to one of the open connections, in turn. Thread-safe."""

    def __init__(self, passes: Passes, *, app_id: str, on_change: Callable[[], None]) -> None:
        self._passes = passes
        self._app_id = app_id
        self._on_change = on_change
        self._open: list[_Connection] = []
        self._turn = 0
        self.opened = 0  # connections since the beginning
        self.misbehaviour: list[str] = []  # acks that Slack would drop silently

    @property
    def count(self) -> int:
        """Return how many connections take payloads."""
        return sum(not connection.leaving for connection in tuple(self._open))

    def send(self, envelope: Envelope) -> "Future[JSON]":
        """Send it to the next connection. Raises: DeliveryError."""
        able = [connection for connection in tuple(self._open) if not connection.leaving]
        if not able:
            raise DeliveryError("dispatch_failed", reason="connection_failed")
        self._turn += 1
        connection = able[self._turn % len(able)]
        future: Future[JSON] = Future()
        connection.waiting.setdefault(envelope.id, []).append(future)
        message: JSON = {
            "envelope_id": envelope.id,
            "type": envelope.kind,
            "payload": envelope.payload,
            "accepts_response_payload": envelope.accepts_response,
        }
        if envelope.kind == "events_api":
            message |= {"retry_attempt": envelope.retry_attempt, "retry_reason": envelope.retry_reason}
        asyncio.run_coroutine_threadsafe(_say(connection, message), connection.loop)
        return future

    def disconnect(self, reason: Reason = "refresh_requested", *, closes_after_s: float | None = None) -> int:
        """Ask every connection to go, then close it. Returns how many there were."""
        after_s = _CLOSES_AFTER_S[reason] if closes_after_s is None else closes_after_s
        going = [connection for connection in tuple(self._open) if not connection.leaving]
        for connection in going:
            # after a warning Slack still delivers here until it closes the connection
            connection.leaving = reason != "warning"
            asyncio.run_coroutine_threadsafe(_dismiss(connection, reason, after_s), connection.loop)
        self._on_change()
        return len(going)

    def drop(self) -> int:
        """Cut every connection without a word. Returns how many there were."""
        going = list(self._open)
        for connection in going:
            connection.leaving = True
            asyncio.run_coroutine_threadsafe(_close(connection, 1006), connection.loop)
        return len(going)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one WebSocket from its handshake to its end."""
        if not self._passes.redeem_ticket(socket.query_params.get("ticket", "")):
            await socket.close(code=1008)
            return
        await socket.accept()
        connection = _Connection(socket, asyncio.get_running_loop())
        if len(self._open) >= MAX_CONNECTIONS:
            await _dismiss(connection, "too_many_websockets", 0)
            return
        self._open.append(connection)
        self.opened += 1
        await _say(connection, self._hello())
        self._on_change()
        try:
            while True:
                self._hear(connection, await socket.receive_text())
        except (WebSocketDisconnect, RuntimeError, KeyError):
            pass  # closed by either side, or a binary frame, which Socket Mode does not know
        finally:
            self._open.remove(connection)
            self._on_change()

    def _hello(self) -> JSON:
        return {
            "type": "hello",
            "num_connections": len(self._open),
            "connection_info": {"app_id": self._app_id},
            "debug_info": {"host": "sandbox", "build_number": 1, "approximate_connection_time": 3600},
        }

    def _hear(self, connection: _Connection, text: str) -> None:
        try:
            ack = json.loads(text)
        except ValueError:
            ack = None
        if not isinstance(ack, dict) or "envelope_id" not in ack:
            self.misbehaviour.append(f"not an ack: {text[:80]}")
            return
        futures = connection.waiting.get(str(ack["envelope_id"]))
        if not futures:
            self.misbehaviour.append(f"ack of an envelope that was not sent here: {text[:80]}")
            return
        payload = ack.get("payload")
        futures.pop(0).set_result(payload if isinstance(payload, dict) else {})


async def _say(connection: _Connection, message: JSON) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await connection.socket.send_text(json.dumps(message))


async def _dismiss(connection: _Connection, reason: Reason, after_s: float) -> None:
    await _say(connection, {"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}})
    await asyncio.sleep(after_s)
    connection.leaving = True
    await _close(connection, 1000)


async def _close(connection: _Connection, code: int) -> None:
    if connection.socket.application_state is WebSocketState.CONNECTED:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await connection.socket.close(code=1011 if code == 1006 else code)
