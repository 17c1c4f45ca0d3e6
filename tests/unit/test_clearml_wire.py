"""When calls to ClearML are repeated, and what answers that are not the API's are taken for."""

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from provisioning.clients.clearml_errors import ClearMLError
from provisioning.clients.clearml_wire import TRIES, Wire
from provisioning.configuration import ClearMLServer
from provisioning.errors import PermanentError, TemporaryError, UnreachableError

GOOD = {"meta": {"result_code": 200, "result_subcode": 0, "result_msg": "OK"}, "data": {"id": "1"}}
Answer = Callable[[httpx.Request], httpx.Response]


def refused(code: int, subcode: int, message: str = "no") -> httpx.Response:
    meta = {"result_code": code, "result_subcode": subcode, "result_msg": message}
    return httpx.Response(code, json={"meta": meta, "data": {}})


class Line:
    """A wire whose answers are scripted, and which notes calls and pauses."""

    def __init__(self, *answers: httpx.Response | Exception, timeout_s: float = 20) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []
        server = ClearMLServer(
            api_url="https://api.platform.example/",
            web_url="",
            files_url="",
            access_key="key-canary",
            secret_key=SecretStr("secret-canary"),
            timeout_s=timeout_s,
        )
        self.wire = Wire(server, transport=httpx.MockTransport(self._answer), pause=self.pauses.append)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def call(self, *, repeatable: bool = False) -> dict[str, object]:
        return self.wire.call("creating company acme", "system.create_company", {"name": "a"}, repeatable=repeatable)


def test_a_call_is_a_post_with_basic_credentials_and_json() -> None:
    line = Line(httpx.Response(200, json=GOOD))
    assert line.call() == {"id": "1"}
    (request,) = line.requests
    assert (request.method, str(request.url)) == ("POST", "https://api.platform.example/system.create_company")
    assert request.headers["authorization"].startswith("Basic ")
    assert request.content == b'{"name":"a"}'


@pytest.mark.parametrize(
    "problem",
    [httpx.ConnectError("no"), httpx.ConnectTimeout("no"), httpx.PoolTimeout("no")],
    ids=type,
)
def test_what_was_never_sent_is_sent_again_even_where_twice_would_be_wrong(problem: Exception) -> None:
    line = Line(problem, problem, httpx.Response(200, json=GOOD))
    assert line.call() == {"id": "1"}
    assert line.pauses == pytest.approx([0.2, 0.6])


@pytest.mark.parametrize(
    "problem",
    [httpx.ReadTimeout("no"), httpx.ReadError("no"), httpx.RemoteProtocolError("no"), httpx.WriteError("no")],
    ids=type,
)
def test_what_may_have_been_carried_out_is_not_sent_again(problem: Exception) -> None:
    line = Line(problem)
    with pytest.raises(UnreachableError, match="creating company acme"):
        line.call()
    assert len(line.requests) == 1
    again = Line(problem, httpx.Response(200, json=GOOD))
    assert again.call(repeatable=True) == {"id": "1"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(500, 100), TemporaryError),
        (refused(503, 0), TemporaryError),
        (refused(429, 0), TemporaryError),
        (httpx.Response(502, text="bad gateway"), TemporaryError),
        (httpx.Response(429, text="slow down"), TemporaryError),
        (refused(400, 12), ClearMLError),
        (refused(401, 22), ClearMLError),
        (refused(403, 20), ClearMLError),
        (refused(404, 0), ClearMLError),
        (httpx.Response(200, text="<html>ClearML web app</html>"), PermanentError),
        (httpx.Response(200, json={"status": "ok"}), PermanentError),
        (httpx.Response(200, json=[]), PermanentError),
        (httpx.Response(301, headers={"location": "https://elsewhere.example/"}), PermanentError),
        (httpx.Response(401, text="proxy login"), PermanentError),
        (httpx.Response(404, text="404 page not found"), PermanentError),
        (httpx.Response(413, text="too large"), PermanentError),
    ],
)
def test_only_what_may_change_is_temporary(answer: httpx.Response, error: type[Exception]) -> None:
    """A web server in the API server's place is no trouble that passes."""
    line = Line(*[answer] * TRIES)
    with pytest.raises(error) as wrong:
        line.call(repeatable=True)
    assert type(wrong.value) is error
    assert len(line.requests) == (TRIES if error is TemporaryError else 1)


def test_what_is_not_the_api_names_the_setting() -> None:
    with pytest.raises(PermanentError, match="is not the ClearML API's") as wrong:
        Line(httpx.Response(200, text="<html>")).call()
    assert "CLEARML_CHATOPS_CLEARML__API_URL" in wrong.value.next_action


def test_the_answers_own_delay_is_kept() -> None:
    """A short one is waited for; a long one is handed on to whoever tries again later."""
    short = Line(httpx.Response(429, headers={"retry-after": "3"}), httpx.Response(200, json=GOOD))
    assert short.call(repeatable=True) == {"id": "1"}
    assert short.pauses == [3.0]
    long = Line(httpx.Response(429, headers={"retry-after": "60"}))
    with pytest.raises(TemporaryError) as told:
        long.call(repeatable=True)
    assert (told.value.delay_s, long.pauses) == (60.0, [])


@pytest.mark.parametrize("value", ["", "soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT", "²"])
def test_a_delay_that_cannot_be_read_is_none(value: str) -> None:
    line = Line(httpx.Response(503, headers={b"retry-after": value.encode()}), httpx.Response(200, json=GOOD))
    assert line.call(repeatable=True) == {"id": "1"}
    assert line.pauses == pytest.approx([0.2])


def test_no_new_try_begins_when_the_time_is_over() -> None:
    line = Line(httpx.ReadTimeout("no"), timeout_s=0.1)
    with pytest.raises(UnreachableError):
        line.call(repeatable=True)
    assert (len(line.requests), line.pauses) == (1, [])


def test_a_long_message_of_the_server_is_cut() -> None:
    with pytest.raises(ClearMLError) as wrong:
        Line(refused(400, 12, "x" * 5000 + "\n")).call()
    assert len(str(wrong.value)) < 600


def test_a_refusal_without_a_known_subcode_still_has_a_next_action() -> None:
    for code in (400, 401, 403, 409):
        with pytest.raises(ClearMLError) as wrong:
            Line(refused(code, 9999)).call()
        assert wrong.value.kind == (code, 9999)
        assert wrong.value.next_action


@pytest.mark.parametrize(
    "url", ["api.platform.example", "ftp://api.platform.example", "https://api.platform.example:port", ""]
)
def test_what_is_no_url_names_the_setting(url: str) -> None:
    server = ClearMLServer(api_url=url, web_url="", files_url="", access_key="k", secret_key=SecretStr("s"))
    with pytest.raises(PermanentError) as wrong:
        Wire(server).call("listing companies", "system.get_companies")
    assert "CLEARML_CHATOPS_CLEARML__API_URL" in wrong.value.next_action


@pytest.fixture
def self_signed(tmp_path: Path) -> Iterator[int]:
    """A port of 127.0.0.1 that shows a certificate which nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def refuse_one(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        thread = threading.Thread(target=refuse_one, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_an_untrusted_certificate_is_not_tried_again(self_signed: int) -> None:
    server = ClearMLServer(
        api_url=f"https://127.0.0.1:{self_signed}", web_url="", files_url="", access_key="k", secret_key=SecretStr("s")
    )
    wire = Wire(server)
    with pytest.raises(PermanentError, match="not trusted") as untrusted:
        wire.call("listing companies", "system.get_companies", repeatable=True)
    wire.close()
    assert "SSL_CERT_FILE" in untrusted.value.next_action
