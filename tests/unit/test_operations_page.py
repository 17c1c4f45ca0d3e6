"""docs/operations.md, as somebody reads it who was woken up: alerts that can fire, each with what to do."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bot.metrics import Metrics
from commands.measures import MEASURES
from provisioning.clock import SystemClock
from provisioning.evidence.trail import Event
from provisioning.jobs.job import JobState
from provisioning.redact import Redactor
from provisioning.store import Store

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
(RULES,) = [
    rule
    for block in re.findall(r"```yaml\n(groups:.*?)```", PAGE, re.DOTALL)
    for group in yaml.safe_load(block)["groups"]
    for rule in [group["rules"]]
]


def section(title: str) -> str:
    """Return the text under a heading, up to the next of any level."""
    return re.split(r"(?m)^#+ ", PAGE.partition(f"# {title}\n")[2])[0]


def first_cells(text: str) -> list[str]:
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    return [cell for cell in rows[1:] if not cell.startswith("-")]


def test_every_alert_has_its_line_and_every_line_its_alert() -> None:
    """In the same order, so that it is found."""
    assert [rule["alert"] for rule in RULES] == first_cells(section("Alerts"))


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_alerts_ask_for_what_is_measured(rule: dict[str, Any], tmp_path: Path) -> None:
    """A metric that is not there never fires, and nobody sees that it does not; the same of a state's name."""
    store = Store(tmp_path / "chatops.db", clock=SystemClock(), redact=Redactor())
    store.record(Event(action="test.done", actor="U1"))
    metrics = Metrics(SystemClock())
    metrics.watch(store)
    metrics.acks.observe(0.1)
    families = text_string_to_metric_families(metrics.text().decode())
    known = {name for family in families for name in (family.name, *(one.name for one in family.samples))}
    store.close()
    named = set(re.findall(r"\bclearml_chatops_\w+", rule["expr"]))
    assert named - known - {"clearml_chatops_step_duration_seconds_bucket"} == set()
    assert set(re.findall(r'state="(\w+)"', rule["expr"])) <= {state.value for state in JobState if not state.is_final}


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
