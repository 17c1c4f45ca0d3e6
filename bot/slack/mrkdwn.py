"""Text for Slack: escaped, bounded, dates in the reader's own time zone. Pure.

Whatever did not come from this code is hostile: ``&<>`` are escaped, so that no mention, link or channel can be
smuggled in, and control characters go.
"""

import re
from datetime import datetime

_HALF = re.compile(r"(?:&[a-z]{0,3}|<[^<>]*)\Z")
_CHANNEL = re.compile(r"\b[CG][A-Z0-9]{7,20}\b")
_FENCE = "\n```"
ELLIPSIS = "…"
SECTION_CHARS = 3000


def escape(text: str) -> str:
    """Return *text* so that Slack shows it as it is: no mentions, no links, no formatting by entities."""
    plain = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: str, most: int = 300) -> str:
    """Return *text* as inline code on one line; a backtick in it would end it, so it is replaced."""
    plain = cut(" ".join(text.split()).replace("`", "'"), most)
    return f"`{escape(plain) or ' '}`"


def line(text: str, most: int) -> str:
    """Return what somebody wrote as one escaped line: its line breaks must not make it look like lines of ours."""
    return escape(cut(" ".join(text.split()), most))


def block(text: str, most: int = 2000) -> str:
    """Return *text* as a code block, its end kept: the last lines are the ones that say what failed."""
    kept = text.strip().replace("```", "'''")
    whole = kept
    while len(escape(kept)) > most:
        kept = kept[-(len(kept) * 4 // 5) :]
    ellipsis = ELLIPSIS if kept != whole else ""
    return f"```\n{ellipsis}{escape(kept) or ' '}\n```"


def cut(text: str, most: int) -> str:
    """Return *text* in at most *most* characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + ELLIPSIS


def cut_markup(text: str, most: int) -> str:
    """Return markup in at most *most* characters, without half an entity or half a ``<…>`` at its end."""
    if len(text) <= most:
        return text
    if not _is_open(kept := _whole(text[: most - 1])):
        return kept + ELLIPSIS
    kept = _whole(text[: most - 1 - len(_FENCE)])  # which may cut the opening fence, too
    return kept + ELLIPSIS + (_FENCE if _is_open(kept) else "")


def _whole(cut_off: str) -> str:
    return _HALF.sub("", cut_off).rstrip()


def _is_open(markup: str) -> bool:
    return markup.count("```") % 2 == 1


def user(user_id: str, name: str = "") -> str:
    """Return a mention where the id is Slack's, else the name."""
    return f"<@{user_id}>" if user_id.isalnum() and user_id[:1] in "UW" else escape(name or user_id)


def mention(some_id: str) -> str:
    """Return what notifies a person or a user group, by an id that the policy's loader has checked."""
    return f"<!subteam^{some_id}>" if some_id.startswith("S") and some_id.isalnum() else user(some_id)


def channels_linked(escaped: str) -> str:
    """Return text of ours, escaped, with the ids of channels as links to them: only for what names one."""
    return _CHANNEL.sub(r"<#\g<0>>", escaped)


def date(moment: datetime, form: str = "{date_short_pretty} {time}") -> str:
    """Return *moment* in the reader's time zone; UTC where the client cannot."""
    return f"<!date^{int(moment.timestamp())}^{form}|{moment:%Y-%m-%d %H:%M} UTC>"


def duration(seconds: float) -> str:
    """Return ``3 s``, ``2 min 5 s``, ``1 h 4 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
