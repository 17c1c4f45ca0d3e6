"""Whole messages and views: which blocks may stand where, how many, and what must be unique."""

import json
from collections.abc import Iterator
from typing import Any

from sandbox.slack.blocks import elements, rich
from sandbox.slack.blocks.objects import IMAGE_FIELDS, IMAGE_SOURCE, plain_text, text
from sandbox.slack.blocks.rich import block
from sandbox.slack.blocks.schema import (
    Check,
    Problems,
    array,
    at_least_one,
    boolean,
    one_of,
    optional,
    required,
    shape,
    string,
    typed,
    url,
)

MAX_MESSAGE_BLOCKS = 50
MAX_VIEW_BLOCKS = 100
MAX_VIEW_BYTES = 250_000
MAX_MARKDOWN_CHARS = 12_000
# Slack answers msg_blocks_too_long somewhere above this many characters of text; the exact count is not
# documented. Source: slackapi/bolt-js issues 2509 and 2867.
MAX_BLOCKS_TEXT_CHARS = 12_000
ONCE_A_MESSAGE = {"table": 1, "data_table": 1, "data_visualization": 2}

_COMMON: dict[str, Check] = {
    "section": block(
        "section",
        {
            "text": optional(text(3000)),
            "fields": optional(array(text(2000), most=10)),
            "accessory": optional(elements.ACCESSORY),
            "expand": optional(boolean),
        },
        at_least_one("text", "fields"),
    ),
    "header": block("header", {"text": required(plain_text(150))}),
    "context": block("context", {"elements": required(array(elements.CONTEXT, most=10))}),
    "divider": block("divider", {}),
    "actions": block("actions", {"elements": required(array(elements.ACTION, most=25))}),
    "image": block("image", {**IMAGE_FIELDS, "title": optional(plain_text(2000))}, IMAGE_SOURCE),
    "input": block(
        "input",
        {
            "label": required(plain_text(2000)),
            "element": required(elements.INPUT),
            "hint": optional(plain_text(2000)),
            "optional": optional(boolean),
            "dispatch_action": optional(boolean),
        },
    ),
    "rich_text": rich.RICH_TEXT,
    "video": block(
        "video",
        {
            "alt_text": required(string(2000)),
            "title": required(plain_text(200)),
            "thumbnail_url": required(url()),
            "video_url": required(url()),
            "title_url": optional(url()),
            "description": optional(plain_text(200)),
            "author_name": optional(string(50)),
            "provider_name": optional(string(50)),
            "provider_icon_url": optional(url()),
        },
    ),
}
_MESSAGE_ONLY: dict[str, Check] = {
    "markdown": block("markdown", {"text": required(string(MAX_MARKDOWN_CHARS))}),
    "table": rich.TABLE,
    "data_table": rich.DATA_TABLE,
    "data_visualization": rich.DATA_VISUALIZATION,
    "plan": rich.PLAN,
    "task_card": rich.TASK_CARD,
    "alert": block(
        "alert",
        {
            "text": required(text(200)),
            "level": optional(one_of("default", "info", "warning", "error", "success")),
        },
    ),
}
MESSAGE_BLOCKS = {**_COMMON, **_MESSAGE_ONLY}
_IN_MESSAGE = array(typed(MESSAGE_BLOCKS), most=MAX_MESSAGE_BLOCKS)
_VIEW_BLOCKS = array(typed(_COMMON), most=MAX_VIEW_BLOCKS, least=0)
_VIEW_FIELDS = {
    "blocks": required(_VIEW_BLOCKS),
    "private_metadata": optional(string(3000, least=0)),
    "callback_id": optional(string(255, least=0)),
    "external_id": optional(string(255, least=0)),
}
_VIEW = typed(
    {
        "home": shape({"type": required(one_of("home")), **_VIEW_FIELDS}),
        "modal": shape(
            {
                "type": required(one_of("modal")),
                "title": required(plain_text(24)),
                "submit": optional(plain_text(24)),
                "close": optional(plain_text(24)),
                "clear_on_close": optional(boolean),
                "notify_on_close": optional(boolean),
                "submit_disabled": optional(boolean),
                **_VIEW_FIELDS,
            }
        ),
    }
)


def problems_of_blocks(blocks: Any) -> tuple[str, ...]:
    """Return what Slack has against the blocks of a message; empty where it takes them."""
    problems = Problems()
    _IN_MESSAGE(blocks, "/blocks", problems)
    if isinstance(blocks, list):
        _check_ids(blocks, "/blocks", problems)
        for kind, most in ONCE_A_MESSAGE.items():
            if sum(isinstance(each, dict) and each.get("type") == kind for each in blocks) > most:
                problems.add(f"no more than {most} blocks of type {kind} allowed", "/blocks")
        markdown = sum(len(str(each.get("text", ""))) for each in _of_type(blocks, "markdown"))
        if markdown > MAX_MARKDOWN_CHARS:
            problems.add(f"markdown must be less than {MAX_MARKDOWN_CHARS + 1} characters in all", "/blocks")
    return tuple(problems.found)


def problems_of_view(view: Any) -> tuple[str, ...]:
    """Return what Slack has against the view; empty where it takes it."""
    problems = Problems()
    _VIEW(view, "/view", problems)
    if isinstance(view, dict) and isinstance(view.get("blocks"), list):
        _check_ids(view["blocks"], "/view/blocks", problems)
        if view.get("type") == "modal" and "submit" not in view and _of_type(view["blocks"], "input"):
            problems.add("missing required field: submit", "/view")
        focused = sum(each.get("focus_on_load") is True for each in _elements(view["blocks"]))
        if focused > 1:
            problems.add("only one element may have focus_on_load", "/view/blocks")
    return tuple(problems.found)


def text_chars(blocks: list[Any]) -> int:
    """Return how many characters of text the blocks hold, whatever their kind."""
    return sum(len(value) for value in _texts(blocks))


def is_view_too_large(view: Any) -> bool:
    return len(json.dumps(view, ensure_ascii=False).encode()) > MAX_VIEW_BYTES


def _texts(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for key, item in value.items():
                if key == "text" and isinstance(item, str):
                    yield item
                else:
                    yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)
        case _:
            return


def _of_type(blocks: list[Any], kind: str) -> list[dict[str, Any]]:
    return [each for each in blocks if isinstance(each, dict) and each.get("type") == kind]


def _elements(blocks: list[Any]) -> Iterator[dict[str, Any]]:
    for each in blocks:
        if not isinstance(each, dict):
            continue
        found = [each.get("accessory"), each.get("element")]
        if each.get("type") == "actions" and isinstance(each.get("elements"), list):
            found.extend(each["elements"])
        yield from (element for element in found if isinstance(element, dict))


def _check_ids(blocks: list[Any], path: str, problems: Problems) -> None:
    seen: set[str] = set()
    for index, each in enumerate(blocks):
        if not isinstance(each, dict):
            continue
        block_id = each.get("block_id")
        if isinstance(block_id, str):
            if block_id in seen:
                problems.add(f'block_id "{block_id}" already exists', f"{path}/{index}/block_id")
            seen.add(block_id)
        actions: set[str] = set()
        for element in _elements([each]):
            action_id = element.get("action_id")
            if isinstance(action_id, str):
                if action_id in actions:
                    problems.add(f'action_id "{action_id}" already exists', f"{path}/{index}")
                actions.add(action_id)
