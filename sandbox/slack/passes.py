"""What Slack hands out for a limited time: trigger ids, response URLs, socket tickets."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.slack.model import ApiError

TRIGGER_S = 3.0
RESPONSE_URL_S = 30 * 60
RESPONSE_URL_USES = 5
TICKET_S = 30.0


@dataclass(kw_only=True)
class Trigger:
    """The right to open one modal for *person*. ``modal`` is the view id it came from, if any."""

    person: str
    issued_s: float  # monotonic
    modal: str | None = None
    used: bool = False


@dataclass(kw_only=True)
class ResponseUrl:
    """The right to answer an interaction. ``message_ts``: the message it came from, if any."""

    person: str
    channel: str
    issued_s: float  # the workspace's clock
    message_ts: str | None = None
    uses: int = 0


class Passes:
    """Thread-safe. *clock* is the workspace's; triggers and tickets go by the real, monotonic time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._triggers: dict[str, Trigger] = {}
        self._response_urls: dict[str, ResponseUrl] = {}
        self._tickets: dict[str, float] = {}
        self._uploads: dict[str, str] = {}

    def trigger(self, person_id: str, *, modal: str | None = None) -> str:
        """Issue a trigger id."""
        number = secrets.randbelow(10**12)
        trigger_id = f"{number:013d}.{secrets.randbelow(10**12):013d}.{secrets.token_hex(16)}"
        with self._lock:
            self._triggers[trigger_id] = Trigger(person=person_id, issued_s=time.monotonic(), modal=modal)
        return trigger_id

    def redeem_trigger(self, trigger_id: str) -> Trigger:
        """Use the trigger up. Raises: ApiError (invalid, exchanged or expired)."""
        with self._lock:
            trigger = self._triggers.get(trigger_id)
            if trigger is None:
                raise ApiError("invalid_trigger_id")
            if trigger.used:
                raise ApiError("exchanged_trigger_id")
            if time.monotonic() - trigger.issued_s > TRIGGER_S:
                raise ApiError("expired_trigger_id")
            trigger.used = True
            return trigger

    def response_url(self, person_id: str, channel_id: str, message_ts: str | None = None) -> str:
        """Issue a response URL. Returns its path."""
        key = f"{secrets.randbelow(10**12):012d}/{secrets.token_urlsafe(18)}"
        with self._lock:
            self._response_urls[key] = ResponseUrl(
                person=person_id, channel=channel_id, issued_s=self._clock(), message_ts=message_ts
            )
        return f"/response/{key}"

    def use_response_url(self, key: str) -> ResponseUrl:
        """Count one use. Raises: ApiError."""
        with self._lock:
            url = self._response_urls.get(key)
            if url is None:
                raise ApiError("invalid_url", status=404)
            if self._clock() - url.issued_s > RESPONSE_URL_S:
                raise ApiError("expired_url", status=404)
            if url.uses >= RESPONSE_URL_USES:
                raise ApiError("used_url", status=404)
            url.uses += 1
            return url

    def ticket(self) -> str:
        """Issue a ticket for one WebSocket."""
        ticket = secrets.token_urlsafe(24)
        with self._lock:
            self._tickets[ticket] = time.monotonic()
        return ticket

    def redeem_ticket(self, ticket: str) -> bool:
        """Return whether the ticket was good; it is used up."""
        with self._lock:
            issued_s = self._tickets.pop(ticket, None)
        return issued_s is not None and time.monotonic() - issued_s <= TICKET_S

    def upload(self, file_id: str) -> str:
        """Issue the right to upload the file once."""
        ticket = secrets.token_urlsafe(24)
        with self._lock:
            self._uploads[ticket] = file_id
        return ticket

    def redeem_upload(self, ticket: str) -> str | None:
        """Return the file id, once."""
        with self._lock:
            return self._uploads.pop(ticket, None)
