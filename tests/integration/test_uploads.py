"""Files of an answer, over the real SDK against the stand-in's three steps."""

from collections.abc import Iterator

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackRequestError

from bot.slack import uploads
from bot.slack.render_job import Rendered
from bot.slack.replies import to_person
from provisioning.errors import PermanentError, TemporaryError
from provisioning.reports import Attachment
from sandbox.serving import LoopbackServer
from sandbox.slack.app import create_app
from sandbox.slack.manifest import parse_manifest
from sandbox.slack.workspace import Workspace
from tests.integration.test_sandbox_slack import MANIFEST, new_workspace

FILES = (
    Attachment(name="gpus.png", content=b"\x89PNG\r\n\x1a\n0", alt="A map of 4 GPUs: acme 50%, free 50%."),
    Attachment(name="gpus.csv", content=b"node,gpu\ngpu-1,0\n", alt="The same as a table."),
)


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    made = new_workspace()
    yield made
    made.stop()


@pytest.fixture
def client(workspace: Workspace) -> Iterator[WebClient]:
    server = LoopbackServer(create_app(workspace))
    yield WebClient(token=workspace.bot_token, base_url=f"{server.start()}/api/")
    server.stop()


def files(workspace: Workspace, person: str, channel: str) -> list[tuple[str, str]]:
    seen = workspace.visible(person, channel)
    return [(str(file["name"]), str(file["alt"])) for message in seen for file in message["files"]]


def test_an_answers_files_go_to_the_person_alone(workspace: Workspace, client: WebClient) -> None:
    """The answer is ephemeral in the channel; its files go to the person's own conversation, with alt texts."""
    reply = to_person(client, channel="C0000001", user="U0000001")
    reply(Rendered("Capacity: 4 GPUs", [], FILES))
    assert files(workspace, "operator", "dm") == [(each.name, each.alt) for each in FILES]
    assert files(workspace, "operator", "platform") == files(workspace, "approver", "dm") == []


def test_an_answer_without_files_opens_no_conversation(workspace: Workspace, client: WebClient) -> None:
    """Nobody is told twice."""
    to_person(client, channel="C0000001", user="U0000001")(Rendered("There are no jobs.", []))
    assert workspace.visible("operator", "dm") == []


def test_files_go_into_a_thread_of_a_channel(workspace: Workspace, client: WebClient) -> None:
    """As digests do."""
    head = str(client.chat_postMessage(channel="C0000001", text="Digest")["ts"])
    uploads.to_conversation(client, FILES[:1], channel="C0000001", thread_ts=head, comment="The map")
    newest = workspace.visible("approver", "platform")[-1]
    assert (newest["thread_ts"], newest["text"]) == (head, "The map")


@pytest.mark.parametrize("channel", ["C0000002", "C9999999"])
def test_where_slack_refuses_the_next_action_is_said(client: WebClient, channel: str) -> None:
    with pytest.raises(PermanentError, match="Slack refused") as refused:
        uploads.to_conversation(client, FILES[:1], channel=channel)
    assert refused.value.next_action == "invite the bot to the channel"


def test_without_the_scope_it_is_named() -> None:
    """An app installed from an older manifest."""
    workspace = new_workspace()
    server = LoopbackServer(create_app(workspace))
    url = server.start()
    try:
        workspace.state.manifest = parse_manifest(MANIFEST.replace('"files:write", ', ""))
        client = WebClient(token=workspace.bot_token, base_url=f"{url}/api/")
        with pytest.raises(PermanentError, match="missing_scope") as refused:
            uploads.to_conversation(client, FILES, channel="C0000001")
        assert "files:write" in refused.value.next_action
    finally:
        server.stop()
        workspace.stop()


def test_bytes_that_slacks_host_does_not_take_are_an_error_for_people(
    client: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK raises no SlackApiError there: it must neither be an incident nor end the round of digests."""

    def refuse(**_given: object) -> None:
        raise SlackRequestError("Failed to upload a file (status: 503, body: https://files.slack.com/secret)")

    monkeypatch.setattr(client, "files_upload_v2", refuse)
    with pytest.raises(TemporaryError) as raised:
        uploads.to_conversation(client, FILES, channel="C0000001")
    assert "secret" not in str(raised.value)
