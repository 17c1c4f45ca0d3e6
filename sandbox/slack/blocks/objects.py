"""Composition objects: text, options, confirm dialogs, images by file."""

from typing import Any

from sandbox.slack.blocks.schema import (
    Check,
    Field,
    Problems,
    array,
    at_least_one,
    boolean,
    both,
    exactly_one,
    one_of,
    optional,
    required,
    shape,
    string,
    typed,
    url,
)

ID = string(255)


def plain_text(most: int) -> Check:
    """A text object, plain only."""
    return shape(
        {
            "type": required(one_of("plain_text")),
            "text": required(string(most)),
            "emoji": optional(boolean),
        }
    )


def mrkdwn(most: int) -> Check:
    return shape(
        {
            "type": required(one_of("mrkdwn")),
            "text": required(string(most)),
            "verbatim": optional(boolean),
        }
    )


def text(most: int) -> Check:
    """A text object, plain or mrkdwn."""
    return typed({"plain_text": plain_text(most), "mrkdwn": mrkdwn(most)})


CONFIRM = shape(
    {
        "title": required(plain_text(100)),
        "text": required(text(300)),
        "confirm": required(plain_text(30)),
        "deny": required(plain_text(30)),
        "style": optional(one_of("primary", "danger")),
    }
)


def option(*, formatted: bool = False, with_url: bool = False) -> Check:
    """An option: text 75, value 150. *formatted*: mrkdwn allowed (radio buttons, checkboxes)."""
    words = text(75) if formatted else plain_text(75)
    described = text(75) if formatted else plain_text(75)
    fields = {
        "text": required(words),
        "value": required(string(150)),
        "description": optional(described),
    }
    if with_url:
        fields["url"] = optional(url())
    return shape(fields)


def options_fields(*, most: int = 100) -> dict[str, Field]:
    """Return the fields of a static select: options or option_groups."""
    group = shape(
        {"label": required(plain_text(75)), "options": required(array(option(), most=100))},
    )
    return {
        "options": optional(array(option(), most=most)),
        "option_groups": optional(array(group, most=100)),
    }


OPTIONS_OR_GROUPS = exactly_one("options", "option_groups")


def _all_options(value: dict[str, Any]) -> list[Any]:
    groups = value.get("option_groups") or []
    found = [*(value.get("options") or [])]
    for group in groups:
        if isinstance(group, dict):
            found.extend(group.get("options") or [])
    return found


def initial_is_offered(name: str) -> Check:
    """The initial option(s) must be among the options, letter for letter."""

    def check(value: Any, path: str, problems: Problems) -> None:
        if not isinstance(value, dict) or name not in value:
            return
        given = value[name] if isinstance(value[name], list) else [value[name]]
        offered = _all_options(value)
        if any(each not in offered for each in given):
            problems.add(f"{name} must match an option that is offered", path)

    return check


SLACK_FILE = both(
    shape({"id": optional(string(255)), "url": optional(url())}),
    at_least_one("id", "url"),
)

IMAGE_FIELDS: dict[str, Field] = {
    "image_url": optional(url()),
    "slack_file": optional(SLACK_FILE),
    "alt_text": required(string(2000)),
}
IMAGE_SOURCE = exactly_one("image_url", "slack_file")

DISPATCH = shape(
    {
        "trigger_actions_on": optional(
            array(one_of("on_enter_pressed", "on_character_entered"), most=2),
        )
    }
)
