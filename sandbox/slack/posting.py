"""Messages of the app: what Slack takes, where they go, how they change. Raises ApiError as the API does."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.slack.blocks.validation import MAX_BLOCKS_TEXT_CHARS, problems_of_blocks, text_chars
from sandbox.slack.elements import with_ids
from sandbox.slack.model import JSON, ApiError, Channel, Message
from sandbox.slack.state import State

MAX_POST_CHARS = 40_000
MAX_UPDATE_CHARS = 4_000
MAX_MARKDOWN_CHARS = 12_000


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a message says, checked."""

    text: str
    blocks: list[JSON] | None  # None where the call gave none
    metadata: JSON | None = None


def parsed(value: Any, error: str) -> Any:
    """Return *value*, or what it holds where it is a string of JSON. Raises: ApiError(*error*)."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ApiError(error) from None


def content(arguments: Mapping[str, Any], state: State, *, most: int = MAX_POST_CHARS) -> Content:
    """Return what the call's ``text``, ``markdown_text`` and ``blocks`` say.

    Raises: ApiError (no_text, msg_too_long, invalid_blocks_format, invalid_blocks, msg_blocks_too_long).
    """
    text = arguments.get("text") or ""
    markdown = arguments.get("markdown_text")
    blocks = parsed(arguments.get("blocks"), "invalid_blocks_format") if arguments.get("blocks") else None
    if arguments.get("attachments") and parsed(arguments["attachments"], "invalid_attachments"):
        raise ApiError("invalid_arguments", messages=("attachments are legacy: this workspace takes blocks",))
    if not isinstance(text, str) or not isinstance(markdown, str | None):
        raise ApiError("invalid_arguments", messages=("text must be a string [json-pointer:/text]",))
    if markdown:
        if text or blocks:
            raise ApiError("markdown_text_conflict")
        if len(markdown) > MAX_MARKDOWN_CHARS:
            raise ApiError("msg_too_long")
        blocks = [{"type": "markdown", "text": markdown}]
    if blocks is not None:
        if not isinstance(blocks, list):
            raise ApiError("invalid_blocks_format")
        if problems := problems_of_blocks(blocks):
            raise ApiError("invalid_blocks", messages=problems)
        if text_chars(blocks) > MAX_BLOCKS_TEXT_CHARS:
            raise ApiError("msg_blocks_too_long")
        blocks = with_ids(blocks, lambda: state.new_id("b"))
    if not text.strip() and not blocks:
        raise ApiError("no_text")
    if len(text) > most:
        raise ApiError("msg_too_long")
    metadata = parsed(arguments.get("metadata"), "invalid_metadata_format")
    return Content(text=text, blocks=blocks, metadata=metadata if isinstance(metadata, dict) else None)


def channel_for_post(state: State, name: Any, *, files: bool = False) -> Channel:
    """Return the channel that the app may post to. Raises: ApiError.

    A person's id means the app's conversation with them, as in Slack; channel names are refused. *files* are only
    taken from members: chat:write.public is for words.
    """
    if not isinstance(name, str) or not name:
        raise ApiError("channel_not_found")
    person = state.people.get(name)
    if person is not None and not person.bot:
        if person.deactivated:
            raise ApiError("channel_not_found")
        name = state.dm(person.id).id
    channel = state.channels.get(name)
    member = channel is not None and state.bot_user_id in channel.members
    if channel is None or (channel.private and not member):
        raise ApiError("channel_not_found")
    if channel.archived:
        raise ApiError("is_archived")
    if channel.im and not state.manifest.messages_tab:
        raise ApiError("messages_tab_disabled")
    if not member and (files or "chat:write.public" not in state.manifest.scopes):
        raise ApiError("not_in_channel")
    return channel


def post(
    state: State,
    channel: Channel,
    said: Content,
    *,
    thread_ts: str | None = None,
    ephemeral_for: str | None = None,
    files: tuple[str, ...] = (),
) -> Message:
    """Post as the app. Raises: ApiError (thread_not_found)."""
    with state.lock:
        for each in files:
            state.files[each].channels = (*state.files[each].channels, channel.id)
        if thread_ts:
            parent = state.message(channel.id, str(thread_ts))
            if parent is None or parent.ephemeral_for is not None:
                raise ApiError("thread_not_found")
            thread_ts = parent.thread_ts or parent.ts
        return state.add_message(
            Message(
                channel=channel.id,
                ts=state.next_ts(),
                author=state.bot_user_id,
                bot_id=state.bot_id,
                text=said.text,
                blocks=said.blocks or [],
                thread_ts=thread_ts or None,
                ephemeral_for=ephemeral_for,
                files=files,
                metadata=said.metadata,
            )
        )


def update(state: State, message: Message, said: Content) -> None:
    """Replace what the message says. A text without blocks takes the blocks away, as in Slack."""
    with state.lock:
        message.text = said.text
        message.blocks = said.blocks or []
        message.metadata = said.metadata or message.metadata
        message.edited_ts = state.next_ts()
        message.trouble.clear()
        state.touch()


def respond(state: State, body: Mapping[str, Any], *, person_id: str, channel_id: str, message_ts: str | None) -> None:
    """Do what a response says: the answer to a response_url, or the payload of a command's ack.

    Raises: ApiError.
    """
    known = {
        "text",
        "markdown_text",
        "blocks",
        "response_type",
        "replace_original",
        "delete_original",
        "thread_ts",
        "metadata",
        "unfurl_links",
        "unfurl_media",
        "attachments",
        "mrkdwn",
    }
    if set(body) - known or body.get("response_type", "ephemeral") not in {"ephemeral", "in_channel"}:
        raise ApiError("invalid_payload", status=400)
    with state.lock:
        original = state.message(channel_id, message_ts) if message_ts else None
        if body.get("delete_original"):
            if original is None:
                raise ApiError("message_not_found", status=404)
            state.remove_message(original)
            return
        said = content(body, state)
        if body.get("replace_original") and original is not None:
            update(state, original, said)
            return
        hidden = person_id if body.get("response_type", "ephemeral") == "ephemeral" else None
        thread_ts = body.get("thread_ts") or (original.thread_ts if original and hidden else None)
        post(state, state.channels[channel_id], said, ephemeral_for=hidden, thread_ts=thread_ts)
