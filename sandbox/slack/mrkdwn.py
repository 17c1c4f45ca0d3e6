"""Slack's mrkdwn → the words that a reader sees. Pure."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from sandbox.slack.emoji import with_emoji

Name = Callable[[str], str]  # an id of a person, channel or group → what is shown for it

_ENTITY = re.compile(r"<([^<>]*)>")
_CODE = re.compile(r"```(?P<block>.*?)```|`(?P<inline>[^`\n]+)`", re.DOTALL)
_EMPHASIS = tuple(
    re.compile(
        rf"(?<![\w{re.escape(mark)}]){re.escape(mark)}(?=\S)([^\n]*?\S){re.escape(mark)}(?![\w{re.escape(mark)}])"
    )
    for mark in ("*", "_", "~")
)
_DATE_TOKENS: Mapping[str, str] = {
    "date_num": "%Y-%m-%d",
    "date_slash": "%d/%m/%Y",
    "date": "%B %-d, %Y",
    "date_long": "%A, %B %-d, %Y",
    "date_long_full": "%A, %B %-d, %Y",
    "date_short": "%b %-d, %Y",
    "date_pretty": "%B %-d, %Y",
    "date_long_pretty": "%A, %B %-d, %Y",
    "date_short_pretty": "%b %-d, %Y",
    "day_divider_pretty": "%A, %B %-d",
    "time": "%H:%M",
    "time_secs": "%H:%M:%S",
    "ago": "%b %-d, %H:%M",
}


def unescape(text: str) -> str:
    """Return *text* with Slack's three escapes undone."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def escape(text: str) -> str:
    """Return *text* with Slack's three escapes applied."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def format_date(timestamp: int, layout: str) -> str:
    """Return the moment as ``<!date>`` shows it, in UTC: people in one workspace live in many zones."""
    moment = datetime.fromtimestamp(timestamp, tz=UTC)
    return re.sub(
        r"\{(\w+)\}",
        lambda found: moment.strftime(_DATE_TOKENS[found[1]]) if found[1] in _DATE_TOKENS else found[0],
        layout,
    )


def plain(text: str, name: Name) -> str:
    """Return what a reader reads of mrkdwn *text*: names for ids, labels for links, no formatting marks."""
    parts: list[str] = []
    at = 0
    for found in _CODE.finditer(text):
        parts.append(_prose(text[at : found.start()], name))
        code = found["block"] if found["block"] is not None else found["inline"]
        parts.append(unescape(_ENTITY.sub(lambda entity: _entity(entity[1], name), code)))
        at = found.end()
    parts.append(_prose(text[at:], name))
    return "".join(parts)


def _prose(text: str, name: Name) -> str:
    for emphasis in _EMPHASIS:
        text = emphasis.sub(r"\1", text)
    text = re.sub(r"^(?:&gt;|>) ?", "", text, flags=re.MULTILINE)
    return unescape(with_emoji(_ENTITY.sub(lambda found: _entity(found[1], name), text)))


def _entity(inside: str, name: Name) -> str:
    target, _, label = inside.partition("|")
    if target.startswith("!date^"):
        return _date(target, label)
    if target.startswith("!subteam^"):
        return name(target.removeprefix("!subteam^"))
    if target.startswith("!"):
        return f"@{target[1:]}"
    if target[:1] in {"@", "#"}:
        return name(target[1:])
    return label or target.removeprefix("mailto:")


def _date(target: str, fallback: str) -> str:
    parts = target.split("^")
    if len(parts) < 3 or not parts[1].lstrip("-").isdigit():
        return fallback
    return format_date(int(parts[1]), parts[2])
