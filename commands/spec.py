"""What a command is: its name, its arguments as a frozen model, its usage, its risk. Pure."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

# Of every command that makes a plan.
DRY_RUN = "--dry-run"
REASON = "--reason"
BREAK_GLASS = "--break-glass"


class Risk(StrEnum):
    """How bad it can get: policies look at this first."""

    READ = "read"
    CHANGE = "change"
    DESTROY = "destroy"


class CommandArgs(BaseModel):
    """Arguments of one command. A field whose extra says so is positional, the others are flags."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, defer_build=True)

    @property
    def subject(self) -> str:
        """Return what the command is about, for policies and the audit trail: a tenant, a node, or ""."""
        return ""

    @property
    def gpus(self) -> float:
        """Return how many GPUs are asked for, for policies; 0 where the command asks for none."""
        return 0.0

    def asked_in(self, channel: str | None) -> Self:  # noqa: ARG002 - few commands mind
        """Return the arguments as they are meant where they are asked: in *channel* (id), None outside Slack."""
        return self


class NoArgs(CommandArgs):
    """Nothing more to say."""


def positional(metavar: str, description: str, *, choices: str = "", **more: Any) -> Any:
    """Return a field that is given by its place.

    *choices*: what forms offer for it: ``tenants``, ``nodes``, ``profiles``.
    """
    extra: JsonDict = {"positional": True, "metavar": metavar, "choices": choices}
    return Field(description=description, json_schema_extra=extra, **more)


def flag(
    metavar: str, description: str, *, name: str = "", choices: str = "", is_file: bool = False, **more: Any
) -> Any:
    """Return a field that is given by a flag. *choices*: as of ``positional``; *is_file*: see ``is_file``."""
    extra: JsonDict = {"metavar": metavar, "flag": name, "choices": choices, "is_file": is_file}
    return Field(description=description, json_schema_extra=extra, **more)


@dataclass(frozen=True, kw_only=True)
class CommandSpec:
    """One command: what it is called, what it takes, what it does, how bad it can get."""

    name: str
    args: type[CommandArgs]
    summary: str
    risk: Risk
    examples: tuple[str, ...] = ()
    takes_dry_run: bool = False  # it makes a plan, which can be shown without running it
    is_never_limited: bool = False  # heard however often it is sent: it stops something
    becomes: Mapping[str, str] = dataclasses.field(default_factory=dict)  # switch → the command it makes of this one

    @property
    def usage(self) -> str:
        """Return one line: ``tenant create NAME --admin-email ADDRESS [--domain DOMAIN …] [--dry-run]``."""
        words = [self.name]
        for name, field in self.args.model_fields.items():
            word = _usage_of(name, field)
            words.append(word if field.is_required() else f"[{word}]")
        switches = [*self.becomes, *([DRY_RUN] if self.takes_dry_run else [])]
        return " ".join([*words, *(f"[{switch}]" for switch in switches)])


def flag_of(name: str, field: FieldInfo) -> str:
    """Return the flag of a field: ``admin_email`` → ``--admin-email``, ``domains`` → ``--domain``."""
    return str(_extra(field).get("flag") or "") or "--" + name.replace("_", "-")


def is_positional(field: FieldInfo) -> bool:
    return bool(_extra(field).get("positional"))


def is_many(field: FieldInfo) -> bool:
    """True where the field takes several values: repeated flags, or one with commas; the last words, if positional."""
    return _mentions(field.annotation, tuple)


def is_switch(field: FieldInfo) -> bool:
    """True where the field is said by a word alone: --ports or --no-ports, and nothing where it stays as it is."""
    return field.annotation is bool or is_choice(field)


def is_choice(field: FieldInfo) -> bool:
    """True for a switch that may be left as it is."""
    return set(get_args(field.annotation)) == {bool, type(None)}


def metavar_of(field: FieldInfo) -> str:
    return str(_extra(field).get("metavar", ""))


def choices_of(field: FieldInfo) -> str:
    """Return the kind of thing that the field names, where forms or the shell can offer them: ``tenants``; else ""."""
    return str(_extra(field).get("choices") or "")


def is_file(field: FieldInfo) -> bool:
    """True where the text has lines and may be long: a form has a large field for it, the command line a file."""
    return bool(_extra(field).get("is_file"))


def file_fields(spec: CommandSpec) -> tuple[str, ...]:
    """Return the names of the arguments that may be a file."""
    return tuple(name for name, field in spec.args.model_fields.items() if is_file(field))


def _extra(field: FieldInfo) -> dict[str, Any]:
    extra = field.json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}


def _mentions(annotation: Any, kind: type) -> bool:
    if get_origin(annotation) is Annotated:
        return _mentions(get_args(annotation)[0], kind)
    if get_origin(annotation) in {Union, UnionType}:
        return any(_mentions(part, kind) for part in get_args(annotation))
    return annotation is kind or get_origin(annotation) is kind


def _usage_of(name: str, field: FieldInfo) -> str:
    if is_positional(field):
        return metavar_of(field) + (" …" if is_many(field) else "")
    if is_switch(field):
        return flag_of(name, field)
    return f"{flag_of(name, field)} {metavar_of(field)}" + (" …" if is_many(field) else "")
