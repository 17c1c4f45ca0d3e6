"""What people see: messages, modals, Home, the list of channels. Reads the state, changes nothing."""

from sandbox.slack import elements, forms
from sandbox.slack.elements import Found
from sandbox.slack.emoji import EMOJI
from sandbox.slack.model import JSON, Channel, Message, Person, View
from sandbox.slack.payloads import file_json
from sandbox.slack.state import State
from sandbox.slack.text import blocks_to_text, text_object, to_text


class Eyes:
    """Thread-safe."""

    def __init__(self, state: State) -> None:
        self._state = state

    def shown(self, identity: str) -> str:
        """Return how an id of a person, group or channel reads: ``@ana``, ``#platform``."""
        state = self._state
        if person := state.people.get(identity):
            return f"@{person.name}"
        if group := state.groups.get(identity):
            return f"@{group.handle}"
        if channel := state.channels.get(identity):
            return f"#{channel.name}"
        return f"@{identity}"

    def visible(self, who: Person, channel_id: str) -> list[JSON]:
        """Return the channel's messages as *who* sees them, oldest first."""
        with self._state.lock:
            return [self._message(message, who) for message in self._state.seen_by(who.id, [channel_id])]

    def _message(self, message: Message, who: Person) -> JSON:
        state = self._state
        files = [{**file_json(state, each), "alt": state.files[each].alt_text} for each in message.files]
        return {
            "ts": message.ts,
            "thread_ts": message.thread_ts,
            "channel": message.channel,
            "author": state.people[message.author].name,
            "author_id": message.author,
            "text": message.text,
            "blocks": message.blocks,
            "plain": to_text({"text": message.text, "blocks": message.blocks, "files": files}, self.shown),
            "buttons": elements.buttons(message.blocks),
            "values": message.values.get(who.id, {}),
            "ephemeral": message.ephemeral_for is not None,
            "edited": message.edited_ts is not None,
            "files": files,
            "trouble": message.trouble.get(who.id, ""),
        }

    def modal(self, who: Person) -> JSON | None:
        """Return the open modal of *who* (see Workspace.modal)."""
        with self._state.lock:
            view = self._state.open_modal(who.id)
            if view is None:
                return None
            blocks = view.view["blocks"]
            fields = [self._field(view, found) for found in elements.elements(blocks) if found.block["type"] == "input"]
            errors = [f"{field['label']}: {field['error']}" for field in fields if field["error"]]
            body = blocks_to_text(blocks, self.shown)
            return {
                "title": view.title,
                "submit": elements.words(view.view.get("submit")),
                "close": elements.words(view.view.get("close")),
                "plain": "\n".join(filter(None, [view.title, body, *errors, view.trouble])),
                "fields": fields,
                "buttons": elements.buttons(blocks),
                "trouble": view.trouble,
            }

    def _field(self, view: View, found: Found) -> JSON:
        entered = view.values.get(found.block_id, {}).get(str(found.element["action_id"]), {})
        value = entered.get(forms.field_of(found.element))
        chosen = value if isinstance(value, list) else [value]
        words = [
            elements.words(each.get("text")) or str(each.get("name", "")) if isinstance(each, dict) else str(each or "")
            for each in chosen
        ]
        return {
            "block_id": found.block_id,
            "label": text_object(found.block.get("label"), self.shown),
            "value": ", ".join(words),
            "error": view.errors.get(found.block_id, ""),
        }

    def places(
        self,
        who: Person,
        *,
        channel: str | None = None,
        ts: str | None = None,
        view: str | None = None,
        covered: bool = False,
    ) -> list[View | Message]:
        """Return where *who* can act, nearest first: a modal covers the rest; *ts* or *view* names one.

        *covered*: what lies behind an open modal, too.
        """
        state = self._state
        with state.lock:
            if view is not None:
                named = state.view(view)
                return [named] if named is not None and named.person == who.id else []
            modal = state.open_modal(who.id)
            if modal is not None and ts is None and not covered:
                return [modal]
            if channel is not None:
                channels = [state.channel_for(who, channel).id]
            else:
                channels = [each.id for each in self.channels(who)]
            messages = [each for each in reversed(state.seen_by(who.id, channels)) if ts in {None, each.ts}]
            home = state.homes.get(who.id) if channel is None and ts is None else None
            return [*messages, *([home] if home else [])]

    def channels(self, who: Person) -> list[Channel]:
        """Return the channels that *who* can look into."""
        return [
            each for each in self._state.channels.values() if who.id in each.members or not (each.private or each.im)
        ]

    def snapshot(self, who: Person) -> JSON:
        """Return all that the page shows to *who*."""
        state = self._state
        with state.lock:
            dm = state.dm(who.id)
            return {
                "version": state.version,
                "team": state.team_name,
                "app": {
                    "id": state.bot_user_id,
                    "name": state.manifest.bot_name,
                    "home": state.manifest.home_tab,
                },
                "me": who.id,
                "dm": dm.id,
                "people": [
                    {
                        "id": each.id,
                        "name": each.name,
                        "real_name": each.real_name,
                        "title": each.title,
                        "bot": each.bot,
                    }
                    for each in state.people.values()
                    if not each.deactivated
                ],
                "groups": [{"id": each.id, "handle": each.handle} for each in state.groups.values()],
                "channels": [
                    {
                        "id": each.id,
                        "name": each.name,
                        "private": each.private,
                        "im": each.im,
                        "topic": each.topic,
                        "members": len(each.members),
                        "messages": self.visible(who, each.id),
                    }
                    for each in self.channels(who)
                ],
                "commands": [
                    {"name": each.name, "description": each.description, "hint": each.usage_hint}
                    for each in state.manifest.commands.values()
                ],
                "shortcuts": list(state.manifest.shortcuts),
                "modal": self._view(state.open_modal(who.id)),
                "home": self._view(state.homes.get(who.id)),
                "emoji": EMOJI,
            }

    def _view(self, view: View | None) -> JSON | None:
        if view is None:
            return None
        return {
            "id": view.id,
            "view": view.view,
            "values": view.values,
            "errors": view.errors,
            "trouble": view.trouble,
            "pushed": view.previous_id is not None,
        }


def blocks_of(place: View | Message) -> list[JSON]:
    """Return the blocks that are shown there."""
    return list(place.view["blocks"] if isinstance(place, View) else place.blocks)
