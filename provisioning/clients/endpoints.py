"""An address as people reach it: does it answer, whose certificate does it show, until when. TLS, without HTTP."""

import contextlib
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cryptography import x509

TIMEOUT_S = 4.0


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """What one address showed. ``trouble`` is "" where a client would be content."""

    url: str
    answers: bool
    expires_at: datetime | None = None  # of the certificate, UTC; None without TLS
    trouble: str = ""


def look(url: str) -> Endpoint:
    """Connect to *url* and return what it shows. Raises nothing."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as problem:
        return Endpoint(url=url, answers=False, trouble=f"no address: {problem}")
    try:
        if parts.scheme != "https":
            with socket.create_connection((host, port), timeout=TIMEOUT_S):
                on_the_way = "" if _is_this_machine(host) else "no TLS: what is sent can be read on the way"
                return Endpoint(url=url, answers=True, trouble=on_the_way)
        expires_at = _certificate(host, port, ssl.create_default_context())
    except ssl.SSLCertVerificationError as problem:
        return Endpoint(
            url=url,
            answers=True,
            expires_at=_unverified(host, port),
            trouble=f"clients refuse its certificate: {problem.verify_message}",
        )
    except (OSError, ValueError) as problem:
        words = problem.strerror if isinstance(problem, OSError) and problem.strerror else type(problem).__name__
        return Endpoint(url=url, answers=False, trouble=f"no answer: {words}")
    return Endpoint(url=url, answers=True, expires_at=expires_at)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unverified(host: str, port: int) -> datetime | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent: only the certificate's date is read
    with contextlib.suppress(OSError, ValueError):
        return _certificate(host, port, context)
    return None


def _certificate(host: str, port: int, context: ssl.SSLContext) -> datetime | None:
    with (
        socket.create_connection((host, port), timeout=TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as wrapped,
    ):
        raw = wrapped.getpeercert(binary_form=True)
    if raw is None:
        return None
    return x509.load_der_x509_certificate(raw).not_valid_after_utc.astimezone(UTC)
