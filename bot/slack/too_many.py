"""How one request too many is answered: in the ack itself, which costs Slack and us no call.

Each returns what refuses, or None for a command that is heard however often it is sent.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from slack_bolt import Ack

from bot.slack import forms, previews, render_job, render_lists
from bot.slack.replies import Reply
from commands.grammar import HelpRequest, Invocation, UsageError
from commands.spec import CommandSpec
from policies.approvals import Refusal

Refuse: TypeAlias = Callable[[Refusal], Any]

NEVER_LIMITED = frozenset({render_job.DENY, render_job.WITHDRAW, render_job.CANCEL})  # buttons that stop something


def at_command(ack: Ack, said: HelpRequest | Invocation | UsageError) -> Refuse | None:
    """A slash command is replied to, for its sender alone."""
    if isinstance(said, Invocation) and said.spec.is_never_limited:
        return None

    def refuse(refused: Refusal) -> None:
        shown = render_lists.refusal(refused)
        ack(text=shown.text, blocks=shown.blocks, response_type="ephemeral")

    return refuse


def at_form(ack: Ack, spec: CommandSpec) -> Refuse | None:
    """A form stays open with all that was filled in."""
    if spec.is_never_limited:
        return None
    return lambda refused: ack(
        response_action="errors", errors=forms.errors(UsageError(message=str(refused), spec=spec))
    )


def at_click(ack: Ack, reply: Reply) -> Refuse:
    """A click's ack shows nothing, and one that was meant as a vote must not seem to be one: it is replied to."""

    replied = at_shortcut(ack, reply)
    return lambda refused: replied(
        Refusal(
            reason=f"your click did nothing: {refused.reason}",
            next_action=refused.next_action.replace("send it again", "click again"),
        )
    )


def at_shortcut(ack: Ack, reply: Reply) -> Refuse:
    """A shortcut's ack shows nothing: it is replied to."""

    def refuse(refused: Refusal) -> None:
        ack()
        reply(render_lists.refusal(refused))

    return refuse


def at_preview(ack: Ack, invocation: Invocation) -> Refuse | None:
    """A window with a plan says so in the plan's place."""
    if invocation.spec.is_never_limited:
        return None
    return lambda refused: ack(response_action="update", view=previews.refused(invocation, refused))
