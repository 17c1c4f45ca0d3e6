"""What may come next on a command line, for the shell's completion. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from commands.catalog import CATALOG, FAMILIES
from commands.help import about, arguments_of
from commands.spec import CommandSpec, choices_of, flag_of, is_many, is_positional, is_switch, metavar_of

Known = Callable[[str], Iterable[str]]  # tenants, jobs, profiles … → their names

# What a word stands for, where no menu of a form is made of it.
_KINDS = {"JOB": "jobs", "NODE": "nodes", "DIGEST": "policies", "PERSON": "people"}


@dataclass(frozen=True)
class Offer:
    """One word that may come next. *type*: as shells are told, a plain word."""

    value: str
    help: str = ""
    type: str = "plain"


def offers(words: Sequence[str], incomplete: str, known: Known) -> list[Offer]:
    """Return what may stand in place of *incomplete*, after *words*."""
    found = list(_verbs(tuple(words)))
    for length in (3, 2, 1):
        spec = CATALOG.get(" ".join(words[:length])) if len(words) >= length else None
        if spec is not None:
            found += _arguments(spec, words[length:], incomplete, known)
            break
    return [one for one in found if one.value.startswith(incomplete)]


def _verbs(words: tuple[str, ...]) -> Iterator[Offer]:
    if not words:
        yield from (Offer(first, one.about) for first, one in FAMILIES.items())
        return
    seen = set()
    for name, spec in CATALOG.of(words[0]).items():
        parts = tuple(name.split())
        if len(parts) <= len(words) or parts[: len(words)] != words or parts[len(words)] in seen:
            continue
        seen.add(parts[len(words)])
        is_whole = len(parts) == len(words) + 1
        yield Offer(parts[len(words)], spec.summary if is_whole else about(parts[0]))


def _arguments(spec: CommandSpec, words: Sequence[str], incomplete: str, known: Known) -> Iterator[Offer]:
    fields = spec.args.model_fields
    flags = {flag_of(name, field): field for name, field in fields.items() if not is_positional(field)}
    asking = {flag for flag, field in flags.items() if not is_switch(field)}
    if words and words[-1] in asking:
        yield from _values(flags[words[-1]], known)
        return
    if incomplete.startswith("-"):
        for written, meaning in arguments_of(spec):
            for flag in (word.split()[0] for word in written.split(", ") if word.startswith("-")):
                if flag not in words or (flag in flags and is_many(flags[flag])):
                    yield Offer(flag, meaning)
        yield Offer("--json", "print JSON for machines")
        return
    given = [
        word for at, word in enumerate(words) if not word.startswith("-") and (not at or words[at - 1] not in asking)
    ]
    places = [field for field in fields.values() if is_positional(field)]
    if places and (len(given) < len(places) or is_many(places[-1])):
        yield from (one for one in _values(places[min(len(given), len(places) - 1)], known) if one.value not in given)


def _values(field: FieldInfo, known: Known) -> Iterator[Offer]:
    kind = choices_of(field) or _KINDS.get(metavar_of(field))
    yield from map(Offer, [*_literals(field.annotation), *(known(kind) if kind else ())])


def _literals(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        yield from (str(one.value) for one in annotation)
    else:
        for part in get_args(annotation):
            yield from _literals(part)
