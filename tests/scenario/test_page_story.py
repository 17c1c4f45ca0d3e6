"""The main job as a person does it at the sandbox's page, in a real browser, down to the audit trail.

``make screenshots`` runs this to take the README's pictures.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from sandbox.cast import DEFAULT_CAST
from sandbox.world import World
from tests.accessibility import problems
from tests.browser import chromium

LONG_MS = 60_000
COMMAND = "/clearml tenant create acme --admin-email ana@acme.example --domain acme.example"

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.cluster,
    pytest.mark.browser,
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One world for all of the stories, told in their order."""
    world = World(tmp_path_factory.mktemp("page") / "world", cast=DEFAULT_CAST, progress=print)
    problems: list[str] = []
    try:
        world.start()
        with chromium() as browser:
            made = browser.new_page(viewport={"width": 1280, "height": 860})
            made.on("pageerror", lambda problem: problems.append(str(problem)))
            made.goto(world.page_url)
            yield made
    finally:
        world.stop()
    assert problems == []


def act_as(page: Page, handle: str) -> None:
    name = DEFAULT_CAST.find(handle).name
    labels = page.get_by_label("Act as").locator("option").all_inner_texts()
    page.get_by_label("Act as").select_option(label=next(label for label in labels if label.startswith(name)))
    page.locator("#channels").get_by_role("button", name="platform-ops").click()
    expect(page.get_by_label("Message #platform-ops")).to_be_visible()


def say(page: Page, text: str) -> None:
    page.get_by_label("Message #platform-ops").fill(text)
    page.get_by_label("Message #platform-ops").press("Enter")


def take(page: Page, name: str, tmp_path: Path) -> None:
    """Take a picture of what the page shows now, which nobody must be shut out of."""
    assert problems(page) == []
    folder = os.environ.get("CLEARML_CHATOPS_SCREENSHOTS")
    page.screenshot(path=(Path(folder) if folder else tmp_path) / f"{name}.png")


def test_a_tenant_is_asked_for_approved_made_and_accounted_for(page: Page, tmp_path: Path) -> None:
    """Ask, switch person, approve, watch it succeed, see the credentials once, read the audit trail."""
    say(page, COMMAND)
    expect(page.get_by_role("button", name="Approve")).to_be_visible(timeout=LONG_MS)
    take(page, "card", tmp_path)

    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("your own request")).to_be_visible(timeout=LONG_MS)

    act_as(page, "approver-1")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Job 1 succeeded")).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_text("1 reply")).to_be_visible(timeout=LONG_MS)
    take(page, "done", tmp_path)

    act_as(page, "operator")
    page.get_by_role("button", name="Show credentials").click()
    window = page.get_by_role("dialog", name="Credentials")
    expect(window.get_by_text("Secret key")).to_be_visible(timeout=LONG_MS)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Show credentials")).to_have_count(0, timeout=LONG_MS)

    page.get_by_role("button", name="Inspect", exact=True).click()
    expect(page.get_by_role("cell", name="credentials.revealed")).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_role("cell", name="job.succeeded")).to_be_visible()
    take(page, "audit", tmp_path)
    page.get_by_role("button", name="Close inspector").click()


def test_a_request_from_home_is_denied_with_a_reason(page: Page, tmp_path: Path) -> None:
    """New tenant, from the Home tab: a form that asks for a channel. Denied there, everybody reads why."""
    act_as(page, "operator")
    page.locator("#apps").get_by_role("button", name="clearml-chatops").click()
    page.get_by_role("tab", name="Home").click()
    page.get_by_role("button", name="New tenant").click(timeout=LONG_MS)
    form = page.get_by_role("dialog", name="Tenant create")
    form.get_by_label("Channel").select_option(label="#platform-ops")
    form.get_by_label("Name", exact=True).fill("Globex!")
    form.get_by_label("Admin email").fill("bob@globex.example")
    form.get_by_role("button", name="Plan it").click()
    expect(form.get_by_text("as in globex")).to_be_visible(timeout=LONG_MS)
    form.get_by_label("Name", exact=True).fill("globex")
    form.get_by_role("button", name="Plan it").click()
    expect(form).to_have_count(0, timeout=LONG_MS)
    act_as(page, "approver-2")
    expect(page.get_by_text("Create tenant globex").first).to_be_visible(timeout=LONG_MS)
    page.get_by_role("button", name="Deny").click()
    why = page.get_by_role("dialog", name="Deny")
    why.get_by_label("Reason").fill("not this quarter")
    take(page, "deny", tmp_path)
    why.get_by_role("button", name="Deny").click()
    expect(page.get_by_text("not this quarter").first).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_text("was denied").first).to_be_visible(timeout=LONG_MS)


def test_a_digest_comes_with_its_pictures(page: Page, tmp_path: Path) -> None:
    """Scheduled in plain words, run at once: the channel sees figures, a map of the GPUs and the audit's head."""
    act_as(page, "operator")
    say(page, '/clearml digest add morning --at "weekdays 09:00 Europe/Berlin" --include capacity,ports,audit')
    expect(page.get_by_text("Keep digest morning · 0 s").first).to_be_visible(timeout=LONG_MS)
    added = page.locator("#messages .message", has_text="Post digest morning").last
    expect(added.get_by_text("succeeded").first).to_be_visible(timeout=LONG_MS)
    say(page, "/clearml digest run morning")
    digest = page.locator("#messages .message", has_text="audit verify --head").last
    digest.locator(".thread-link").click(timeout=LONG_MS)
    thread = page.get_by_role("complementary", name="Thread")
    picture = thread.locator("img[alt*='GPU']").first
    expect(picture).to_be_visible(timeout=LONG_MS)
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 300
    take(page, "digest", tmp_path)
