"""docs/operations.md, as somebody reads it who was woken up: alerts that can fire, each with what to do."""

import re
from pathlib import Path

import yaml

from commands.measures import MEASURES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
CHART = ROOT / "deploy" / "clearml-chatops"
ALERTS = [rule["alert"] for rule in yaml.safe_load((CHART / "alerts.yaml").read_text(encoding="utf-8"))]


def section(title: str) -> str:
    """Return the text under a heading, up to the next of any level."""
    return re.split(r"(?m)^#+ ", PAGE.partition(f"# {title}\n")[2])[0]


def first_cells(text: str) -> list[str]:
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    return [cell for cell in rows[1:] if not cell.startswith("-")]


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    """In the order of the chart's values, so that it is found; each says where to look and what to do."""
    runbooks = re.findall(r"(?m)^### (Chatops\w+)$", PAGE)
    assert runbooks == ALERTS
    assert list(yaml.safe_load((CHART / "values.yaml").read_text())["metrics"]["prometheusRule"]["alerts"]) == ALERTS
    for name in runbooks:
        assert re.search(r"\*(Do|Do:|Look|Look:|Look at)\*", section(name)), name
        assert "*Do" in section(name), name


def test_the_page_names_no_alert_that_is_not_there() -> None:
    """Also in its prose."""
    assert set(re.findall(r"\bChatops[A-Z]\w+", PAGE)) == set(ALERTS)


def test_every_measure_says_what_to_do_beyond_its_limit() -> None:
    """Whoever is told by a digest's alert looks here."""
    told = [
        name.strip("`, ") for cell in first_cells(section("What a digest's alert means")) for name in cell.split(",")
    ]
    assert told == list(MEASURES)


def test_the_contents_name_every_section_in_its_order() -> None:
    """A section that is not listed is not found at night."""
    listed = re.findall(r"(?m)^- \[(.*)\]\(#(.*)\)$", PAGE)
    headings = re.findall(r"(?m)^## (.*)$", PAGE)
    assert [title for title, _ in listed] == headings
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in headings}
    assert {anchor for _, anchor in listed} == anchors
