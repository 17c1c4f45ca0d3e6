"""An issuer's keys: read from a file, or asked for over HTTPS with every answer bounded. Nothing else asks issuers.

Where keys are is said by the settings and by the issuer's own discovery document, never by a token.
Source: OpenID Connect Discovery 1.0 (4), RFC 7517.
"""

import json
import ssl
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from bot.oidc.issuers import Issuer, is_loopback, safe_url, setting
from provisioning.errors import ChatopsError, PermanentError, TemporaryError, UnreachableError, reason_of

MOST_BYTES = 262_144  # of an answer or a file; real ones have a few thousand
MOST_KEYS = 100
LEAST_RSA_BITS = 2048
ACCEPTED = "application/json, application/jwk-set+json"  # a Kubernetes API server gives its keys as the latter alone
DISCOVERY = "/.well-known/openid-configuration"
_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


class IssuerKeys:
    """The keys of *issuer*, called *name* in the settings. Not thread-safe."""

    def __init__(self, name: str, issuer: Issuer) -> None:
        self._name = name
        self._issuer = issuer
        self._keys: Sequence[Mapping[str, Any]] | None = None

    def find(self, kid: str, algorithm: str) -> PyJWK:
        """Return the key *kid* for *algorithm*. A key that is not there is looked for once more, in fresh ones.

        Raises: PermanentError where there is none, or more than one; TemporaryError where the issuer does not answer.
        """
        found = self._named(self._keys, kid) if self._keys is not None else []
        for _ in range(2):
            if found:
                break
            self._keys = self._read()
            found = self._named(self._keys, kid)
        doing = f"checking a token of {self._name}"
        if not found:
            said = f"{doing}: the issuer has no key {kid[:60]!r}"
            next_action = (
                f"exchange the file {self._setting('JWKS_FILE')} for the issuer's present keys"
                if self._issuer.jwks_file
                else "ask the issuer for a new token; it may have changed its keys"
            )
            raise PermanentError(said, next_action=next_action)
        if len(found) > 1:
            raise PermanentError(f"{doing}: the issuer has two keys {kid[:60]!r}", next_action="tell the issuer")
        try:
            return _usable(found[0], algorithm)
        except (ValueError, PyJWTError) as error:
            said = f"{doing}: the issuer's key {kid[:60]!r} cannot check {algorithm}: {error}"
            raise PermanentError(said, next_action="tell the issuer") from None

    def usable(self) -> tuple[str, ...]:
        """Return the ids of the keys, read anew, that can check what the settings allow. Raises: ChatopsError."""
        found = []
        for key in self._read():
            kid = key.get("kid")
            for algorithm in sorted(self._issuer.algorithms):
                try:
                    _usable(key, algorithm)
                except (ValueError, PyJWTError):
                    continue
                if isinstance(kid, str) and kid:
                    found.append(kid)
                break
        return tuple(found)

    @staticmethod
    def _named(keys: Sequence[Mapping[str, Any]], kid: str) -> list[Mapping[str, Any]]:
        return [key for key in keys if key.get("kid") == kid]

    def _read(self) -> Sequence[Mapping[str, Any]]:
        if self._issuer.jwks_file is not None:
            found = self._from_file(self._issuer.jwks_file.expanduser())
        else:
            found = self._from_network()
        keys = found.get("keys")
        if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
            raise self._refused("what it gives as its keys is no JWKS", "JWKS_URL")
        if len(keys) > MOST_KEYS:
            raise self._refused(f"it gives more than {MOST_KEYS} keys", "JWKS_URL")
        return keys

    def _from_file(self, path: Path) -> Mapping[str, Any]:
        try:
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise self._refused(f"{path}: {reason_of(error)}", "JWKS_FILE") from error
        return self._json(content, str(path), "JWKS_FILE")

    def _from_network(self) -> Mapping[str, Any]:
        until = time.monotonic() + self._issuer.timeout_s
        if self._issuer.jwks_url is not None:
            return self._get(self._issuer.jwks_url, until, "JWKS_URL")
        where = self._issuer.url.rstrip("/") + DISCOVERY
        document = self._get(where, until, "URL")
        if document.get("issuer") != self._issuer.url:
            said = f"{where} is of the issuer {str(document.get('issuer'))[:200]!r}, not of {self._issuer.url!r}"
            raise self._refused(said, "URL")
        try:
            jwks_url = safe_url(str(document.get("jwks_uri", "")))
        except ValueError as error:
            raise self._refused(f"the jwks_uri of {where} cannot be trusted: {error}", "JWKS_URL") from None
        if is_loopback(httpx.URL(jwks_url).host) and not is_loopback(httpx.URL(where).host):
            raise self._refused(f"the jwks_uri of {where} leads to this machine", "JWKS_URL")
        return self._get(jwks_url, until, "JWKS_URL")

    def _get(self, url: str, until: float, field: str) -> Mapping[str, Any]:
        """Return the JSON object at *url*: at once or not at all, from there and nowhere else."""
        headers = {"Accept": ACCEPTED, "Accept-Encoding": "identity"} | self._authorization()
        received = bytearray()
        try:
            with (
                httpx.Client(
                    verify=self._context(url),
                    timeout=self._issuer.timeout_s,
                    follow_redirects=False,
                    trust_env=not is_loopback(httpx.URL(url).host),  # no proxy stands between us and this machine
                ) as client,
                client.stream("GET", url, headers=headers) as answer,
            ):
                self._check(answer, url, field)
                for part in answer.iter_raw(16_384):
                    received += part
                    if len(received) > MOST_BYTES:
                        break
                    if time.monotonic() > until:
                        raise httpx.ReadTimeout("too slow")
        except httpx.TimeoutException as error:
            said = f"asking {self._name}: {url} did not answer within {self._issuer.timeout_s:g} s"
            raise UnreachableError(said, next_action=f"try again, or raise {self._setting('TIMEOUT_S')}") from error
        except httpx.TransportError as error:
            said = f"asking {self._name}: {url} cannot be reached"
            action = f"check the network, {self._setting('CA_FILE')} and {self._setting(field)}, and try again"
            raise UnreachableError(said, next_action=action, details=str(error)[:300]) from error
        return self._json(bytes(received), url, field)

    def _check(self, answer: httpx.Response, url: str, field: str) -> None:
        code = answer.status_code
        if code == 429 or code >= 500:
            raise TemporaryError(f"asking {self._name}: {url} answered {code}", next_action="try again")
        if answer.is_redirect:
            raise self._refused(f"{url} leads somewhere else ({code}), and that is not followed", "JWKS_URL")
        if code in {401, 403}:
            said = f"{url} answered {code}: it shows its keys to those alone who are allowed"
            raise self._refused(said, "BEARER_FILE")
        if code != 200:
            raise self._refused(f"{url} answered {code}", field)
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise self._refused(f"{url} answers compressed, which was not asked for", field)

    def _authorization(self) -> dict[str, str]:
        path = self._issuer.bearer_file
        if path is None:
            return {}
        try:
            with path.expanduser().open("rb") as file:
                bearer = file.read(MOST_BYTES).decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise self._refused(f"{path}: {reason_of(error)}", "BEARER_FILE") from error
        if not bearer or not all(letter.isprintable() and letter != " " for letter in bearer):
            raise self._refused(f"{path} holds no token", "BEARER_FILE")
        return {"Authorization": f"Bearer {bearer}"}

    def _context(self, url: str) -> ssl.SSLContext:
        if url.startswith("http:"):  # this machine: nobody is to be vouched for
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        path = self._issuer.ca_file
        try:
            return ssl.create_default_context(cafile=path.expanduser() if path else None)
        except (OSError, ssl.SSLError) as error:
            raise self._refused(f"{path}: {reason_of(error)}", "CA_FILE") from error

    def _json(self, content: bytes, where: str, field: str) -> Mapping[str, Any]:
        if len(content) > MOST_BYTES:
            raise self._refused(f"{where} is larger than {MOST_BYTES} bytes", field)
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            raise self._refused(f"{where} is no JSON", field) from None
        if not isinstance(found, dict):
            raise self._refused(f"{where} is no JSON object", field)
        return found

    def _setting(self, field: str) -> str:
        return setting(self._name, field)

    def _refused(self, said: str, field: str) -> ChatopsError:
        what = f"reading the keys of {self._name}: {said}"
        return PermanentError(what, next_action=f"check {self._setting(field)}")


def _usable(key: Mapping[str, Any], algorithm: str) -> PyJWK:
    """Return *key* as one that checks *algorithm*. Raises: ValueError, PyJWTError."""
    if key.get("use", "sig") != "sig":
        raise ValueError("it is not for signatures")
    operations = key.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("it is not for checking signatures")
    if key.get("alg", algorithm) != algorithm:
        raise ValueError(f"it is for {str(key.get('alg'))[:20]!r}")
    if key.get("kty") != _KINDS[algorithm[:2]]:
        raise ValueError(f"it is of another kind ({str(key.get('kty'))[:20]!r})")
    if "d" in key:
        raise ValueError("its private part is public")
    made = PyJWK(dict(key), algorithm=algorithm)
    if isinstance(made.key, RSAPublicKey) and made.key.key_size < LEAST_RSA_BITS:
        raise ValueError(f"it has {made.key.key_size} bits: {LEAST_RSA_BITS} are needed")
    return made
