"""What an address shows: the certificate's last day, and why a client would refuse it. Real TLS on the loopback."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provisioning.clients import endpoints
from sandbox.controlplane import certificates


@contextmanager
def listening(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Answer every connection with *talk*, and yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join(5)


@pytest.fixture
def made(tmp_path: Path) -> certificates.Certificates:
    return certificates.write(tmp_path)


@contextmanager
def https(made: certificates.Certificates) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.serving_cert, made.serving_key)

    def talk(connection: socket.socket) -> None:
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            return

    with listening(talk) as port:
        yield f"https://127.0.0.1:{port}"


def test_a_trusted_certificate_says_until_when(
    made: certificates.Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(made.ca))
    with https(made) as url:
        found = endpoints.look(url)
    assert (found.answers, found.trouble) == (True, "")
    assert found.expires_at is not None
    assert timedelta(days=1) < found.expires_at - datetime.now(UTC) < timedelta(days=60)


def test_a_refused_certificate_says_why_and_still_until_when(made: certificates.Certificates) -> None:
    """A self-made authority is the commonest finding of all."""
    with https(made) as url:
        found = endpoints.look(url)
    assert found.answers
    assert found.trouble.startswith("clients refuse its certificate: ")
    assert found.expires_at is not None


def test_an_address_without_tls_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for one on this machine: nothing of it is on any way."""
    with listening(lambda connection: None) as port:
        assert endpoints.look(f"http://127.0.0.1:{port}").trouble == ""
    monkeypatch.setattr(endpoints, "_is_this_machine", lambda _host: False)
    with listening(lambda connection: None) as port:
        found = endpoints.look(f"http://127.0.0.1:{port}")
    assert (found.answers, found.expires_at) == (True, None)
    assert found.trouble.startswith("no TLS")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_silence_is_a_finding_and_no_error(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    found = endpoints.look(f"{scheme}://127.0.0.1:{port}")
    assert not found.answers
    assert found.trouble.startswith("no answer: ")


@pytest.mark.parametrize("url", ["https://[", "https://127.0.0.1:99999/", "https:///x"])
def test_what_is_no_address_is_a_finding_too(url: str) -> None:
    assert not endpoints.look(url).answers
