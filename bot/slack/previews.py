"""The preview of a plan in the form's own window, and the button there that asks for just that plan.

Pure but for `ShownPlans`, which remembers.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.slack import forms, kit, render_lists
from bot.slack.deliveries import Asked, NotOurs, filled_in, kept_of
from bot.slack.kit import Block
from bot.slack.mrkdwn import escape
from bot.slack.render_job import Rendered, plan_message
from commands.grammar import Invocation
from policies.approvals import Refusal
from provisioning.plan import Plan
from provisioning.plan_differences import MOST_LINES, differences

PREVIEW = "command_preview"
ASK = "preview_ask"  # a button under a plan that is another by now
MOST_KEPT = 3000  # characters of a window's private_metadata in Slack
MOST_IN_BUTTON = 2000
MOST_SHOWN = 200  # plans that are remembered
HEADLINE = "The plan has changed since you looked at it: nothing was asked for."


class ShownPlans:
    """The plans of the newest previews, so that a change of one can be told. Not kept over a restart. Thread-safe."""

    def __init__(self) -> None:
        self._plans: OrderedDict[str, Plan] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, plan: Plan) -> None:
        with self._lock:
            self._plans[plan.digest] = plan
            self._plans.move_to_end(plan.digest)
            if len(self._plans) > MOST_SHOWN:
                self._plans.popitem(last=False)

    def get(self, digest: str) -> Plan | None:
        """Return the plan that was shown, or None where it is remembered no more."""
        with self._lock:
            return self._plans.get(digest)


def waiting(invocation: Invocation) -> Block:
    """Return what stands in the window until the plan is made."""
    return kit.modal(_title(invocation), [kit.section("⏳ Planning …")])


def preview(invocation: Invocation, shown: Rendered, *, channel: str, digest: str) -> Block:
    """Return the window with the plan that was *shown*; where it has a *digest*, one button asks for it.

    It is planned again then, and asked for only where it is the same plan. Where there is no plan that can be asked
    for, a button leads back to the form.
    """
    kept = _kept(invocation, channel=channel, digest=digest)
    if not digest:
        has_way_back = any(each["type"] == "actions" for each in shown.blocks)
        back = forms.button(invocation.text, invocation.spec, "Back to the form …")
        blocks = shown.blocks if has_way_back else [*shown.blocks, kit.actions([back], "back_button")]
        return kit.modal(_title(invocation), blocks, metadata=json.dumps({"channel": channel}))
    if len(kept) > MOST_KEPT:
        hint = "It is too long to be asked for from here: fill in the form once more, without *Dry run*."
        return kit.modal(_title(invocation), [*shown.blocks, kit.context(hint)])
    return kit.modal(_title(invocation), shown.blocks, callback_id=PREVIEW, submit="Ask for it", metadata=kept)


def changed(invocation: Invocation, plan: Plan, before: Plan | None, *, channel: str) -> Rendered:
    """Return what is otherwise in *plan* than in the one seen *before*, and a button that asks for this one."""
    told = differences(before, plan) if before is not None else ()
    lines = [f"• {escape(line)}" for line in told[:MOST_LINES]]
    lines += [f"• … and {len(told) - MOST_LINES} more"] if len(told) > MOST_LINES else []
    if before is None:
        lines = ["What is otherwise I cannot say: I was started again since. This is the plan of now."]
    shown = plan_message(plan, headline=HEADLINE)
    kept = _kept(invocation, channel=channel, digest=plan.digest)
    if len(kept) <= MOST_IN_BUTTON:
        button = kit.button("Ask for it", ASK, kept, style="primary")
    else:
        button = forms.button(invocation.text, invocation.spec)
    at = next(number for number, each in enumerate(shown.blocks) if HEADLINE in str(each)) + 1
    blocks = [*shown.blocks[:at], *kit.sections(lines, most=2), *shown.blocks[at:], kit.actions([button], "ask_button")]
    return Rendered(shown.text, blocks)


def refused(invocation: Invocation, refusal: Refusal) -> Block:
    """Return the window of a command that was not taken."""
    return kit.modal(_title(invocation), render_lists.refusal(refusal).blocks)


def accepted(kept: str) -> Asked:
    """Return what a window's or a button's value asks for. Raises: NotOurs."""
    try:
        found = json.loads(kept)
        return Asked(invocation=filled_in(found), channel=str(found["channel"]), digest=str(found["digest"]))
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise NotOurs("a preview of another version") from problem


def channel_of(view: Mapping[str, Any]) -> str:
    """Return the channel that a window of ours is about, or nothing."""
    try:
        return str(json.loads(view["private_metadata"])["channel"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _kept(invocation: Invocation, *, channel: str, digest: str) -> str:
    asked = replace(invocation, how=replace(invocation.how, dry_run=False))
    return json.dumps({**kept_of(asked), "channel": channel, "digest": digest})


def _title(invocation: Invocation) -> str:
    name = invocation.spec.name
    return name[:1].upper() + name[1:]
