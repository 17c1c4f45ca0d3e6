"""What the app is sent: slash commands, interactions, events. Shapes as Slack documents them."""

import mimetypes
import re
from typing import Any
from urllib.parse import quote

from sandbox.slack.manifest import Command
from sandbox.slack.model import JSON, Channel, Message, Person, View
from sandbox.slack.mrkdwn import escape
from sandbox.slack.state import State, team_json

TEXTS = frozenset({"csv", "json", "txt", "yaml", "yml"})  # which Slack shows as text

_VERIFICATION_TOKEN = "sandboxVerificationToken"  # noqa: S105 - deprecated by Slack, still sent
_ESCAPED = re.compile(
    r"(?P<mail>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|(?P<url>https?://[^\s<>|]+)"
    r"|(?<!\S)(?P<host>(?:[a-z0-9-]+\.)+[a-z]{2,}(?:/[^\s<>|]*)?)(?!\S)"
    r"|(?<!\S)@(?P<person>[\w.-]+)"
    r"|(?<!\S)#(?P<channel>[\w-]+)",
    re.IGNORECASE,
)


def message_json(state: State, message: Message) -> JSON:
    """Return a message as the API and interactions show it."""
    body: JSON = {
        "type": "message",
        "user": message.author,
        "ts": message.ts,
        "text": message.text,
        "team": state.team_id,
    }
    if message.bot_id:
        body |= {"bot_id": message.bot_id, "app_id": state.app_id}
    if message.blocks:
        body["blocks"] = message.blocks
    if message.metadata:
        body["metadata"] = message.metadata
    if message.files:
        body["files"] = [file_json(state, file_id) for file_id in message.files]
    if message.edited_ts:
        body["edited"] = {"user": message.author, "ts": message.edited_ts}
    if message.thread_ts:
        body |= {"thread_ts": message.thread_ts, "parent_user_id": message.author}
    elif replies := state.replies(message.channel, message.ts):
        body |= {"thread_ts": message.ts, "reply_count": len(replies), "latest_reply": replies[-1].ts}
    return body


def file_json(state: State, file_id: str) -> JSON:
    """Return a file object. Source: docs.slack.dev/reference/objects/file-object."""
    stored = state.files[file_id]
    extension = stored.name.rpartition(".")[2].lower()
    mimetype = mimetypes.guess_type(stored.name)[0] or "application/octet-stream"
    private = f"{state.base_url}/files-pri/{state.team_id}-{stored.id}"
    name = quote(stored.name, safe="")
    shared = [state.channels[each] for each in stored.channels]
    return {
        "id": stored.id,
        "name": stored.name,
        "title": stored.title or stored.name,
        "mimetype": "text/plain" if extension in TEXTS else mimetype,
        "filetype": extension,
        "user": stored.owner or state.bot_user_id,
        "mode": "hosted",
        "is_external": False,
        "size": stored.length,
        "url_private": f"{private}/{name}",
        "url_private_download": f"{private}/download/{name}",
        "permalink": f"{state.base_url}/files/{stored.owner or state.bot_user_id}/{stored.id}/{name}",
        "channels": [each.id for each in shared if not (each.private or each.im)],
        "groups": [each.id for each in shared if each.private],
        "ims": [each.id for each in shared if each.im],
    }


def view_json(state: State, view: View) -> JSON:
    """Return a view as the API and interactions show it."""
    given = view.view
    body: JSON = {
        "id": view.id,
        "team_id": state.team_id,
        "type": view.type,
        "blocks": given.get("blocks", []),
        "private_metadata": given.get("private_metadata", ""),
        "callback_id": given.get("callback_id", ""),
        "state": {"values": view.values},
        "hash": view.hash,
        "title": given.get("title"),
        "clear_on_close": given.get("clear_on_close", False),
        "notify_on_close": given.get("notify_on_close", False),
        "close": given.get("close"),
        "submit": given.get("submit"),
        "previous_view_id": view.previous_id,
        "root_view_id": view.root_id,
        "app_id": state.app_id,
        "external_id": given.get("external_id", ""),
        "app_installed_team_id": state.team_id,
        "bot_id": state.bot_id,
    }
    return body


def person_json(person: Person) -> JSON:
    """Return who did it, as interactions name them."""
    return {"id": person.id, "username": person.name, "name": person.name, "team_id": State.team_id}


def command(
    state: State,
    *,
    person: Person,
    channel: Channel,
    command: Command,
    text: str,
    trigger_id: str,
    response_url: str,
) -> JSON:
    """Return a slash command's payload; every value is a string, as in the form that Slack posts."""
    return {
        "token": _VERIFICATION_TOKEN,
        "team_id": state.team_id,
        "team_domain": str(team_json(state)["domain"]),
        "channel_id": channel.id,
        "channel_name": "directmessage" if channel.im else "privategroup" if channel.private else channel.name,
        "user_id": person.id,
        "user_name": person.name,
        "command": command.name,
        "text": escaped(state, text) if command.should_escape else text,
        "api_app_id": state.app_id,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger_id,
    }


def escaped(state: State, text: str) -> str:
    """Return a command's text with people, channels and links as Slack escapes them (``should_escape``)."""

    def entity(found: re.Match[str]) -> str:
        whole = found[0]
        if mail := found["mail"]:
            return f"<mailto:{mail}|{mail}>"
        if address := found["url"]:
            return f"<{address}>"
        if host := found["host"]:
            return f"<http://{host}|{host}>"
        try:
            if name := found["person"]:
                return f"<@{state.person(name).id}|{name}>"
            channel = state.channel(found["channel"])
        except KeyError:
            return whole
        return f"<#{channel.id}|{channel.name}>"

    return _ESCAPED.sub(entity, escape(text))


def interaction(state: State, kind: str, *, person: Person, trigger_id: str) -> JSON:
    """Return the part that every interaction's payload has."""
    return {
        "type": kind,
        "user": person_json(person),
        "api_app_id": state.app_id,
        "token": _VERIFICATION_TOKEN,
        "trigger_id": trigger_id,
        "team": team_json(state),
        "enterprise": None,
        "is_enterprise_install": False,
    }


def action(element: JSON, block_id: str, chosen: JSON, ts: str) -> JSON:
    """Return one entry of ``actions``; *chosen* holds the element's new state."""
    body: JSON = {
        "type": element["type"],
        "action_id": element.get("action_id", ""),
        "block_id": block_id,
        "action_ts": ts,
    }
    for name in ("text", "value", "style", "placeholder", "confirm"):
        if name in element:
            body[name] = element[name]
    return body | {name: value for name, value in chosen.items() if name != "type"}


def event(state: State, body: JSON) -> JSON:
    """Return an Events API payload around *body*."""
    return {
        "token": _VERIFICATION_TOKEN,
        "team_id": state.team_id,
        "api_app_id": state.app_id,
        "event": {"event_ts": state.next_ts(), **body},
        "type": "event_callback",
        "event_id": state.new_id("Ev"),
        "event_time": int(state.clock()),
        "authorizations": [
            {"enterprise_id": None, "team_id": state.team_id, "user_id": state.bot_user_id, "is_bot": True}
        ],
        "is_ext_shared_channel": False,
    }


def where(channel: Channel) -> dict[str, Any]:
    return {
        "id": channel.id,
        "name": "directmessage" if channel.im else "privategroup" if channel.private else channel.name,
    }
