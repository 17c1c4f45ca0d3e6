"""What people do: type commands, click, choose, fill and submit; and how that reaches the app."""

from collections.abc import Callable, Mapping

from sandbox.slack import elements, file_store, forms, membership, payloads, posting, viewing
from sandbox.slack.delivery import DeliveryError, Dispatcher
from sandbox.slack.elements import Found
from sandbox.slack.model import JSON, ApiError, Channel, Message, Person, SandboxError, View
from sandbox.slack.passes import Passes
from sandbox.slack.state import State

_TROUBLE = {
    "operation_timeout": "The app did not answer within 3 seconds (operation_timeout). Try again.",
    "dispatch_failed": "The app could not be reached (dispatch_failed). Try again.",
}


class Hands:
    """Everything that needs both the state and a way to the app. Thread-safe; the lock is not held while
    the app is waited for.
    """

    def __init__(self, state: State, dispatcher: Dispatcher, passes: Passes, base_url: Callable[[], str]) -> None:
        self._state = state
        self._dispatcher = dispatcher
        self._passes = passes
        self._base_url = base_url

    # -- slash commands

    def command(self, person: Person, channel: Channel, text: str, thread_ts: str | None) -> None:
        """Run *text* as a slash command; trouble is told by Slackbot."""
        state = self._state
        name, _, rest = text.strip().partition(" ")
        if channel.archived:
            raise SandboxError(f"#{channel.name} is archived")
        if membership.is_own(name) and not thread_ts:
            membership.run(state, person, channel, name, rest.strip())
            return
        declared = state.manifest.commands.get(name)
        if declared is None:
            state.slackbot(
                person.id,
                channel.id,
                f"{name} is not a valid command. In Slack, all messages that start with the “/” character "
                "are interpreted as slash commands.",
            )
            return
        if thread_ts:
            state.slackbot(person.id, channel.id, f"{name} is not supported in threads. Sorry!")
            return
        payload = payloads.command(
            state,
            person=person,
            channel=channel,
            command=declared,
            text=rest.strip(),
            trigger_id=self._passes.trigger(person.id),
            response_url=self._base_url() + self._passes.response_url(person.id, channel.id),
        )
        try:
            ack = self._dispatcher.deliver("slash_commands", payload, accepts_response=True)
            if ack:
                posting.respond(state, ack, person_id=person.id, channel_id=channel.id, message_ts=None)
        except DeliveryError as problem:
            state.slackbot(person.id, channel.id, f"{name} failed with the error “{problem.error}”")
        except ApiError as problem:
            detail = f" ({problem.error}: {'; '.join(problem.messages)})"
            state.slackbot(person.id, channel.id, f"{name} failed with the error “invalid_command_response”{detail}")

    def say(
        self, person: Person, channel: Channel, text: str, thread_ts: str | None, files: tuple[str, ...] = ()
    ) -> Message:
        """Post as the person; the app hears of it if it is subscribed and a member."""
        state = self._state
        with state.lock:
            if person.id not in channel.members:
                raise SandboxError(f"{person.name} is not in #{channel.name}")
            for each in files:
                state.files[each].channels = (channel.id,)
            message = state.add_message(
                Message(
                    channel=channel.id,
                    ts=state.next_ts(),
                    author=person.id,
                    text=text,
                    thread_ts=thread_ts,
                    files=files,
                )
            )
        if state.bot_user_id not in channel.members:
            return message
        kind = "im" if channel.im else "group" if channel.private else "channel"
        body = {
            "type": "message",
            "user": person.id,
            "text": text,
            "ts": message.ts,
            "channel": channel.id,
            **({"thread_ts": thread_ts} if thread_ts else {}),
        }
        if f"message.{kind if kind == 'im' else kind + 's'}" in state.manifest.events:
            self._dispatcher.deliver_event(payloads.event(state, {**body, "channel_type": kind}))
        if f"<@{state.bot_user_id}>" in text and "app_mention" in state.manifest.events:
            self._dispatcher.deliver_event(payloads.event(state, {**body, "type": "app_mention"}))
        return message

    def open_home(self, person: Person) -> View | None:
        """Open the Home tab: the app hears app_home_opened, if it is subscribed."""
        state = self._state
        if not state.manifest.home_tab:
            raise SandboxError("the app has no Home tab: its manifest does not enable it")
        home = state.homes.get(person.id)
        if "app_home_opened" in state.manifest.events:
            body: JSON = {
                "type": "app_home_opened",
                "user": person.id,
                "channel": state.dm(person.id).id,
                "tab": "home",
            }
            if home:
                body["view"] = payloads.view_json(state, home)
            self._dispatcher.deliver_event(payloads.event(state, body))
        return home

    # -- shortcuts

    def shortcut(self, person: Person, message: Message, name: str) -> None:
        """Choose *name* in the message's menu. Trouble stands at the message. Raises: SandboxError."""
        state = self._state
        declared = state.manifest.shortcuts.get(name)
        if declared is None:
            raise SandboxError(f"no message shortcut is called {name!r}: {', '.join(state.manifest.shortcuts)}")
        if message.ephemeral_for is not None:
            raise SandboxError("a message that only one person sees has no shortcuts")
        with state.lock:
            message.trouble.pop(person.id, None)
            channel = state.channels[message.channel]
            payload = payloads.interaction(
                state, "message_action", person=person, trigger_id=self._passes.trigger(person.id)
            ) | {
                "callback_id": declared.callback_id,
                "action_ts": state.next_ts(),
                "message_ts": message.ts,
                "channel": payloads.where(channel),
                "response_url": self._base_url() + self._passes.response_url(person.id, channel.id),
                "message": payloads.message_json(state, message),
            }
        if trouble := self._interact(payload):
            with state.lock:
                message.trouble[person.id] = trouble
                state.touch()

    # -- clicks

    def act_on_message(self, person: Person, message: Message, found: Found, chosen: JSON) -> None:
        """Use an element of a message. *chosen* is its new state; empty for a button."""
        state = self._state
        with state.lock:
            message.trouble.pop(person.id, None)
            values = message.values.setdefault(person.id, forms.initial_values(message.blocks))
            if chosen:
                values.setdefault(found.block_id, {})[str(found.element["action_id"])] = chosen
            state.touch()
            if not _sends(found):
                return
            channel = state.channels[message.channel]
            url = self._passes.response_url(person.id, channel.id, message.ts)
            hidden = message.ephemeral_for is not None
            payload = payloads.interaction(
                state, "block_actions", person=person, trigger_id=self._passes.trigger(person.id)
            ) | {
                "container": {
                    "type": "message",
                    "message_ts": message.ts,
                    "channel_id": channel.id,
                    "is_ephemeral": hidden,
                    **({"thread_ts": message.thread_ts} if message.thread_ts else {}),
                },
                "channel": payloads.where(channel),
                "response_url": self._base_url() + url,
                "state": {"values": values},
                "actions": [payloads.action(found.element, found.block_id, chosen, state.next_ts())],
            }
            if not hidden:
                payload["message"] = payloads.message_json(state, message)
        trouble = self._interact(payload)
        if trouble:
            with state.lock:
                message.trouble[person.id] = trouble
                state.touch()

    def act_on_view(self, person: Person, view: View, found: Found, chosen: JSON) -> None:
        """Use an element of a modal or a Home tab."""
        state = self._state
        with state.lock:
            view.trouble = ""
            if chosen:
                view.values.setdefault(found.block_id, {})[str(found.element["action_id"])] = chosen
                view.errors.pop(found.block_id, None)
            state.touch()
            if not _sends(found):
                return
            modal = view.id if view.type == "modal" else None
            payload = payloads.interaction(
                state, "block_actions", person=person, trigger_id=self._passes.trigger(person.id, modal=modal)
            ) | {
                "container": {"type": "view", "view_id": view.id},
                "view": payloads.view_json(state, view),
                "actions": [payloads.action(found.element, found.block_id, chosen, state.next_ts())],
            }
        trouble = self._interact(payload)
        if trouble:
            with state.lock:
                view.trouble = trouble
                state.touch()

    def _interact(self, payload: JSON) -> str:
        """Deliver an interaction. Returns what to tell the person, empty when all is well."""
        if not self._state.manifest.interactivity:
            return "This app is not configured to handle interactive responses."
        try:
            self._dispatcher.deliver("interactive", payload)
        except DeliveryError as problem:
            return _TROUBLE.get(problem.error, problem.error)
        return ""

    # -- modals

    def fill(self, person: Person, view: View, values: Mapping[str, object]) -> None:
        """Enter *values* by label. Elements with dispatch_action tell the app at once."""
        for label, value in values.items():
            found = forms.labelled(view.view["blocks"], label)
            self.act_on_view(person, view, found, self.entered(person, found.element, value))

    def entered(self, person: Person, element: Mapping[str, object], value: object) -> JSON:
        """Return the state after *person* entered *value*; files are uploaded at once, as in Slack."""
        if element["type"] != "file_input":
            return forms.entered(element, value)
        files = file_store.chosen(self._state, person, element, value)
        return {"type": "file_input", "files": [payloads.file_json(self._state, each.id) for each in files]}

    def submit(self, person: Person, view: View) -> None:
        """Submit the modal; Slack's own checks come first."""
        state = self._state
        with state.lock:
            view.errors = forms.errors_of(view.view["blocks"], view.values)
            view.trouble = ""
            state.touch()
            if view.errors:
                return
            for each in forms.files_of(view.values):
                state.files[each].given = True
            payload = payloads.interaction(
                state,
                "view_submission",
                person=person,
                trigger_id=self._passes.trigger(person.id, modal=view.id),
            ) | {"view": payloads.view_json(state, view), "response_urls": []}
        try:
            ack = self._dispatcher.deliver("interactive", payload, accepts_response=True)
        except DeliveryError:
            with state.lock:
                view.trouble = viewing.TROUBLE
                state.touch()
            return
        viewing.answer_submission(state, view, ack)

    def close(self, person: Person, view: View) -> None:
        """Close the modal; the app hears of it where it asked to."""
        state = self._state
        with state.lock:
            stack = state.modals.get(person.id, [])
            whole = bool(view.view.get("clear_on_close"))
            if view in stack:
                del stack[0 if whole else stack.index(view) :]
            state.touch()
        if view.view.get("notify_on_close"):
            payload = payloads.interaction(state, "view_closed", person=person, trigger_id="")
            del payload["trigger_id"]
            self._interact(payload | {"view": payloads.view_json(state, view), "is_cleared": whole})


def _sends(found: Found) -> bool:
    """Return whether using the element tells the app at once: inputs do so only with dispatch_action."""
    return found.block.get("type") != "input" or bool(found.block.get("dispatch_action"))


def option_named(blocks: list[JSON], text: str) -> tuple[Found, JSON] | None:
    """Return the menu that offers *text*, and its state with that option chosen."""
    for found in elements.elements(blocks):
        if elements.option(found.element, text) is not None:
            return found, forms.entered(found.element, text)
    return None
