"""Text → a typed command, or what is wrong with it. Never raises, whatever the text. Pure.

Phones and chat clients change what people type; commands.typography undoes that before the words are read.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from commands import typography
from commands.catalog import CATALOG, COMMAND
from commands.guesses import find, guessed
from commands.help import families, family, help_of, help_of_family, overview, usage_of
from commands.mistakes import said_of
from commands.reading import AS_USUAL, SHOWN, How, NotUnderstoodError, read
from commands.spec import (
    BREAK_GLASS,
    DRY_RUN,
    REASON,
    CommandArgs,
    CommandSpec,
    flag_of,
    is_file,
    is_positional,
    is_switch,
    metavar_of,
)

__all__ = [
    "AS_USUAL",
    "COMMAND",
    "FORM_WORDS",
    "MAX_TEXT",
    "HelpRequest",
    "How",
    "Invocation",
    "UsageError",
    "build",
    "parse",
    "render",
]

MAX_TEXT = 3000  # characters
_HELP_FLAGS = frozenset({"-h", "--help"})
_HELP_WORDS = _HELP_FLAGS | {"help", "?"}
FORM_WORDS = frozenset({"…", "..."})  # at the end of a command: show the form
MOST_SAID = 300  # characters of a file in a command's text


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """A command that is complete and well formed."""

    spec: CommandSpec
    args: CommandArgs
    how: How = AS_USUAL
    text: str = ""  # as understood, without the leading /clearml

    @property
    def dry_run(self) -> bool:
        return self.how.dry_run


@dataclass(frozen=True, kw_only=True)
class UsageError:
    """What is wrong, how it is used, and what was perhaps meant.

    ``spec`` is the command that was meant, where that is clear; ``missing`` are its required fields that were
    not given, and ``fields`` what is wrong with each of those that were.
    """

    message: str
    usage: str = ""
    suggestion: str = ""  # the nearest command or option
    spec: CommandSpec | None = None
    missing: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()  # (field, what is wrong)
    given: tuple[tuple[str, Any], ...] = ()  # (field, what was given), for a form
    how: How = AS_USUAL  # a form that asks for what is missing must not forget it
    wants_form: bool = False  # the text ended in … for a form

    @property
    def asks(self) -> bool:
        """Whether a form is the better answer: one is wanted, or nothing that was said is wrong in itself."""
        if self.spec is None or not self.spec.args.model_fields:
            return False
        is_wrong = bool(self.fields) if self.given else any(name for name, _ in self.fields)
        return self.wants_form or (bool(self.missing or self.fields) and not is_wrong)


@dataclass(frozen=True, kw_only=True)
class HelpRequest:
    """Help, in plain text with indented lines.

    ``commands`` are the names that it lists, where it is a list; ``spec`` is the one command that it is about, else.
    """

    text: str
    commands: tuple[str, ...] = ()
    spec: CommandSpec | None = None


def parse(text: str) -> Invocation | UsageError | HelpRequest:
    """Return what *text* says, with or without the leading ``/clearml``."""
    if len(text) > MAX_TEXT:
        return UsageError(
            message=f"that is {len(text)} characters long, and {MAX_TEXT} are read at most: say less at once",
            suggestion="help",
        )
    plain = typography.plain(text)
    try:
        words = typography.words(plain)
    except ValueError as problem:
        return UsageError(message=str(problem), suggestion="help")
    if words and words[0].lower() == COMMAND:
        words = words[1:]
        plain = plain[len(COMMAND) :].strip() if plain.lower().startswith(COMMAND) else plain
    if not words or words[0].lower() in _HELP_WORDS:
        return _help(words[1:])
    spec, rest = find(words)
    if spec is None:
        return _help(words) if words[-1].lower() in _HELP_WORDS and family(words[0]) else _unknown(words)
    if not _HELP_FLAGS.isdisjoint(rest):
        return HelpRequest(text=help_of(spec), spec=spec)
    spec, rest = _meant(spec, rest)
    said = _said(spec, rest, " ".join(plain.split()))
    *before, last = (word.strip() for word in rest or [""])
    if last not in FORM_WORDS or not spec.args.model_fields or (before and isinstance(said, Invocation)):
        return said  # in the midst of a free text … is a word like others
    return _for_form(spec, rest[:-1])


def _said(spec: CommandSpec, rest: Sequence[str], text: str) -> Invocation | UsageError:
    try:
        values, how = read(spec, rest)
    except NotUnderstoodError as problem:
        return UsageError(message=problem.message, usage=usage_of(spec), suggestion=problem.suggestion, spec=spec)
    return build(spec, values, how=how, text=text)


def _for_form(spec: CommandSpec, rest: Sequence[str]) -> UsageError:
    """Return what a form is to be filled with, and what is wrong so far."""
    said = _said(spec, rest, "")
    if isinstance(said, UsageError):
        return replace(said, wants_form=True)
    values, how = read(spec, rest)
    return UsageError(
        message="", usage=usage_of(spec), spec=spec, given=tuple(values.items()), how=how, wants_form=True
    )


def build(
    spec: CommandSpec, values: Mapping[str, Any], *, how: How = AS_USUAL, text: str = ""
) -> Invocation | UsageError:
    """Return the command *spec* with *values* (field → text or texts), as from a form."""
    try:
        args = spec.args.model_validate(dict(values))
    except ValidationError as problem:
        return _wrong_values(spec, problem, values, how=how)
    return Invocation(spec=spec, args=args, how=how, text=text or render(spec, args, how=how))


def render(spec: CommandSpec, args: CommandArgs, *, how: How = AS_USUAL) -> str:
    """Return the text that parses back to these arguments; defaults are left out. A long file is counted, not said."""
    words = spec.name.split()
    for name, field in spec.args.model_fields.items():
        value = getattr(args, name)
        if value == field.get_default() and not field.is_required():
            continue
        flag = flag_of(name, field)
        if is_positional(field):
            words += map(str, value) if isinstance(value, tuple) else [str(value)]
        elif is_switch(field):
            words.append(flag if value else f"--no-{flag.removeprefix('--')}")
        else:
            said = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            if is_file(field) and len(said) > MOST_SAID:
                said = f"… {len(said)} characters"  # the plan keeps all of them
            words += [f"{flag}={said}"] if said.startswith("-") else [flag, said]
    words += [DRY_RUN] if how.dry_run else []
    words += [BREAK_GLASS] if how.break_glass else []
    words += [f"{REASON}={how.reason}"] if how.reason else []
    return shlex.join(words)


def _meant(spec: CommandSpec, words: list[str]) -> tuple[CommandSpec, list[str]]:
    """Return the command that a switch makes of *spec*, and the other words: policies know it by its own name."""
    switches = {word.lower(): word for word in words}
    for switch, name in spec.becomes.items():
        if switch in switches:
            return CATALOG[name], [word for word in words if word.lower() != switch]
    return spec, words


def _help(words: Sequence[str]) -> HelpRequest | UsageError:
    if not words:
        return HelpRequest(text=overview(), commands=tuple(name for names in families().values() for name in names))
    spec, _ = find(words)
    if spec is not None:
        return HelpRequest(text=help_of(spec), spec=spec)
    told = help_of_family(words[0])
    return HelpRequest(text=told, commands=family(words[0])) if told else _unknown(words)


def _unknown(words: Sequence[str]) -> UsageError:
    """Say what there is instead. A verb is only guessed where it is near: nobody is led from delete to create."""
    said = " ".join(word for word in words[:2] if not word.startswith("-"))[:SHOWN] or words[0][:SHOWN]
    lowered = said.lower()
    near = guessed(words)
    if not near and (names := family(words[0])):
        if len(names) > 1 or lowered != words[0].lower():
            verbs = ", ".join(name.partition(" ")[2] or name for name in names)
            first = words[0].lower()
            message = f"there is no command {said!r}: after {first} comes {verbs}; see {COMMAND} help {first}"
            return UsageError(message=message, suggestion=f"help {first}")
        near = list(names)
    elif not near:
        near = get_close_matches(lowered, CATALOG, n=1, cutoff=0.6)
        near = near or get_close_matches(words[0].lower()[:SHOWN], CATALOG, n=1, cutoff=0.6)
    if not near:
        return UsageError(message=f"there is no command {said!r}: see {COMMAND} help", suggestion="help")
    return UsageError(
        message=f"there is no command {said!r}: did you mean {COMMAND} {near[0]}?",
        usage=usage_of(CATALOG[near[0]]),
        suggestion=near[0],
    )


def _wrong_values(spec: CommandSpec, problem: ValidationError, values: Mapping[str, Any], *, how: How) -> UsageError:
    missing: list[str] = []
    wrong: dict[str, str] = {}
    for mistake in problem.errors():
        name = str(mistake["loc"][0]) if mistake["loc"] else ""
        if mistake["type"] == "missing":
            missing.append(name)
        else:
            wrong.setdefault(name, said_of(mistake))
    said = [f"{_called(spec, name)}: {text}" if name else text for name, text in wrong.items()]
    if missing:
        names = " and ".join(_called(spec, name) for name in missing)
        said.append(f"{names} {'is' if len(missing) == 1 else 'are'} missing")
    return UsageError(
        message="; ".join(said),
        usage=usage_of(spec),
        spec=spec,
        missing=tuple(missing),
        fields=tuple(wrong.items()),
        given=tuple(values.items()),
        how=how,
    )


def _called(spec: CommandSpec, name: str) -> str:
    field = spec.args.model_fields.get(name)
    if field is None:
        return name
    return metavar_of(field) if is_positional(field) else flag_of(name, field)
