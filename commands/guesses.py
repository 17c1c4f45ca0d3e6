"""Words → the command that they name, or the one that was meant. Pure."""

from collections.abc import Sequence
from difflib import get_close_matches

from commands.catalog import CATALOG
from commands.help import family
from commands.reading import SHOWN
from commands.spec import CommandSpec

# What people say for our verbs: suggested where the family has ours, and never taken for it.
_SAME = {"remove": ("delete",), "rm": ("delete", "remove"), "delete": ("remove",), "ls": ("list",)}
_SAME |= dict.fromkeys(("add", "new", "make"), ("create",)) | dict.fromkeys(("get", "info", "describe"), ("show",))
_SAME |= dict.fromkeys(("change", "edit", "update", "modify", "set"), ("resize",))


def find(words: Sequence[str]) -> tuple[CommandSpec | None, list[str]]:
    """Return the command that *words* begin with, and the words behind it; None and all of them where there is none."""
    for length in (3, 2, 1):
        spec = CATALOG.get(" ".join(words[:length]).lower())
        if spec is not None:
            return spec, list(words[length:])
    return None, list(words)


def guessed(words: Sequence[str]) -> list[str]:
    """Return what was meant, of the family that is named: also as ``create tenant``, as ``tenants``, as ``remove``."""
    first, *rest = (word.lower()[:SHOWN] for word in words)
    said = [[first, *rest], [*rest[:1], first, *rest[1:]]]
    said += [[first.removesuffix("s"), *(rest or ["list"])]] if first.endswith("s") else []
    for tried in said:
        names = family(tried[0])
        if not names:
            continue
        spec, _ = find(tried)
        if spec is not None:
            return [spec.name]
        same = (
            [name for verb in _SAME.get(tried[1], ()) if (name := f"{tried[0]} {verb}") in names] if tried[1:] else []
        )
        if near := same or _near(tried, names):
            return near[:1]
    return []


def _near(words: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the nearest name of as many words as were said: ``tenant remove`` is not ``tenant user remove``."""
    for length in (3, 2):
        said = " ".join(words[:length]).lower()[:SHOWN]
        near = get_close_matches(said, [name for name in names if len(name.split()) == length], n=1, cutoff=0.8)
        if near:
            return near
    return []
