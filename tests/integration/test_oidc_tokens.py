"""Tokens against an issuer on loopback: what proves who somebody is, and everything that must not."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.oidc.given import MOST_CHARACTERS
from bot.oidc.issuers import Issuer, Oidc
from bot.oidc.keys import DISCOVERY, MOST_BYTES, IssuerKeys
from bot.oidc.tokens import Proof, UnprovenError, proof_of
from provisioning.errors import ChatopsError, PermanentError, TemporaryError, UnreachableError
from tests.integration.issuer import AUDIENCE, JWKS, SUBJECT, LoopbackIssuer, issuing, jwk_of, key_of, part, pem_of


@pytest.fixture
def issuer() -> Iterator[LoopbackIssuer]:
    with issuing() as running:
        yield running


def proven(token: str, oidc: Oidc) -> Proof:
    return proof_of(token, oidc, now=datetime.now(UTC))


def refused(token: str, oidc: Oidc) -> ChatopsError:
    """Return why; no part of the token is in it, and there is something to do."""
    with pytest.raises(ChatopsError) as raised:
        proven(token, oidc)
    error = raised.value
    assert error.next_action
    assert not [one for one in token.split(".") if len(one) > 12 and one in f"{error} {error.details}"]
    return error


@pytest.mark.parametrize(("kid", "kind"), [("rsa-1", "RS256"), ("ec-1", "ES256")])
def test_a_token_of_a_trusted_issuer_names_its_actor(issuer: LoopbackIssuer, kid: str, kind: str) -> None:
    """Found by discovery, with the key that the header names; what the trail keeps is there, and no token."""
    proof = proven(issuer.token(kid=kid, kind=kind), issuer.settings())
    assert proof.actor_id == f"oidc:ci:{SUBJECT}"
    told = proof.told()
    assert (told["issuer_url"], told["token_id"], told["key_id"]) == (issuer.url, "t-1", kid)
    assert 250 < (proof.expires_at - datetime.now(UTC)).total_seconds() <= 300
    assert issuer.asked == {DISCOVERY: 1, JWKS: 1}


def test_ed25519_is_taken_where_it_is_allowed(issuer: LoopbackIssuer) -> None:
    issuer.has(("ed-1", "EdDSA"))
    token = issuer.token(kid="ed-1", kind="EdDSA")
    assert proven(token, issuer.settings(algorithms=["EdDSA"])).key_id == "ed-1"
    assert "EdDSA" in refused(token, issuer.settings()).what


def test_a_clusters_token_with_a_list_of_one_audience_is_taken(issuer: LoopbackIssuer) -> None:
    """As Kubernetes writes them: `aud` is a list, `sub` a service account, further claims are objects."""
    token = issuer.token(
        {"kubernetes.io": {"namespace": "ci"}}, aud=[AUDIENCE], sub="system:serviceaccount:ci:deployer"
    )
    assert proven(token, issuer.settings()).actor_id == "oidc:ci:system:serviceaccount:ci:deployer"


def test_a_new_key_is_found_by_asking_once_more(issuer: LoopbackIssuer) -> None:
    """A rotation between two tokens; and a key that nobody has is looked for twice and no more."""
    oidc = issuer.settings(jwks_url=issuer.url + JWKS)
    keys = IssuerKeys("ci", oidc.issuers["ci"])
    check: Callable[[str], Proof] = lambda token: proof_of(  # noqa: E731
        token, oidc, now=datetime.now(UTC), keys_of=lambda _name, _issuer: keys
    )
    check(issuer.token())
    check(issuer.token())
    assert issuer.asked[JWKS] == 1
    issuer.has(("rsa-2", "RS256"))
    assert check(issuer.token(kid="rsa-2")).key_id == "rsa-2"
    assert issuer.asked[JWKS] == 2
    with pytest.raises(PermanentError, match="has no key 'rsa-1'"):
        check(issuer.token(kid="rsa-1"))
    assert issuer.asked[JWKS] == 4


def test_keys_from_a_file_need_no_network(issuer: LoopbackIssuer, tmp_path: Path) -> None:
    """For clusters that reach no issuer."""
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [jwk_of("rsa-1", "RS256")]}))
    assert proven(issuer.token(), issuer.settings(jwks_file=file)).key_id == "rsa-1"
    assert "JWKS_FILE" in refused(issuer.token(kid="ec-1", kind="ES256"), issuer.settings(jwks_file=file)).next_action
    assert "No such file" in refused(issuer.token(), issuer.settings(jwks_file=tmp_path / "none")).what
    assert not issuer.asked


def now(seconds: int) -> int:
    return int(time.time()) + seconds


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"aud": "somebody-else"}, "meant for 'somebody-else'"),
        ({"aud": [AUDIENCE, "somebody-else"]}, "alone"),
        ({"aud": []}, "meant for"),
        ({"aud": None}, "has no aud"),
        ({"aud": {AUDIENCE: 1}}, "meant for"),
        ({"iss": "http://127.0.0.1:1"}, "not trusted"),
        ({"exp": -31}, "expired"),
        ({"exp": None}, "has no exp"),
        ({"exp": "soon"}, "cannot be checked"),
        ({"exp": 10**30}, "no time"),
        ({"nbf": 120}, "future"),
        ({"iat": 120, "nbf": None}, "future"),
        ({"iat": None}, "has no iat"),
        ({"iat": -90_000}, "more than 86400 s ago"),
        ({"sub": None}, "names nobody"),
        ({"sub": ""}, "names nobody"),
        ({"sub": "a b"}, "names nobody"),
        ({"sub": "ana\nos:root"}, "names nobody"),
        ({"sub": "<!channel>"}, "names nobody"),
        ({"sub": "x" * 201}, "names nobody"),
        ({"sub": "\u0430na"}, "names nobody"),
    ],
)
def test_claims_that_prove_nothing(issuer: LoopbackIssuer, claims: dict[str, Any], words: str) -> None:
    """Well signed by a trusted issuer, and still refused. Small numbers are seconds from now."""
    at = {
        name: now(value) if name in {"exp", "nbf", "iat"} and isinstance(value, int) and value < 10**6 else value
        for name, value in claims.items()
    }
    error = refused(issuer.token(at), issuer.settings())
    assert any(word in error.what for word in words.split("|")), error.what


def test_a_clock_that_is_a_little_off_is_forgiven(issuer: LoopbackIssuer) -> None:
    """Thirty seconds, by default."""
    assert proven(issuer.token(exp=now(-10), nbf=now(10), iat=now(10)), issuer.settings()).subject == SUBJECT
    refused(issuer.token(exp=now(-10)), issuer.settings(leeway_s=0))


def test_claims_that_the_settings_ask_for_must_be_there(issuer: LoopbackIssuer) -> None:
    """Exactly; one of several; true is `true`; of a list, one. No patterns."""
    oidc = issuer.settings(
        claims={"repository": ["acme/infra", "acme/ops"], "ref_protected": "true", "groups": "sre", "run": "7"}
    )
    good: dict[str, Any] = {"repository": "acme/infra", "ref_protected": True, "groups": ["dev", "sre"], "run": 7}
    assert proven(issuer.token(good), oidc).claims == {
        "repository": "acme/infra",
        "ref_protected": "true",
        "groups": "sre",
        "run": "7",
    }
    for name, value in [
        ("repository", "acme/infra2"),
        ("repository", "acme/*"),
        ("repository", None),
        ("repository", {"acme/infra": 1}),
        ("ref_protected", False),
        ("groups", ["sre-guests"]),
        ("groups", []),
    ]:
        assert f"its claim {name!r}" in refused(issuer.token({**good, name: value}), oidc).what


def test_a_token_may_only_be_so_long(issuer: LoopbackIssuer) -> None:
    """Be it signed as it should: it is not read."""
    assert "longer than" in refused(issuer.token(pad="x" * MOST_CHARACTERS), issuer.settings()).what
    assert not issuer.asked


def test_another_claim_may_name_the_actor(issuer: LoopbackIssuer) -> None:
    token = issuer.token(email="ana@acme.example")
    assert proven(token, issuer.settings(actor_claim="email")).actor_id == "oidc:ci:ana@acme.example"


def unsigned(issuer: LoopbackIssuer, algorithm: Any) -> str:
    return f"{part({'alg': algorithm, 'kid': 'rsa-1'})}.{part(issuer.claims())}."


def signed_with_the_public_key(issuer: LoopbackIssuer) -> str:
    """The old confusion: HMAC, with what everybody can read as its secret."""
    import hashlib
    import hmac

    said = f"{part({'alg': 'HS256', 'kid': 'rsa-1'})}.{part(issuer.claims())}"
    return f"{said}.{part(hmac.new(pem_of('rsa-1', 'RS256'), said.encode(), hashlib.sha256).digest())}"


def signed_by_somebody_else(issuer: LoopbackIssuer, **header: Any) -> str:
    """With a key of their own, under the name of the issuer's."""
    return jwt.encode(issuer.claims(), key_of("evil", "RS256"), algorithm="RS256", headers={"kid": "rsa-1", **header})


def changed(issuer: LoopbackIssuer) -> str:
    head, _, signature = issuer.token().split(".")
    return f"{head}.{part(issuer.claims(sub='admin'))}.{signature}"


FORGERIES: dict[str, tuple[Callable[[LoopbackIssuer], str], str]] = {
    "alg none": (lambda issuer: unsigned(issuer, "none"), "signed with 'none'"),
    "alg None": (lambda issuer: unsigned(issuer, "None"), "signed with"),
    "no alg": (lambda issuer: unsigned(issuer, None), "signed with"),
    "alg a list": (lambda issuer: unsigned(issuer, ["RS256"]), "signed with"),
    "no signature": (lambda issuer: unsigned(issuer, "RS256"), "signature is wrong"),
    "HMAC with the public key": (signed_with_the_public_key, "signed with 'HS256'"),
    "another's key": (signed_by_somebody_else, "signature is wrong"),
    "another's key in jwk": (
        lambda issuer: signed_by_somebody_else(issuer, jwk=jwk_of("evil", "RS256")),
        "signature is wrong",
    ),
    "another's keys by jku": (
        lambda issuer: signed_by_somebody_else(issuer, jku=f"{issuer.url}/evil", x5u=f"{issuer.url}/evil"),
        "signature is wrong",
    ),
    "claims changed": (changed, "signature is wrong"),
    "no kid": (lambda issuer: issuer.token(kid=None), "which key"),
    "kid of another kind": (lambda issuer: issuer.token(kid="rsa-1", headers={"kid": "ec-1"}), "cannot check RS256"),
    "unknown kid": (lambda issuer: issuer.token(headers={"kid": "../../etc/passwd"}), "has no key"),
    "crit": (lambda issuer: issuer.token(headers={"crit": ["x"], "x": 1}), "(crit)"),
    "crit that the library knows": (
        lambda issuer: issuer.token(headers={"crit": ["b64"], "b64": True}),
        "(crit)",
    ),
    "payload not there": (lambda issuer: issuer.token(headers={"b64": False}), "three parts"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries_are_refused(issuer: LoopbackIssuer, name: str) -> None:
    """Whatever the header says, the settings say how it is checked; nothing is fetched from where it points."""
    forge, words = FORGERIES[name]
    issuer.answer("/evil", {"keys": [jwk_of("evil", "RS256") | {"kid": "rsa-1"}]})
    error = refused(forge(issuer), issuer.settings())
    assert any(word in error.what for word in words.split("|")), error.what
    assert issuer.asked["/evil"] == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",
        "." * 5000,
        "e30.e30.e30",
        f"{part([])}.{part({})}.AAAA",
        f"{part({'alg': 'RS256'})}.{part([1])}.AAAA",
        f"{part(b'[' * 5000)}.{part({})}.AAAA",
        f"{part({'alg': 'RS256', 'kid': 7})}.{part({'iss': 7})}.AAAA",
        "x" * (MOST_CHARACTERS + 1),
        "eyJ\u00e9.eyJ.x",
        "Bearer a.b.c",
    ],
)
def test_garbage_is_refused_before_anybody_is_asked(issuer: LoopbackIssuer, text: str) -> None:
    with pytest.raises(UnprovenError) as raised:
        proven(text, issuer.settings())
    assert raised.value.next_action
    assert not issuer.asked


TRUSTED = Oidc(issuers={"ci": Issuer(url="https://ci.example.com", audience="a", jwks_file=Path("/nowhere"))})


@given(
    st.one_of(st.text(), st.lists(st.binary(max_size=40), min_size=3, max_size=3).map(lambda p: ".".join(map(part, p))))
)
def test_any_text_is_refused_in_words(text: str) -> None:
    """No exception but ours."""
    with pytest.raises(UnprovenError):
        proven(text, TRUSTED)


SOMETHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(["RS256", "none"]),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)


@given(st.dictionaries(st.sampled_from(["alg", "kid", "crit", "b64"]), SOMETHING), SOMETHING)
def test_any_header_is_refused_in_words(header: dict[str, Any], more: Any) -> None:
    """With claims of a trusted issuer, and nobody's signature."""
    claims = {"iss": "https://ci.example.com", "aud": more, "exp": more}
    with pytest.raises(PermanentError):
        proven(f"{part(header)}.{part(claims)}.AAAA", TRUSTED)


def test_keys_lie_where_they_are_said_to_lie(issuer: LoopbackIssuer) -> None:
    """No redirect is followed, be it on the same host."""
    issuer.answer("/elsewhere", {"keys": [jwk_of("rsa-1", "RS256")]})
    issuer.answer(JWKS, b"", status=302, headers={"Location": issuer.url + "/elsewhere"})
    assert "leads somewhere else" in refused(issuer.token(), issuer.settings()).what
    assert issuer.asked["/elsewhere"] == 0


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (
            DISCOVERY,
            {"issuer": "https://evil.example.com", "jwks_uri": "https://evil.example.com/jwks"},
            "is of the issuer",
        ),
        (DISCOVERY, {"jwks_uri": "x"}, "is of the issuer"),
        (DISCOVERY, b"<html>", "no JSON"),
        (DISCOVERY, [], "no JSON object"),
        (JWKS, b"[" * 100_000, "no JSON"),
        (JWKS, b" " * (MOST_BYTES + 1), "larger than"),
        (JWKS, {"keys": [{}] * 101}, "more than 100 keys"),
        (JWKS, {"keys": "rsa-1"}, "no JWKS"),
        (JWKS, {"keys": ["rsa-1"]}, "no JWKS"),
        (JWKS, {"keys": []}, "has no key"),
        (JWKS, {"keys": [jwk_of("rsa-1", "RS256")] * 2}, "two keys"),
        (JWKS, {"keys": [{"kid": "rsa-1", "kty": "oct", "k": "AAAA"}]}, "another kind"),
        (JWKS, {"keys": [{"kid": "rsa-1", "kty": "RSA", "n": 7, "e": "AQAB"}]}, "cannot check"),
        (JWKS, {"keys": [{"kid": "rsa-1", "kty": "RSA", "n": "AA", "e": "AA"}]}, "cannot check"),
        (JWKS, {"keys": [jwk_of("rsa-1", "RS1024")]}, "1024 bits"),
        (JWKS, {"keys": [jwk_of("rsa-1", "RS256") | {"use": "enc"}]}, "not for signatures"),
        (JWKS, {"keys": [jwk_of("rsa-1", "RS256") | {"key_ops": ["sign"]}]}, "not for checking"),
        (JWKS, {"keys": [jwk_of("rsa-1", "RS256") | {"alg": "RS512"}]}, "is for 'RS512'"),
        (JWKS, {"keys": [jwk_of("rsa-1", "RS256") | {"d": "AQAB"}]}, "private part"),
    ],
)
def test_what_an_issuer_gives_is_bounded_and_checked(issuer: LoopbackIssuer, path: str, body: Any, words: str) -> None:
    issuer.answer(path, body)
    assert words in refused(issuer.token(), issuer.settings()).what


@pytest.mark.parametrize("uri", ["http://jwks.example.com/", "file:///etc/passwd", "https://u:p@jwks.example.com/", ""])
def test_a_discovery_document_cannot_lead_into_the_open(issuer: LoopbackIssuer, uri: str) -> None:
    issuer.answer(DISCOVERY, {"issuer": issuer.url, "jwks_uri": uri})
    assert "cannot be trusted" in refused(issuer.token(), issuer.settings()).what


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [(503, TemporaryError, "answered 503"), (404, PermanentError, "answered 404"), (401, PermanentError, "allowed")],
)
def test_an_issuer_that_does_not_want_is_told_of(
    issuer: LoopbackIssuer, status: int, kind: type[ChatopsError], words: str
) -> None:
    issuer.answer(JWKS, {}, status=status)
    error = refused(issuer.token(), issuer.settings())
    assert isinstance(error, kind)
    assert words in error.what


def test_an_issuer_that_is_away_is_told_of() -> None:
    with issuing() as gone:
        token, oidc = gone.token(), gone.settings()
    assert isinstance(refused(token, oidc), UnreachableError)


def test_an_issuer_that_says_nothing_is_waited_for_so_long(issuer: LoopbackIssuer) -> None:
    """It promises a byte more than it sends."""
    issuer.answer(JWKS, {"keys": []}, headers={"Content-Length": "100000"})
    began = time.monotonic()
    error = refused(issuer.token(), issuer.settings(timeout_s=0.3))
    assert isinstance(error, UnreachableError)
    assert time.monotonic() - began < 5


def test_a_cluster_is_shown_a_token_of_ours_at_its_keys_alone(issuer: LoopbackIssuer, tmp_path: Path) -> None:
    """Kubernetes shows its keys to service accounts. The token goes nowhere else, and is in no message."""
    bearer = tmp_path / "token"
    bearer.write_text("a-service-accounts-token\n")
    oidc = issuer.settings(jwks_url=issuer.url + JWKS, bearer_file=bearer)
    assert proven(issuer.token(), oidc).subject == SUBJECT
    assert issuer.bearers == ["Bearer a-service-accounts-token"]
    issuer.answer(JWKS, {}, status=403)
    assert "a-service" not in str(refused(issuer.token(), oidc))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"url": "http://issuer.example.com"}, "https"),
        ({"url": "https://user:pass@issuer.example.com"}, "neither a user"),
        ({"url": "issuer"}, "no URL"),
        ({"jwks_url": "http://keys.example.com"}, "https"),
        ({"jwks_url": "https://keys.example.com", "jwks_file": "/k"}, "not both"),
        ({"bearer_file": "/t"}, "JWKS_URL"),
        ({"algorithms": ["HS256"]}, "RS256"),
        ({"algorithms": ["none"]}, "RS256"),
        ({"algorithms": []}, "at least 1"),
        ({"audience": ""}, "at least 1"),
        ({"claims": {"repository": []}}, "empty"),
        ({"max_age_s": 0}, "60"),
        ({"audiance": "x"}, "Extra inputs"),
    ],
)
def test_settings_that_would_open_a_door_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Issuer(**{"url": "https://issuer.example.com", "audience": "a", **given})


def test_two_issuers_of_one_url_are_refused() -> None:
    """A token must be one issuer's alone; and a token cannot be required where none is trusted."""
    one = Issuer(url="https://issuer.example.com", audience="a")
    with pytest.raises(ValidationError, match="same URL"):
        Oidc(issuers={"a": one, "b": one})
    with pytest.raises(ValidationError, match="OIDC__REQUIRED"):
        Oidc(required=True)
    with pytest.raises(ValidationError, match="pattern"):
        Oidc(issuers={"a:b": one})
