"""The main job as a person does it at the sandbox's page, in a real browser, down to the audit trail.

``make screenshots`` runs this to take the README's pictures.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from sandbox.cast import DEFAULT_CAST
from sandbox.world import World

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]
LONG_MS = 60_000
COMMAND = "/clearml tenant create acme --admin-email ana@acme.example --domain acme.example"

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.cluster,
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not CHROMIUM.exists() and "CI" not in os.environ, reason="no chromium: apt-get install chromium"
    ),
]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    world = World(tmp_path / "world", cast=DEFAULT_CAST, progress=print)
    problems: list[str] = []
    try:
        world.start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
            made = browser.new_page(viewport={"width": 1280, "height": 860})
            made.on("pageerror", lambda problem: problems.append(str(problem)))
            made.goto(world.page_url)
            yield made
            browser.close()
    finally:
        world.stop()
    assert problems == []


def act_as(page: Page, name: str) -> None:
    page.get_by_label("Act as").select_option(label=name)
    expect(page.get_by_label("Message #platform-ops")).to_be_visible()


def take(page: Page, name: str, tmp_path: Path) -> None:
    folder = os.environ.get("CLEARML_CHATOPS_SCREENSHOTS")
    page.screenshot(path=(Path(folder) if folder else tmp_path) / f"{name}.png")


def test_a_tenant_is_asked_for_approved_made_and_accounted_for(page: Page, tmp_path: Path) -> None:
    """Ask, switch person, approve, watch it succeed, see the credentials once, read the audit trail."""
    names = {person.handle: person.name for person in DEFAULT_CAST.people}
    labels = page.get_by_label("Act as").locator("option").all_inner_texts()
    label = {handle: next(one for one in labels if one.startswith(name)) for handle, name in names.items()}

    page.get_by_label("Message #platform-ops").fill(COMMAND)
    page.get_by_label("Message #platform-ops").press("Enter")
    expect(page.get_by_role("button", name="Approve")).to_be_visible(timeout=LONG_MS)
    take(page, "card", tmp_path)

    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("your own request")).to_be_visible(timeout=LONG_MS)

    act_as(page, label["approver-1"])
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Job 1 succeeded")).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_text("1 reply")).to_be_visible(timeout=LONG_MS)
    take(page, "done", tmp_path)

    act_as(page, label["operator"])
    page.get_by_role("button", name="Show credentials").click()
    window = page.get_by_role("dialog", name="Credentials")
    expect(window.get_by_text("Secret key")).to_be_visible(timeout=LONG_MS)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Show credentials")).to_have_count(0, timeout=LONG_MS)

    page.get_by_role("button", name="Inspect", exact=True).click()
    expect(page.get_by_role("cell", name="credentials.revealed")).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_role("cell", name="job.succeeded")).to_be_visible()
    take(page, "audit", tmp_path)
