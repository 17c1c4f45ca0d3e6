"""chat.postMessage, chat.postEphemeral, chat.update, chat.delete, chat.getPermalink."""

from sandbox.slack import posting
from sandbox.slack.methods.call import Call, Method
from sandbox.slack.model import JSON, ApiError, Channel, Message
from sandbox.slack.payloads import message_json
from sandbox.slack.state import team_json


def _post_message(call: Call) -> JSON:
    call.require("channel")
    state = call.state
    channel = posting.channel_for_post(state, call.arguments["channel"])
    said = posting.content(call.arguments, state)
    call.admit_post(channel.id)
    thread_ts = call.arguments.get("thread_ts")
    message = posting.post(state, channel, said, thread_ts=str(thread_ts) if thread_ts else None)
    return {"channel": channel.id, "ts": message.ts, "message": message_json(state, message)}


def _post_ephemeral(call: Call) -> JSON:
    call.require("channel", "user")
    state = call.state
    channel = posting.channel_for_post(state, call.arguments["channel"])
    if call.arguments["user"] not in channel.members:
        raise ApiError("user_not_in_channel")
    said = posting.content(call.arguments, state)
    thread_ts = call.arguments.get("thread_ts")
    message = posting.post(
        state,
        channel,
        said,
        ephemeral_for=str(call.arguments["user"]),
        thread_ts=str(thread_ts) if thread_ts else None,
    )
    return {"message_ts": message.ts}


def _update(call: Call) -> JSON:
    channel, message = _own(call, "cant_update_message")
    if channel.archived:
        raise ApiError("is_inactive")
    said = posting.content(call.arguments, call.state, most=posting.MAX_UPDATE_CHARS)
    posting.update(call.state, message, said)
    shown = message_json(call.state, message)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": shown}


def _delete(call: Call) -> JSON:
    channel, message = _own(call, "cant_delete_message")
    call.state.remove_message(message)
    return {"channel": channel.id, "ts": message.ts}


def _own(call: Call, refusal: str) -> tuple[Channel, Message]:
    """Return the app's own message that the call names. Nobody can reach an ephemeral one by its ts."""
    call.require("channel", "ts")
    channel = call.state.channels.get(str(call.arguments["channel"]))
    if channel is None or (channel.private and call.state.bot_user_id not in channel.members):
        raise ApiError("channel_not_found")
    message = call.state.message(channel.id, str(call.arguments["ts"]))
    if message is None or message.ephemeral_for is not None:
        raise ApiError("message_not_found")
    if message.author != call.state.bot_user_id:
        raise ApiError(refusal)
    return channel, message


def _permalink(call: Call) -> JSON:
    call.require("channel", "message_ts")
    channel_id, ts = str(call.arguments["channel"]), str(call.arguments["message_ts"])
    if channel_id not in call.state.channels:
        raise ApiError("channel_not_found")
    if call.state.message(channel_id, ts) is None:
        raise ApiError("message_not_found")
    domain = team_json(call.state)["domain"]
    link = f"https://{domain}.slack.com/archives/{channel_id}/p{ts.replace('.', '')}"
    return {"channel": channel_id, "permalink": link}


METHODS = {
    "chat.postMessage": Method(run=_post_message, scope="chat:write", takes_json=True),
    "chat.postEphemeral": Method(run=_post_ephemeral, scope="chat:write", takes_json=True),
    "chat.update": Method(run=_update, scope="chat:write", takes_json=True),
    "chat.delete": Method(run=_delete, scope="chat:write", takes_json=True),
    "chat.getPermalink": Method(run=_permalink),
}
