"""The real slack_bolt against the stand-in, over loopback."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from sandbox.serving import LoopbackServer
from sandbox.slack.app import create_app
from sandbox.slack.delivery import ACK_S, Dispatcher
from sandbox.slack.manifest import parse_manifest
from sandbox.slack.model import Channel, Group, Person
from sandbox.slack.rate_limits import RateLimits
from sandbox.slack.sockets import Reason
from sandbox.slack.workspace import Workspace

MANIFEST = """
display_information: {name: ClearML ChatOps}
features:
  bot_user: {display_name: ClearML, always_online: true}
  app_home: {home_tab_enabled: true, messages_tab_enabled: true}
  slash_commands:
    - {command: /clearml, description: Runs the service, usage_hint: help, should_escape: true}
oauth_config:
  scopes:
    bot: [commands, "chat:write", "users:read", "users:read.email", "usergroups:read", "channels:read",
          "groups:read", "im:write", "files:write", "channels:join", "team:read"]
settings:
  socket_mode_enabled: true
  interactivity: {is_enabled: true}
  event_subscriptions: {bot_events: [app_home_opened]}
"""
MODAL = {
    "type": "modal",
    "callback_id": "deny",
    "title": {"type": "plain_text", "text": "Deny"},
    "submit": {"type": "plain_text", "text": "Deny"},
    "blocks": [
        {
            "type": "input",
            "block_id": "reason",
            "label": {"type": "plain_text", "text": "Reason"},
            "element": {"type": "plain_text_input", "action_id": "text", "min_length": 3},
        }
    ],
}


def card(text: str) -> list[dict[str, Any]]:
    return [
        {"type": "section", "text": {"type": "mrkdwn", "text": text}},
        {
            "type": "actions",
            "block_id": "vote",
            "elements": [
                {
                    "type": "button",
                    "action_id": "approve",
                    "style": "primary",
                    "value": "job-1",
                    "text": {"type": "plain_text", "text": "Approve"},
                },
                {
                    "type": "button",
                    "action_id": "deny",
                    "style": "danger",
                    "text": {"type": "plain_text", "text": "Deny"},
                },
            ],
        },
    ]


class Bot:
    """A small app as the product's: command → card → click → update, and a modal."""

    def __init__(self, workspace: Workspace, url: str) -> None:
        self.workspace = workspace
        self.deliveries: list[str] = []
        self.app = App(client=WebClient(token=workspace.bot_token, base_url=f"{url}/api/"))
        self.app.command("/clearml")(self.command)
        self.app.action("approve")(self.approve)
        self.app.action("deny")(self.deny)
        self.app.view("deny")(self.denied)
        self.app.event("app_home_opened")(self.home)
        handler: Any = SocketModeHandler(self.app, workspace.app_token)
        self.handler = handler
        self.handler.connect()
        workspace.wait(lambda: workspace.connected, 5)

    def command(self, ack: Any, command: Any, client: Any) -> None:
        self.deliveries.append(command["text"])
        if command["text"] == "slow":
            time.sleep(0.5)
        if command["text"].startswith("hint"):
            ack(f"usage: {command['text']}")
            return
        ack()
        client.chat_postMessage(channel=command["channel_id"], text=command["text"], blocks=card(command["text"]))

    def approve(self, ack: Any, body: Any, client: Any) -> None:
        ack()
        self.deliveries.append("approve")
        client.chat_update(
            channel=body["channel"]["id"],
            ts=body["message"]["ts"],
            text="approved",
            blocks=card("approved")[:1],
        )

    def deny(self, ack: Any, body: Any, client: Any) -> None:
        ack()
        self.deliveries.append("deny")
        client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    def denied(self, ack: Any, view: Any) -> None:
        reason = view["state"]["values"]["reason"]["text"]["value"]
        self.deliveries.append(f"denied: {reason}")
        if reason == "because":
            ack(response_action="errors", errors={"reason": "Say why."})
        else:
            ack()

    def home(self, event: Any, client: Any) -> None:
        self.deliveries.append("home")
        client.views_publish(
            user_id=event["user"],
            view={"type": "home", "blocks": [{"type": "divider"}, *card("Welcome")]},
        )


def new_workspace(**more: Any) -> Workspace:
    people = [
        Person(id="U0000001", name="operator", real_name="Operator", email="operator@example.com"),
        Person(id="U0000002", name="approver", real_name="Approver", email="approver@example.com"),
        Person(id="U0000003", name="gone", real_name="Gone", email="gone@example.com", deactivated=True),
    ]
    channels = [
        Channel(id="C0000001", name="platform", members=("operator", "approver")),
        Channel(id="G0000001", name="secret", members=("operator",), private=True, with_app=False),
        Channel(id="C0000002", name="elsewhere", members=("operator",), with_app=False),
    ]
    groups = [Group(id="S0000001", handle="approvers", name="Approvers", members=("approver", "gone"))]
    return Workspace(manifest=parse_manifest(MANIFEST), people=people, channels=channels, groups=groups, **more)


@pytest.fixture
def workspace(request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """One that waits briefly for an ack, or as long as it is told."""
    made = new_workspace(dispatcher=Dispatcher(ack_s=getattr(request, "param", 0.4), retry_after_s=(0.0, 0.05, 0.05)))
    yield made
    made.stop()


@pytest.fixture
def url(workspace: Workspace) -> Iterator[str]:
    server = LoopbackServer(create_app(workspace))
    yield server.start()
    server.stop()


@pytest.fixture(scope="module")
def shared_bot() -> Iterator[Bot]:
    """One bot for the file: closing Bolt's client takes seconds."""
    workspace = new_workspace(dispatcher=Dispatcher(ack_s=0.4, retry_after_s=(0.0, 0.05, 0.05)))
    server = LoopbackServer(create_app(workspace))
    made = Bot(workspace, server.start())
    yield made
    made.handler.close()
    workspace.stop()
    server.stop()


@pytest.fixture
def bot(shared_bot: Bot) -> Bot:
    """The shared bot in an empty workspace."""
    state = shared_bot.workspace.state
    with state.lock:
        state.modals.clear()
        state.homes.clear()
        for messages in state.messages.values():
            messages.clear()
    shared_bot.workspace.rate_limits = RateLimits()
    shared_bot.deliveries.clear()
    return shared_bot


@pytest.fixture
def client(workspace: Workspace, url: str) -> WebClient:
    return WebClient(token=workspace.bot_token, base_url=f"{url}/api/", retry_handlers=[])


def newest(workspace: Workspace, person: str = "operator", channel: str = "#platform") -> str:
    seen = workspace.visible(person, channel)
    return str(seen[-1]["plain"]) if seen else ""


def test_a_command_becomes_a_card_a_click_updates_it(bot: Bot) -> None:
    """Command → ack → post → click → update, as the people see it."""
    workspace = bot.workspace
    workspace.command("operator", "#platform", "/clearml tenant create acme")
    workspace.wait(lambda: "tenant create acme" in newest(workspace), 5)
    assert workspace.visible("approver", "#platform")[-1]["buttons"] == ["Approve", "Deny"]
    workspace.click("approver", "Approve")
    workspace.wait(lambda: newest(workspace, "approver") == "approved", 5)
    assert bot.deliveries == ["tenant create acme", "approve"]


def test_a_modal_shows_slacks_errors_then_the_apps_then_closes(bot: Bot) -> None:
    """Required and min_length are checked before the app hears; response_action errors after."""
    workspace = bot.workspace
    workspace.command("operator", "#platform", "/clearml x")
    workspace.wait(lambda: workspace.visible("operator", "#platform"), 5)
    workspace.click("approver", "Deny")
    modal = workspace.wait(lambda: workspace.modal("approver"), 5)
    assert modal is not None
    assert modal["fields"] == [{"block_id": "reason", "label": "Reason", "value": "", "error": ""}]
    workspace.submit("approver")
    workspace.fill("approver", {"Reason": "no"})
    workspace.submit("approver", "Deny")
    assert (workspace.modal("approver") or {})["fields"][0]["error"] == "Enter 3 to 3000 characters."
    assert not [each for each in bot.deliveries if each.startswith("denied")]
    workspace.fill("approver", {"Reason": "because"})
    workspace.submit("approver")
    assert "Say why." in (workspace.modal("approver") or {})["plain"]
    workspace.fill("approver", {"reason": "the quota is too large"})
    workspace.submit("approver")
    assert workspace.modal("approver") is None


def test_home_is_published_when_it_is_opened(bot: Bot) -> None:
    """Opening Home is an event; what the app publishes can be clicked."""
    workspace = bot.workspace
    workspace.open_home("operator")
    workspace.wait(lambda: workspace.snapshot("operator")["home"], 5)
    assert bot.deliveries == ["home"]


def test_escaped_text_and_the_acks_own_answer(bot: Bot) -> None:
    """should_escape turns addresses and names into entities; an ack's text is shown to the person alone."""
    workspace = bot.workspace
    workspace.command("operator", "#platform", "/clearml hint a@b.example acme.example @approver #platform <&> @x")
    mail, host = "<mailto:a@b.example|a@b.example>", "<http://acme.example|acme.example>"
    assert bot.deliveries == [f"hint {mail} {host} <@U0000002|approver> <#C0000001|platform> &lt;&amp;&gt; @x"]
    seen = workspace.visible("operator", "#platform")[-1]
    assert seen["ephemeral"]
    assert seen["plain"] == "usage: hint a@b.example acme.example @approver #platform <&> @x"
    assert workspace.visible("approver", "#platform") == []


def test_late_acks_and_unknown_commands_are_told_by_slackbot(bot: Bot) -> None:
    """3 s (here 0.4) without an ack: operation_timeout; threads and unknown commands are refused."""
    workspace = bot.workspace
    workspace.command("operator", "#platform", "/clearml slow")
    assert "operation_timeout" in newest(workspace)
    workspace.command("operator", "#platform", "/clearnl jobs")
    assert "/clearnl is not a valid command" in newest(workspace)
    workspace.command("operator", "#platform", "/clearml jobs", thread_ts="1.000000")
    assert newest(workspace) == "/clearml is not supported in threads. Sorry!"


def test_without_a_socket_a_command_fails_to_dispatch(workspace: Workspace, url: str) -> None:
    """Nobody is connected: dispatch_failed, at once."""
    workspace.command("operator", "#platform", "/clearml jobs")
    assert "dispatch_failed" in newest(workspace)


def test_an_envelope_can_come_twice_and_an_ack_get_lost(bot: Bot) -> None:
    """The faults duplicate, lost_ack and drop do what they say, once."""
    workspace = bot.workspace
    workspace.plan_faults(duplicate=1)
    workspace.command("operator", "#platform", "/clearml hint a")
    workspace.wait(lambda: len(bot.deliveries) == 2, 5)
    workspace.plan_faults(lost_ack=1)
    workspace.command("operator", "#platform", "/clearml hint b")
    assert bot.deliveries[2:] == ["hint b"]
    assert "operation_timeout" in newest(workspace)
    workspace.plan_faults(drop=1)
    workspace.command("operator", "#platform", "/clearml hint c")
    workspace.command("operator", "#platform", "/clearml hint d")
    assert bot.deliveries[3:] == ["hint d"]
    workspace.dispatcher.redeliver()
    workspace.wait(lambda: bot.deliveries[3:] == ["hint d", "hint d"], 5)


def test_a_disconnect_makes_the_client_come_back(bot: Bot) -> None:
    """After `disconnect` the client opens a new socket with a new ticket, and commands arrive again."""
    workspace = bot.workspace
    opened = len([call for call in workspace.calls if call["method"] == "apps.connections.open"])
    workspace.sockets.disconnect("refresh_requested", closes_after_s=0.1)
    assert not workspace.connected
    workspace.wait(lambda: workspace.connected, 10)
    workspace.command("operator", "#platform", "/clearml hint again")
    assert bot.deliveries == ["hint again"]
    assert len([call for call in workspace.calls if call["method"] == "apps.connections.open"]) == opened + 1


def test_events_are_tried_again_with_their_attempt(workspace: Workspace, url: str) -> None:
    """An event that nobody acks comes again, with retry_attempt and retry_reason, three times at most."""
    seen: list[tuple[int, str, str]] = []
    done = threading.Event()
    socket = connect(workspace, url)

    def listen() -> None:
        while len(seen) < 4:
            envelope = json.loads(socket.recv())
            seen.append((envelope["retry_attempt"], envelope["retry_reason"], envelope["payload"]["event_id"]))
        done.set()

    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    workspace.open_home("operator")
    assert done.wait(10)
    reader.join(5)
    socket.close()
    assert [(attempt, reason) for attempt, reason, _ in seen] == [
        (0, ""),
        (1, "timeout"),
        (2, "timeout"),
        (3, "timeout"),
    ]
    assert len({event_id for _, _, event_id in seen}) == 1


def connect(workspace: Workspace, url: str) -> Any:
    """Open a raw socket and read its hello."""
    import websocket

    opened = WebClient(token=workspace.app_token, base_url=f"{url}/api/").apps_connections_open(
        app_token=workspace.app_token
    )
    socket: Any = websocket.create_connection(opened["url"], timeout=5, suppress_origin=True)
    hello = json.loads(socket.recv())
    if hello["type"] == "hello":
        assert hello["connection_info"]["app_id"] == "A0SANDBOX01"
    socket.hello = hello
    return socket


def test_ten_sockets_share_the_payloads_and_the_eleventh_is_sent_away(workspace: Workspace, url: str) -> None:
    """Each payload goes to one of the connections; past ten: too_many_websockets."""
    import websocket

    sockets = [connect(workspace, url) for _ in range(10)]
    assert [socket.hello["num_connections"] for socket in sockets] == list(range(1, 11))
    eleventh = connect(workspace, url)
    assert eleventh.hello["reason"] == "too_many_websockets"
    assert eleventh.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE
    eleventh.shutdown()
    for _ in range(2):
        workspace.command("operator", "#platform", "/clearml x")
    received = 0
    for socket in sockets:
        socket.settimeout(0.05)
        with pytest.raises(websocket.WebSocketTimeoutException):  # noqa: PT012 - reads until nothing is left
            while True:
                received += bool(json.loads(socket.recv())["envelope_id"])
        socket.close()
    assert received == 2


def test_each_reason_of_a_disconnect_ends_a_socket_in_its_own_way(workspace: Workspace, url: str) -> None:
    """After a warning it still delivers; after a request to refresh no more; link_disabled closes it at once."""
    import websocket

    ways: tuple[tuple[Reason, bool], ...] = (("warning", True), ("refresh_requested", False))
    for reason, is_delivered in ways:
        socket = connect(workspace, url)
        workspace.sockets.disconnect(reason, closes_after_s=30)
        assert json.loads(socket.recv())["reason"] == reason
        workspace.command("operator", "#platform", "/clearml x")
        socket.settimeout(0.2)
        received = []
        with contextlib.suppress(websocket.WebSocketTimeoutException):
            received.append(json.loads(socket.recv())["type"])
        assert received == (["slash_commands"] if is_delivered else [])
        socket.shutdown()
        workspace.wait(lambda: not workspace.connected, 10)
    socket = connect(workspace, url)
    workspace.sockets.disconnect("link_disabled")
    assert json.loads(socket.recv())["reason"] == "link_disabled"
    assert socket.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE
    socket.shutdown()


def test_a_ticket_opens_one_socket(workspace: Workspace, url: str) -> None:
    """A used or invented ticket is refused at the handshake; pings are answered."""
    import websocket

    client = WebClient(token=workspace.app_token, base_url=f"{url}/api/")
    address = client.apps_connections_open(app_token=workspace.app_token)["url"]
    socket = websocket.create_connection(address, timeout=5, suppress_origin=True)
    json.loads(socket.recv())
    socket.ping("are you there")
    opcode, frame = socket.recv_data_frame(control_frame=True)
    assert (opcode, frame.data) == (websocket.ABNF.OPCODE_PONG, b"are you there")
    socket.close()
    for bad in (address, address.replace("ticket=", "ticket=x")):
        with pytest.raises(websocket.WebSocketBadStatusException):
            websocket.create_connection(bad, timeout=5, suppress_origin=True)


@pytest.mark.parametrize("workspace", [ACK_S], indirect=True, ids=["patient"])
def test_events_over_http_are_tried_again_until_the_app_forbids_it(workspace: Workspace) -> None:
    """Four times at most, each told by its headers; X-Slack-No-Retry ends it; a command is not tried again."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    heard: list[tuple[str, str]] = []
    told: dict[str, str] = {}

    async def receive(request: Request) -> Response:
        if b"challenge" in await request.body():
            return Response(await request.body(), media_type="application/json")
        heard.append((request.headers.get("x-slack-retry-num", ""), request.headers.get("x-slack-retry-reason", "")))
        return Response("", status_code=500, headers=told)

    server = LoopbackServer(Starlette(routes=[Route("/slack/events", receive, methods=["POST"])]))
    try:
        workspace.deliver_by_http(f"{server.start()}/slack/events")
        workspace.open_home("operator")
        workspace.wait(lambda: len(heard) == 4, 10)
        assert heard == [("", ""), ("1", "http_error"), ("2", "http_error"), ("3", "http_error")]
        told["X-Slack-No-Retry"] = "1"
        workspace.open_home("operator")
        workspace.wait(lambda: len(heard) == 5, 10)
        workspace.command("operator", "#platform", "/clearml x")
        assert "dispatch_failed" in newest(workspace)
        assert heard[4:] == [("", ""), ("", "")]
    finally:
        server.stop()


@pytest.mark.parametrize("workspace", [ACK_S], indirect=True, ids=["patient"])
def test_http_mode_is_signed_and_verified_by_bolt(workspace: Workspace, url: str) -> None:
    """The challenge, a command and a click arrive over HTTP; Bolt accepts the signature, and only ours."""
    from slack_bolt import BoltRequest
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    heard: list[str] = []
    app = App(
        client=WebClient(token=workspace.bot_token, base_url=f"{url}/api/"),
        signing_secret=workspace.signing_secret,
    )

    @app.command("/clearml")
    def command(ack: Any, command: Any) -> None:
        heard.append(command["text"])
        ack(f"heard {command['text']}")

    async def receive(request: Request) -> Response:
        body = (await request.body()).decode()
        answer = app.dispatch(BoltRequest(body=body, headers={k: [v] for k, v in request.headers.items()}))
        return Response(answer.body, status_code=answer.status, headers={k: v[0] for k, v in answer.headers.items()})

    server = LoopbackServer(Starlette(routes=[Route("/slack/events", receive, methods=["POST"])]))
    address = f"{server.start()}/slack/events"
    try:
        workspace.deliver_by_http(address)
        workspace.command("operator", "#platform", "/clearml over http")
        assert newest(workspace) == "heard over http"
        assert heard == ["over http"]
        from sandbox.slack.http_delivery import HttpDelivery

        workspace.dispatcher.transport = HttpDelivery(address, "another secret")
        workspace.command("operator", "#platform", "/clearml forged")
        assert "dispatch_failed" in newest(workspace)
        assert heard == ["over http"]
    finally:
        server.stop()


def test_an_upload_goes_through_its_three_steps(workspace: Workspace, client: WebClient) -> None:
    """files_upload_v2 of the SDK works; the picture stands in the channel; the URL was good once."""
    client.files_upload_v2(
        channel="C0000001",
        filename="chart.png",
        title="Idle slices",
        content=b"\x89PNG\r\n\x1a\n0",
        alt_txt="a chart",
    )
    assert newest(workspace) == "[file: Idle slices]"
    made = client.files_getUploadURLExternal(filename="x.png", length=3)
    with pytest.raises(SlackApiError) as refused:
        client.files_completeUploadExternal(files=[{"id": made["file_id"]}])
    assert refused.value.response["error"] == "file_not_found"
