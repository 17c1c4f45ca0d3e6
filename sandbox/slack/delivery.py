"""From the workspace to the app: one payload, one ack within 3 s; events are tried again."""

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeAlias

from sandbox.slack.faults import Faults
from sandbox.slack.model import JSON

ACK_S = 3.0
RETRY_AFTER_S = (0.0, 60.0, 300.0)  # at once, after a minute, after five
Kind: TypeAlias = Literal["slash_commands", "interactive", "events_api"]


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """One payload on its way. ``retry_attempt`` counts from 0."""

    kind: Kind
    payload: JSON
    accepts_response: bool = False
    id: str = field(default_factory=lambda: f"{secrets.token_hex(4)}-{secrets.token_hex(2)}-{secrets.token_hex(6)}")
    retry_attempt: int = 0
    retry_reason: str = ""


class DeliveryError(Exception):
    """The app did not take the payload; ``error`` is what Slack shows: dispatch_failed, operation_timeout.

    ``again``: whether an event is tried again.
    """

    def __init__(self, error: str, *, reason: str, again: bool = True) -> None:
        super().__init__(error)
        self.error = error
        self.again = again
        self.reason = reason  # as retries name it: timeout, http_error, connection_failed


class Transport(Protocol):
    """Socket Mode or HTTP."""

    def send(self, envelope: Envelope) -> "Future[JSON]":
        """Send it; the future holds the ack's payload. Raises: DeliveryError, where nobody can be reached."""


class Dispatcher:
    """Delivers over the transport that is plugged in. Thread-safe."""

    def __init__(self, *, ack_s: float = ACK_S, retry_after_s: tuple[float, ...] = RETRY_AFTER_S) -> None:
        self.faults = Faults()
        self._ack_s = ack_s
        self._retry_after_s = retry_after_s
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._timers: set[threading.Timer] = set()
        self._newest: Envelope | None = None
        self.transport: Transport | None = None
        self.log: list[JSON] = []  # the newest deliveries, for the drawer
        self.on_delivery: Callable[[], None] = lambda: None

    def deliver(self, kind: Kind, payload: JSON, *, accepts_response: bool = False) -> JSON:
        """Deliver and wait for the ack. Returns its payload. Raises: DeliveryError."""
        envelope = Envelope(kind=kind, payload=payload, accepts_response=accepts_response)
        with self._lock:
            self._newest = envelope
        return self._send(envelope)

    def deliver_event(self, event: JSON) -> None:
        """Deliver an Events API payload from another thread; tried again up to three times."""
        envelope = Envelope(kind="events_api", payload=event)
        with self._lock:
            self._newest = envelope
        self._later(0, envelope)

    def redeliver(self) -> None:
        """Deliver the newest payload once more, as the same envelope. Raises: DeliveryError."""
        with self._lock:
            envelope = self._newest
        if envelope is None:
            raise DeliveryError("nothing_delivered", reason="no payload was delivered yet")
        self._send(envelope)

    def close(self) -> None:
        """Stop the retries."""
        self._closed.set()
        with self._lock:
            timers = list(self._timers)
        for timer in timers:
            timer.cancel()

    def _later(self, delay_s: float, envelope: Envelope) -> None:
        timer = threading.Timer(delay_s, self._try_event, (envelope,))
        timer.daemon = True
        with self._lock:
            self._timers = {each for each in self._timers if each.is_alive()}
            self._timers.add(timer)
            timer.start()

    def _try_event(self, envelope: Envelope) -> None:
        if self._closed.is_set():
            return
        try:
            self._send(envelope)
        except DeliveryError as problem:
            attempt = envelope.retry_attempt
            if problem.again and attempt < len(self._retry_after_s) and not self._closed.is_set():
                again = replace(
                    envelope,
                    id=Envelope(kind="events_api", payload={}).id,
                    retry_attempt=attempt + 1,
                    retry_reason=problem.reason,
                )
                self._later(self._retry_after_s[attempt], again)

    def _send(self, envelope: Envelope) -> JSON:
        began_s = time.monotonic()
        outcome = "acked"
        try:
            return self._send_now(envelope)
        except DeliveryError as problem:
            outcome = problem.error
            raise
        finally:
            self._note(envelope, outcome, time.monotonic() - began_s)

    def _send_now(self, envelope: Envelope) -> JSON:
        if self.faults.take("drop"):
            self._closed.wait(self._ack_s)
            raise DeliveryError("operation_timeout", reason="timeout")
        if self.transport is None:
            raise DeliveryError("dispatch_failed", reason="connection_failed")
        future = self.transport.send(envelope)
        if self.faults.take("duplicate"):
            self.transport.send(envelope)
        if self.faults.take("lost_ack"):
            self._closed.wait(self._ack_s)
            raise DeliveryError("operation_timeout", reason="timeout")
        try:
            return future.result(self._ack_s)
        except FutureTimeoutError:
            raise DeliveryError("operation_timeout", reason="timeout") from None

    def _note(self, envelope: Envelope, outcome: str, took_s: float) -> None:
        entry: dict[str, Any] = {
            "kind": envelope.kind,
            "what": envelope.payload.get("command") or envelope.payload.get("type", ""),
            "outcome": outcome,
            "ms": round(took_s * 1000),
            "retry": envelope.retry_attempt,
        }
        with self._lock:
            self.log = [*self.log[-49:], entry]
        self.on_delivery()
