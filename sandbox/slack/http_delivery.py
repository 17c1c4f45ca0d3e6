"""HTTP mode: payloads posted to the app's request URLs, signed as Slack signs them."""

import hashlib
import hmac
import json
import threading
import time
import urllib.parse
from collections.abc import Callable
from concurrent.futures import Future

import httpx

from sandbox.slack.delivery import ACK_S, DeliveryError, Envelope
from sandbox.slack.model import JSON


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Return Slack's v0 signature of the body.

    Source: docs.slack.dev/authentication/verifying-requests-from-slack.
    """
    base = b"v0:%d:%s" % (timestamp, body)
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


class HttpDelivery:
    """A Transport: every kind of payload goes to *request_url*."""

    def __init__(self, request_url: str, signing_secret: str, *, clock: Callable[[], float] = time.time) -> None:
        self._url = request_url
        self._secret = signing_secret
        self._clock = clock

    def verify_url(self) -> bool:
        """Return whether the app answers the ``url_verification`` challenge, as Slack asks when it is set."""
        challenge = hashlib.sha256(str(time.monotonic()).encode()).hexdigest()
        payload = {"type": "url_verification", "challenge": challenge, "token": "sandbox"}
        try:
            answer = self._post(Envelope(kind="events_api", payload=payload))
        except (DeliveryError, httpx.HTTPError):
            return False
        return challenge in answer.text

    def send(self, envelope: Envelope) -> "Future[JSON]":
        """Post it from another thread."""
        future: Future[JSON] = Future()
        threading.Thread(target=self._run, args=(envelope, future), daemon=True).start()
        return future

    def _run(self, envelope: Envelope, future: "Future[JSON]") -> None:
        try:
            answer = self._post(envelope)
        except httpx.TimeoutException:
            future.set_exception(DeliveryError("operation_timeout", reason="http_timeout"))
            return
        except httpx.HTTPError:
            future.set_exception(DeliveryError("dispatch_failed", reason="connection_failed"))
            return
        if answer.status_code != httpx.codes.OK:
            again = answer.headers.get("x-slack-no-retry") != "1"
            future.set_exception(DeliveryError("dispatch_failed", reason="http_error", again=again))
            return
        if not answer.content.strip():
            future.set_result({})
        elif answer.headers.get("content-type", "").startswith("application/json"):
            body = answer.json()
            future.set_result(body if isinstance(body, dict) else {})
        else:
            future.set_result({"text": answer.text})

    def _post(self, envelope: Envelope) -> httpx.Response:
        if envelope.kind == "events_api":
            body, kind = json.dumps(envelope.payload).encode(), "application/json"
        else:
            form = envelope.payload if envelope.kind == "slash_commands" else {"payload": json.dumps(envelope.payload)}
            body, kind = urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded"
        timestamp = int(self._clock())
        headers = {
            "Content-Type": kind,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": str(timestamp),
            "X-Slack-Signature": sign(self._secret, timestamp, body),
        }
        if envelope.retry_attempt:
            headers["X-Slack-Retry-Num"] = str(envelope.retry_attempt)
            headers["X-Slack-Retry-Reason"] = envelope.retry_reason
        return httpx.post(self._url, content=body, headers=headers, timeout=ACK_S, trust_env=False)
