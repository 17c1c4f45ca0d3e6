"""What can be said about digests: reports that are posted again and again, and their alerts. Pure."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from commands.measures import Condition, TypedCondition
from commands.schedules import Schedule, read_cron, read_words
from commands.spec import CommandArgs, CommandSpec, NoArgs, Risk, flag, positional

SUBJECT = "digest:"  # before a digest's name, so that no tenant is taken for one
Section = Literal["capacity", "ports", "trends", "jobs", "approvals", "audit"]
DEFAULT_SECTIONS: tuple[Section, ...] = ("capacity", "ports", "jobs", "approvals", "audit")

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_CHANNEL = re.compile(r"[CDG][A-Z0-9]{2,20}")  # D: the bot's conversation with who asks there


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value[:60]!r} is no name: use lower-case letters, digits and dashes, 40 at most")
    return value


def _channel(value: str) -> str:
    channel = value.removeprefix("#")
    if not _CHANNEL.fullmatch(channel):
        raise ValueError(
            f"{value[:60]!r} is no channel: pick one with # in Slack, or give its id, as in C0123456789 (at the foot"
            " of the channel's details)"
        )
    return channel


def _words(value: str) -> str:
    read_words(value)
    return value


def _cron(value: str) -> str:
    read_cron(value)
    return value


DigestName = Annotated[str, AfterValidator(_name)]
ChannelId = Annotated[str, AfterValidator(_channel)]


class DigestArgs(CommandArgs):
    """A digest by its name."""

    name: DigestName = positional("NAME", "the digest's name", choices="digests")

    @property
    def subject(self) -> str:
        return SUBJECT + self.name


class DigestAdd(DigestArgs):
    """A new digest, or another shape of one that is there."""

    name: DigestName = positional("NAME", "the digest's name")
    at: Annotated[str, AfterValidator(_words)] | None = flag(
        "WORDS",
        "when, in words: weekdays 09:00 Europe/Berlin; daily, weekends, mon,thu, mon-fri, monthly, hourly",
        default=None,
    )
    cron: Annotated[str, AfterValidator(_cron)] | None = flag(
        "FIELDS", "when, as cron: 0 9 * * 1-5, with a zone behind it or in UTC", default=None
    )
    channel: ChannelId | None = flag("CHANNEL", "where it is posted (default: where you ask)", default=None)
    include: Annotated[tuple[Section, ...], Field(min_length=1, max_length=6)] = flag(
        "PARTS", "what it holds: capacity, ports, trends, jobs, approvals, audit", default=DEFAULT_SECTIONS
    )
    alert: TypedCondition | None = flag("CONDITION", "what turns it into an alert, as in ports.free<50", default=None)
    clear: TypedCondition | None = flag(
        "CONDITION",
        "what ends the alert, as in ports.free>80 (default: a tenth beyond the alert's limit)",
        default=None,
    )

    @property
    def schedule(self) -> Schedule:
        """Return when it is posted."""
        return read_cron(self.cron) if self.cron is not None else read_words(self.at or "")

    @property
    def ends(self) -> Condition | None:
        """Return what ends the alert: as said, or a tenth beyond its limit."""
        return self.clear or (beyond(self.alert) if self.alert else None)

    def asked_in(self, channel: str | None) -> Self:
        return self if self.channel is not None or channel is None else self.model_copy(update={"channel": channel})

    @model_validator(mode="after")
    def _parts_go_together(self) -> Self:
        if (self.at is None) == (self.cron is None):
            raise ValueError("say when: either --at 'weekdays 09:00 Europe/Berlin' or --cron '0 9 * * 1-5'")
        if self.clear is not None:
            _check_pair(self.alert, self.clear)
        return self


_OPPOSITE: Mapping[str, Literal["<", "<=", ">", ">="]] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def beyond(alert: Condition) -> Condition:
    """Return what ends *alert* where nobody said: a tenth beyond its limit, so that it does not flap."""
    tenth = alert.limit * Decimal("1.1" if alert.is_below else "0.9")
    rounding = "ROUND_CEILING" if alert.is_below else "ROUND_FLOOR"
    limit = tenth.quantize(Decimal(1), rounding)
    return Condition(measure=alert.measure, sign=_OPPOSITE[alert.sign], limit=limit)


def _check_pair(alert: Condition | None, clear: Condition) -> None:
    if alert is None:
        raise ValueError("--clear needs --alert: there is nothing to end")
    if alert.measure != clear.measure:
        raise ValueError(f"--clear watches {clear.measure} and --alert {alert.measure}: both must watch the same")
    if alert.is_below == clear.is_below:
        raise ValueError(f"{clear} does not end {alert}: it must look the other way")
    apart = clear.limit > alert.limit if alert.is_below else clear.limit < alert.limit
    touch = clear.limit == alert.limit and len(alert.sign) + len(clear.sign) < 4
    if not apart and not touch:
        raise ValueError(f"{clear} and {alert} can hold at once: the alert would come and go; move them apart")


SPECS = (
    CommandSpec(
        name="digest add",
        args=DigestAdd,
        summary="Post a report again and again, and alert where a limit is passed",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=(
            "digest add morning --at 'weekdays 09:00 Europe/Berlin'",
            "digest add ports --cron '0 */6 * * *' --include ports,trends --alert ports.free<50 --clear ports.free>80",
        ),
    ),
    CommandSpec(
        name="digest list", args=NoArgs, summary="List digests: when, where, what, and how they stand", risk=Risk.READ
    ),
    CommandSpec(
        name="digest remove",
        args=DigestArgs,
        summary="End a digest",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("digest remove morning",),
    ),
    CommandSpec(
        name="digest pause",
        args=DigestArgs,
        summary="Keep a digest and post it no more until it is resumed",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("digest pause morning",),
    ),
    CommandSpec(
        name="digest resume",
        args=DigestArgs,
        summary="Go on with a paused digest, from its next slot",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("digest resume morning",),
    ),
    CommandSpec(
        name="digest run",
        args=DigestArgs,
        summary="Post a digest now, beside its slots",
        risk=Risk.CHANGE,
        takes_dry_run=True,
        examples=("digest run morning",),
    ),
)
