"""The bot's connection to Slack, against the stand-in: what it outlives, and what it ends at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from slack_bolt import App
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient

from bot.slack.socket import REFUSED, Socket
from provisioning.errors import PermanentError
from sandbox.serving import LoopbackServer
from sandbox.slack.app import create_app
from sandbox.slack.manifest import load_manifest
from sandbox.slack.model import Channel, Person
from sandbox.slack.workspace import Workspace

MANIFEST = Path(__file__).parents[2] / "manifest.yml"


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    made = Workspace(
        manifest=load_manifest(MANIFEST),
        people=[Person(id="U1", name="operator", real_name="Operator", email="operator@example.com")],
        channels=[Channel(name="platform", members=("operator",))],
    )
    yield made
    made.stop()


@pytest.fixture
def app(workspace: Workspace) -> Iterator[App]:
    server = LoopbackServer(create_app(workspace))
    client = WebClient(token=workspace.bot_token, base_url=f"{server.start()}/api/", retry_handlers=[])
    yield App(
        client=client,
        authorize=lambda: AuthorizeResult(enterprise_id=None, team_id=None),
        request_verification_enabled=False,
    )
    server.stop()


def test_what_slack_cannot_do_now_is_done_later(workspace: Workspace, app: App) -> None:
    """A Slack that is away ends nothing: the next look connects."""
    socket = Socket(app, workspace.app_token)
    try:
        workspace.plan_faults(api_error=2)
        looks = []
        for step in (socket.open, socket.watch, socket.watch):
            step()
            looks.append(socket.is_open)
        assert looks == [False, False, True]
        assert workspace.wait(lambda: workspace.connected, 10)
        opened = workspace.sockets.opened
        socket.watch()
        assert workspace.sockets.opened == opened, "what is open is left alone"
    finally:
        socket.close()


def test_a_server_that_is_not_there_ends_nothing_either(workspace: Workspace) -> None:
    """Nobody listens at that address: no answer is no refusal."""
    client = WebClient(token=workspace.bot_token, base_url="http://127.0.0.1:9/api/", retry_handlers=[])
    socket = Socket(App(client=client, token_verification_enabled=False), workspace.app_token)
    try:
        socket.open()
        socket.watch()
        assert not socket.is_open
    finally:
        socket.close()


@pytest.mark.parametrize(("token", "said"), [("xapp-1-A0-0-wrong", "invalid_auth"), (None, "not_allowed_token_type")])
def test_a_token_that_slack_refuses_ends_the_start(
    workspace: Workspace, app: App, token: str | None, said: str
) -> None:
    """Trying again would not help: it is said at once, with what to do."""
    socket = Socket(app, token or workspace.bot_token)
    try:
        with pytest.raises(PermanentError, match=said) as refused:
            socket.open()
        assert "SLACK__APP_TOKEN" in str(refused.value.next_action)
        assert said in REFUSED
    finally:
        socket.close()
