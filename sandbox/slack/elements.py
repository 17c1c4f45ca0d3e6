"""Where interactive elements stand in blocks, and how people find them: by what they read. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.slack.emoji import with_emoji
from sandbox.slack.model import JSON


@dataclass(frozen=True, kw_only=True)
class Found:
    """An element and the block that it stands in."""

    block_id: str
    element: JSON
    block: JSON


def elements(blocks: Sequence[Mapping[str, Any]]) -> Iterator[Found]:
    """Yield every interactive element of the blocks, inputs included."""
    for block in blocks:
        inside: list[Any] = []
        match block.get("type"):
            case "section":
                inside = [block.get("accessory")]
            case "actions":
                inside = list(block.get("elements") or [])
            case "input":
                inside = [block.get("element")]
        for element in inside:
            if element and element.get("type") not in {"image", None}:
                yield Found(block_id=str(block.get("block_id", "")), element=element, block=dict(block))


def words(value: Mapping[str, Any] | None) -> str:
    """Return a text object's words as people say them: no emoji names, no runs of white space."""
    return " ".join(with_emoji(str((value or {}).get("text", ""))).split())


def says(value: Mapping[str, Any] | None, text: str) -> bool:
    """Return whether a text object reads *text*; an emoji before or after it and case do not count."""
    have, want = words(value).casefold(), " ".join(with_emoji(text).split()).casefold()
    bare = "".join(letter for letter in have if letter.isascii() or letter.isalnum()).strip()
    return want in {have, bare}


def button(blocks: Sequence[Mapping[str, Any]], text: str) -> Found | None:
    """Return the button that reads *text*."""
    for found in elements(blocks):
        if found.element["type"] == "button" and says(found.element.get("text"), text):
            return found
    return None


def buttons(blocks: Sequence[Mapping[str, Any]]) -> list[str]:
    return [words(found.element.get("text")) for found in elements(blocks) if found.element["type"] == "button"]


def by_ids(blocks: Sequence[Mapping[str, Any]], action_id: str, block_id: str | None) -> Found | None:
    for found in elements(blocks):
        if found.element.get("action_id") == action_id and block_id in {None, found.block_id}:
            return found
    return None


def options(element: Mapping[str, Any]) -> list[JSON]:
    """Return the options that the element offers, groups flattened."""
    found = list(element.get("options") or [])
    for group in element.get("option_groups") or []:
        found.extend(group.get("options") or [])
    return found


def option(element: Mapping[str, Any], text: str) -> JSON | None:
    """Return the option that reads *text*."""
    return next((each for each in options(element) if says(each.get("text"), text)), None)


def with_ids(blocks: Sequence[Mapping[str, Any]], new_id: Any) -> list[JSON]:
    """Return the blocks with the block_ids and action_ids that the app left out, as Slack fills them in."""
    filled: list[JSON] = []
    for block in blocks:
        copy: JSON = {**block, "block_id": block.get("block_id") or new_id()}
        if copy.get("type") == "section" and copy.get("accessory"):
            copy["accessory"] = _with_action_id(copy["accessory"], new_id)
        if copy.get("type") == "actions":
            copy["elements"] = [_with_action_id(each, new_id) for each in copy["elements"]]
        if copy.get("type") == "input":
            copy["element"] = _with_action_id(copy["element"], new_id)
        filled.append(copy)
    return filled


def _with_action_id(element: JSON, new_id: Any) -> JSON:
    return element if element.get("action_id") or element.get("type") == "image" else {**element, "action_id": new_id()}
