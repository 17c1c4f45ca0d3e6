"""What charts render: two renderings told apart object by object, secrets hidden. Pure."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from difflib import ndiff
from typing import Any

import yaml
from pydantic import JsonValue, SecretStr

from provisioning import chart_yaml
from provisioning.chart_values import HIDDEN, leaves

Objects = Mapping[str, JsonValue]  # "Deployment/clearml-agent" → the object

MADE_ANEW = "(made anew each time)"
SHOWN_FINGERPRINT = 16  # hex digits of a fingerprint that people and plans see
MOST_TEXT = 1000  # of one difference
_CHART_LABEL = '"helm.sh/chart"'  # says the version at every object: the plan has said it once


class Hiding:
    """Hides secrets so that the same secret always looks the same, and another one otherwise.

    What stands for a secret is keyed: nobody finds a weak one by trying.

    Args:
        key: of the bot, never shown.
        conceal: replaces known secrets within a text.
    """

    def __init__(self, key: SecretStr, conceal: Callable[[str], str]) -> None:
        self._key = key.get_secret_value().encode()
        self._conceal = conceal

    def objects(self, text: str) -> dict[str, JsonValue]:
        """Return the objects of a YAML stream without their secrets. Raises: yaml.YAMLError."""
        return {name: self._hidden(one) for name, one in _named(text)}

    def _hidden(self, found: dict[str, Any]) -> JsonValue:
        is_secret = found.get("kind") == "Secret"
        return {
            str(key): self._marked_all(item) if is_secret and key in {"data", "stringData"} else self._walked(item)
            for key, item in found.items()
        }

    def _walked(self, value: Any) -> JsonValue:
        match value:
            case dict():
                # A checksum of secrets would let them be guessed.
                return {
                    str(key): self._mark(item) if str(key).startswith("checksum/") else self._walked(item)
                    for key, item in value.items()
                }
            case list():
                return [self._walked(item) for item in value]
            case None | bool() | int() | float():
                return value
            case _:
                text = str(value)
                hidden = self._conceal(text)
                return text if hidden == text else f"{hidden} ({self._mark(text)})"

    def _marked_all(self, value: Any) -> JsonValue:
        return {str(key): self._mark(item) for key, item in value.items()} if isinstance(value, dict) else None

    def _mark(self, value: Any) -> str:
        return f"{HIDDEN} {hmac.new(self._key, str(value).encode(), hashlib.sha256).hexdigest()[:8]}"


def named_objects(text: str) -> dict[str, JsonValue]:
    """Return the objects of a YAML stream as they are. Raises: yaml.YAMLError."""
    return {name: as_json(one) for name, one in _named(text)}


def steady(first: Objects, second: Objects) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    """Return of two renderings of the same what is the same in both, and the places that are not.

    What charts make anew each time (passwords, certificates, times) must void no approval.
    """
    kept: dict[str, JsonValue] = {}
    anew = sorted(set(first) ^ set(second))
    for name in sorted(set(first) & set(second)):
        kept[name] = _steady(first[name], second[name], name, anew)
    return kept, tuple(anew)


def fingerprint(value: Any) -> str:
    """Return the SHA-256 of *value*, which is JSON: 64 hex digits."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def differing_objects(found: Objects, shall: Objects) -> dict[str, tuple[JsonValue, JsonValue]]:
    """Return place → (is, shall) of all that differs: a whole object where there is but one, else a field of it.

    Of a text of several lines only those lines are shown that differ. Which chart an object is of is left out.
    """
    differences: dict[str, tuple[JsonValue, JsonValue]] = {}
    for name in sorted({*found, *shall}):
        if name not in found or name not in shall:
            differences[name] = (_whole(found.get(name)), _whole(shall.get(name)))
            continue
        left, right = dict(leaves(found[name], name)), dict(leaves(shall[name], name))
        for path in sorted({*left, *right}):
            was, will = left.get(path), right.get(path)
            if path.endswith(_CHART_LABEL) or (was == will and (path in left) == (path in right)):
                continue
            differences[path] = _lines(was, will)
    # Objects that come and go first; checksums, which only follow from the rest, last.
    order = sorted(differences, key=lambda path: ("checksum/" in path, path not in found and path not in shall, path))
    return {path: differences[path] for path in order}


def _named(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a YAML stream, each under a name of its own: ``Deployment/clearml-agent``."""
    taken: set[str] = set()
    for one in chart_yaml.load_all(text):
        if not isinstance(one, dict):
            continue
        metadata = one.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        plain = f"{one.get('kind')}/{metadata.get('name')}"
        name, number = plain, 2
        if name in taken:
            name = plain = f"{plain} of {metadata.get('namespace')}"
        while name in taken:
            name, number = f"{plain}, {number}", number + 1
        taken.add(name)
        yield name, one


def as_json(value: Any) -> JsonValue:
    """Return *value* as JSON has it, with lists for tuples and text for dates: a plan is compared with its JSON."""
    match value:
        case dict():
            return {str(key): as_json(item) for key, item in value.items()}
        case list() | tuple():
            return [as_json(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def _steady(first: JsonValue, second: JsonValue, path: str, anew: list[str]) -> JsonValue:
    match first, second:
        case dict(), dict():
            return {key: _steady(first.get(key), second.get(key), f"{path}.{key}", anew) for key in {**first, **second}}
        case list(), list() if len(first) == len(second):
            both = zip(first, second, strict=True)
            return [_steady(one, other, f"{path}[{index}]", anew) for index, (one, other) in enumerate(both)]
        case _ if first == second:
            return first
        case _:
            anew.append(path)
            return MADE_ANEW


def _whole(one: JsonValue) -> str | None:
    return None if one is None else _cut(yaml.safe_dump(one, sort_keys=True, allow_unicode=True))


def _lines(was: JsonValue, will: JsonValue) -> tuple[JsonValue, JsonValue]:
    if not (isinstance(was, str) and isinstance(will, str)):
        return was, will
    if "\n" in was or "\n" in will:
        changed = list(ndiff(was.splitlines(), will.splitlines()))
        was, will = ("\n".join(line[2:] for line in changed if line.startswith(mark)) for mark in ("- ", "+ "))
    return _cut(was), _cut(will)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]} … and {len(text) - MOST_TEXT} characters more"
