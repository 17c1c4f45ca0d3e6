"""Messages and blocks → plain text, as a reader would read it: for transcripts and expectations. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sandbox.slack import mrkdwn
from sandbox.slack.emoji import EMOJI, with_emoji
from sandbox.slack.mrkdwn import Name


def to_text(message: Mapping[str, Any], name: Name = lambda identity: f"@{identity}") -> str:
    """Return what a reader reads of *message* (``text``, ``blocks``, ``files``); *name* shows ids.

    As in Slack, the text is not shown where there are blocks.
    """
    blocks = message.get("blocks") or []
    body = blocks_to_text(blocks, name) if blocks else mrkdwn.plain(str(message.get("text") or ""), name)
    files = [f"[file: {each.get('title') or each.get('name')}]" for each in message.get("files") or []]
    return "\n".join(filter(None, [body, *files]))


def blocks_to_text(blocks: Sequence[Mapping[str, Any]], name: Name) -> str:
    """Return the blocks as lines."""
    return "\n".join(line for block in blocks for line in _block(block, name) if line)


def _block(block: Mapping[str, Any], name: Name) -> Iterator[str]:  # noqa: PLR0912 - one case a kind of block
    match block.get("type"):
        case "section":
            yield text_object(block.get("text"), name)
            for each in block.get("fields") or []:
                yield text_object(each, name)
            if accessory := block.get("accessory"):
                yield element_text(accessory, name)
        case "header":
            yield text_object(block.get("text"), name)
        case "context":
            yield " ".join(filter(None, (element_text(each, name) for each in block.get("elements") or [])))
        case "actions":
            yield " ".join(filter(None, (element_text(each, name) for each in block.get("elements") or [])))
        case "divider":
            yield "———"
        case "image":
            yield f"[image: {text_object(block.get('title'), name) or block.get('alt_text', '')}]"
        case "input":
            label, shown = (
                text_object(block.get("label"), name),
                element_text(block.get("element") or {}, name),
            )
            yield f"{label}: {shown}".rstrip()
            yield text_object(block.get("hint"), name)
        case "rich_text":
            yield rich_text(block, name)
        case "markdown":
            yield with_emoji(str(block.get("text", "")))
        case "table" | "data_table":
            yield str(block.get("caption", ""))
            for row in block.get("rows") or []:
                yield " | ".join(_cell(cell, name) for cell in row)
        case "data_visualization":
            yield from _chart(block)
        case "plan":
            yield str(block.get("title", ""))
            for task in block.get("tasks") or []:
                yield from _block(task, name)
        case "task_card":
            yield f"[{block.get('status')}] {block.get('title')}"
            for part in ("details", "output"):
                if block.get(part):
                    yield rich_text(block[part], name)
        case "alert":
            yield text_object(block.get("text"), name)
        case "video":
            yield f"[video: {text_object(block.get('title'), name)}]"
        case _:
            return


def text_object(value: Mapping[str, Any] | None, name: Name) -> str:
    """Return the words of a text object; empty for None."""
    if not value:
        return ""
    words = str(value.get("text", ""))
    return mrkdwn.plain(words, name) if value.get("type") == "mrkdwn" else with_emoji(words)


def element_text(element: Mapping[str, Any], name: Name) -> str:
    """Return what is seen of an element: ``[Approve]`` for a button, its words for a text."""
    match element.get("type"):
        case "button":
            return f"[{text_object(element.get('text'), name)}]"
        case "image":
            return f"[image: {element.get('alt_text', '')}]"
        case "plain_text" | "mrkdwn":
            return text_object(element, name)
        case "overflow":
            return "[…]"
        case "checkboxes" | "radio_buttons":
            return " ".join(f"( ) {text_object(each.get('text'), name)}" for each in element.get("options") or [])
        case _:
            chosen = element.get("initial_option") or {}
            shown = text_object(chosen.get("text"), name) or text_object(element.get("placeholder"), name)
            return f"[{shown}]" if shown and "select" in str(element.get("type")) else shown


def rich_text(block: Mapping[str, Any], name: Name) -> str:
    """Return the words of a rich_text block, one line an item."""
    lines: list[str] = []
    for part in block.get("elements") or []:
        if part.get("type") == "rich_text_list":
            ordered = part.get("style") == "ordered"
            for number, item in enumerate(part.get("elements") or [], 1 + int(part.get("offset") or 0)):
                mark = f"{number}." if ordered else "•"
                lines.append(f"{'  ' * int(part.get('indent') or 0)}{mark} {_inlines(item, name)}")
        else:
            lines.append(_inlines(part, name))
    return "\n".join(lines)


def _inlines(part: Mapping[str, Any], name: Name) -> str:
    words: list[str] = []
    for each in part.get("elements") or []:
        match each.get("type"):
            case "text":
                words.append(str(each.get("text", "")))
            case "link":
                words.append(str(each.get("text") or each.get("url", "")))
            case "emoji":
                words.append(EMOJI.get(str(each.get("name")), f":{each.get('name')}:"))
            case "user" | "channel" | "usergroup":
                words.append(name(str(each.get(f"{each['type']}_id"))))
            case "broadcast":
                words.append(f"@{each.get('range')}")
            case "date":
                words.append(mrkdwn.format_date(int(each.get("timestamp", 0)), str(each.get("format", ""))))
            case "color":
                words.append(str(each.get("value", "")))
            case _:
                continue
    return "".join(words)


def _cell(cell: Mapping[str, Any], name: Name) -> str:
    if cell.get("type") == "rich_text":
        return rich_text(cell, name)
    return str(cell.get("text") or cell.get("value", ""))


def _chart(block: Mapping[str, Any]) -> Iterator[str]:
    chart = block.get("chart") or {}
    yield f"[{chart.get('type')} chart: {block.get('title')}]"
    for series in chart.get("series") or [{"name": "", "data": chart.get("segments") or []}]:
        points = ", ".join(f"{point.get('label')} {point.get('value')}" for point in series.get("data") or [])
        yield f"{series.get('name')}: {points}".lstrip(": ")
