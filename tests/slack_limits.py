"""Slack's limits on messages and views, as docs.slack.dev/reference states them. Every render test goes through here.

Written apart from bot/slack/kit.py and from the sandbox on purpose: it must not share their mistakes. What Slack's own
published types say of the same is asked besides.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from tests import slack_types

MENTION = re.compile(r"<!(?:here|channel|everyone|subteam)|<@|<#")
LINK = re.compile(r"<[a-z]+:[^>]*>", re.IGNORECASE)


def problems_of_message(text: str, blocks: list[dict[str, Any]]) -> list[str]:
    """Return what Slack would refuse, or cut, in a message."""
    found = [] if 0 < len(text) <= 4000 else [f"text: {len(text)} characters, 1 to 4000 are shown"]
    if sum(block.get("type") == "table" for block in blocks) > 1:
        found.append("one table a message")
    if sum(block.get("type") == "data_visualization" for block in blocks) > 2:
        found.append("two charts a message")
    if not 1 <= len(blocks) <= 50:
        found.append(f"{len(blocks)} blocks, 1 to 50 are allowed")
    return [*found, *_blocks(blocks, in_view=False), *slack_types.problems_of_message(blocks)]


def problems_of_view(view: dict[str, Any]) -> list[str]:
    """Return what Slack would refuse in a modal or a Home tab."""
    found: list[str] = []
    if len(view["blocks"]) > 100:
        found.append(f"{len(view['blocks'])} blocks, 100 are allowed")
    if view["type"] == "modal":
        for name in ("title", "submit", "close"):
            if name in view:
                found += _plain(view[name], 24, name)
        if any(block["type"] == "input" for block in view["blocks"]) and "submit" not in view:
            found.append("a modal with inputs needs submit")
        if "title" not in view:
            found.append("a modal needs a title")
    if len(view.get("private_metadata", "")) > 3000:
        found.append("private_metadata is longer than 3000")
    if len(view.get("callback_id", "")) > 255:
        found.append("callback_id is longer than 255")
    return [*found, *_blocks(view["blocks"], in_view=view["type"] == "modal"), *slack_types.problems_of_view(view)]


def texts_of(value: Any) -> Iterator[str]:
    """Return every mrkdwn text in *value*."""
    match value:
        case {"type": "mrkdwn", "text": str(text)}:
            yield text
        case dict():
            for item in value.values():
                yield from texts_of(item)
        case list():
            for item in value:
                yield from texts_of(item)
        case _:
            pass


def _blocks(blocks: list[dict[str, Any]], *, in_view: bool) -> list[str]:
    found: list[str] = []
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) != len(set(ids)):
        found.append(f"block ids are not unique: {ids}")
    for number, block in enumerate(blocks):
        found += [f"block {number} ({block.get('type')}): {problem}" for problem in _block(block, in_view=in_view)]
    json.dumps(blocks).encode()  # a lone surrogate would fail here, as it does on the wire
    return found


def _block(block: dict[str, Any], *, in_view: bool) -> list[str]:
    found = [] if len(block.get("block_id", "")) <= 255 else ["block_id is longer than 255"]
    match block:
        case {"type": "header", "text": text}:
            found += _plain(text, 150, "text")
        case {"type": "section", "text": text}:
            found += _mrkdwn(text, 3000, "text")
            found += ["fields are not used"] if "fields" in block else []
        case {"type": "context", "elements": list(elements)}:
            found += [] if 1 <= len(elements) <= 10 else [f"{len(elements)} elements, 1 to 10 are allowed"]
            for element in elements:
                found += _mrkdwn(element, 3000, "element")
        case {"type": "actions", "elements": list(elements)}:
            found += [] if 1 <= len(elements) <= 25 else [f"{len(elements)} elements, 1 to 25 are allowed"]
            action_ids = [element["action_id"] for element in elements]
            found += [] if len(action_ids) == len(set(action_ids)) else ["action ids are not unique"]
            for element in elements:
                found += _button(element)
        case {"type": "input"} if in_view:
            found += _input(block)
        case {"type": "table", "rows": list(rows)}:
            found += _table(rows)
        case {"type": "data_visualization", "title": str(title), "chart": chart}:
            found += _length(title, 50, "title") + _chart(chart)
        case {"type": "plan", "title": str(title), "tasks": list(tasks)}:
            found += [] if 1 <= len(title) <= 256 else ["title is 1 to 256"]
            found += [] if len(tasks) <= 50 else [f"{len(tasks)} tasks, 50 are allowed"]
            ids = [task["task_id"] for task in tasks]
            found += [] if len(ids) == len(set(ids)) else ["task ids are not unique"]
            for task in tasks:
                found += [] if 1 <= len(task["title"]) <= 256 else ["a task's title is 1 to 256"]
                known = task["status"] in {"pending", "in_progress", "complete", "error"}
                found += [] if known else [f"no such status: {task['status']}"]
        case {"type": "divider"}:
            pass
        case _:
            found.append("this block is not allowed here")
    return found


def _table(rows: list[list[dict[str, Any]]]) -> list[str]:
    found = [] if 1 <= len(rows) <= 100 else [f"{len(rows)} rows, 1 to 100 are allowed"]
    widths = {len(row) for row in rows}
    found += [] if len(widths) == 1 and widths <= set(range(1, 21)) else [f"rows of {sorted(widths)} cells"]
    cells = [cell for row in rows for cell in row if not _is_link(cell)]
    found += ["a cell is no raw_text, or empty"] if any(c["type"] != "raw_text" or not c["text"] for c in cells) else []
    size = sum(len(cell["text"]) for cell in cells)
    return found if size <= 10_000 else [*found, f"{size} characters in all cells, 10000 are allowed"]


def _is_link(cell: dict[str, Any]) -> bool:
    """Return whether the cell is a channel's link alone: it has no words that could be too long, or somebody's."""
    match cell:
        case {
            "type": "rich_text",
            "elements": [
                {"type": "rich_text_section", "elements": [{"type": "channel", "channel_id": str(channel), **more}]}
            ],
        }:
            return not more and re.fullmatch(r"[CDG][A-Z0-9]{2,20}", channel) is not None
        case _:
            return False


def _chart(chart: dict[str, Any]) -> list[str]:
    categories, series = chart["axis_config"]["categories"], chart["series"]
    found = [] if chart["type"] in {"line", "bar", "area"} else [f"no such chart: {chart['type']}"]
    found += [] if 1 <= len(series) <= 6 else [f"{len(series)} series, 1 to 6 are allowed"]
    found += [] if 1 <= len(categories) <= 20 else [f"{len(categories)} categories, 1 to 20 are allowed"]
    names = [one["name"] for one in series]
    found += [] if len({*names}) == len(names) and len({*categories}) == len(categories) else ["names are not unique"]
    for text in (*categories, *names):
        found += _length(text, 20, "label")
    for one in series:
        found += [] if [point["label"] for point in one["data"]] == categories else ["labels are not the categories"]
        found += [f"{p['value']!r} is no number" for p in one["data"] if not math.isfinite(p["value"])]
    return found


def _button(element: dict[str, Any]) -> list[str]:
    found = _plain(element["text"], 75, "button")
    found += [] if len(element["action_id"]) <= 255 else ["action_id is longer than 255"]
    found += [] if len(element.get("value", "")) <= 2000 else ["value is longer than 2000"]
    found += [] if element.get("style", "primary") in {"primary", "danger"} else ["no such style"]
    if confirm := element.get("confirm"):
        found += _plain(confirm["title"], 100, "confirm.title")
        found += _mrkdwn(confirm["text"], 300, "confirm.text")
        found += _plain(confirm["confirm"], 30, "confirm.confirm") + _plain(confirm["deny"], 30, "confirm.deny")
    return found


def _input(block: dict[str, Any]) -> list[str]:
    found = _plain(block["label"], 2000, "label")
    found += _plain(block["hint"], 2000, "hint") if "hint" in block else []
    element = block["element"]
    match element["type"]:
        case "plain_text_input":
            most = element.get("max_length", 3000)
            found += [] if 1 <= most <= 3000 else ["max_length must be 1 to 3000"]
            found += [] if len(element.get("initial_value", "")) <= most else ["initial_value is longer than allowed"]
        case "checkboxes":
            found += [] if 1 <= len(element["options"]) <= 10 else ["1 to 10 options are allowed"]
            for option in element["options"]:
                found += _plain(option["text"], 75, "option")
                found += [] if 1 <= len(option["value"]) <= 150 else ["an option's value is 1 to 150"]
        case "number_input":
            numbers = [element[key] for key in ("min_value", "max_value", "initial_value") if key in element]
            found += [] if isinstance(element.get("is_decimal_allowed"), bool) else ["is_decimal_allowed is needed"]
            found += [f"{number!r} is no number" for number in numbers if not re.fullmatch(r"-?\d+(\.\d+)?", number)]
        case "static_select" | "multi_static_select":
            options = element["options"]
            found += [] if 1 <= len(options) <= 100 else [f"{len(options)} options, 1 to 100 are allowed"]
            for option in options:
                found += _plain(option["text"], 75, "option")
                found += [] if 1 <= len(option["value"]) <= 150 else ["an option's value is 1 to 150"]
            initial = [*element.get("initial_options", []), *filter(None, [element.get("initial_option")])]
            found += [] if all(option in options for option in initial) else ["an initial option is not offered"]
        case "conversations_select":
            pass
        case "file_input":
            found += [] if 1 <= element.get("max_files", 10) <= 10 else ["max_files must be 1 to 10"]
        case other:
            found.append(f"no such element: {other}")
    return found


def _plain(text: dict[str, Any], most: int, where: str) -> list[str]:
    if text["type"] != "plain_text":
        return [f"{where}: must be plain_text"]
    return _length(text["text"], most, where)


def _mrkdwn(text: dict[str, Any], most: int, where: str) -> list[str]:
    found = _length(text["text"], most, where)
    if text["type"] != "mrkdwn":
        found.append(f"{where}: must be mrkdwn")
    if text.get("verbatim") is not True:
        found.append(f"{where}: not verbatim, so Slack would find links and names in foreign text")
    return found


def _length(text: str, most: int, where: str) -> list[str]:
    return [] if 1 <= len(text) <= most else [f"{where}: {len(text)} characters, 1 to {most} are allowed"]
