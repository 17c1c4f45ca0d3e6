"""Typed words of a command: names, addresses, shares. Each validator says what to write instead."""

import re
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field

MOST_VALUES = 20  # of an option that is repeated
MOST_USERS = 200  # of one tenant that this bot makes

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_LOCAL = re.compile(r"(?=.{1,64}\Z)[A-Za-z0-9_%+'-]+(\.[A-Za-z0-9_%+'-]+)*")
_DOMAIN = re.compile(r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_SHARE = re.compile(r"\d{0,3}\.?\d{0,4}")
_NAME_MARKS = " .,'()&/+-"
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2})?)?(Z|[+-]\d{2}:\d{2})?")
SUBJECT = r"[A-Za-z0-9][A-Za-z0-9._:/@|+=%-]{0,199}"  # of a token: what may be an id in policies, tables and messages
OFF_SLACK = ("os:", "oidc:")  # how ids of who is nobody of Slack's begin
OFF_SLACK_ID = rf"os:[A-Za-z0-9_][A-Za-z0-9._-]{{0,60}}|oidc:[a-z][a-z0-9-]{{0,30}}:{SUBJECT}"
_PERSON_ID = re.compile(rf"[UW][A-Z0-9]{{1,30}}|{OFF_SLACK_ID}", re.ASCII)
_CHANNEL_ID = re.compile(r"[CDG][A-Z0-9]{1,30}")
_VERSION = re.compile(r"v?\d{1,6}\.\d{1,6}\.\d{1,6}(-[0-9A-Za-z.-]{1,40})?(\+[0-9A-Za-z.-]{1,40})?", re.ASCII)
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u2032", "'"))


def _tenant_name(value: str) -> str:
    if not _LABEL.fullmatch(value):
        near = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")
        example = f", as in {near}" if 3 <= len(near) <= 40 else ""
        raise ValueError(
            f"{value[:60]!r} is no tenant name: use lower-case letters, digits and dashes, and begin and end with"
            f" a letter or digit{example} (it becomes a Kubernetes namespace)"
        )
    if not 3 <= len(value) <= 40:
        raise ValueError(f"{value[:60]!r} is {len(value)} characters long: use 3 to 40")
    return value


def _chart_version(value: str) -> str:
    if not _VERSION.fullmatch(value):
        raise ValueError(f"{value[:60]!r} is no exact version: write it in full, as in 1.4.0")
    return value


def _domain(value: str) -> str:
    domain = value.lower().removeprefix("@").rstrip("./")
    if not _DOMAIN.fullmatch(domain):
        hint = "write it as in acme.example" if value.isascii() else "write its ASCII form, as in xn--acm-dma.example"
        raise ValueError(f"{value[:60]!r} is no domain: {hint}")
    return domain


def _email(value: str) -> str:
    local, at, domain = value.rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain.lower()):
        raise ValueError(f"{value[:60]!r} is no e-mail address: write it as in ana@acme.example")
    if local.startswith("-"):
        raise ValueError(f"{value[:60]!r} begins as an option does: take an address that begins with another letter")
    return f"{local}@{domain.lower()}"


def _person(value: str) -> str:
    """Return the name in one spelling: what chat clients do to apostrophes and spaces makes no other name."""
    name = " ".join(unicodedata.normalize("NFC", value).translate(_APOSTROPHES).split())
    if not 1 <= len(name) <= 80:
        raise ValueError(f"a name of {len(name)} characters: use 1 to 80")
    for letter in name:
        if unicodedata.category(letter)[0] not in "LMN" and letter not in _NAME_MARKS:
            raise ValueError(f"a name has no {letter!r} in it: use letters, digits, spaces and {_NAME_MARKS.strip()}")
    if not name[0].isalnum():
        raise ValueError(f"{name[:60]!r} is no name: begin with a letter or a digit")
    return name


def _share(value: Any) -> str:
    """Return the share in its shortest spelling: ``0.50`` → ``0.5``."""
    text = str(value)
    if not _SHARE.fullmatch(text) or not any(letter.isdigit() for letter in text) or not text.isascii():
        raise ValueError(f"{text[:60]!r} is no share of a GPU: write 1, 0.5 or 0.25")
    share = Decimal(text)
    if not 0 < share <= 1:
        raise ValueError(f"{text!r} is no share of a GPU: it must be above 0 and at most 1")
    return _shortest(share)


def _tenant_user(value: str) -> str:
    """Return ``address:role`` in one spelling; without a role, an ordinary user."""
    address, _, role = value.rpartition(":") if ":" in value else (value, "", "user")
    if role.lower() not in get_args(UserRole):
        raise ValueError(f"{role[:60]!r} is no role: write ADDRESS:ROLE, with one of {', '.join(get_args(UserRole))}")
    return f"{_email(address.strip())}:{role.lower()}"


def _one_role_each(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the users in one order. Raises: ValueError where an address stands twice."""
    addresses = [value.rpartition(":")[0].casefold() for value in values]
    if twice := [address for address in addresses if addresses.count(address) > 1]:
        raise ValueError(f"{twice[0]} stands there twice")
    return tuple(sorted(values))


def _queues(value: Any) -> Any:
    if isinstance(value, list | tuple) and "none" in value:
        if any(share != "none" for share in value):
            raise ValueError("'none' stands alone: name the shares, or none")
        return "none"
    if isinstance(value, list | tuple) and not 1 <= len(value) <= MOST_VALUES:
        raise ValueError(f"{len(value)} shares: name 1 to {MOST_VALUES}, or none")
    return value


def _once(values: tuple[str, ...] | str) -> tuple[str, ...] | str:
    return values if isinstance(values, str) else tuple(dict.fromkeys(values))


def _job_number(value: Any) -> Any:
    return value.removeprefix("#").removeprefix("job-") if isinstance(value, str) else value


def as_moment(value: Any) -> Any:
    """Return the moment that a text says, without an offset where it says none. Raises: ValueError."""
    if not isinstance(value, str):
        return value
    said = f"{value[:60]!r} is no date: write it as in 2026-12-24 or 2026-12-24 18:00"
    if not _MOMENT.fullmatch(value):
        raise ValueError(said)
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(said) from None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _person_id(value: str) -> str:
    person = value.removeprefix("@")
    if not _PERSON_ID.fullmatch(person):
        hint = "mention them as in @dana, or write U0123456789, os:NAME or oidc:ISSUER:SUBJECT"
        raise ValueError(f"{value[:60]!r} is nobody's id: {hint}")
    return person


def _channel_id(value: str) -> str:
    channel = value.removeprefix("#")
    if not _CHANNEL_ID.fullmatch(channel):
        raise ValueError(f"{value[:60]!r} is no channel id: mention it as in #ops, or copy the id from its About")
    return channel


def _shortest(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _plain_decimal(number: Decimal) -> Decimal:
    """One spelling for one number: 3.0 and 3 are the same request, and must give the same digest."""
    return Decimal(_shortest(number))


TenantName = Annotated[str, AfterValidator(_tenant_name)]
ChartVersion = Annotated[str, AfterValidator(_chart_version)]
Domain = Annotated[str, AfterValidator(_domain)]
Domains = Annotated[tuple[Domain, ...], Field(max_length=MOST_VALUES), AfterValidator(_once)]
Email = Annotated[str, AfterValidator(_email)]
UserRole = Literal["admin", "superuser", "user", "annotator"]  # ClearML's own, within a company
TenantUser = Annotated[str, AfterValidator(_tenant_user)]
TenantUsers = Annotated[tuple[TenantUser, ...], Field(max_length=MOST_USERS), AfterValidator(_one_role_each)]
PersonName = Annotated[str, AfterValidator(_person)]
Share = Annotated[str, BeforeValidator(_share)]
Queues = Annotated[tuple[Share, ...] | Literal["none"], BeforeValidator(_queues), AfterValidator(_once)]
Gpus = Annotated[Decimal, Field(gt=0, le=10_000, decimal_places=2), AfterValidator(_plain_decimal)]
Moment = Annotated[datetime, BeforeValidator(as_moment), AfterValidator(_aware)]  # UTC where no offset is said
PersonId = Annotated[str, AfterValidator(_person_id)]
ChannelId = Annotated[str, AfterValidator(_channel_id)]
JobNumber = Annotated[int, Field(ge=1, le=2_147_483_647), BeforeValidator(_job_number)]


def is_email(value: object) -> bool:
    """Return whether *value* is an address, as the validator of Email sees it."""
    try:
        _email(str(value).strip())
    except ValueError:
        return False
    return True


def name_from(address: str) -> str:
    """Return the name that an e-mail address suggests: ``jean-luc.o'brien+ops@…`` → ``Jean-Luc O'Brien``."""
    local = address.strip().partition("@")[0].partition("+")[0]
    return " ".join(re.findall(r"[A-Za-z0-9]+(?:['-][A-Za-z0-9]+)*", local)).title() or "Admin"
