"""Calls to a ClearML API server over HTTP: credentials, envelope, timeouts, repeats. The only module with httpx.

A call is repeated only where that cannot do a thing twice: where the caller says so, or where no connection came
about. All tries together take no longer than the timeout and the last try.
"""

import ssl
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from provisioning.clients.clearml_errors import from_answer
from provisioning.configuration import ClearMLServer
from provisioning.errors import ChatopsError, PermanentError, TemporaryError, UnreachableError

TRIES: Final = 3
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
CONNECT_S: Final = 5.0
CONNECTIONS: Final = 32
# Shorter than the servers' own: a connection that they close under a call leaves open whether it was carried out.
KEEP_ALIVE_S: Final = 1.5
IMPERSONATE_AS: Final = "X-Clearml-Impersonate-As"
ACT_AS: Final = "X-Clearml-Act-As"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_CHECK_URL: Final = "check CLEARML_CHATOPS_CLEARML__API_URL"
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

Transport = httpx.BaseTransport


class Wire:
    """One server. Thread-safe; connections are shared and reused."""

    def __init__(
        self,
        server: ClearMLServer,
        *,
        transport: Transport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises: PermanentError where the URL is none."""
        self.time: datetime | None = None  # the server's, as of its last answer
        self._timeout_s = server.timeout_s
        self._pause = pause
        try:
            base = httpx.URL(server.api_url.rstrip("/") + "/")
        except httpx.InvalidURL:
            raise PermanentError("the ClearML API server's URL cannot be read", next_action=_CHECK_URL) from None
        self._host = base.host
        self._http = httpx.Client(
            base_url=base,
            auth=(server.access_key, server.secret_key.get_secret_value()),
            timeout=httpx.Timeout(server.timeout_s, connect=min(CONNECT_S, server.timeout_s)),
            limits=httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=KEEP_ALIVE_S),
            transport=transport,
            trust_env=base.host not in _LOOPBACK,  # no proxy stands between us and this machine
            follow_redirects=False,  # a redirected POST would lose its body
        )

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def call(
        self,
        doing: str,
        endpoint: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
    ) -> dict[str, Any]:
        """Make one call and return the envelope's data.

        Args:
            doing: what is being done, for messages: ``creating company acme``.
            repeatable: carrying it out twice is the same as once.

        Raises: ClearMLError where the API refuses; PermanentError where it is no such API; TemporaryError on 429
        and 5xx; UnreachableError where it does not answer: unless *repeatable*, it may have been carried out.
        """
        until = time.monotonic() + self._timeout_s
        tries = 0
        while True:
            cause: Exception | None = None
            asked_s = 0.0
            try:
                answer = self._http.post(endpoint, json=dict(body or {}), headers=headers)
            except httpx.HTTPError as error:
                cause, problem = error, self._from_transport(doing, error)
            else:
                self.time = _time_of(answer)
                meta, data = _envelope(answer)
                if answer.status_code == 200 and meta:
                    return data
                problem = from_answer(doing, answer.status_code, meta, delay_s=_retry_after_s(answer))
                asked_s = _retry_after_s(answer) or 0.0
            tries += 1
            pause_s = max(FIRST_PAUSE_S * 3 ** (tries - 1), asked_s)
            is_safe = isinstance(problem, TemporaryError) and (repeatable or isinstance(cause, _UNSENT))
            if not is_safe or tries == TRIES or pause_s > LONGEST_PAUSE_S or time.monotonic() + pause_s > until:
                raise problem from cause
            self._pause(pause_s)

    def _from_transport(self, doing: str, error: httpx.HTTPError) -> ChatopsError:
        """Return what *error* means for people."""
        where = f"ClearML at {self._host or 'an empty host'}"
        if isinstance(error, httpx.UnsupportedProtocol):
            return PermanentError(
                f"{doing}: the ClearML API server's URL has no http:// or https://", next_action=_CHECK_URL
            )
        if _is_untrusted(error):
            return PermanentError(
                f"{doing}: the certificate of {where} is not trusted",
                next_action=f"{_CHECK_URL}, and point SSL_CERT_FILE to your certificate authority's file",
            )
        if isinstance(error, httpx.TimeoutException):
            return UnreachableError(
                f"{doing}: {where} did not answer in time",
                next_action="check that the API server is healthy, then try again",
            )
        return UnreachableError(
            f"{doing}: {where} cannot be reached ({type(error).__name__})",
            next_action=f"{_CHECK_URL} and that the API server is up, then try again",
        )


def impersonating(user_id: str) -> dict[str, str]:
    """Return the header that runs a call as the user, with their company and role. Raises: PermanentError."""
    return {IMPERSONATE_AS: _checked(user_id)}


def acting_as(user_id: str) -> dict[str, str]:
    """Return the header that runs a call as the user, in their company, with our role. Raises: PermanentError."""
    return {ACT_AS: _checked(user_id)}


def _checked(user_id: str) -> str:
    # Without a user the header is dropped, and the call would run as ourselves: a key for the wrong user.
    if not user_id or not user_id.isascii() or not user_id.isprintable() or " " in user_id:
        raise PermanentError(
            f"acting for a user of ClearML: {user_id!r} is no user id",
            next_action="this is a fault of the bot: report it",
        )
    return user_id


def _envelope(answer: httpx.Response) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return meta and data; meta is empty where there is no envelope."""
    try:
        read = answer.json()
    except ValueError:
        return {}, {}
    meta = read.get("meta") if isinstance(read, dict) else None
    if not isinstance(meta, dict):
        return {}, {}
    data = read.get("data")
    return meta, data if isinstance(data, dict) else {}


def _retry_after_s(answer: httpx.Response) -> float | None:
    value = answer.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None


def _time_of(answer: httpx.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None


def _is_untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
