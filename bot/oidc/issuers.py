"""Which issuers' tokens say who runs the command line, as frozen typed settings."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from commands.arguments import OFF_SLACK
from provisioning.configuration import Configuration

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]  # asymmetric ones alone: who can check a token must not be able to make one
IssuerName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
SETTINGS = "CLEARML_CHATOPS_OIDC__ISSUERS"
_OFF_SLACK = re.compile(rf"({'|'.join(OFF_SLACK)}).+", re.DOTALL)
_SLACK_USER = re.compile(r"[UW][A-Z0-9]{1,30}")


def setting(name: str, field: str) -> str:
    """Return what a setting of the issuer *name* is called in the environment."""
    return f"{SETTINGS}__{name.upper()}__{field}"


def is_loopback(host: str | None) -> bool:
    """Return whether *host* is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def safe_url(value: str) -> str:
    """Return *value*. Raises: ValueError where keys that come from it could be exchanged on their way."""
    try:
        url = urlsplit(value)
        _ = url.port
    except ValueError:
        raise ValueError("it is no URL: write it as in https://issuer.example.com") from None
    if not url.hostname or any(letter.isspace() or not letter.isprintable() for letter in value):
        raise ValueError("it is no URL: write it as in https://issuer.example.com")
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname)):
        raise ValueError("it must begin with https:// (http:// is for this machine alone)")
    if url.username is not None or url.password is not None or url.fragment:
        raise ValueError("it must have neither a user, a password nor a fragment")
    return value


SafeUrl = Annotated[str, AfterValidator(safe_url)]


class Issuer(Configuration):
    """One who signs tokens: a CI service, a cluster, a company's sign-on."""

    url: SafeUrl
    """The token's `iss`, exactly: `https://token.actions.githubusercontent.com`."""
    audience: str = Field(min_length=1, max_length=500)
    """The token's `aud`, exactly: a word that you ask the issuer for, and that nobody else takes tokens for."""
    jwks_url: SafeUrl | None = None
    """Where its keys are. Default: as its `/.well-known/openid-configuration` says."""
    jwks_file: Path | None = None
    """A file with its keys (a JWKS), for clusters that reach no issuer."""
    ca_file: Path | None = None
    """The CAs (PEM) that vouch for its host. Default: those of the system."""
    bearer_file: Path | None = None
    """A file with the token that `JWKS_URL` asks for, as a cluster's may: a service account's own."""
    actor_claim: str = Field(default="sub", min_length=1, max_length=100)
    """The claim that names who it is."""
    claims: dict[str, str | frozenset[str]] = {}
    """Claims that a token must have: name → the value, or a list of which one must be there. Exact, no patterns."""
    algorithms: tuple[Algorithm, ...] = Field(default=("ES256", "RS256"), min_length=1)
    """What it may sign with; asymmetric ones alone."""
    leeway_s: int = Field(default=30, ge=0, le=300)
    """Seconds that its clock may be off."""
    max_age_s: int = Field(default=86_400, ge=60, le=2_592_000)
    """A token that was issued more seconds ago is refused, whatever its `exp`."""
    timeout_s: float = Field(default=10.0, gt=0, le=60)
    """Seconds to wait for its keys."""

    @model_validator(mode="after")
    def _has_one_source_of_keys(self) -> Self:
        if self.jwks_url is not None and self.jwks_file is not None:
            raise ValueError("set JWKS_URL or JWKS_FILE, not both")
        if self.bearer_file is not None and self.jwks_url is None:
            raise ValueError("BEARER_FILE goes to JWKS_URL alone: set that one, too")
        if any(not wanted for wanted in self.claims.values()):
            raise ValueError("a claim of CLAIMS is empty: say which value it must have")
        return self


class Oidc(Configuration):
    """Tokens that say who runs the command line."""

    issuers: dict[IssuerName, Issuer] = {}
    """Whose tokens are taken. NAME is a word of yours: who comes with one is `oidc:NAME:SUBJECT`."""
    required: bool = False
    """Refuse whoever gives no token: `os:NAME` may then do nothing on the command line."""

    @model_validator(mode="after")
    def _has_each_url_once(self) -> Self:
        urls = [issuer.url for issuer in self.issuers.values()]
        if len(set(urls)) < len(urls):
            raise ValueError("two of ISSUERS have the same URL: a token must be one's alone")
        if self.required and not urls:
            raise ValueError("OIDC__REQUIRED needs one of OIDC__ISSUERS")
        return self


def person(pair: tuple[str, str]) -> None:
    """Look at one line of the setting same_person. Raises: ValueError."""
    here, there = pair
    if not _OFF_SLACK.fullmatch(here):
        raise ValueError(f"{here[:60]!r} is nobody's id on the command line: write os:NAME or oidc:ISSUER:SUBJECT")
    if not _SLACK_USER.fullmatch(there):
        raise ValueError(f"{there[:60]!r} is no Slack user's id: write it as in U0123456789")
