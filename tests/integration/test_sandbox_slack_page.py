"""The page in a real browser: what a person reads, types and clicks there."""

from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from playwright.sync_api import Browser, Page, expect

from sandbox.serving import LoopbackServer
from sandbox.slack.app import create_app
from sandbox.slack.delivery import Envelope
from sandbox.slack.manifest import parse_manifest
from sandbox.slack.model import JSON, Channel, Person
from sandbox.slack.posting import content, post, update
from sandbox.slack.viewing import open_modal
from sandbox.slack.workspace import Workspace

pytestmark = pytest.mark.browser
MANIFEST = """
display_information: {name: ClearML}
features: {slash_commands: [{command: /clearml, description: Runs the service}]}
oauth_config: {scopes: {bot: [commands, "chat:write"]}}
settings: {socket_mode_enabled: true, interactivity: {is_enabled: true}}
"""
SCRIPT = "<img src=x onerror=alert(1)> *bold* `<b>` <https://x.example|a link> <javascript:alert(1)|bad>"


def words(text: str) -> JSON:
    return {"type": "plain_text", "text": text}


def card(text: str) -> list[JSON]:
    ask = {key: words(value) for key, value in (("title", "Sure?"), ("confirm", "Yes"), ("deny", "No"))}
    return [
        {"type": "section", "text": {"type": "mrkdwn", "text": text}},
        {
            "type": "actions",
            "elements": [
                {"type": "button", "action_id": "approve", "style": "primary", "text": words("Approve"),
                 "confirm": {**ask, "text": words("This creates a tenant.")}},
                {"type": "button", "action_id": "deny", "style": "danger", "text": words("Deny")},
            ],
        },
    ]  # fmt: skip


MODAL: JSON = {
    "type": "modal",
    "title": words("Deny job 41"),
    "submit": words("Deny"),
    "blocks": [
        {
            "type": "input",
            "block_id": "reason",
            "label": words("Reason"),
            "element": {"type": "plain_text_input", "action_id": "text", "multiline": True},
        },
        {
            "type": "input",
            "block_id": "kind",
            "label": words("Kind"),
            "element": {
                "type": "radio_buttons",
                "action_id": "kind",
                "options": [{"text": words("Quota"), "value": "q"}, {"text": words("Name"), "value": "n"}],
            },
        },
    ],
}


class App:
    """Acks at once and does what the product would: cards, updates, modals."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.seen: list[JSON] = []

    def send(self, envelope: Envelope) -> "Future[JSON]":
        state, payload = self.workspace.state, envelope.payload
        self.seen.append(payload)
        answer: JSON = {}
        if envelope.kind == "slash_commands":
            channel = state.channels[payload["channel_id"]]
            post(state, channel, content({"text": "card", "blocks": card(payload["text"])}, state))
        elif payload["type"] == "view_submission":
            if payload["view"]["state"]["values"]["reason"]["text"]["value"] == "no":
                answer = {"response_action": "errors", "errors": {"reason": "Say why."}}
        elif payload["actions"][0]["action_id"] == "approve":
            message = state.message(payload["channel"]["id"], payload["message"]["ts"])
            assert message is not None
            update(state, message, content({"text": "*Approved*"}, state))
        else:
            open_modal(state, self.workspace.passes.redeem_trigger(payload["trigger_id"]), MODAL)
        future: Future[JSON] = Future()
        future.set_result(answer)
        return future


@pytest.fixture
def app() -> App:
    workspace = Workspace(
        manifest=parse_manifest(MANIFEST),
        people=[
            Person(name="operator", real_name="Operator", email=""),
            Person(name="approver", real_name="Approver", email=""),
        ],
        channels=[Channel(name="platform")],
    )
    app = App(workspace)
    workspace.dispatcher.transport = app
    return app


@pytest.fixture
def page(browser: Browser, app: App) -> Iterator[Page]:
    drawer = {"audit": lambda: {"note": "The chain holds.", "rows": [{"seq": 1, "action": "job.requested"}]}}
    done: list[JSON] = []
    server = LoopbackServer(create_app(app.workspace, drawer, {"advance": done.append}))
    url = server.start()
    context = browser.new_context()
    made = context.new_page()
    problems: list[str] = []
    made.on("pageerror", lambda problem: problems.append(str(problem)))
    made.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
    made.goto(f"{url}/#/operator/platform")
    yield made
    context.close()
    server.stop()
    assert problems == []


def test_a_command_a_confirmed_click_and_the_update(page: Page, app: App) -> None:
    """Type / → the command is offered; Enter runs it; Approve asks first; the card changes by itself."""
    box = page.get_by_label("Message #platform")
    expect(box).to_be_focused()
    box.press_sequentially("/cl")
    expect(page.get_by_role("listbox", name="Commands").get_by_role("option")).to_have_count(1)
    box.press("Enter")
    box.press_sequentially("tenant create acme")
    box.press("Enter")
    expect(page.get_by_text("tenant create acme")).to_be_visible()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="No", exact=True).click()
    assert [each.get("type", "command") for each in app.seen] == ["command"]
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.locator("strong", has_text="Approved")).to_be_visible()
    expect(page.get_by_text("(edited)")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)


def test_a_modal_keeps_what_was_typed_while_it_shows_errors(page: Page, app: App) -> None:
    """Required fields, the app's own error at its field, Escape; the text survives each redraw."""
    app.workspace.command("operator", "#platform", "/clearml x")
    page.get_by_role("button", name="Deny").click()
    modal = page.get_by_role("dialog", name="Deny job 41")
    expect(modal.get_by_label("Reason")).to_be_focused()
    modal.get_by_label("Reason").fill("no")
    modal.get_by_role("button", name="Deny").click()
    expect(modal.get_by_text("Please complete this required field.")).to_have_count(1)
    expect(modal.get_by_label("Reason")).to_have_value("no")
    modal.get_by_label("Quota").check()
    modal.get_by_role("button", name="Deny").click()
    expect(modal.get_by_text("Say why.")).to_be_visible()
    expect(modal.get_by_label("Quota")).to_be_checked()
    modal.get_by_label("Reason").fill("too large")
    modal.get_by_role("button", name="Deny").click()
    expect(modal).to_have_count(0)
    assert app.seen[-1]["view"]["state"]["values"]["kind"]["kind"]["selected_option"]["value"] == "q"
    page.get_by_role("button", name="Deny").click()
    expect(modal).to_be_visible()
    page.keyboard.press("Escape")
    expect(modal).to_have_count(0)
    assert app.workspace.modal("operator") is None


def test_nothing_that_arrives_is_html(page: Page, app: App) -> None:
    """Markup in messages is shown as text; links go to http, https and mailto only."""
    app.workspace.say("operator", "#platform", SCRIPT)
    expect(page.locator("strong", has_text="bold")).to_be_visible()
    assert page.locator("#messages img").count() == 0
    assert "<img src=x onerror=alert(1)>" not in page.locator("#messages").inner_html()
    expect(page.get_by_role("link", name="a link")).to_have_attribute("rel", "noopener noreferrer")
    assert page.get_by_role("link", name="bad").count() == 0


def test_a_channel_in_a_table_has_its_name(page: Page, app: App) -> None:
    """As in Slack: rich text holds the id, and people read the name."""
    state = app.workspace.state
    channel = state.channel("platform")
    link = {"type": "channel", "channel_id": channel.id}
    cell = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [link]}]}
    rows = [[{"type": "raw_text", "text": "Channel"}], [cell]]
    post(state, channel, content({"text": "t", "blocks": [{"type": "table", "rows": rows}]}, state))
    expect(page.locator("td .mention", has_text="#platform")).to_be_visible()


def test_people_threads_and_ephemeral_messages(page: Page, app: App) -> None:
    """Another person sees other things; a thread opens beside the channel and takes replies."""
    workspace = app.workspace
    ts = workspace.say("approver", "#platform", "parent")
    workspace.say("approver", "#platform", "child", thread_ts=ts)
    workspace.command("operator", "#platform", "/unknown")
    expect(page.get_by_text("Only visible to you")).to_be_visible()
    page.get_by_role("button", name="1 reply").click()
    thread = page.get_by_role("complementary", name="Thread")
    expect(thread.get_by_text("child")).to_be_visible()
    thread.get_by_label("Reply…").fill("answer")
    thread.get_by_label("Reply…").press("Enter")
    expect(thread.get_by_text("answer")).to_be_visible()
    page.get_by_label("Act as").select_option(label="Approver")
    expect(page.get_by_text("Only visible to you")).to_have_count(0)
    expect(page.get_by_role("button", name="2 replies")).to_be_visible()


def test_the_inspector_shows_what_it_is_given_and_breaks_things(page: Page, app: App) -> None:
    """Tabs show the drawer's JSON; a fault's button plans the fault; the theme can be switched."""
    page.get_by_role("button", name="Inspect", exact=True).click()
    expect(page.get_by_role("cell", name="job.requested")).to_be_visible()
    page.get_by_role("tab", name="Clock & faults").click()
    page.get_by_role("button", name="429 on the next 3 calls").click()
    expect(page.get_by_text("To come: rate_limit")).to_be_visible()
    assert app.workspace.faults.planned.rate_limit == 3
    before = page.evaluate("document.documentElement.dataset.theme")
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") != before


def test_a_narrow_screen_scrolls_nowhere_sideways(page: Page, app: App) -> None:
    """At 360 pixels the sidebar is behind a button and nothing is wider than the screen."""
    app.workspace.command("operator", "#platform", f"/clearml {'long' * 60}")
    page.set_viewport_size({"width": 360, "height": 640})
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(page.get_by_role("navigation", name="Channels")).not_to_be_visible()
    page.get_by_role("button", name="Channels").click()
    expect(page.get_by_role("navigation", name="Channels")).to_be_visible()
