"""What helm is given: secrets by name, variables that ClearML reads as HOCON, keys that a chart does not know. Pure."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr
from pydantic.alias_generators import to_camel

HOCON_PREFIX = "CLEARML__"  # only variables of this prefix are parsed as HOCON by ClearML
HIDDEN = "•••"


class Values(BaseModel):
    """A chart's values, typed; fields go by their camelCase names."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    def as_json(self) -> dict[str, JsonValue]:
        """Return the values as helm takes them, secrets by name."""
        values: dict[str, JsonValue] = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return values


class Secret(Values):
    """A secret by name: of the bot's settings (``redis.password``), or a key of a Kubernetes Secret
    (``acme/clearml-agent-credentials/access_key``). *quote* says how it is written where it is put in."""

    name: str = Field(alias="$secret")
    quote: Literal["hocon"] | None = Field(default=None, alias="$quote")


class EnvironmentVariable(Values):
    name: str
    value: str | Secret


def variable(name: str, value: str | bool | int | Sequence[str] | Secret) -> EnvironmentVariable:
    """Return an environment variable, written as HOCON where ClearML parses it as that.

    JSON is HOCON: texts are quoted, lists are lists of quoted texts, numbers and truth values stand bare.
    Raises: TypeError for what is no text in a variable that is not parsed.
    """
    if name.startswith(HOCON_PREFIX):
        if isinstance(value, Secret):
            return EnvironmentVariable(name=name, value=Secret(name=value.name, quote="hocon"))
        return EnvironmentVariable(name=name, value=hocon(value))
    if not isinstance(value, str | Secret):
        raise TypeError(f"{name}: ClearML does not parse it, so it must be a text")
    return EnvironmentVariable(name=name, value=value)


def hocon(value: str | bool | int | Sequence[str]) -> str:
    """Return *value* in HOCON."""
    plain = value if isinstance(value, str | bool | int) else list(value)
    return json.dumps(plain, ensure_ascii=False)


def unknown_keys(
    values: Mapping[str, Any],
    chart_values: Mapping[str, Any],
    *,
    open_maps: Sequence[tuple[str, ...]] = (),
) -> tuple[str, ...]:
    """Return the paths that *values* set and the chart's defaults do not hold: helm would ignore them.

    A map that is empty or null in the chart takes any key, as do *open_maps*.
    """
    return tuple(".".join(path) for path in _unknown(values, chart_values, (), open_maps))


def merged(ours: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return *others* with *ours* over them; see `overridden` for what would be lost."""
    found: dict[str, JsonValue] = dict(others)
    for key, value in ours.items():
        below = others.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping) and "$secret" not in value
        found[key] = merged(value, below) if both and isinstance(below, Mapping) else value
    return found


def overridden(ours: Mapping[str, Any], others: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the paths that *others* set and *ours* set too."""
    for key, value in ours.items():
        if key not in others:
            continue
        here = f"{path}.{key}" if path else key
        below = others[key]
        if isinstance(value, Mapping) and isinstance(below, Mapping) and "$secret" not in value:
            yield from overridden(value, below, here)
        else:
            yield here


def filled_in(value: Any, find: Callable[[str], SecretStr]) -> Any:
    """Return *value* with what *find* returns for each ``{"$secret": name}``, quoted where ``$quote`` says so."""
    match value:
        case {"$secret": str(name), **more} if set(more) <= {"$quote"}:
            secret = find(name)
            if more.get("$quote") != "hocon":
                return secret
            return SecretStr(hocon(secret.get_secret_value()))
        case dict():
            return {key: filled_in(item, find) for key, item in value.items()}
        case list() | tuple():
            return [filled_in(item, find) for item in value]
        case _:
            return value


def secret_names(value: Any) -> Iterator[str]:
    """Yield the names of the secrets that *value* names, anywhere in it."""
    match value:
        case {"$secret": str(name)}:  # whatever else stands beside it
            yield name
        case Mapping():
            for item in value.values():
                yield from secret_names(item)
        case list() | tuple():
            for item in value:
                yield from secret_names(item)
        case _:
            return


def differing_values(found: Any, shall: Any) -> dict[str, tuple[JsonValue, JsonValue]]:
    """Return path → (is, shall) of every leaf that differs. Secrets, and values that are not ours, are •••."""
    left, right = dict(leaves(found, "")), dict(leaves(shall, ""))
    differences: dict[str, tuple[JsonValue, JsonValue]] = {}
    for path in sorted(left.keys() | right.keys()):
        if path not in right:
            differences[path] = (HIDDEN, None)
        elif isinstance(right[path], SecretStr):
            if left.get(path) != right[path].get_secret_value():
                differences[path] = (HIDDEN if path in left else None, HIDDEN)
        elif path not in left or not _same(left[path], right[path]):
            differences[path] = (left.get(path), right[path])
    return differences


def _unknown(
    values: Mapping[str, Any], known: Mapping[str, Any], path: tuple[str, ...], open_maps: Sequence[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in values.items():
        here = (*path, key)
        if key not in known:
            found.append(here)
        elif isinstance(value, dict) and "$secret" not in value and here not in open_maps:
            below = known[key]
            if isinstance(below, Mapping) and below:
                found += _unknown(value, below, here, open_maps)
    return found


def _same(found: Any, shall: Any) -> bool:
    return bool(found == shall) and isinstance(found, bool) == isinstance(shall, bool)  # True == 1 in Python


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield path and value of every leaf. Items of a list that have a name go by it, not by their place."""
    match value:
        case dict() if value or not path:
            for key, item in value.items():
                name = f'"{key}"' if "." in str(key) else str(key)
                yield from leaves(item, f"{path}.{name}" if path else name)
        case list() if value:
            for index, item in enumerate(value):
                place = item["name"] if isinstance(item, dict) and "name" in item else index
                yield from leaves(item, f"{path}[{place}]")
        case _:
            yield path, value
