"""What can be said about the audit trail, and about who one is to the bot. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from commands.arguments import TenantName
from commands.spec import CommandArgs, CommandSpec, NoArgs, Risk, flag, positional

_AGO = re.compile(r"(\d{1,4})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MENTION = re.compile(r"<@([A-Z0-9]{2,30})(?:\|[^>]*)?>")
_ACTION = re.compile(r"[a-z]+(?:[._][a-z]+)*\.?")


def _actor(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    mention = _MENTION.fullmatch(value.strip())
    return mention[1] if mention else value.strip().removeprefix("@")


def _action(value: str) -> str:
    if not _ACTION.fullmatch(value):
        raise ValueError(f"{value[:60]!r} is no action: write it as in job.approved, or its family alone, as in job")
    return value.rstrip(".")


def _words(value: str) -> str:
    if not any(letter.isalnum() for letter in value):
        raise ValueError("there is no word in it to look for")
    return value


def _moment(value: str) -> str:
    moment(value, datetime(2026, 1, 1, tzinfo=UTC))
    return value


def moment(text: str, now: datetime) -> datetime:
    """Return the time that *text* means: ``7d`` (ago), ``2026-11-25``, ``2026-11-25T10:30``; UTC where it says no zone.

    Raises: ValueError, saying what to write instead.
    """
    if ago := _AGO.fullmatch(text):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no time: write it as in 24h, 7d, 2026-11-25 or 2026-11-25T10:30") from None
    return said if said.tzinfo else said.replace(tzinfo=UTC)


Moment = Annotated[str, AfterValidator(_moment)]


class AuditArgs(CommandArgs):
    """Which part of the audit trail to read."""

    tenant: TenantName | None = positional("TENANT", "only what concerns this tenant", choices="tenants", default=None)
    actor: Annotated[str, BeforeValidator(_actor), Field(min_length=1, max_length=80)] | None = flag(
        "WHO", "only what this person did: a mention, an id or a name", default=None
    )
    action: Annotated[str, AfterValidator(_action), Field(max_length=60)] | None = flag(
        "ACTION", "only this action, as in job.approved, or its family, as in job", default=None
    )
    command: Annotated[str, Field(min_length=1, max_length=200)] | None = flag(
        "TEXT", "only what was asked by a command that begins so, as in 'tenant create'", default=None
    )
    since: Moment | None = flag("WHEN", "not before this time: 24h, 7d or 2026-11-25", default=None)
    until: Moment | None = flag("WHEN", "before this time", default=None)
    text: Annotated[str, AfterValidator(_words), Field(max_length=200)] | None = flag(
        "WORDS", "only rows that hold all of these words", default=None
    )
    limit: int = flag("N", "how many rows at most, newest first", default=20, ge=1, le=100)

    @property
    def subject(self) -> str:
        return self.tenant or ""


SPECS = (
    CommandSpec(
        name="audit",
        args=AuditArgs,
        summary="Read and search the audit trail, newest first",
        risk=Risk.READ,
        examples=("audit acme --limit 50", "audit --action job.denied --since 7d", "audit acme --text quota"),
    ),
    CommandSpec(name="whoami", args=NoArgs, summary="Say who you are to the bot, and what you may do", risk=Risk.READ),
)
