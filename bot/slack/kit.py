"""Block Kit's pieces, within Slack's limits whatever is put into them. Pure. Source: Slack's Block Kit reference."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from bot.slack.mrkdwn import SECTION_CHARS, cut, cut_markup

Block: TypeAlias = dict[str, Any]

MESSAGE_BLOCKS = 50
HEADER_CHARS = 150
BUTTON_CHARS = 75
TITLE_CHARS = 24
CONTEXT_ELEMENTS = 10
CONTEXT_CHARS = 2000
TEXT_CHARS = 3000  # of a message's fallback text; Slack cuts at 4000


def header(text: str) -> Block:
    """Return a header: one line of plain text, in which Slack finds nothing but emoji."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return {"type": "header", "text": {"type": "plain_text", "text": cut(line, HEADER_CHARS) or " ", "emoji": True}}


def mrkdwn(text: str, most: int = SECTION_CHARS) -> Block:
    """Return *text*, in which everything foreign is escaped. Verbatim: Slack must not find links and names in it."""
    return {"type": "mrkdwn", "text": cut_markup(text, most) or " ", "verbatim": True}


def section(text: str) -> Block:
    return {"type": "section", "text": mrkdwn(text)}


def sections(lines: Sequence[str], *, most: int) -> list[Block]:
    """Return *lines* in as few sections as hold them, at most *most*; what is left over is counted."""
    found: list[str] = []
    for number, line in enumerate(lines):
        piece = cut_markup(line, SECTION_CHARS)
        if found and len(found[-1]) + 1 + len(piece) <= SECTION_CHARS:
            found[-1] += "\n" + piece
        elif len(found) < most:
            found.append(piece)
        else:
            rest = f"… and {len(lines) - number} more"
            found[-1] = cut_markup(found[-1], SECTION_CHARS - len(rest) - 1) + "\n" + rest
            break
    return [section(text) for text in found]


def context(*texts: str) -> Block:
    elements = [mrkdwn(text, CONTEXT_CHARS) for text in texts if text][:CONTEXT_ELEMENTS]
    return {"type": "context", "elements": elements or [mrkdwn(" ")]}


def button(text: str, action_id: str, value: str, *, style: str = "", confirm: Block | None = None) -> Block:
    """Return a button. *style*: primary, danger or plain."""
    made: Block = {
        "type": "button",
        "text": {"type": "plain_text", "text": cut(text, BUTTON_CHARS), "emoji": True},
        "action_id": action_id,
        "value": cut(value, 2000),
    }
    if style:
        made["style"] = style
    if confirm is not None:
        made["confirm"] = confirm
    return made


def confirmation(title: str, text: str, yes: str) -> Block:
    return {
        "title": {"type": "plain_text", "text": cut(title, 100)},
        "text": mrkdwn(text, 300),
        "confirm": {"type": "plain_text", "text": cut(yes, 30)},
        "deny": {"type": "plain_text", "text": "Cancel"},
        "style": "danger",
    }


def actions(buttons: Iterable[Block], block_id: str) -> Block:
    return {"type": "actions", "block_id": block_id, "elements": list(buttons)[:25]}


def text_input(
    label: str, block_id: str, *, value: str = "", hint: str = "", optional: bool = False, **element: Any
) -> Block:
    """Return a modal's input; *element* overrides the plain text input's fields."""
    field: Block = {"type": "plain_text_input", "action_id": "value", **element}
    if value:
        field["initial_value"] = cut(value, 3000)
    made: Block = {
        "type": "input",
        "block_id": block_id,
        "label": {"type": "plain_text", "text": cut(label, 2000)},
        "element": field,
        "optional": optional,
    }
    if hint:
        made["hint"] = {"type": "plain_text", "text": cut(hint, 2000)}
    return made


def modal(title: str, blocks: list[Block], *, callback_id: str = "", submit: str = "", metadata: str = "") -> Block:
    made: Block = {
        "type": "modal",
        "title": {"type": "plain_text", "text": cut(title, TITLE_CHARS)},
        "close": {"type": "plain_text", "text": "Cancel" if submit else "Close"},
        "blocks": blocks[:100],
    }
    if submit:
        made["submit"] = {"type": "plain_text", "text": cut(submit, TITLE_CHARS)}
    if callback_id:
        made["callback_id"] = callback_id
    if metadata:
        made["private_metadata"] = metadata
    return made
