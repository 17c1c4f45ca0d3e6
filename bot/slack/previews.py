"""The preview of a plan in the form's own window, and the button there that asks for it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.slack import kit
from bot.slack.deliveries import NotOurs, filled_in, kept_of
from bot.slack.kit import Block
from bot.slack.render_job import Rendered
from commands.grammar import Invocation

PREVIEW = "command_preview"
MOST_KEPT = 3000  # characters of a window's private_metadata in Slack


def waiting(invocation: Invocation) -> Block:
    """Return what stands in the window until the plan is made."""
    return kit.modal(_title(invocation), [kit.section("⏳ Planning …")])


def preview(invocation: Invocation, shown: Rendered, *, channel: str, may_ask: bool) -> Block:
    """Return the window with the plan that was *shown*; where the policy *may_ask*, one button asks for it.

    What is asked for is planned again: the card of the job shows the plan that counts.
    """
    asked = replace(invocation, how=replace(invocation.how, dry_run=False))
    kept = json.dumps({**kept_of(asked), "channel": channel})
    if not may_ask:
        return kit.modal(_title(invocation), shown.blocks)
    if len(kept) > MOST_KEPT:
        hint = "It is too long to be asked for from here: fill in the form once more, without *Dry run*."
        return kit.modal(_title(invocation), [*shown.blocks, kit.context(hint)])
    return kit.modal(_title(invocation), shown.blocks, callback_id=PREVIEW, submit="Ask for it", metadata=kept)


def accepted(view: Mapping[str, Any]) -> tuple[Invocation, str]:
    """Return the command of a window whose plan somebody asks for, and its channel. Raises: NotOurs."""
    try:
        kept = json.loads(view["private_metadata"])
        return filled_in(kept), str(kept["channel"])
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise NotOurs("a preview of another version") from problem


def _title(invocation: Invocation) -> str:
    name = invocation.spec.name
    return name[:1].upper() + name[1:]
