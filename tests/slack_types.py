"""Slack's own word on blocks and views: the types that Slack publishes for TypeScript, with the limits in their docs.

tests/data/slack-types.schema.json is made from the npm package @slack/types (MIT, see slack-types.LICENSE.txt) by

    npx ts-json-schema-generator --path node_modules/@slack/types/dist/index.d.ts --type '*' --no-type-check -o all.json
    python -m tests.slack_types all.json > tests/data/slack-types.schema.json

so that nobody's reading of Slack's documentation stands between it and us. Types say which fields there are and which
are needed; their comments say how long and how many, and `_limits` makes keywords of these.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

SCHEMA = Path(__file__).parent / "data" / "slack-types.schema.json"
ROOTS = ("KnownBlock", "ModalView", "HomeView")
NEWER = frozenset({"data_visualization"})  # blocks that the types do not know yet
_REF = "#/definitions/"
_LENGTH = re.compile(
    r"max(?:imum)? length (?:for |of )?[^.]*?(\d[\d,]*)\s+characters|limit (\d[\d,]*) characters", re.I
)
_EACH = re.compile(r"each item is (\d[\d,]*) characters", re.I)
_COUNT = re.compile(r"max(?:imum)?(?: of| number of \w+(?: \w+)? is)? (\d+)(?! characters)(?:\s|\.|$)", re.I)
_KEPT_WORDS = re.compile(r"[^.]*\b(?:max|limit)[^.]*\.?", re.I)
_LINK = re.compile(r"\{@link[^}]*\}")


def problems_of_message(blocks: list[Any]) -> list[str]:
    """Return what in a message's *blocks* is not as Slack's types say."""
    return [f"/{number}{problem}" for number, one in enumerate(blocks) for problem in _problems_of_block(one)]


def problems_of_view(view: Mapping[str, Any]) -> list[str]:
    """Return what in a modal or a Home tab is not as Slack's types say."""
    bare = {**view, "blocks": [{"type": "divider"}] * len(view["blocks"])}
    return [
        *_problems("HomeView" if view.get("type") == "home" else "ModalView", bare),
        *problems_of_message(view["blocks"]),
    ]


def _problems_of_block(block: Any) -> list[str]:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind in NEWER:
        return []
    return _problems(_blocks()[kind], block) if kind in _blocks() else [f": no block has the type {kind!r}"]


def _problems(name: str, value: Any) -> list[str]:
    errors = map(_of_the_same_type, _validator(name).iter_errors(value))
    return ["".join(f"/{part}" for part in each.absolute_path) + f": {each.message[-200:]}" for each in errors]


def _of_the_same_type(error: ValidationError) -> ValidationError:
    """Return what is wrong in the branch whose `type` is right: the other branches say only that theirs is another."""
    while error.context:
        wrong_type = {each.schema_path[0] for each in error.context if list(each.path) == ["type"]}
        same = [each for each in error.context if each.schema_path[0] not in wrong_type]
        if not same:
            return error
        error = same[0]
    return error


@cache
def _definitions() -> dict[str, Any]:
    return {name: _limited(each) for name, each in json.loads(SCHEMA.read_text())["definitions"].items()}


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"{_REF}{name}", "definitions": _definitions()})


@cache
def _blocks() -> dict[str, str]:
    """Return type → the definition of a block of that type."""
    names = [each["$ref"].removeprefix(_REF) for each in _definitions()[ROOTS[0]]["anyOf"]]
    found: dict[str, str] = {}
    for name in names:
        one = _definitions()[name]
        found |= {each["properties"]["type"]["const"]: name for each in one.get("anyOf", [one])}
    return found


def _limited(schema: Any) -> Any:
    """Return *schema* with the limits that its descriptions state as keywords."""
    match schema:
        case dict():
            made = {key: _limited(value) for key, value in schema.items() if key not in {"description", "properties"}}
            if "properties" in schema:  # names of fields, one of which may be "description"
                made["properties"] = {name: _limited(field) for name, field in schema["properties"].items()}
            limits = _limits(str(schema.get("description", "")), is_list=schema.get("type") == "array")
            return {"allOf": [made, limits]} if limits else made
        case list():
            return [_limited(value) for value in schema]
        case _:
            return schema


def _limits(text: str, *, is_list: bool) -> dict[str, Any]:
    words = " ".join(text.split())
    if not is_list:
        lengths = [_number(found.group(1) or found.group(2)) for found in _LENGTH.finditer(words)]
        return _no_longer_than(min(lengths)) if lengths else {}
    made: dict[str, Any] = {}
    if found := _EACH.search(words):
        made["items"] = _no_longer_than(_number(found.group(1)))
    if found := _COUNT.search(words):
        made["maxItems"] = int(found.group(1))
    return made


def _no_longer_than(most: int) -> dict[str, Any]:
    """A string, or the text of a text object. Nothing is empty in Slack that has a limit, but for a view's own data."""
    return {"maxLength": most, "properties": {"text": {"maxLength": most, "minLength": 1}}}


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _pruned(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ROOTS reach, with no more of the descriptions than speaks of limits. A block is one that is known."""
    kept: dict[str, Any] = {}
    waiting = [*ROOTS]
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept[name] = _short(definitions[name])
            waiting += set(_references(kept[name]))
    return dict(sorted(kept.items()))


def _short(schema: Any) -> Any:
    match schema:
        case {"$ref": "#/definitions/AnyBlock"}:  # any known block, or anything
            return {**_short({key: value for key, value in schema.items() if key != "$ref"}), "$ref": _REF + ROOTS[0]}
        case dict():
            made = {key: _short(value) for key, value in schema.items() if key not in {"description", "properties"}}
            if "properties" in schema:
                made["properties"] = {name: _short(field) for name, field in schema["properties"].items()}
            said = " ".join(_LINK.sub("", schema.get("description", "")).split())
            if limits := " ".join(found.strip() for found in _KEPT_WORDS.findall(said)):
                made["description"] = limits
            return made
        case list():
            return [_short(value) for value in schema]
        case _:
            return schema


def _references(schema: Any) -> Iterator[str]:
    match schema:
        case dict():
            if isinstance(reference := schema.get("$ref"), str):
                yield reference.removeprefix(_REF)
            for value in schema.values():
                yield from _references(value)
        case list():
            for value in schema:
                yield from _references(value)


if __name__ == "__main__":
    made = {"definitions": _pruned(json.loads(Path(sys.argv[1]).read_text())["definitions"])}
    sys.stdout.write(json.dumps(made, indent=1) + "\n")
