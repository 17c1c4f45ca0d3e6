"""The page for people who do not use it with eyes and a mouse: axe-core over each of its states, and its keys."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from sandbox.serving import LoopbackServer
from sandbox.slack.app import create_app
from sandbox.slack.manifest import parse_manifest
from sandbox.slack.model import JSON, Channel, Person
from sandbox.slack.posting import content, post
from sandbox.slack.viewing import open_modal, publish_home
from sandbox.slack.workspace import Workspace
from tests.accessibility import problems

pytestmark = pytest.mark.browser
MANIFEST = """
display_information: {name: ClearML}
features:
  app_home: {home_tab_enabled: true}
  slash_commands: [{command: /clearml, description: Runs the service}]
oauth_config: {scopes: {bot: [commands, "chat:write"]}}
settings: {socket_mode_enabled: true, interactivity: {is_enabled: true}}
"""


def plain(words: str) -> JSON:
    return {"type": "plain_text", "text": words}


def mrkdwn(words: str) -> JSON:
    return {"type": "mrkdwn", "text": words}


def task(number: int, status: str) -> JSON:
    return {"type": "task_card", "task_id": str(number), "title": f"Step {number}", "status": status}


OPTIONS = [{"text": plain(word), "value": word} for word in ("one", "two")]
USED: list[JSON] = [
    {"type": "button", "action_id": "approve", "text": plain("Approve"), "style": "primary"},
    {"type": "button", "action_id": "deny", "text": plain("Deny"), "style": "danger"},
    {"type": "static_select", "action_id": "menu", "placeholder": plain("Pick"), "options": OPTIONS},
    {"type": "datepicker", "action_id": "date"},
    {"type": "users_select", "action_id": "person"},
    {"type": "checkboxes", "action_id": "boxes", "options": OPTIONS},
]
SAID: list[JSON] = [
    {"type": "header", "text": plain("A header")},
    {
        "type": "section",
        "text": mrkdwn("*bold* `code` <@U0000002> and <https://x.example|a link> in a text"),
        "accessory": {"type": "overflow", "action_id": "more", "options": OPTIONS},
    },
    {"type": "section", "fields": [mrkdwn("left"), mrkdwn("right")]},
    {"type": "divider"},
    {"type": "context", "elements": [mrkdwn("said aside")]},
    {"type": "actions", "elements": USED},
]
ONLY_IN_MESSAGES: list[JSON] = [
    {"type": "table", "rows": [[{"type": "raw_text", "text": word} for word in ("a", "b")]] * 2},
    {"type": "plan", "title": "Plan", "tasks": [task(1, "complete"), task(2, "error"), task(3, "in_progress")]},
    {"type": "alert", "text": plain("Careful"), "level": "warning"},
]
ASKED: list[JSON] = [
    {"type": "plain_text_input", "multiline": True},
    {"type": "number_input", "is_decimal_allowed": False},
    {"type": "multi_static_select", "options": OPTIONS},
    {"type": "radio_buttons", "options": OPTIONS},
    {"type": "checkboxes", "options": OPTIONS},
    {"type": "conversations_select"},
]
VALUES = {"used": [1, 4], "ready": [3, -2]}


def chart(kind: str) -> JSON:
    points = {
        name: [{"label": f"{at}g", "value": value} for at, value in enumerate(values)]
        for name, values in VALUES.items()
    }
    drawn: JSON = {"type": kind, "segments": points["used"]}
    if kind != "pie":
        series = [{"name": name, "data": data} for name, data in points.items()]
        drawn = {"type": kind, "series": series, "axis_config": {"categories": ["0g", "1g"]}}
    return {"type": "data_visualization", "title": f"A {kind} chart", "chart": drawn}


FORM: JSON = {
    "type": "modal",
    "title": plain("Form"),
    "submit": plain("Send it"),
    "blocks": [
        {
            "type": "input",
            "block_id": element["type"],
            "label": plain(f"Field {number}"),
            "hint": plain("what it is for"),
            "element": {**element, "action_id": "value"},
        }
        for number, element in enumerate(ASKED)
    ],
}


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    made = Workspace(
        manifest=parse_manifest(MANIFEST),
        people=[
            Person(id="U0000001", name="operator", real_name="Operator", email=""),
            Person(id="U0000002", name="approver", real_name="Approver", email=""),
        ],
        channels=[Channel(name="platform"), Channel(name="secret", private=True)],
    )
    channel = next(each for each in made.state.channels.values() if each.name == "platform")
    card = post(made.state, channel, content({"text": "card", "blocks": [*SAID, *ONLY_IN_MESSAGES]}, made.state))
    for kinds in (("bar", "line"), ("area", "pie")):
        post(made.state, channel, content({"text": "charts", "blocks": [chart(kind) for kind in kinds]}, made.state))
    made.say("approver", "#platform", "a reply", thread_ts=card.ts)
    made.upload("operator", "#platform", "tenants.yaml", "\n".join(f"line {number}" for number in range(20)))
    made.command("operator", "#platform", "/unknown")  # answered for this person alone
    publish_home(made.state, {"user_id": "U0000001", "view": {"type": "home", "blocks": SAID}})
    return made


@pytest.fixture(scope="module")
def url(workspace: Workspace) -> Iterator[str]:
    drawer = {
        "audit": lambda: {"note": "The chain holds.", "rows": [{"seq": 1, "action": "job.requested"}]},
        "clock": lambda: {"now": "2026-01-05", "actions": [{"name": "advance", "label": "One hour"}]},
    }
    server = LoopbackServer(create_app(workspace, drawer, {"advance": lambda _data: None}))
    yield server.start()
    server.stop()


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, url: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(color_scheme=request.param, viewport={"width": 1400, "height": 900})
    made = context.new_page()
    made.goto(f"{url}/#/operator/platform")
    expect(made.get_by_text("A header")).to_be_visible()
    yield made
    context.close()


def test_a_channel_a_thread_and_the_hints_are_accessible(page: Page) -> None:
    """Every kind of block, a file, an ephemeral message; the thread beside; the commands that are offered."""
    assert problems(page) == []
    page.get_by_role("button", name="1 reply").click()
    expect(page.get_by_role("complementary", name="Thread").get_by_text("a reply")).to_be_visible()
    assert problems(page) == []
    page.keyboard.press("Escape")
    page.get_by_label("Message #platform").press_sequentially("/cl")
    expect(page.get_by_role("listbox", name="Commands").get_by_role("option")).to_have_count(1)
    assert problems(page) == []


def test_the_inspector_is_accessible(page: Page) -> None:
    """Each of its tabs."""
    page.get_by_role("button", name="Inspect", exact=True).click()
    for tab in page.get_by_role("complementary", name="Inspect").get_by_role("tab").all():
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        assert problems(page) == []


def test_home_and_a_modal_are_accessible(page: Page, workspace: Workspace) -> None:
    """A form as it opens, and with what is wrong at its fields: the first one has the focus and is described."""
    page.get_by_role("button", name="ClearML").click()
    expect(page.get_by_role("tab", name="Home")).to_have_attribute("aria-selected", "true")
    assert problems(page) == []
    trigger = workspace.passes.redeem_trigger(workspace.passes.trigger("U0000001"))
    open_modal(workspace.state, trigger, json.loads(json.dumps(FORM)))
    form = page.get_by_role("dialog", name="Form")
    expect(form.get_by_label("Field 0")).to_be_focused()
    assert problems(page) == []
    form.get_by_role("button", name="Send it").click()
    expect(form.get_by_label("Field 0")).to_have_attribute("aria-invalid", "true")
    expect(form.get_by_label("Field 0")).to_have_accessible_description("Please complete this required field.")
    assert problems(page) == []
    page.keyboard.press("Escape")
    expect(form).to_have_count(0)


def test_keys_lead_through_the_places(page: Page) -> None:
    """Alt and an arrow: the next or the last one, as in Slack; an arrow: between the app's tabs."""
    current = page.locator('.sidebar [aria-current="page"]')
    expect(current).to_have_text("#platform")
    page.keyboard.press("Alt+ArrowDown")
    expect(current).to_have_text("secret")
    expect(page.get_by_role("heading", name="private channel secret")).to_be_visible()
    expect(page.get_by_label("Message #secret")).to_be_focused()
    page.keyboard.press("Alt+ArrowDown")
    expect(page.get_by_role("tab", name="Home")).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="Home").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Messages")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Alt+ArrowDown")
    expect(current).to_have_text("#platform")


def test_a_text_file_shows_its_beginning(page: Page) -> None:
    """Eight lines of it, and the rest behind a button."""
    beginning = page.get_by_label("Beginning of tenants.yaml")
    expect(beginning).to_contain_text("line 7")
    expect(beginning).not_to_contain_text("line 8")
    page.get_by_role("button", name="Show 12 more lines").click()
    expect(beginning).to_contain_text("line 19")
    expect(page.get_by_role("button", name="Show 12 more lines")).to_have_count(0)


def test_charts_are_drawn_to_scale_and_say_their_values(page: Page) -> None:
    """A bar of four is four times as long as one of one, one of less than nothing hangs below zero."""
    figures = page.locator("figure.chart")
    expect(figures).to_have_count(4)
    bars = figures.filter(has_text="A bar chart")
    one, four, three, less = (
        bar.evaluate("node => [node.y.baseVal.value, node.height.baseVal.value]") for bar in bars.locator("rect").all()
    )
    assert [each[1] / one[1] for each in (four, three, less)] == pytest.approx([4, 3, 2])
    assert less[0] == pytest.approx(one[0] + one[1])
    for kind, shapes in (("line", "polyline.line"), ("area", "polygon.area"), ("pie", "path")):
        expect(figures.filter(has_text=f"A {kind} chart").locator(shapes)).to_have_count(2)
    expect(page.get_by_role("img", name="A pie chart: pie chart of 0g, 1g")).to_be_visible()
    bars.get_by_text("Values").click()
    expect(bars.get_by_role("row", name="1g")).to_have_text("1g4-2")
    assert problems(page) == []
    assert "NaN" not in page.content()
