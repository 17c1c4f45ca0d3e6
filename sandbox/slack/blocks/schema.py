"""Small checks that compose into shapes. A check looks at one value and notes what is wrong, and where."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

_URL = re.compile(r"^(https?|mailto|slack):\S+$", re.IGNORECASE)


class Problems:
    """What is wrong, worded as Slack words it."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, what: str, path: str) -> None:
        self.found.append(f"{what} [json-pointer:{path}]")


Check: TypeAlias = Callable[[Any, str, Problems], None]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a shape."""

    check: Check
    required: bool = False


def required(check: Check) -> Field:
    return Field(check=check, required=True)


def optional(check: Check) -> Field:
    return Field(check=check)


def anything(_value: Any, _path: str, _problems: Problems) -> None:
    """Accept it."""


def string(most: int, *, least: int = 1) -> Check:
    """A string of *least* to *most* characters."""

    def check(value: Any, path: str, problems: Problems) -> None:
        if not isinstance(value, str):
            problems.add("must be a string", path)
        elif len(value) > most:
            problems.add(f"must be less than {most + 1} characters", path)
        elif len(value) < least:
            problems.add(f"must be more than {least - 1} characters", path)

    return check


def url(most: int = 3000) -> Check:
    """An absolute URL."""
    length = string(most)

    def check(value: Any, path: str, problems: Problems) -> None:
        length(value, path, problems)
        if isinstance(value, str) and not _URL.match(value):
            problems.add("must be a valid URL", path)

    return check


def boolean(value: Any, path: str, problems: Problems) -> None:
    if not isinstance(value, bool):
        problems.add("must be a boolean", path)


def integer(least: int, most: int) -> Check:
    def check(value: Any, path: str, problems: Problems) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            problems.add("must be an integer", path)
        elif not least <= value <= most:
            problems.add(f"must be between {least} and {most}", path)

    return check


def number(value: Any, path: str, problems: Problems) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        problems.add("must be a number", path)


def pattern(expression: str, what: str) -> Check:
    """A string that is *what*."""
    compiled = re.compile(expression)

    def check(value: Any, path: str, problems: Problems) -> None:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            problems.add(f"must be {what}", path)

    return check


def one_of(*values: str) -> Check:
    def check(value: Any, path: str, problems: Problems) -> None:
        if value not in values:
            problems.add(f"must be one of: {', '.join(values)}", path)

    return check


def array(check_item: Check, *, most: int, least: int = 1) -> Check:
    """An array of *least* to *most* items."""

    def check(value: Any, path: str, problems: Problems) -> None:
        if not isinstance(value, list):
            problems.add("must be an array", path)
            return
        if len(value) > most:
            problems.add(f"no more than {most} items allowed", path)
        if len(value) < least:
            problems.add(f"no less than {least} items allowed", path)
        for index, item in enumerate(value):
            check_item(item, f"{path}/{index}", problems)

    return check


def shape(fields: Mapping[str, Field]) -> Check:
    """An object with these fields and no other."""

    def check(value: Any, path: str, problems: Problems) -> None:
        if not isinstance(value, dict):
            problems.add("must be an object", path)
            return
        for name in value:
            if name not in fields:
                problems.add(f"invalid additional property: {name}", path)
        for name, field in fields.items():
            if name in value:
                field.check(value[name], f"{path}/{name}", problems)
            elif field.required:
                problems.add(f"missing required field: {name}", path)

    return check


def typed(kinds: Mapping[str, Check]) -> Check:
    """An object whose ``type`` decides its shape."""

    def check(value: Any, path: str, problems: Problems) -> None:
        if not isinstance(value, dict):
            problems.add("must be an object", path)
        elif "type" not in value:
            problems.add("missing required field: type", path)
        elif not isinstance(value["type"], str) or value["type"] not in kinds:
            problems.add(f"unsupported type: {value['type']}", f"{path}/type")
        else:
            kinds[value["type"]](value, path, problems)

    return check


def both(*checks: Check) -> Check:
    """All of the checks."""

    def check(value: Any, path: str, problems: Problems) -> None:
        for each in checks:
            each(value, path, problems)

    return check


def exactly_one(*names: str) -> Check:
    """An object with exactly one of the fields."""

    def check(value: Any, path: str, problems: Problems) -> None:
        if isinstance(value, dict) and sum(name in value for name in names) != 1:
            problems.add(f"must define exactly one of: {', '.join(names)}", path)

    return check


def at_least_one(*names: str) -> Check:
    """An object with one or more of the fields."""

    def check(value: Any, path: str, problems: Problems) -> None:
        if isinstance(value, dict) and not any(value.get(name) for name in names):
            problems.add(f"must define at least one of: {', '.join(names)}", path)

    return check
