"""An issuer of tokens on loopback: discovery, keys that it changes, and tokens signed with real RSA and EC keys."""

import base64
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import MappingProxyType
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from bot.oidc.issuers import Issuer, Oidc
from bot.oidc.keys import DISCOVERY

AUDIENCE = "clearml-chatops"
SUBJECT = "repo:acme/infra:ref:refs/heads/main"
JWKS = "/jwks"


@cache
def key_of(kid: str, kind: str) -> Any:
    """Return the private key *kid*; RSA keys take a while to make."""
    match kind:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case "RS1024":
            return rsa.generate_private_key(65537, 1024)  # noqa: S505 - one that must be refused
        case _:
            return rsa.generate_private_key(65537, 2048)


def jwk_of(kid: str, kind: str) -> dict[str, Any]:
    """Return the public part, as issuers give it."""
    public = key_of(kid, kind).public_key()
    form: Any = {"ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}.get(kind, RSAAlgorithm)
    made: dict[str, Any] = form.to_jwk(public, as_dict=True)
    return {**made, "kid": kid, "use": "sig"}


def pem_of(kid: str, kind: str) -> bytes:
    public = key_of(kid, kind).public_key()
    pem: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def part(value: Any) -> str:
    """Return a part of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class LoopbackIssuer:
    """Answers as it is told: ``pages`` is path → status, headers, body; ``asked`` counts what was asked for."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        self.pages: dict[str, tuple[int, Mapping[str, str], bytes]] = {}
        self.asked: Counter[str] = Counter()
        self.bearers: list[str | None] = []
        self.answer(DISCOVERY, {"issuer": self.url, "jwks_uri": self.url + JWKS})
        self.has(("rsa-1", "RS256"), ("ec-1", "ES256"))

    def answer(self, path: str, body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.pages[path] = (status, headers or {}, content)

    def has(self, *keys: tuple[str, str]) -> None:
        """Show these keys and no others."""
        self.answer(JWKS, {"keys": [jwk_of(kid, kind) for kid, kind in keys]})

    def settings(self, **more: Any) -> Oidc:
        return Oidc(issuers={"ci": Issuer(**{"url": self.url, "audience": AUDIENCE, **more})})

    def claims(self, **more: Any) -> dict[str, Any]:
        now = int(time.time())
        own = {"iss": self.url, "aud": AUDIENCE, "sub": SUBJECT, "iat": now, "nbf": now, "exp": now + 300, "jti": "t-1"}
        return {name: value for name, value in {**own, **more}.items() if value is not None}

    def token(
        self,
        more: Mapping[str, Any] = MappingProxyType({}),
        *,
        kid: str | None = "rsa-1",
        kind: str = "RS256",
        headers: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Return a token with *claims* and *more* of them; one that is None is left out."""
        header = {**({"kid": kid} if kid is not None else {}), **(headers or {})}
        said = self.claims(**{**claims, **more})
        return jwt.encode(said, key_of(kid or "rsa-1", kind), algorithm=kind, headers=header)


@contextmanager
def issuing() -> Iterator[LoopbackIssuer]:
    """Run one until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked[self.path] += 1
            issuer.bearers.append(self.headers.get("Authorization"))
            status, headers, body = issuer.pages.get(self.path, (404, {}, b"{}"))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # a client that has read enough

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    issuer = LoopbackIssuer(server)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
