"""conversations.info, list, members, open, join, history and replies."""

from sandbox.slack.methods.call import Call, Method
from sandbox.slack.model import JSON, ApiError, Channel
from sandbox.slack.payloads import message_json

_SCOPES = {"public_channel": "channels", "private_channel": "groups", "im": "im", "mpim": "mpim"}


def _kind(channel: Channel) -> str:
    return "im" if channel.im else "private_channel" if channel.private else "public_channel"


def _json(call: Call, channel: Channel) -> JSON:
    member = call.state.bot_user_id in channel.members
    shown: JSON = {
        "id": channel.id,
        "created": 1_700_000_000,
        "is_archived": channel.archived,
        "is_channel": not (channel.im or channel.private),
        "is_group": channel.private,
        "is_im": channel.im,
        "is_mpim": False,
        "is_private": channel.private or channel.im,
        "is_member": member,
        "context_team_id": call.state.team_id,
    }
    if channel.im:
        other = next(each for each in channel.members if each != call.state.bot_user_id)
        return shown | {"user": other}
    return shown | {
        "name": channel.name,
        "name_normalized": channel.name,
        "topic": {"value": channel.topic, "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
        "num_members": len(channel.members),
    }


def _named(call: Call, *, right: str = "read") -> Channel:
    """Return the channel that the call names. Raises: ApiError (channel_not_found, missing_scope)."""
    call.require("channel")
    rights = [f"{kind}:{right}" for kind in _SCOPES.values()]
    if not set(rights) & set(call.state.manifest.scopes):  # before anything is looked up
        call.need_scope(",".join(rights))
    channel = call.state.channels.get(str(call.arguments["channel"]))
    hidden = channel is not None and (channel.private or channel.im)
    if channel is None or (hidden and call.state.bot_user_id not in channel.members):
        raise ApiError("channel_not_found")
    call.need_scope(f"{_SCOPES[_kind(channel)]}:{right}")
    return channel


def _info(call: Call) -> JSON:
    shown = _json(call, _named(call))
    if not call.flag("include_num_members"):
        shown.pop("num_members", None)
    return {"channel": shown}


def _list(call: Call) -> JSON:
    kinds = [each.strip() for each in str(call.arguments.get("types") or "public_channel").split(",")]
    if unknown := set(kinds) - set(_SCOPES):
        raise ApiError("invalid_types", types=sorted(unknown))
    for kind in kinds:
        call.need_scope(f"{_SCOPES[kind]}:read")
    found = [
        channel
        for channel in call.state.channels.values()
        if _kind(channel) in kinds
        and not (channel.archived and call.flag("exclude_archived"))
        and (_kind(channel) == "public_channel" or call.state.bot_user_id in channel.members)
    ]
    page, metadata = call.page(found, default=100)
    return {"channels": [_json(call, channel) for channel in page], "response_metadata": metadata}


def _members(call: Call) -> JSON:
    page, metadata = call.page(_named(call).members, default=100)
    return {"members": page, "response_metadata": metadata}


def _open(call: Call) -> JSON:
    users = call.arguments.get("users")
    if channel_id := call.arguments.get("channel"):
        channel = call.state.channels.get(str(channel_id))
        if channel is None or not channel.im:
            raise ApiError("channel_not_found")
    else:
        names = users if isinstance(users, list) else [each for each in str(users or "").split(",") if each]
        if not names:
            raise ApiError("users_list_not_supplied")
        if len(names) > 1:
            raise ApiError("missing_scope", needed="mpim:write", provided=",".join(call.state.manifest.scopes))
        person = call.state.people.get(str(names[0]))
        if person is None or person.bot:
            raise ApiError("user_not_found")
        if person.deactivated:
            raise ApiError("user_disabled")
        channel = call.state.dm(person.id)
    return {"channel": _json(call, channel) if call.flag("return_im") else {"id": channel.id}}


def _join(call: Call) -> JSON:
    call.require("channel")
    channel = call.state.channels.get(str(call.arguments["channel"]))
    if channel is None or channel.private:
        raise ApiError("channel_not_found")
    if channel.im:
        raise ApiError("method_not_supported_for_channel_type")
    if channel.archived:
        raise ApiError("is_archived")
    with call.state.lock:
        if call.state.bot_user_id not in channel.members:
            channel.members = (*channel.members, call.state.bot_user_id)
            call.state.touch()
    return {"channel": _json(call, channel)}


def _history(call: Call) -> JSON:
    channel = _named(call, right="history")
    if call.state.bot_user_id not in channel.members:
        raise ApiError("not_in_channel")
    shared = [each for each in call.state.messages[channel.id] if each.ephemeral_for is None]
    newest_first = [each for each in reversed(shared) if each.thread_ts is None]
    page, metadata = call.page(newest_first, default=100, most=999)
    return {
        "messages": [message_json(call.state, each) for each in page],
        "has_more": bool(metadata["next_cursor"]),
        "response_metadata": metadata,
    }


def _replies(call: Call) -> JSON:
    channel = _named(call, right="history")
    parent = call.state.message(channel.id, call.text("ts"))
    if parent is None or parent.ephemeral_for is not None:
        raise ApiError("thread_not_found")
    page, metadata = call.page([parent, *call.state.replies(channel.id, parent.ts)], default=1000)
    return {
        "messages": [message_json(call.state, each) for each in page],
        "has_more": bool(metadata["next_cursor"]),
        "response_metadata": metadata,
    }


METHODS = {
    "conversations.info": Method(run=_info),
    "conversations.list": Method(run=_list),
    "conversations.members": Method(run=_members),
    "conversations.open": Method(run=_open, scope="im:write", takes_json=True),
    "conversations.join": Method(run=_join, scope="channels:join", takes_json=True),
    "conversations.history": Method(run=_history),
    "conversations.replies": Method(run=_replies),
}
