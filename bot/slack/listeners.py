"""What Slack sends → one call of ours each: committed to the inbox, acked, then worked off; twice counts once."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from slack_bolt import Ack, App

from bot.slack import deliveries, forms, previews, render_modals, shortcuts, too_many
from bot.slack.deliveries import COMMAND, FORM, SHORTCUT, Asked
from bot.slack.inbox import Inbox
from bot.slack.replies import Reply
from bot.slack.work import Work
from commands import grammar
from commands.grammar import UsageError
from provisioning.clock import Clock
from provisioning.store import Allowance, Store

Payload: TypeAlias = Mapping[str, Any]


class Listeners:
    """Registers itself with a Bolt app. No job work is done here."""

    def __init__(
        self,
        *,
        work: Work,
        store: Store,
        forget: Callable[[str], None],
        clock: Clock,
        allowance: Allowance,
        workers: int,
    ) -> None:
        self._forget = forget
        self._work = work
        self._inbox = Inbox(
            store=store,
            clock=clock,
            handlers=work.handlers(),
            allowance=allowance,
            too_late=work.too_late,
            slow=frozenset({COMMAND, FORM, SHORTCUT}),
            workers=workers,
        )

    def register(self, app: App) -> None:
        app.command(grammar.COMMAND)(self._on_command)
        app.action(re.compile(r"job_[a-z]+"))(self._on_button)
        app.action(forms.OPEN)(self._on_open_form)
        app.shortcut({"type": "message_action", "callback_id": shortcuts.APPLY})(self._on_shortcut)
        app.view(forms.COMMAND_FORM)(self._on_command_form)
        app.view(previews.PREVIEW)(self._on_preview)
        app.action(previews.ASK)(self._on_ask)
        app.view(re.compile(r"job_[a-z]+_form"))(self._on_reason_form)
        for event in ("user_change", "subteam_updated", "subteam_members_changed"):
            app.event(event)(self._on_change_of_people)

    def start(self) -> None:
        """Work off what was acked and not done before. Call before anything can be delivered."""
        self._inbox.replay()

    def stop(self) -> None:
        """Let what is under way come to an end."""
        self._inbox.stop()

    def _on_command(self, ack: Ack, body: Payload) -> None:
        said = grammar.parse(str(body.get("text") or ""))
        # A form is opened at once: its trigger must not wait behind plans.
        is_slow = not (isinstance(said, UsageError) and said.asks)
        self._inbox.take(deliveries.of_command(body), ack=ack, refuse=too_many.at_command(ack, said), is_slow=is_slow)

    def _on_command_form(self, ack: Ack, body: Payload, view: Payload) -> None:
        try:
            spec, channel = forms.spec_and_channel(view)
            how = forms.how(view)
        except (KeyError, ValueError):
            ack(response_action="update", view=render_modals.outdated_modal())
            return
        if twice := forms.given_twice(spec, view):
            ack(response_action="errors", errors=twice)
            return
        invocation = grammar.build(spec, forms.values(spec, view), how=how)
        if isinstance(invocation, UsageError):
            ack(response_action="errors", errors=forms.errors(invocation))
            return
        shows = partial(ack, response_action="update", view=previews.waiting(invocation))
        parcel = deliveries.of_form(body, view, Asked(invocation=invocation, channel=channel))
        self._inbox.take(parcel, ack=shows if invocation.dry_run else ack, refuse=too_many.at_form(ack, spec))

    def _on_preview(self, ack: Ack, body: Payload, view: Payload) -> None:
        try:
            wanted = previews.accepted(view["private_metadata"])
        except deliveries.NotOurs:
            ack(response_action="update", view=render_modals.outdated_modal())
            return
        refuse = too_many.at_preview(ack, wanted.invocation)
        self._inbox.take(deliveries.of_form(body, view, wanted), ack=ack, refuse=refuse)

    def _on_ask(self, ack: Ack, body: Payload, action: Payload) -> None:
        try:
            wanted = previews.accepted(action["value"])
        except deliveries.NotOurs:
            self._on_button(ack, body, action)  # it is told there that it is of another version
            return
        parcel = deliveries.of_ask(body, action, wanted)
        refuse = None if wanted.invocation.spec.is_never_limited else too_many.at_click(ack, self._reply(parcel))
        self._inbox.take(parcel, ack=ack, refuse=refuse)

    def _on_button(self, ack: Ack, body: Payload, action: Payload) -> None:
        parcel = deliveries.of_click(body, action)
        limited = parcel.body["action"] not in too_many.NEVER_LIMITED
        self._inbox.take(parcel, ack=ack, refuse=too_many.at_click(ack, self._reply(parcel)) if limited else None)

    def _on_open_form(self, ack: Ack, body: Payload, action: Payload) -> None:
        parcel = deliveries.of_open(body, action, channel=previews.channel_of(body.get("view") or {}))
        self._inbox.take(parcel, ack=ack, refuse=too_many.at_click(ack, self._reply(parcel)))

    def _on_reason_form(self, ack: Ack, body: Payload, view: Payload) -> None:
        self._inbox.take(deliveries.of_reason(body, view), ack=ack)

    def _on_shortcut(self, ack: Ack, body: Payload) -> None:
        parcel = deliveries.of_shortcut(body)
        self._inbox.take(parcel, ack=ack, refuse=too_many.at_shortcut(ack, self._reply(parcel)))

    def _on_change_of_people(self, event: Payload) -> None:
        """Somebody was deactivated, or a user group has changed: what was known of them counts no more."""
        changed = event.get("user") or event.get("subteam")
        self._forget(str(changed["id"]) if isinstance(changed, Mapping) else str(event.get("subteam_id", "")))

    def _reply(self, parcel: deliveries.Parcel) -> Reply:
        return self._work.reply_to(parcel.body)
