"""What a lax client posts is refused: what it says, where it goes, how it changes what was said."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sandbox.slack.manifest import parse_manifest
from sandbox.slack.model import ApiError, Channel, Person
from sandbox.slack.posting import channel_for_post, content, post, respond, update
from sandbox.slack.state import State
from sandbox.slack.workspace import Workspace

MANIFEST = """
display_information: {name: ClearML}
features: {slash_commands: [{command: /clearml, description: Runs the service}]}
oauth_config: {scopes: {bot: [commands, "chat:write"]}}
settings: {socket_mode_enabled: true, interactivity: {is_enabled: true}}
"""
DIVIDER = [{"type": "divider"}]


@pytest.fixture
def state() -> State:
    made = Workspace(
        manifest=parse_manifest(MANIFEST),
        people=[Person(id="U0000001", name="kim", real_name="Kim", email="")],
        channels=[Channel(id="C0000001", name="gpu", members=("kim",))],
    )
    return made.state


def error(call: Any, *given: Any, **named: Any) -> tuple[str, int]:
    with pytest.raises(ApiError) as caught:
        call(*given, **named)
    return caught.value.error, caught.value.status


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"markdown_text": "x", "text": "y"}, "markdown_text_conflict"),
        ({"markdown_text": "x", "blocks": DIVIDER}, "markdown_text_conflict"),
        ({"markdown_text": "x" * 12_001}, "msg_too_long"),
        ({"markdown_text": 7}, "invalid_arguments"),
        ({"text": 7}, "invalid_arguments"),
        ({"text": ["x"], "blocks": DIVIDER}, "invalid_arguments"),
        ({"text": "x", "attachments": [{"text": "old"}]}, "invalid_arguments"),
        ({"text": "x", "attachments": '[{"text": "old"}]'}, "invalid_arguments"),
        ({"text": "x", "attachments": "[{"}, "invalid_attachments"),
        ({"text": "x", "metadata": "{"}, "invalid_metadata_format"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"blocks": []}, "no_text"),
        ({}, "no_text"),
    ],
    ids=str,
)
def test_what_says_too_much_or_nothing_is_refused(state: State, arguments: Mapping[str, Any], expected: str) -> None:
    assert error(content, arguments, state)[0] == expected


def test_what_slack_takes_is_taken(state: State) -> None:
    """To the last letter; no attachments are as good as none, and metadata is an object or nothing."""
    assert content({"text": "x" * 40_000}, state).text == "x" * 40_000
    said = content({"markdown_text": "x" * 12_000}, state)
    assert [(each["type"], len(each["text"])) for each in said.blocks or []] == [("markdown", 12_000)]
    kept = content({"text": "x", "attachments": "[]", "metadata": '{"event_type": "a"}'}, state)
    assert (kept.blocks, kept.metadata) == (None, {"event_type": "a"})
    assert content({"text": "x", "metadata": "[]"}, state).metadata is None


@pytest.mark.parametrize("name", [None, "", 7, ["C0000001"], "gpu", "U0SANDBOXBT"], ids=str)
def test_what_is_no_conversation_takes_nothing(state: State, name: Any) -> None:
    """The app has no conversation with itself."""
    assert error(channel_for_post, state, name)[0] == "channel_not_found"


def test_without_a_messages_tab_nobody_gets_messages_of_their_own(state: State) -> None:
    """By the person's id, or the conversation's; channels are as ever."""
    dm = channel_for_post(state, "U0000001")
    assert channel_for_post(state, dm.id) is dm
    state.manifest = replace(state.manifest, messages_tab=False)
    assert error(channel_for_post, state, "U0000001")[0] == "messages_tab_disabled"
    assert error(channel_for_post, state, dm.id)[0] == "messages_tab_disabled"
    assert channel_for_post(state, "C0000001").name == "gpu"


def test_an_update_keeps_metadata_that_it_does_not_name_and_clears_the_trouble(state: State) -> None:
    message = post(state, state.channels["C0000001"], content({"text": "a", "metadata": {"event_type": "a"}}, state))
    message.trouble["U0000001"] = "dispatch_failed"
    update(state, message, content({"text": "b"}, state))
    assert (message.text, message.metadata, message.trouble) == ("b", {"event_type": "a"}, {})
    update(state, message, content({"text": "c", "metadata": {"event_type": "b"}}, state))
    assert message.metadata == {"event_type": "b"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"text": "x", "response_type": "loud"}, ("invalid_payload", 400)),
        ({"text": "x", "colour": "red"}, ("invalid_payload", 400)),
        ({"delete_original": True}, ("message_not_found", 404)),
    ],
    ids=str,
)
def test_a_response_of_another_shape_is_refused(
    state: State, body: Mapping[str, Any], expected: tuple[str, int]
) -> None:
    """Also one that deletes the message of a command, which has none."""
    assert error(respond, state, body, person_id="U0000001", channel_id="C0000001", message_ts=None) == expected


def test_an_answer_to_a_click_in_a_thread_stays_there_where_it_is_for_one_person(state: State) -> None:
    """For all, it goes to the channel unless it names the thread."""
    channel = state.channels["C0000001"]
    parent = post(state, channel, content({"text": "card"}, state))
    reply = post(state, channel, content({"text": "reply"}, state), thread_ts=parent.ts)
    for body, hidden, thread in (
        ({"text": "psst"}, "U0000001", parent.ts),
        ({"text": "all", "response_type": "in_channel"}, None, None),
        ({"text": "here", "response_type": "in_channel", "thread_ts": parent.ts}, None, parent.ts),
    ):
        respond(state, body, person_id="U0000001", channel_id=channel.id, message_ts=reply.ts)
        (newest,) = [each for each in state.messages[channel.id] if each.text == body["text"]]
        assert (newest.ephemeral_for, newest.thread_ts) == (hidden, thread)
