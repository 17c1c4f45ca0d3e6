"""A token becomes a proof of who runs the command line, or is refused with the reason. No token is in any message.

A token decides nothing about how it is checked: its issuer picks one of the settings' by its exact URL, the settings
say which algorithms and where keys are; `jku`, `jwk`, `x5u` and `x5c` are not read, and PyJWT refuses `crit`.
Source: RFC 7519, RFC 8725 (best current practices), OpenID Connect Core 1.0 (3.1.3.7).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
from jwt import exceptions
from pydantic import JsonValue

from bot.oidc.given import MOST_CHARACTERS
from bot.oidc.issuers import SETTINGS, Issuer, Oidc, setting
from bot.oidc.keys import IssuerKeys
from commands.arguments import SUBJECT
from provisioning.errors import PermanentError

NEEDED = ("iss", "aud", "exp", "iat")
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", re.ASCII)
_SUBJECT = re.compile(SUBJECT, re.ASCII)
_ANEW = "ask the issuer for a new token"


class UnprovenError(PermanentError):
    """The token proves nothing: what is wrong with it, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What a token proves, without the token. Times are aware, UTC."""

    issuer: str  # its name in the settings
    issuer_url: str
    subject: str
    audience: str
    token_id: str  # the claim jti; empty where the issuer gives none
    key_id: str
    issued_at: datetime
    expires_at: datetime
    claims: Mapping[str, str]  # those that the settings ask for, as the token has them

    @property
    def actor_id(self) -> str:
        return f"oidc:{self.issuer}:{self.subject}"

    def told(self) -> dict[str, JsonValue]:
        """Return it for the audit trail and for machines."""
        return {
            "issuer": self.issuer,
            "issuer_url": self.issuer_url,
            "subject": self.subject,
            "audience": self.audience,
            "token_id": self.token_id,
            "key_id": self.key_id,
            "issued_at": self.issued_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "claims": dict(self.claims),
        }


def proof_of(
    token: str, oidc: Oidc, *, now: datetime, keys_of: Callable[[str, Issuer], IssuerKeys] = IssuerKeys
) -> Proof:
    """Return what *token* proves. Raises: UnprovenError; PermanentError, TemporaryError where keys cannot be had."""
    if not oidc.issuers:
        raise UnprovenError("a token is given, and no issuer is trusted", next_action=f"set {SETTINGS}")
    header, claimed = _unverified(token)
    name, issuer = _issuer_of(claimed, oidc)
    algorithm, kid = _signed_how(header, name, issuer)
    key = keys_of(name, issuer).find(kid, algorithm)
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=issuer.url,
            leeway=issuer.leeway_s,
            options={"require": list(NEEDED), "verify_aud": False, "verify_iss": True},
        )
    except (exceptions.PyJWTError, ValueError, OverflowError) as error:
        raise _refused(name, *_said(error)) from None
    _check_audience(claims, name, issuer)
    issued_at, expires_at = (_moment(claims[one], one, name) for one in ("iat", "exp"))
    if (now - issued_at).total_seconds() > issuer.max_age_s + issuer.leeway_s:
        raise _refused(name, f"it was issued more than {issuer.max_age_s} s ago", _ANEW)
    return Proof(
        issuer=name,
        issuer_url=issuer.url,
        subject=_subject(claims, name, issuer),
        audience=issuer.audience,
        token_id=str(claims.get("jti", ""))[:200],
        key_id=kid,
        issued_at=issued_at,
        expires_at=expires_at,
        claims=_asked_for(claims, name, issuer),
    )


def _unverified(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return header and claims that nobody has vouched for yet."""
    if not token:
        raise UnprovenError("the token is empty", next_action=f"{_ANEW}, and see that the job hands it on")
    if len(token) > MOST_CHARACTERS:
        said = f"the token is longer than {MOST_CHARACTERS} characters"
        raise UnprovenError(said, next_action="hand over the token alone")
    if not _SHAPE.fullmatch(token):
        said = "what is given is no signed token: it has not the three parts of a JWT"
        raise UnprovenError(said, next_action="hand over the token alone, as the issuer gave it")
    try:
        found = jwt.decode_complete(token, options={"verify_signature": False})
    except (exceptions.PyJWTError, ValueError, OverflowError):
        said = "what is given is no signed token: its parts cannot be read, or ask for what is not known here (crit)"
        raise UnprovenError(said, next_action="hand over the token alone, as the issuer gave it") from None
    return found["header"], found["payload"]


def _issuer_of(claimed: Mapping[str, Any], oidc: Oidc) -> tuple[str, Issuer]:
    for name, issuer in oidc.issuers.items():
        if claimed.get("iss") == issuer.url:
            return name, issuer
    said = f"the token is of the issuer {str(claimed.get('iss'))[:200]!r}, which is not trusted"
    known = ", ".join(issuer.url for issuer in oidc.issuers.values())
    raise UnprovenError(said, next_action=f"take a token of {known}, or set {SETTINGS}")


def _signed_how(header: Mapping[str, Any], name: str, issuer: Issuer) -> tuple[str, str]:
    """Return algorithm and id of the key."""
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in issuer.algorithms:
        said = f"it is signed with {str(algorithm)[:20]!r}, and {', '.join(sorted(issuer.algorithms))} is allowed"
        raise _refused(name, said, f"if its issuer signs so, set {setting(name, 'ALGORITHMS')}")
    if not isinstance(kid, str) or not 0 < len(kid) <= 200:
        raise _refused(name, "it does not say which key signed it (kid)", _ANEW)
    return algorithm, kid


def _said(error: Exception) -> tuple[str, str]:
    """Return what is wrong, and the next action."""
    match error:
        case exceptions.ExpiredSignatureError():
            return "it has expired", f"{_ANEW}, right before it is used"
        case exceptions.ImmatureSignatureError():
            return "it is of the future (nbf or iat)", "compare this machine's clock with the issuer's"
        case exceptions.MissingRequiredClaimError(claim=claim):
            return f"it has no {claim}", _ANEW
        case exceptions.InvalidSignatureError():
            return "its signature is wrong", "hand it over as the issuer gave it"
        case _:
            return f"it cannot be checked ({type(error).__name__})", _ANEW


def _check_audience(claims: Mapping[str, Any], name: str, issuer: Issuer) -> None:
    """Take a token that is meant for us alone: who else it is meant for could use it here."""
    audience = claims["aud"]
    if audience not in (issuer.audience, [issuer.audience]):
        said = f"it is meant for {str(audience)[:200]!r}, and not for {issuer.audience!r} alone"
        raise _refused(name, said, f"ask the issuer for one with the audience {issuer.audience}")


def _moment(seconds: Any, claim: str, name: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        raise _refused(name, f"its {claim} is no time", _ANEW) from None


def _subject(claims: Mapping[str, Any], name: str, issuer: Issuer) -> str:
    subject = claims.get(issuer.actor_claim)
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        said = f"its claim {issuer.actor_claim!r} names nobody: {str(subject)[:60]!r}"
        action = (
            f"set {setting(name, 'ACTOR_CLAIM')} to a claim of up to 200 letters, digits and ._:/@|+=%-,"
            " with a letter or digit first"
        )
        raise _refused(name, said, action)
    return subject


def _asked_for(claims: Mapping[str, Any], name: str, issuer: Issuer) -> dict[str, str]:
    """Return the claims that the settings ask for. Of a list, as of groups, one has to be there."""
    found = {}
    for claim, wanted in issuer.claims.items():
        allowed = {wanted} if isinstance(wanted, str) else wanted
        value = claims.get(claim)
        held = {_text(one) for one in (value if isinstance(value, list) else [value])}
        if not held & allowed:
            said = f"its claim {claim!r} is {str(value)[:100]!r}, and {' or '.join(sorted(allowed))[:300]} is needed"
            raise _refused(name, said, f"run it from where it may be run, or see {setting(name, 'CLAIMS')}")
        found[claim] = ", ".join(sorted(one for one in held & allowed if one is not None))
    return found


def _text(value: Any) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
        case _:
            return None


def _refused(name: str, said: str, next_action: str) -> UnprovenError:
    return UnprovenError(f"the token of {name} is refused: {said}", next_action=next_action)
