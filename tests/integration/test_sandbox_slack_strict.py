"""Each rule of Slack's that a lax stand-in forgets, as a client that breaks it would find out."""

import http.client
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from sandbox.serving import LoopbackServer
from sandbox.slack.app import create_app
from sandbox.slack.delivery import DeliveryError, Dispatcher, Envelope
from sandbox.slack.manifest import parse_manifest
from sandbox.slack.model import JSON, Channel, Group, Person, SandboxError
from sandbox.slack.rate_limits import POST_BURST
from sandbox.slack.workspace import Workspace

TOKEN = "page-token"
MANIFEST = """
display_information: {name: ClearML}
features:
  app_home: {home_tab_enabled: true}
  slash_commands: [{command: /clearml, description: Runs the service}]
oauth_config: {scopes: {bot: [commands, "chat:write", "users:read", "usergroups:read", "channels:read", "im:write"]}}
settings: {socket_mode_enabled: true, interactivity: {is_enabled: true}}
"""
SECTION = {"type": "section", "block_id": "s", "text": {"type": "mrkdwn", "text": "hello"}}
BUTTON = {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}}
CARD: list[JSON] = [SECTION, {"type": "actions", "block_id": "a", "elements": [BUTTON]}]
MODAL: JSON = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": [SECTION]}


class Recorder:
    """A transport that acks at once and keeps what it got."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.answer: JSON = {}

    def send(self, envelope: Envelope) -> Any:
        from concurrent.futures import Future

        self.envelopes.append(envelope)
        future: Future[JSON] = Future()
        future.set_result(self.answer)
        return future

    @property
    def newest(self) -> JSON:
        return self.envelopes[-1].payload


@pytest.fixture
def clock() -> list[float]:
    return [1_764_000_000.0]


@pytest.fixture
def workspace(clock: list[float]) -> Workspace:
    return Workspace(
        manifest=parse_manifest(MANIFEST),
        people=[
            Person(id="U0000001", name="operator", real_name="Operator", email="operator@example.com"),
            Person(id="U0000002", name="approver", real_name="Approver", email="approver@example.com"),
            Person(id="U0000003", name="gone", real_name="Gone", email="gone@example.com", deactivated=True),
        ],
        channels=[
            Channel(id="C0000001", name="platform", members=("operator", "approver")),
            Channel(id="C0000002", name="elsewhere", members=("operator",), with_app=False),
            Channel(id="C0000003", name="old", members=("operator",), archived=True),
            Channel(id="G0000001", name="secret", members=("operator",), private=True, with_app=False),
        ],
        groups=[Group(id="S0000001", handle="approvers", name="A", members=("approver", "gone"))],
        clock=lambda: clock[0],
        dispatcher=Dispatcher(ack_s=0.3),
    )


@pytest.fixture
def app(workspace: Workspace) -> Recorder:
    recorder = Recorder()
    workspace.dispatcher.transport = recorder
    return recorder


@pytest.fixture
def url(workspace: Workspace) -> Iterator[str]:
    server = LoopbackServer(create_app(workspace, token=TOKEN))
    yield server.start()
    server.stop()


@pytest.fixture
def client(workspace: Workspace, url: str) -> WebClient:
    return WebClient(token=workspace.bot_token, base_url=f"{url}/api/", retry_handlers=[])


def refusal(call: Any, **arguments: Any) -> Any:
    """Return the answer with which Slack refuses the call."""
    with pytest.raises(SlackApiError) as refused:
        call(**arguments)
    return refused.value.response


def error(call: Any, **arguments: Any) -> str:
    return str(refusal(call, **arguments)["error"])


def request(
    url: str, method: str, path: str, *, body: str | bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """Send one plain request. Returns the status and the body."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=5)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def post_json(url: str, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    kind = {"Content-Type": "application/json", **headers}
    status, text = request(url, "POST", path, body=json.dumps(body), headers=kind)
    return status, json.loads(text) if text.startswith("{") else text


# -- who calls


def test_tokens(workspace: Workspace, url: str, client: WebClient) -> None:
    """Missing, wrong and misplaced tokens each have their error; a token in a JSON body is not read."""
    assert client.auth_test()["user_id"] == "U0SANDBOXBT"
    assert error(WebClient(token="xoxb-1-2-3", base_url=f"{url}/api/").auth_test) == "invalid_auth"
    assert post_json(url, "/api/auth.test", {})[1]["error"] == "not_authed"
    assert post_json(url, "/api/auth.test", {"token": workspace.bot_token})[1]["error"] == "not_authed"
    form = urllib.parse.urlencode({"token": workspace.bot_token})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert json.loads(request(url, "POST", "/api/auth.test", body=form, headers=headers)[1])["ok"]
    app_client = WebClient(token=workspace.app_token, base_url=f"{url}/api/")
    assert error(app_client.chat_postMessage, channel="C0000001", text="x") == "not_allowed_token_type"
    assert error(client.apps_connections_open, app_token=workspace.bot_token) == "not_allowed_token_type"


def test_scopes(client: WebClient) -> None:
    """A method without its scope says what is needed and what is there."""
    missing = refusal(client.team_info)
    assert (missing["error"], missing["needed"]) == ("missing_scope", "team:read")
    assert "chat:write" in missing["provided"].split(",")
    assert error(client.files_getUploadURLExternal, filename="a", length=1) == "missing_scope"
    assert "email" not in client.users_info(user="U0000001")["user"]["profile"]


def test_what_a_channel_is_depends_on_scope_and_membership(workspace: Workspace, client: WebClient) -> None:
    """Private ones without the app are not there; a member of one still needs its scope; without any, nobody looks."""
    assert client.conversations_info(channel="C0000001")["channel"]["is_member"] is True
    seen = client.conversations_info(channel="C0000002")["channel"]
    assert (seen["is_member"], "num_members" in seen) == (False, False)
    assert client.conversations_info(channel="C0000003")["channel"]["is_archived"] is True
    assert error(client.conversations_info, channel="G0000001") == "channel_not_found"
    assert error(client.conversations_info, channel="C0000009") == "channel_not_found"
    workspace.command("operator", "#secret", "/invite @clearml")
    missing = refusal(client.conversations_info, channel="G0000001")
    assert (missing["error"], missing["needed"]) == ("missing_scope", "groups:read")
    scopes = workspace.state.manifest.scopes - {"channels:read"}
    workspace.state.manifest = replace(workspace.state.manifest, scopes=scopes)
    missing = refusal(client.conversations_info, channel="C0000009")
    assert (missing["error"], missing["needed"]) == (
        "missing_scope",
        "channels:read,groups:read,im:read,mpim:read",
    )


def test_files_are_for_members_also_with_the_scope_for_public_channels(workspace: Workspace, client: WebClient) -> None:
    """chat:write.public lets the app say something in a channel that it is not in, and no more."""
    scopes = workspace.state.manifest.scopes | {"chat:write.public", "files:write"}
    workspace.state.manifest = replace(workspace.state.manifest, scopes=scopes)
    client.chat_postMessage(channel="C0000002", text="hello")
    ticket = client.files_getUploadURLExternal(filename="a.txt", length=1)
    urllib.request.urlopen(ticket["upload_url"], data=b"a")  # noqa: S310 - the sandbox's own
    shared: dict[str, Any] = {"files": [{"id": ticket["file_id"], "title": "a"}], "channel_id": "C0000002"}
    assert error(client.files_completeUploadExternal, **shared) == "not_in_channel"
    workspace.command("operator", "#elsewhere", "/invite @clearml")
    assert client.files_completeUploadExternal(**shared)["ok"]


def test_slacks_own_commands_say_who_is_in_a_channel(workspace: Workspace, client: WebClient) -> None:
    """Members invite, remove and archive; whoever is none, or names nobody, is told so."""
    workspace.command("operator", "#elsewhere", "/invite @clearml")
    ts = client.chat_postMessage(channel="C0000002", text="here")["ts"]
    workspace.command("operator", "#elsewhere", "/remove @clearml")
    assert error(client.chat_postMessage, channel="C0000002", text="gone") == "not_in_channel"
    workspace.command("operator", "#elsewhere", "/remove @clearml")
    workspace.command("operator", "#elsewhere", "/invite @nobody")
    said = workspace.transcript("operator", "#elsewhere")
    assert "@clearml is not in #elsewhere" in said
    assert "@nobody could not be found" in said
    workspace.command("approver", "#elsewhere", "/archive")
    assert "You are not in #elsewhere" in workspace.transcript("approver", "#elsewhere")
    workspace.command("operator", "#elsewhere", "/archive")
    assert error(client.chat_postMessage, channel="C0000002", text="late") == "is_archived"
    assert error(client.chat_update, channel="C0000002", ts=ts, text="late") == "is_inactive"


def test_bodies(workspace: Workspace, url: str) -> None:
    """Broken JSON, other content types, unknown methods; JSON is ignored where Slack takes forms only."""
    bearer = {"Authorization": f"Bearer {workspace.bot_token}"}
    as_json = {**bearer, "Content-Type": "application/json"}
    broken = request(url, "POST", "/api/chat.postMessage", body="{", headers=as_json)[1]
    assert json.loads(broken)["error"] == "invalid_json"
    assert post_json(url, "/api/chat.postMessage", [], **bearer)[1]["error"] == "json_not_object"
    as_text = {**bearer, "Content-Type": "text/plain"}
    assert "invalid_post_type" in request(url, "POST", "/api/chat.postMessage", body="x", headers=as_text)[1]
    assert post_json(url, "/api/chat.shout", {}, **bearer)[1]["error"] == "unknown_method"
    ignored = post_json(url, "/api/users.info", {"user": "U0000001"}, **bearer)[1]
    assert ignored["error"] == "invalid_arguments"
    assert "missing required field: user" in ignored["response_metadata"]["messages"][0]


# -- messages


def test_where_a_message_may_go(client: WebClient, workspace: Workspace) -> None:
    """Not a member, private, archived, by name, unknown, deactivated: each is refused in its own words."""
    assert error(client.chat_postMessage, channel="C0000002", text="x") == "not_in_channel"
    assert error(client.chat_postMessage, channel="G0000001", text="x") == "channel_not_found"
    assert error(client.chat_postMessage, channel="C0000003", text="x") == "is_archived"
    assert error(client.chat_postMessage, channel="#platform", text="x") == "channel_not_found"
    assert error(client.chat_postMessage, channel="U0000003", text="x") == "channel_not_found"
    assert client.chat_postMessage(channel="U0000001", text="hi")["channel"].startswith("D")
    assert workspace.visible("operator", "dm")[-1]["plain"] == "hi"


def test_what_a_message_may_say(client: WebClient) -> None:
    """Nothing, too much, blocks that are none, blocks over their limits."""
    say = client.chat_postMessage
    nothing = {"channel": "C0000001", "text": " "}
    assert error(client.api_call, api_method="chat.postMessage", json=nothing) == "no_text"
    assert error(say, channel="C0000001", text="x" * 40_001) == "msg_too_long"
    assert error(say, channel="C0000001", text="x", blocks="[{") == "invalid_blocks_format"
    assert error(say, channel="C0000001", text="x", blocks={"type": "divider"}) == "invalid_blocks_format"
    wrong = refusal(say, channel="C0000001", text="x", blocks=[SECTION] * 51)
    assert wrong["error"] == "invalid_blocks"
    assert "[ERROR] no more than 50 items allowed [json-pointer:/blocks]" in wrong["response_metadata"]["messages"]
    long = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3000}}] * 5
    assert error(say, channel="C0000001", text="x", blocks=long) == "msg_blocks_too_long"
    assert error(say, channel="C0000001", text="x", thread_ts="1.0") == "thread_not_found"
    assert error(client.chat_postEphemeral, channel="C0000001", user="U0000009", text="x") == "user_not_in_channel"


def test_updates(client: WebClient, workspace: Workspace) -> None:
    """A text without blocks deletes the blocks; only one's own, shared, existing messages can be changed."""
    posted = client.chat_postMessage(channel="C0000001", text="card", blocks=CARD)
    client.chat_update(channel="C0000001", ts=posted["ts"], text="done")
    seen = workspace.visible("operator", "#platform")[-1]
    assert (seen["plain"], seen["buttons"], seen["edited"]) == ("done", [], True)
    update = client.chat_update
    assert error(update, channel="C0000001", ts="1.000000", text="x") == "message_not_found"
    assert error(update, channel="C0000001", ts=posted["ts"], text="x" * 4001) == "msg_too_long"
    said = workspace.say("operator", "#platform", "mine")
    assert error(update, channel="C0000001", ts=said, text="x") == "cant_update_message"
    assert error(client.chat_delete, channel="C0000001", ts=said) == "cant_delete_message"
    hidden = client.chat_postEphemeral(channel="C0000001", user="U0000001", text="psst")
    assert error(update, channel="C0000001", ts=hidden["message_ts"], text="x") == "message_not_found"
    assert [each["plain"] for each in workspace.visible("approver", "#platform")] == ["done", "mine"]
    workspace.reload("operator")
    assert [each["plain"] for each in workspace.visible("operator", "#platform")] == ["done", "mine"]


def test_timestamps_grow_even_if_the_clock_does_not(client: WebClient, clock: list[float]) -> None:
    """ts is unique and monotonic, also when the clock is turned back."""
    first = client.chat_postMessage(channel="C0000001", text="1")["ts"]
    second = client.chat_postMessage(channel="C0000001", text="2")["ts"]
    clock[0] -= 3600
    third = client.chat_postMessage(channel="C0000001", text="3")["ts"]
    assert first < second < third
    assert all(len(ts.split(".")[1]) == 6 for ts in (first, second, third))


def test_posts_are_limited_per_channel(client: WebClient) -> None:
    """After a small burst: one message a second per channel, told by 429 and Retry-After."""
    for _ in range(POST_BURST):
        client.chat_postMessage(channel="C0000001", text="x")
    limited = refusal(client.chat_postMessage, channel="C0000001", text="x")
    assert (limited.status_code, limited["error"]) == (429, "ratelimited")
    assert int(limited.headers["Retry-After"]) >= 1
    assert client.chat_postMessage(channel="U0000001", text="elsewhere")["ok"]


def test_methods_are_limited_by_tier(client: WebClient) -> None:
    """usergroups.users.list is tier 2: the 21st call within a minute is refused."""
    for _ in range(20):
        assert client.usergroups_users_list(usergroup="S0000001")["users"] == ["U0000002"]
    limited = refusal(client.usergroups_users_list, usergroup="S0000001")
    assert limited.status_code == 429
    assert 50 <= int(limited.headers["Retry-After"]) <= 60


@pytest.mark.parametrize(("method", "a_minute"), [("team.info", 50), ("bots.info", 50), ("api.test", 100)])
def test_each_tier_has_its_own_limit(client: WebClient, workspace: Workspace, method: str, a_minute: int) -> None:
    """Tier 3 is 50 a minute, tier 4 is 100, each method for itself, whatever the answer is."""
    for _ in range(a_minute):
        try:
            client.api_call(method)
        except SlackApiError as refused:
            assert refused.response.status_code == 200  # noqa: PT017 - without its scope, and yet a call
    limited = refusal(client.api_call, api_method=method)
    assert (limited.status_code, limited["error"]) == (429, "ratelimited")
    assert 1 <= int(limited.headers["Retry-After"]) <= 60
    assert client.auth_test()["ok"]


# -- interactions


def test_a_trigger_opens_one_modal_within_three_seconds(
    client: WebClient, workspace: Workspace, app: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown, used and old triggers are refused; a refused view does not use the trigger up."""
    workspace.command("operator", "#platform", "/clearml x")
    trigger = app.newest["trigger_id"]
    assert error(client.views_open, trigger_id="1.2.3", view=MODAL) == "invalid_trigger_id"
    too_long = {**MODAL, "title": {"type": "plain_text", "text": "x" * 25}}
    assert error(client.views_open, trigger_id=trigger, view=too_long) == "invalid_arguments"
    assert client.views_open(trigger_id=trigger, view=MODAL)["view"]["root_view_id"]
    assert error(client.views_open, trigger_id=trigger, view=MODAL) == "exchanged_trigger_id"
    workspace.command("operator", "#platform", "/clearml x")
    later = time.monotonic() + 3.1
    monkeypatch.setattr("sandbox.slack.passes.time.monotonic", lambda: later)
    assert error(client.views_open, trigger_id=app.newest["trigger_id"], view=MODAL) == "expired_trigger_id"


def test_a_modal_opened_from_inside_a_modal_is_seen_by_nobody(
    client: WebClient, workspace: Workspace, app: Recorder
) -> None:
    """Slack says ok, and some of its clients show nothing: there a view is pushed or updated. On Home it opens."""
    workspace.command("operator", "#platform", "/clearml x")
    shown = client.views_open(trigger_id=app.newest["trigger_id"], view={**MODAL, "blocks": CARD})["view"]
    workspace.click("operator", "Go")
    other = {**MODAL, "title": {"type": "plain_text", "text": "Other"}}
    lost = client.views_open(trigger_id=app.newest["trigger_id"], view=other)["view"]
    assert (workspace.modal("operator") or {})["title"] == "T"
    assert error(client.views_update, view_id=lost["id"], view=other) == "not_found"
    client.views_update(view_id=shown["id"], view=other)
    assert (workspace.modal("operator") or {})["title"] == "Other"
    workspace.close("operator")
    client.views_publish(user_id="U0000001", view={"type": "home", "blocks": CARD})
    workspace.open_home("operator")
    workspace.click("operator", "Go")
    client.views_open(trigger_id=app.newest["trigger_id"], view=other)
    assert (workspace.modal("operator") or {})["title"] == "Other"


def test_modals_stack_three_high_and_updates_can_conflict(
    client: WebClient, workspace: Workspace, app: Recorder
) -> None:
    """push_limit_reached, hash_conflict, not_found, duplicate_external_id; closing shows what is below."""
    with_button = {**MODAL, "blocks": CARD, "external_id": "once"}
    workspace.command("operator", "#platform", "/clearml x")
    opened = client.views_open(trigger_id=app.newest["trigger_id"], view=with_button)["view"]
    workspace.click("operator", "Go")
    assert error(client.views_push, trigger_id=app.newest["trigger_id"], view=with_button) == "duplicate_external_id"
    plain = {**MODAL, "blocks": CARD}
    for _ in range(2):
        workspace.click("operator", "Go")
        pushed = client.views_push(trigger_id=app.newest["trigger_id"], view=plain)["view"]
    assert pushed["root_view_id"] == opened["id"]
    workspace.click("operator", "Go")
    assert error(client.views_push, trigger_id=app.newest["trigger_id"], view=plain) == "push_limit_reached"
    updated = client.views_update(view_id=opened["id"], hash=opened["hash"], view=plain)["view"]
    assert updated["hash"] != opened["hash"]
    assert error(client.views_update, view_id=opened["id"], hash=opened["hash"], view=plain) == "hash_conflict"
    assert error(client.views_update, view_id="V404", view=plain) == "not_found"
    for _ in range(3):
        workspace.close("operator")
    assert workspace.modal("operator") is None


def test_a_response_url_works_five_times_in_thirty_minutes(
    url: str, workspace: Workspace, app: Recorder, clock: list[float]
) -> None:
    """Ephemeral by default, in_channel on request, replaces its message; the sixth use and old ones fail."""
    workspace.command("operator", "#elsewhere", "/clearml x")
    path = urllib.parse.urlsplit(app.newest["response_url"]).path if app.newest["response_url"] else ""
    assert post_json(url, path, {"text": "to you"}) == (200, "ok")
    assert post_json(url, path, {"text": "to all", "response_type": "in_channel"})[0] == 200
    assert [each["ephemeral"] for each in workspace.visible("operator", "#elsewhere")] == [True, False]
    assert post_json(url, path, {"text": ""})[1]["error"] == "no_text"
    assert post_json(url, path, {"text": "x", "colour": "red"})[1]["error"] == "invalid_payload"
    assert post_json(url, path, {"text": "5"})[0] == 200
    assert post_json(url, path, {"text": "6"}) == (404, {"ok": False, "error": "used_url"})
    workspace.command("operator", "#elsewhere", "/clearml x")
    path = urllib.parse.urlsplit(app.newest["response_url"]).path
    clock[0] += 30 * 60 + 1
    assert post_json(url, path, {"text": "late"})[1]["error"] == "expired_url"


def test_a_response_can_replace_and_delete_its_message(
    url: str, client: WebClient, workspace: Workspace, app: Recorder
) -> None:
    """The only way to change an ephemeral message is the response_url of a click on it."""
    client.chat_postEphemeral(channel="C0000001", user="U0000001", text="x", blocks=CARD)
    workspace.click("operator", "Go")
    assert app.newest["container"]["is_ephemeral"]
    assert "message" not in app.newest
    path = urllib.parse.urlsplit(app.newest["response_url"]).path
    assert post_json(url, path, {"text": "done", "replace_original": True})[0] == 200
    assert workspace.visible("operator", "#platform")[-1]["plain"] == "done"
    assert post_json(url, path, {"delete_original": True})[0] == 200
    assert workspace.visible("operator", "#platform") == []


def test_people_cannot_do_what_they_cannot_see(client: WebClient, workspace: Workspace, app: Recorder) -> None:
    """Others' ephemeral messages, private channels, deactivated accounts, absent buttons, a refused confirm."""
    client.chat_postEphemeral(channel="C0000001", user="U0000001", text="x", blocks=CARD)
    with pytest.raises(SandboxError, match="no button reads 'Go' where approver looks"):
        workspace.click("approver", "Go")
    with pytest.raises(SandboxError, match="approver is not in #secret"):
        workspace.command("approver", "#secret", "/clearml x")
    with pytest.raises(SandboxError, match="cannot sign in"):
        workspace.command("gone", "#platform", "/clearml x")
    texts = {key: {"type": "plain_text", "text": key} for key in ("title", "text", "confirm", "deny")}
    asks = {**BUTTON, "confirm": texts, "text": {"type": "plain_text", "text": "Sure?"}}
    client.chat_postMessage(channel="C0000001", text="x", blocks=[{"type": "actions", "elements": [asks]}])
    before = len(app.envelopes)
    workspace.click("approver", "Sure?", confirm=False)
    assert len(app.envelopes) == before
    workspace.click("approver", "Sure?")
    assert len(app.envelopes) == before + 1


def test_a_click_nobody_answers_is_told_to_the_person(client: WebClient, workspace: Workspace) -> None:
    """Without a connection the person sees it at the message; the next click clears it."""
    client.chat_postMessage(channel="C0000001", text="x", blocks=CARD)
    workspace.click("operator", "Go")
    assert "dispatch_failed" in workspace.visible("operator", "#platform")[-1]["trouble"]
    assert workspace.visible("approver", "#platform")[-1]["trouble"] == ""


def test_an_answer_to_a_submission_that_slack_does_not_know(
    client: WebClient, workspace: Workspace, app: Recorder
) -> None:
    """errors for a block that is no input, an unknown response_action: the person is told of trouble."""
    field = {
        "type": "input",
        "block_id": "f",
        "label": {"type": "plain_text", "text": "Field"},
        "element": {"type": "plain_text_input", "action_id": "t"},
    }
    view = {**MODAL, "submit": {"type": "plain_text", "text": "Save"}, "blocks": [SECTION, field]}
    workspace.command("operator", "#platform", "/clearml x")
    client.views_open(trigger_id=app.newest["trigger_id"], view=view)
    workspace.fill("operator", {"Field": "value"})
    with pytest.raises(SandboxError, match="reads 'Save', not 'Send'"):
        workspace.submit("operator", "Send")
    for answer in ({"response_action": "errors", "errors": {"s": "no"}}, {"response_action": "explode"}):
        app.answer = answer
        workspace.submit("operator")
        assert "trouble connecting" in (workspace.modal("operator") or {})["trouble"]
    app.answer = {"response_action": "clear"}
    workspace.submit("operator", "Save")
    assert workspace.modal("operator") is None


def test_lists_come_in_pages(client: WebClient) -> None:
    """limit and cursor; a made-up cursor and a limit over 1000 are refused."""
    first = client.users_list(limit=2)
    second = client.users_list(limit=1000, cursor=first["response_metadata"]["next_cursor"])
    assert len(first["members"]) == 2
    assert second["response_metadata"]["next_cursor"] == ""
    assert error(client.users_list, limit=1001) == "invalid_limit"
    assert error(client.users_list, cursor="x") == "invalid_cursor"


# -- faults


def test_faults_strike_once_and_are_gone(client: WebClient, workspace: Workspace) -> None:
    """429, 500 and a lost answer on demand; the lost answer's message was posted all the same."""
    workspace.plan_faults(rate_limit=1, retry_after_s=7)
    assert refusal(client.auth_test).headers["Retry-After"] == "7"
    workspace.plan_faults(api_error=1)
    assert refusal(client.auth_test).status_code == 500
    workspace.plan_faults(lost_answer=1)
    assert refusal(client.chat_postMessage, channel="C0000001", text="twice?").status_code == 500
    assert workspace.visible("operator", "#platform")[-1]["plain"] == "twice?"
    assert client.auth_test()["ok"]
    with pytest.raises(SandboxError, match="no such fault"):
        workspace.plan_faults(meteor=1)
    with pytest.raises(DeliveryError):
        workspace.dispatcher.redeliver()


# -- the page's side


def test_only_the_own_page_may_act(url: str, workspace: Workspace) -> None:
    """Other hosts, other origins and calls without the run's token are refused; the page itself is served."""
    status, page = request(url, "GET", "/")
    assert status == 200
    assert TOKEN in page
    assert request(url, "GET", "/", headers={"Host": "evil.example"})[0] == 403
    act = "/sandbox/api/command"
    body = {"person": "operator", "channel": "#platform", "text": "hello"}
    assert post_json(url, act, body)[0] == 403
    assert post_json(url, act, body, **{"X-Sandbox-Token": "wrong"})[0] == 403
    token = {"X-Sandbox-Token": TOKEN}
    assert post_json(url, act, body, Origin="https://evil.example", **token)[0] == 403
    assert request(url, "GET", f"/sandbox/api/snapshot?token={TOKEN}")[0] == 403
    assert post_json(url, act, body, Origin=url, **token)[0] == 200
    assert workspace.visible("operator", "#platform")[-1]["plain"] == "hello"


def test_the_peoples_api_answers_and_refuses_in_words(url: str) -> None:
    """409 with the reason where a person cannot do that, 400 for wrong arguments, never a traceback."""
    token = {"X-Sandbox-Token": TOKEN}
    status, answer = post_json(url, "/sandbox/api/click", {"person": "operator", "text": "Go"}, **token)
    assert (status, answer) == (409, {"error": "no button reads 'Go' where operator looks"})
    assert post_json(url, "/sandbox/api/click", {"who": "operator"}, **token)[0] == 400
    assert post_json(url, "/sandbox/api/fly", {}, **token)[0] == 409
    assert post_json(url, "/sandbox/api/faults", {"rate_limit": -1}, **token)[0] == 409
    assert post_json(url, "/sandbox/actions/none", {}, **token)[0] == 409
    assert request(url, "GET", "/page/..%2fapp.py")[0] == 404


def test_changes_are_waited_for(url: str, workspace: Workspace) -> None:
    """The long poll answers when something changes, and else when its time is over."""
    import threading

    token = {"X-Sandbox-Token": TOKEN}
    since = workspace.state.version
    began = time.monotonic()
    status, text = request(url, "GET", f"/sandbox/api/changes?since={since}&timeout=0.1", headers=token)
    assert (status, json.loads(text)["version"]) == (200, since)
    timer = threading.Timer(0.1, workspace.say, ("operator", "#platform", "news"))
    timer.start()
    _, text = request(url, "GET", f"/sandbox/api/changes?since={since}&timeout=20", headers=token)
    timer.join()
    assert json.loads(text)["version"] > since
    assert time.monotonic() - began < 5
