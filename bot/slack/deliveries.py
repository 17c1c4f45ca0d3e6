"""Slack's payloads → what is kept of them in the inbox: what the work needs, and nothing else. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from bot.slack.gate import teams_of
from commands.catalog import CATALOG
from commands.grammar import How, Invocation, render

Payload: TypeAlias = Mapping[str, Any]

COMMAND, FORM, CLICK, OPEN, REASON, SHORTCUT = "command", "form", "click", "open", "reason", "shortcut"
MOST_FILES = 20  # of a message
MOST_ID = 64  # characters; today's have 9 to 13


class NotOurs(ValueError):  # noqa: N818 - says what the value is
    """Nothing of Slack's or ours looks so, or nothing of this version."""


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """What was delivered. ``key`` is the same for the same thing, however often Slack delivers it."""

    kind: str
    key: str
    body: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A command that was not typed: its arguments are kept as they are, since a text has one line.

    *digest*: of the plan that was seen and is asked for, if one was.
    """

    invocation: Invocation
    channel: str
    digest: str = ""


def slack_id(value: Any) -> str:
    """Return an id of a person or a place: opaque, but letters and digits. Raises: NotOurs.

    Ids become mentions as they are, so nothing else may come in as one.
    """
    text = str(value)
    if not (text.isascii() and text.isalnum() and len(text) <= MOST_ID):
        raise NotOurs(f"{text[:80]!r} is no id of Slack's")
    return text


def of_command(body: Payload) -> Parcel:
    """Return a slash command. Its trigger is its key: a second Enter is another command."""
    kept = {
        "user": slack_id(body["user_id"]),
        "teams": sorted(teams_of(body)),
        "channel": slack_id(body["channel_id"]),
        "text": str(body.get("text") or ""),
        "trigger_id": str(body["trigger_id"]),
        "response_url": str(body["response_url"]),
    }
    return Parcel(kind=COMMAND, key=f"command:{kept['trigger_id']}", body=kept)


def of_form(body: Payload, view: Payload, asked: Asked) -> Parcel:
    """Return a command that a form was filled in for. A dry run keeps its window, in which the plan is shown."""
    kept = {**_asked(body, asked), "view": str(view["id"]) if asked.invocation.dry_run else ""}
    return Parcel(kind=FORM, key=_key_of(view), body=kept)


def of_ask(body: Payload, action: Payload, asked: Asked) -> Parcel:
    """Return a command that a button under its plan asks for."""
    user = slack_id(body["user"]["id"])
    kept = {**_asked(body, asked), "response_url": str(body.get("response_url") or "")}
    return Parcel(kind=FORM, key=f"ask:{user}:{action['action_ts']}", body=kept)


def kept_of(invocation: Invocation) -> dict[str, Any]:
    """Return a command as JSON: what `filled_in` makes it of again."""
    return {
        "command": invocation.spec.name,
        "args": invocation.args.model_dump(mode="json", exclude_unset=True),
        "how": asdict(invocation.how),
    }


def filled_in(body: Payload) -> Invocation:
    """Return the command that was kept. Raises: KeyError, ValueError where this version has no such."""
    spec = CATALOG[body["command"]]
    args, how = spec.args.model_validate(body["args"]), How(**body["how"])
    return Invocation(spec=spec, args=args, how=how, text=render(spec, args, how=how))


def of_click(body: Payload, action: Payload) -> Parcel:
    """Return a button's click. Each person's click on it counts for itself."""
    is_copy = bool((body.get("container") or {}).get("is_ephemeral"))
    return _clicked(CLICK, body, action, {"action": str(action["action_id"]), "is_copy": is_copy})


def of_open(body: Payload, action: Payload, *, channel: str) -> Parcel:
    """Return a click on a button that opens a form: in a message, on the Home tab, or in a window about *channel*."""
    view = body.get("view") or {}
    stands = {"view": str(view["id"])} if view.get("type") == "modal" else {}
    return _clicked(OPEN, body, action, {**stands, **({"channel": slack_id(channel)} if channel else {})})


def _clicked(kind: str, body: Payload, action: Payload, more: Mapping[str, Any]) -> Parcel:
    user, channel = slack_id(body["user"]["id"]), (body.get("channel") or {}).get("id")
    kept = {
        "user": user,
        "teams": sorted(teams_of(body)),
        "channel": slack_id(channel) if channel else "",
        "value": str(action["value"]),
        "trigger_id": str(body["trigger_id"]),
        "response_url": str(body.get("response_url") or ""),
        **more,
    }
    return Parcel(kind=kind, key=f"click:{user}:{action['action_id']}:{action['action_ts']}", body=kept)


def of_shortcut(body: Payload) -> Parcel:
    """Return what was chosen in a message's menu, with that message's files. Its trigger is its key."""
    files = (body.get("message") or {}).get("files") or ()
    kept = {
        "user": slack_id(body["user"]["id"]),
        "teams": sorted(teams_of(body)),
        "channel": slack_id(body["channel"]["id"]),
        "shortcut": str(body["callback_id"]),
        "files": [{"id": str(one.get("id", "")), "name": str(one.get("name") or "")} for one in files[:MOST_FILES]],
        "trigger_id": str(body["trigger_id"]),
        "response_url": str(body.get("response_url") or ""),
    }
    return Parcel(kind=SHORTCUT, key=f"shortcut:{kept['trigger_id']}", body=kept)


def named_by(value: str) -> tuple[str, str]:
    """Return the id of the job that a button or form is about, and the digest of the plan. Raises: NotOurs."""
    try:
        named = json.loads(value)
        return str(named["job"]), str(named["digest"])
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise NotOurs(f"{value[:80]!r} names no job") from problem


def of_reason(body: Payload, view: Payload) -> Parcel:
    """Return the form that says why somebody approves or denies."""
    kept = {
        "user": slack_id(body["user"]["id"]),
        "teams": sorted(teams_of(body)),
        "form": str(view["callback_id"]),
        "value": str(view["private_metadata"]),
        "reason": str(view["state"]["values"]["reason"]["value"].get("value") or ""),
    }
    return Parcel(kind=REASON, key=_key_of(view), body=kept)


def _asked(body: Payload, asked: Asked) -> dict[str, Any]:
    return {
        "user": slack_id(body["user"]["id"]),
        "teams": sorted(teams_of(body)),
        "channel": slack_id(asked.channel) if asked.channel else "",
        **kept_of(asked.invocation),
        "digest": asked.digest,
    }


def _key_of(view: Payload) -> str:
    return f"form:{view['id']}:{view['hash']}"
