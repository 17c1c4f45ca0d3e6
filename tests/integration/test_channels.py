"""Whether the bot can post in a channel, asked of a strict Slack."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from slack_sdk import WebClient

from bot.slack.channels import SlackChannels
from commands.digests import DigestAdd, DigestArgs
from policies.approvals import Refusal
from provisioning.channels import Channel, Reach
from provisioning.errors import PermanentError, UnreachableError
from provisioning.operations.base import Draft
from provisioning.operations.digests import AddDigest, DigestFacts, ResumeDigest, RunDigest
from sandbox.serving import LoopbackServer
from sandbox.slack import model
from sandbox.slack.app import create_app
from sandbox.slack.manifest import load_manifest
from sandbox.slack.workspace import Workspace
from sandbox.world import _manifest_path
from tests.integration.digest_samples import MORNING


@pytest.fixture
def workspace() -> Workspace:
    return Workspace(
        manifest=load_manifest(_manifest_path()),
        people=[model.Person(name="ana", real_name="Ana", email="ana@example.com")],
        channels=[
            model.Channel(id="C0000001", name="ops"),
            model.Channel(id="C0000002", name="elsewhere", with_app=False),
            model.Channel(id="C0000003", name="old", archived=True),
            model.Channel(id="G0000001", name="ours", private=True),
            model.Channel(id="G0000002", name="secret", private=True, with_app=False),
        ],
    )


@pytest.fixture
def channels(workspace: Workspace) -> Iterator[SlackChannels]:
    server = LoopbackServer(create_app(workspace))
    client = WebClient(token=workspace.bot_token, base_url=f"{server.start()}/api/", retry_handlers=[])
    yield SlackChannels(client)
    server.stop()


@pytest.mark.parametrize(
    ("channel", "name", "reach"),
    [
        ("C0000001", "ops", Reach.MEMBER),
        ("C0000002", "elsewhere", Reach.OUTSIDE),
        ("C0000003", "old", Reach.ARCHIVED),
        ("G0000001", "ours", Reach.MEMBER),
        ("G0000002", "", Reach.HIDDEN),
        ("C0000009", "", Reach.HIDDEN),
        ("D0000009", "", Reach.MEMBER),
    ],
)
def test_each_kind_of_channel_is_told_apart(channels: SlackChannels, channel: str, name: str, reach: Reach) -> None:
    assert channels.look(channel) == Channel(id=channel, name=name, reach=reach)


def test_a_missing_scope_and_a_silent_slack_say_what_to_do(workspace: Workspace, channels: SlackChannels) -> None:
    """Neither is taken for a channel that is not there."""
    whole = workspace.state.manifest
    workspace.state.manifest = replace(whole, scopes=whole.scopes - {"groups:read"})
    with pytest.raises(PermanentError, match=r"lacks the scope groups:read: an admin .* manifest\.yml"):
        channels.look("G0000001")
    workspace.plan_faults(api_error=1)
    with pytest.raises(UnreachableError):
        channels.look("C0000001")
    workspace.plan_faults(rate_limit=1)
    with pytest.raises(UnreachableError, match="ratelimited"):
        channels.look("C0000001")


@pytest.mark.parametrize(
    ("reach", "said"),
    [
        (Reach.OUTSIDE, "in #ops: /invite @clearml-chatops"),
        (Reach.HIDDEN, "in that channel: /invite @clearml-chatops"),
        (Reach.ARCHIVED, "name another channel"),
    ],
)
def test_nothing_is_scheduled_where_nothing_can_be_posted(reach: Reach, said: str) -> None:
    """Nor run, nor resumed; where the bot is a member, or nobody can ask, it is."""
    channel = Channel(id="C01", name="" if reach is Reach.HIDDEN else "ops", reach=reach)
    facts = DigestFacts(found=MORNING, count=1, channel=channel)
    add = DigestAdd.model_validate({"name": "morning", "at": "daily 09:00", "channel": "C01"})
    name = DigestArgs(name="morning")
    for refused in (
        AddDigest().draft(add, facts),
        RunDigest().draft(name, facts),
        ResumeDigest().draft(name, facts),
    ):
        assert isinstance(refused, Refusal)
        assert "C01" in refused.reason
        assert said in refused.next_action
    for known in (None, replace(channel, reach=Reach.MEMBER)):
        assert isinstance(AddDigest().draft(add, replace(facts, channel=known)), Draft)
