"""Text → a typed command, or what is wrong with it. Never raises, whatever the text. Pure.

Phones and chat clients change what people type: smart quotes, dashes that were two hyphens, links around
addresses, entities for ``&<>``. All of that is undone before the words are read.
"""

import re
import shlex
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from commands.catalog import (
    CATALOG,
    CommandArgs,
    CommandSpec,
    flag_of,
    is_many,
    is_positional,
    is_switch,
    metavar_of,
)

MAX_TEXT = 3000
COMMAND = "/clearml"
_HELP_WORDS = frozenset({"help", "-h", "--help", "?"})
_DRY_RUN = "--dry-run"
_LINK = re.compile(r"<(?:mailto:|https?://)?([^<>|\s]{1,500})(?:\|([^<>|]{1,500}))?>")
_SPELLING = str.maketrans(
    {"\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2018": "'", "\u2019": "'", "\u00a0": " ", "\u202f": " "}
)
_LONG_DASH = re.compile(r"(?<!\S)(?:\u2014|\u2013-?|-\u2013)(?=[A-Za-z])")


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """A command that is complete and well formed."""

    spec: CommandSpec
    args: CommandArgs
    dry_run: bool = False
    text: str = ""  # as understood, without the leading /clearml


@dataclass(frozen=True, kw_only=True)
class UsageError:
    """What is wrong, how it is used, and what was perhaps meant.

    ``spec`` is the command that was meant, where that is clear; ``missing`` are its required fields that were
    not given, and ``fields`` what is wrong with each of those that were.
    """

    message: str
    usage: str = ""
    suggestion: str = ""
    spec: CommandSpec | None = None
    missing: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()  # (field, what is wrong)
    given: tuple[tuple[str, Any], ...] = ()  # (field, what was given), for a form


@dataclass(frozen=True, kw_only=True)
class HelpRequest:
    """Help, in plain text with indented lines."""

    text: str


class _NotUnderstood(Exception):  # noqa: N818 - carries a UsageError, never leaves this module
    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


def parse(text: str) -> Invocation | UsageError | HelpRequest:
    """Return what *text* says, with or without the leading ``/clearml``."""
    if len(text) > MAX_TEXT:
        return UsageError(message=f"that is {len(text)} characters long: {MAX_TEXT} are read at most")
    plain = _undo_typography(text)
    try:
        words = shlex.split(plain)
    except ValueError:
        return UsageError(message="a quote is opened and not closed: close it, or leave it out", suggestion="help")
    if words and words[0] == COMMAND:
        words = words[1:]
    if not words or words[0] in _HELP_WORDS:
        return _help(words[1:])
    spec, rest = _find(words)
    if spec is None:
        return _unknown(words)
    if any(word in {"--help", "-h"} for word in rest):
        return HelpRequest(text=help_of(spec))
    return _invocation(spec, rest, " ".join(plain.split()).removeprefix(COMMAND).strip())


def build(
    spec: CommandSpec, values: dict[str, Any], *, dry_run: bool = False, text: str = ""
) -> Invocation | UsageError:
    """Return the command *spec* with *values* (field → text or texts), as from a form."""
    try:
        args = spec.args.model_validate(values)
    except ValidationError as problem:
        return _wrong_values(spec, problem, values)
    return Invocation(spec=spec, args=args, dry_run=dry_run, text=text or render(spec, args, dry_run=dry_run))


def render(spec: CommandSpec, args: CommandArgs, *, dry_run: bool = False) -> str:
    """Return the text that parses back to these arguments; defaults are left out."""
    words = spec.name.split()
    for name, field in spec.args.model_fields.items():
        value = getattr(args, name)
        if value == field.get_default() and not field.is_required():
            continue
        if is_positional(field):
            words.append(str(value))
        elif is_switch(field):
            words.append(flag_of(name) if value else f"--no-{name}")
        elif is_many(field) and not isinstance(value, str):
            words += [flag_of(name), ",".join(map(str, value))]
        else:
            words += [flag_of(name), str(value)]
    return shlex.join([*words, *([_DRY_RUN] if dry_run else [])])


def help_of(spec: CommandSpec) -> str:
    """Return the help of one command."""
    lines = [f"{COMMAND} {spec.usage}", spec.summary + ".", ""]
    for name, field in spec.args.model_fields.items():
        word = metavar_of(field) if is_positional(field) else f"{flag_of(name)} {metavar_of(field)}".rstrip()
        lines.append(f"  {word}: {field.description}{_default_of(field)}")
    if spec.takes_dry_run:
        lines.append(f"  {_DRY_RUN}: show the plan and change nothing")
    if spec.examples:
        lines += ["", "Examples:", *(f"  {COMMAND} {example}" for example in spec.examples)]
    return "\n".join(lines)


def _undo_typography(text: str) -> str:
    plain = _LINK.sub(lambda found: found.group(2) or found.group(1), text)
    plain = plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").translate(_SPELLING)
    plain = _LONG_DASH.sub("--", plain)
    return "".join(letter if letter.isprintable() else " " for letter in plain).strip()


def _find(words: list[str]) -> tuple[CommandSpec | None, list[str]]:
    for length in (2, 1):
        spec = CATALOG.get(" ".join(words[:length]).lower())
        if spec is not None:
            return spec, words[length:]
    return None, words


def _unknown(words: list[str]) -> UsageError:
    said = " ".join(word for word in words[:2] if not word.startswith("-"))[:80]
    near = get_close_matches(said.lower(), CATALOG, n=1, cutoff=0.5)
    near = near or get_close_matches(words[0].lower()[:80], CATALOG, n=1, cutoff=0.6)
    family = sorted(name for name in CATALOG if name.split()[0] == words[0].lower())
    if not near and family:
        near = family[:1]
    hint = f"did you mean {COMMAND} {near[0]}?" if near else f"see {COMMAND} help"
    return UsageError(
        message=f"there is no command {said!r}: {hint}",
        usage=f"{COMMAND} {CATALOG[near[0]].usage}" if near else "",
        suggestion=near[0] if near else "help",
    )


def _help(words: list[str]) -> HelpRequest | UsageError:
    if words:
        spec, _ = _find([*words, ""][:2] if len(words) == 1 else words)
        if spec is not None:
            return HelpRequest(text=help_of(spec))
        family = [one for one in CATALOG.values() if one.name.split()[0] == words[0].lower()]
        if not family:
            return _unknown(words)
        return HelpRequest(text="\n".join(f"{COMMAND} {one.name}: {one.summary}" for one in family))
    lines = [f"  {spec.name}: {spec.summary}" for spec in CATALOG.values()]
    return HelpRequest(
        text="\n".join([f"{COMMAND} COMMAND …", "", *lines, "", f"More on one of them: {COMMAND} help tenant create"])
    )


def _invocation(spec: CommandSpec, words: list[str], text: str) -> Invocation | UsageError:
    try:
        values, dry_run = _read(spec, words)
    except _NotUnderstood as problem:
        return UsageError(
            message=problem.message, usage=f"{COMMAND} {spec.usage}", suggestion=problem.suggestion, spec=spec
        )
    return build(spec, values, dry_run=dry_run, text=text)


def _read(spec: CommandSpec, words: list[str]) -> tuple[dict[str, Any], bool]:
    fields = spec.args.model_fields
    flags = {flag_of(name): name for name, field in fields.items() if not is_positional(field)}
    places = [name for name, field in fields.items() if is_positional(field)]
    values: dict[str, Any] = {}
    dry_run = False
    left = list(words)
    while left:
        word = left.pop(0)
        if word == _DRY_RUN and spec.takes_dry_run:
            dry_run = True
        elif word.startswith("--"):
            _read_flag(word, left, fields, flags, values)
        elif places:
            values[places.pop(0)] = word
        else:
            raise _NotUnderstood(f"{word[:80]!r} is one word too many: put texts with spaces in quotes")
    return values, dry_run


def _read_flag(word: str, left: list[str], fields: Any, flags: dict[str, str], values: dict[str, Any]) -> None:
    flag, has_value, value = word.partition("=")
    negated = flag.removeprefix("--no-") if flag.startswith("--no-") else ""
    if negated and (name := flags.get(f"--{negated}")) and is_switch(fields[name]) and not has_value:
        values[name] = False
        return
    name = flags.get(flag, "")
    if not name:
        near = get_close_matches(flag[:80], [*flags, _DRY_RUN], n=1, cutoff=0.5)
        hint = f": did you mean {near[0]}?" if near else ""
        raise _NotUnderstood(f"there is no option {flag[:80]}{hint}", near[0] if near else "")
    field = fields[name]
    if is_switch(field):
        if has_value:
            raise _NotUnderstood(f"{flag} takes no value: write {flag} or --no-{flag.removeprefix('--')}")
        values[name] = True
        return
    if not has_value:
        if not left or left[0].startswith("--"):
            raise _NotUnderstood(f"{flag} needs a value: {flag} {metavar_of(field)}")
        value = left.pop(0)
    if not is_many(field):
        if name in values:
            raise _NotUnderstood(f"{flag} is given twice")
        values[name] = value
        return
    parts = tuple(part.strip() for part in value.split(",") if part.strip())
    values[name] = "none" if parts == ("none",) else (*values.get(name, ()), *parts)


def _wrong_values(spec: CommandSpec, problem: ValidationError, values: dict[str, Any]) -> UsageError:
    missing: list[str] = []
    wrong: dict[str, str] = {}
    for error in problem.errors():
        name = str(error["loc"][0]) if error["loc"] else ""
        if error["type"] == "missing":
            missing.append(name)
        else:
            wrong.setdefault(name, _say(error))
    said = [f"{_called(spec, name)}: {text}" if name else text for name, text in wrong.items()]
    if missing:
        said.append(f"{' and '.join(_called(spec, name) for name in missing)} is missing")
    return UsageError(
        message="; ".join(said),
        usage=f"{COMMAND} {spec.usage}",
        spec=spec,
        missing=tuple(missing),
        fields=tuple(wrong.items()),
        given=tuple(values.items()),
    )


def _called(spec: CommandSpec, name: str) -> str:
    field = spec.args.model_fields[name]
    return metavar_of(field) if is_positional(field) else flag_of(name)


def _say(error: ErrorDetails) -> str:
    given = error.get("input")
    text = error["msg"].removeprefix("Value error, ")
    if error["type"] in {"value_error"} or isinstance(given, dict | CommandArgs):
        return text
    return f"{str(given)[:60]!r}: {text[:1].lower()}{text[1:]}"


def _default_of(field: Any) -> str:
    default = field.default
    if field.is_required() or default in (None, "", (), False):
        return ""
    return f" (default {','.join(default) if isinstance(default, tuple) else default})"
