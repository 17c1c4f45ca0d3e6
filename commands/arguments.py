"""Typed words of a command: names, addresses, fractions. Each validator says what to write instead."""

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_LOCAL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}")
_DOMAIN = re.compile(r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


def _tenant_name(value: str) -> str:
    if not _LABEL.fullmatch(value):
        raise ValueError(
            f"{value!r} is no tenant name: use lower-case letters, digits and dashes, and begin and end with"
            " a letter or digit (it becomes a Kubernetes namespace)"
        )
    if not 3 <= len(value) <= 40:
        raise ValueError(f"{value!r} is {len(value)} characters long: use 3 to 40")
    return value


def _domain(value: str) -> str:
    domain = value.lower().removeprefix("@").rstrip(".")
    if not _DOMAIN.fullmatch(domain):
        raise ValueError(f"{value!r} is no domain: write it as in acme.example")
    return domain


def _email(value: str) -> str:
    local, at, domain = value.partition("@")
    if not at or not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain.lower()):
        raise ValueError(f"{value!r} is no e-mail address: write it as in ana@acme.example")
    return f"{local}@{domain.lower()}"


def _person(value: str) -> str:
    if not value.isprintable() or not 1 <= len(value) <= 80:
        raise ValueError("a name is 1 to 80 printable characters")
    return value


def _fraction(value: Any) -> str:
    """Return the fraction in its shortest spelling: ``0.50`` → ``0.5``."""
    try:
        fraction = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is no share of a GPU: write 1, 0.5 or 0.25") from None
    if not fraction.is_finite() or not 0 < fraction <= 1:
        raise ValueError(f"{value!r} is no share of a GPU: it must be above 0 and at most 1")
    return format(fraction.normalize(), "f")


TenantName = Annotated[str, AfterValidator(_tenant_name)]
Domain = Annotated[str, AfterValidator(_domain)]
Email = Annotated[str, AfterValidator(_email)]
PersonName = Annotated[str, AfterValidator(_person)]
Fraction = Annotated[str, BeforeValidator(_fraction)]
JobNumber = Annotated[int, Field(ge=1, le=2_147_483_647)]
