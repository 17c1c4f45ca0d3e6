"""The words behind a command's name → its fields' texts, and how it is to be run. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from commands.catalog import COMMAND
from commands.file_links import file_id_of
from commands.spec import (
    BREAK_GLASS,
    DRY_RUN,
    REASON,
    CommandSpec,
    file_fields,
    flag_of,
    is_many,
    is_positional,
    is_switch,
    metavar_of,
)

MAX_REASON = 500  # characters
SHOWN = 80  # characters of a word in a message


@dataclass(frozen=True, kw_only=True)
class How:
    """How a command that makes a plan is to be run."""

    dry_run: bool = False  # show the plan, change nothing
    reason: str = ""  # the requester's own
    break_glass: bool = False  # go ahead without approval, where the policy lets them


AS_USUAL = How()


class NotUnderstoodError(Exception):
    """What is wrong with the words, and the option that was perhaps meant. The grammar makes a UsageError of it."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


def read(spec: CommandSpec, words: Sequence[str]) -> tuple[dict[str, Any], How]:
    """Return field → text or texts, and how it is to be run. Raises: NotUnderstoodError."""
    places = [name for name, field in spec.args.model_fields.items() if is_positional(field)]
    own = {flag_of(name, field) for name, field in spec.args.model_fields.items()}
    values: dict[str, Any] = {}
    how = AS_USUAL
    left = list(words)
    while left:
        word = left.pop(0)
        flag = word.lower().partition("=")[0]
        if flag in {DRY_RUN, REASON, BREAK_GLASS} - own:
            how = _read_how(spec, flag, word, left, how)
        elif word.startswith("--"):
            _read_flag(spec, word, left, values)
        elif places and is_many(spec.args.model_fields[places[0]]):
            values[places[0]] = (*values.get(places[0], ()), *_parts(word))
        elif places:
            values[places.pop(0)] = word
        elif (files := file_fields(spec)) and file_id_of(word):
            _give(values, files[0], word, "the file")
        else:
            raise NotUnderstoodError(f"{word[:SHOWN]!r} is one word too many: {_instead(spec, word)}")
    return values, how


def _instead(spec: CommandSpec, word: str) -> str:
    """Return what to do about a word that belongs to nothing."""
    fields = spec.args.model_fields
    if not fields:
        return f"{spec.name} takes none, so leave it out"
    flags = [flag_of(name, field) for name, field in fields.items() if not is_positional(field)]
    if (flag := f"--{word.lower()}") in flags:
        return f"did you mean {flag}?"
    taking = [
        flag_of(name, field)
        for name, field in fields.items()
        if not is_positional(field) and not _is_switch(spec, name)
    ]
    if taking and not file_fields(spec) and not any(map(is_positional, fields.values())):
        return f"say what it is by a flag before it, as in {taking[0]} {word[:SHOWN]}"
    return "put texts with spaces in quotes"


def _read_how(spec: CommandSpec, flag: str, word: str, left: list[str], how: How) -> How:
    """Return *how* with one more word of it, and its value from *left*. Raises: NotUnderstoodError."""
    if not spec.takes_dry_run:
        what = "could show" if flag == DRY_RUN else "could be for"
        raise NotUnderstoodError(f"{spec.name} makes no plan that {flag} {what}, so nothing was done: leave it out")
    _, has_value, value = word.partition("=")
    if flag != REASON:
        if has_value:
            raise NotUnderstoodError(f"{flag} takes no value: write {flag}", flag)
        return replace(how, dry_run=True) if flag == DRY_RUN else replace(how, break_glass=True)
    if not has_value:
        value = left.pop(0) if left and not left[0].startswith("--") else ""
    reason = " ".join(value.split())
    if not reason:
        raise NotUnderstoodError(f'{REASON} needs a text: {REASON} "the queue of acme is stuck"')
    if len(reason) > MAX_REASON:
        raise NotUnderstoodError(f"the reason is {len(reason)} characters long: use at most {MAX_REASON}")
    if how.reason not in {"", reason}:
        raise NotUnderstoodError(f"{REASON} is given twice")
    return replace(how, reason=reason)


def _read_flag(spec: CommandSpec, word: str, left: list[str], values: dict[str, Any]) -> None:
    """Read one flag, and its value from *left* where it has none of its own, into *values*."""
    said, has_value, value = word.partition("=")
    flag = said.lower().replace("_", "-")
    flags = {flag_of(name, field): name for name, field in spec.args.model_fields.items() if not is_positional(field)}
    off = {f"--no-{flag.removeprefix('--')}": name for flag, name in flags.items() if _is_switch(spec, name)}
    name = flags.get(flag) or off.get(flag)
    if name is None:
        known = [*flags, *off, *spec.becomes, *([DRY_RUN, REASON, BREAK_GLASS] if spec.takes_dry_run else [])]
        begun = [one for one in known if len(flag) > len("--") and one.startswith(flag)]  # --admin: --admin-email
        near = begun or get_close_matches(flag[:SHOWN], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"see {COMMAND} help {spec.name}"
        raise NotUnderstoodError(f"there is no option {said[:SHOWN]}: {hint}", near[0] if near else "")
    if _is_switch(spec, name):
        if has_value:
            raise NotUnderstoodError(f"{flag} takes no value: write {' or '.join(_both(flag))}")
        _give(values, name, flag in flags, flag)
        return
    field = spec.args.model_fields[name]
    if not has_value:
        if not left or left[0].startswith("--"):
            raise NotUnderstoodError(f"{flag} needs a value: {flag} {metavar_of(field)}")
        value = left.pop(0)
    if is_many(field):
        values[name] = (*values.get(name, ()), *_parts(value))
    else:
        _give(values, name, value, flag)


def _parts(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _give(values: dict[str, Any], name: str, value: str | bool, flag: str) -> None:
    if values.get(name, value) != value:
        raise NotUnderstoodError(f"{' or '.join(_both(flag)) if isinstance(value, bool) else flag} is given twice")
    values[name] = value


def _is_switch(spec: CommandSpec, name: str) -> bool:
    return is_switch(spec.args.model_fields[name])


def _both(flag: str) -> tuple[str, str]:
    bare = flag.removeprefix("--no-").removeprefix("--")
    return f"--{bare}", f"--no-{bare}"
