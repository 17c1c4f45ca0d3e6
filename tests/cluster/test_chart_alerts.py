"""The chart's alerts and dashboard, by the real helm and the real promtool, held against a real scrape."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.rendered_chart import ROOT, watched
from tests.integration.metrics_samples import SeriesKey, full_scrape, series
from tests.promtool import promtool

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

SCRAPERS_OWN = {"namespace", "job", "instance", "pod"}  # labels that the scrape itself puts on every series
TARGET = 'namespace="ops", job="bot", instance="10.0.0.1:9090"'
MINUTES = 150

# A world in which all is well: series → promtool's notation, a value a minute.
WELL: Mapping[str, str] = {
    'clearml_chatops_ready{check="engine"}': "1",
    'clearml_chatops_ready{check="slack"}': "1",
    "process_start_time_seconds{}": "1000",
    'clearml_chatops_jobs{state="failed"}': "0",
    'clearml_chatops_jobs{state="queued"}': "20",
    'clearml_chatops_step_oldest_seconds{state="running"}': "7200",
    'clearml_chatops_step_oldest_seconds{state="waiting"}': "14400",
    "clearml_chatops_approval_oldest_seconds{}": "28800",
    "clearml_chatops_inbox_oldest_seconds{}": "300",
    'clearml_chatops_ack_seconds_bucket{le="1.0"}': "0+100",
    'clearml_chatops_ack_seconds_bucket{le="2.0"}': "0+100",
    'clearml_chatops_ack_seconds_bucket{le="+Inf"}': "0+100",
    "clearml_chatops_steps_failed_total{}": "0+0.08",  # 4.8 an hour
    'clearml_chatops_step_duration_seconds_bucket{step="agent",le="300.0"}': "0+9",
    'clearml_chatops_step_duration_seconds_bucket{step="agent",le="600.0"}': "0+10",
    'clearml_chatops_step_duration_seconds_bucket{step="agent",le="+Inf"}': "0+10",
    "clearml_chatops_audit_head_seq{}": "5",
    "clearml_chatops_audit_unsigned_age_seconds{}": "3600",
    "clearml_chatops_data_free_bytes{}": "536870912",
    "clearml_chatops_backup_age_seconds{}": "172800",
    'clearml_chatops_measure{measure="ports.room"}': "3",
    'clearml_chatops_measure{measure="ports.free"}': "0",
    'clearml_chatops_runs_out_seconds{measure="ports.free"}': "1209600",
    "clearml_chatops_sample_age_seconds{}": "10800",
}
# Alert → what is otherwise when it fires; each a little beyond the last value at which it does not.
ILL: Mapping[str, Mapping[str, str]] = {
    "ChatopsNotReady": {'clearml_chatops_ready{check="engine"}': "0"},
    "ChatopsSlackDisconnected": {'clearml_chatops_ready{check="slack"}': "0"},
    "ChatopsRestarts": {"process_start_time_seconds{}": f"1000+0x{MINUTES - 8} 1001+1"},
    "ChatopsJobFailed": {'clearml_chatops_jobs{state="failed"}': "1"},
    "ChatopsJobStuck": {'clearml_chatops_step_oldest_seconds{state="running"}': "7201"},
    "ChatopsJobWaits": {'clearml_chatops_step_oldest_seconds{state="waiting"}': "14401"},
    "ChatopsApprovalsWait": {"clearml_chatops_approval_oldest_seconds{}": "28801"},
    "ChatopsQueueStands": {'clearml_chatops_jobs{state="queued"}': "21"},
    "ChatopsInboxStands": {"clearml_chatops_inbox_oldest_seconds{}": "301"},
    "ChatopsAcksSlow": {'clearml_chatops_ack_seconds_bucket{le="1.0"}': "0+98"},
    "ChatopsStepsFail": {"clearml_chatops_steps_failed_total{}": "0+0.1"},
    "ChatopsStepsSlow": {'clearml_chatops_step_duration_seconds_bucket{step="agent",le="300.0"}': "0+8"},
    "ChatopsAuditWentBack": {"clearml_chatops_audit_head_seq{}": f"5+0x{MINUTES - 30} 4"},
    "ChatopsCheckpointsStand": {"clearml_chatops_audit_unsigned_age_seconds{}": "3601"},
    "ChatopsVolumeFills": {"clearml_chatops_data_free_bytes{}": "536870911"},
    "ChatopsBackupOld": {"clearml_chatops_backup_age_seconds{}": "172801"},
    "ChatopsPortsLow": {'clearml_chatops_measure{measure="ports.room"}': "2"},
    "ChatopsRunsOut": {'clearml_chatops_runs_out_seconds{measure="ports.free"}': "1209599"},
    "ChatopsSamplesStale": {"clearml_chatops_sample_age_seconds{}": "10801"},
}
# Beside what a `for` waits out: so long after it all is as bad, but not yet for long enough.
BRIEF_MINUTES = 4


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    """The rules as the chart renders them."""
    (group,) = watched("PrometheusRule")["spec"]["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


@pytest.fixture(scope="module")
def panels() -> list[dict[str, Any]]:
    """The dashboard's panels that show something."""
    (text,) = watched("ConfigMap")["data"].values()
    return [panel for panel in json.loads(text)["panels"] if panel["type"] != "row"]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Mapping[SeriesKey, float]:
    return series(full_scrape(tmp_path_factory.mktemp("scrape")))


def firing(folder: Path, rules: list[dict[str, Any]], world: Mapping[str, str], names: set[str]) -> str:
    """Let promtool play *world* and return what it says where others than *names* fire at its end; else nothing."""
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    played = [
        {"series": name.replace("{", f"{{{TARGET}, ").replace(", }", "}"), "values": _for_a_day(values)}
        for name, values in world.items()
    ]
    expected = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(names)]
    asked = {
        "expr": 'max by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": f"{MINUTES}m",
        "exp_samples": expected,
    }
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": played, "promql_expr_test": [asked]}],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(test))
    done = promtool("test", "rules", str(folder / "test.yaml"))
    return "" if done.returncode == 0 else done.stdout.decode() + done.stderr.decode()


def _for_a_day(values: str) -> str:
    *before, last = values.split()
    grows = last if "+" in last else f"{last}+0"
    return " ".join([*before, f"{grows}x{MINUTES}"])


def test_promtool_takes_the_rules(rules: list[dict[str, Any]], tmp_path: Path) -> None:
    """Syntax, durations, annotations' templates and names twice."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    done = promtool("check", "rules", str(tmp_path / "rules.yaml"))
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout.decode()


def test_nothing_fires_where_all_is_well(rules: list[dict[str, Any]], tmp_path: Path) -> None:
    """Each value stands at the last one that is still well."""
    assert firing(tmp_path, rules, WELL, set()) == ""


@pytest.mark.parametrize("name", ILL)
def test_each_fires_alone_where_it_should(name: str, rules: list[dict[str, Any]], tmp_path: Path) -> None:
    """A little beyond its limit, and no other with it."""
    assert firing(tmp_path, rules, {**WELL, **ILL[name]}, {name}) == ""


def test_no_scrape_is_an_alert_of_its_own(rules: list[dict[str, Any]], tmp_path: Path) -> None:
    """Another bot's metrics in the same Prometheus are not this one's."""
    assert firing(tmp_path, rules, {}, {"ChatopsNotScraped"}) == ""
    other = {'clearml_chatops_jobs{state="failed"}': "1"}
    for rule in (elsewhere := json.loads(json.dumps(rules))):
        rule["expr"] = rule["expr"].replace('namespace="ops"', 'namespace="elsewhere"')
    assert firing(tmp_path, elsewhere, other, {"ChatopsNotScraped"}) == ""


def test_every_alert_is_played(rules: list[dict[str, Any]]) -> None:
    """An alert without a case here may never fire."""
    assert {rule["alert"] for rule in rules} == {*ILL, "ChatopsNotScraped"}


def test_what_is_brief_is_waited_out(rules: list[dict[str, Any]], tmp_path: Path) -> None:
    """A restart, and what mends itself within minutes, wakes nobody."""
    brief = {"clearml_chatops_inbox_oldest_seconds{}", 'clearml_chatops_ready{check="engine"}'}
    world = {
        name: f"{values}+0x{MINUTES - BRIEF_MINUTES} {'0' if 'ready' in name else '9000'}" if name in brief else values
        for name, values in WELL.items()
    }
    assert firing(tmp_path, rules, world, set()) == ""


def test_a_restart_with_another_address_hides_no_rollback(rules: list[dict[str, Any]], tmp_path: Path) -> None:
    """A restore goes with a new pod, whose series has another instance."""
    world = {name: values for name, values in WELL.items() if "audit_head_seq" not in name}
    world['clearml_chatops_audit_head_seq{pod="before"}'] = f"5+0x{MINUTES - 30} stale"
    world['clearml_chatops_audit_head_seq{pod="after"}'] = f"_x{MINUTES - 29} 4"
    assert firing(tmp_path, rules, world, {"ChatopsAuditWentBack"}) == ""


def test_annotations_name_runbooks_that_are_there(rules: list[dict[str, Any]]) -> None:
    """By the anchor that the page's heading gets."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    anchors = {title.lower().replace(" ", "-") for title in re.findall(r"(?m)^#+ (.*)$", page)}
    for rule in rules:
        base, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert base == "docs/operations.md"
        assert anchor in anchors
        assert rule["annotations"]["summary"]
    given = watched("PrometheusRule", prometheusRule={"runbookBaseUrl": "https://docs.example.com/ops"})
    urls = {rule["annotations"]["runbook_url"] for rule in given["spec"]["groups"][0]["rules"]}
    assert "https://docs.example.com/ops#chatopsjobfailed" in urls


def test_values_change_threshold_time_severity_and_selector(rules: list[dict[str, Any]]) -> None:
    """Of one alert, and nothing of the others; one is left out, by `enabled` or by null."""
    mine = {
        "ChatopsAcksSlow": {"threshold": 0.5, "for": "1m", "severity": "page"},
        "ChatopsVolumeFills": {"threshold": 10737418240},
        "ChatopsBackupOld": {"enabled": False},
        "ChatopsRunsOut": None,
    }
    given = watched("PrometheusRule", prometheusRule={"alerts": mine, "selector": 'cluster="eu", job="chatops"'})
    changed = {rule["alert"]: rule for rule in given["spec"]["groups"][0]["rules"]}
    assert changed["ChatopsAcksSlow"]["expr"].endswith("> 0.5")
    assert (changed["ChatopsAcksSlow"]["for"], changed["ChatopsAcksSlow"]["labels"]) == ("1m", {"severity": "page"})
    assert changed["ChatopsVolumeFills"]["expr"].endswith("< 10737418240")
    assert {rule["alert"] for rule in rules} - changed.keys() == {"ChatopsBackupOld", "ChatopsRunsOut"}
    assert all('{cluster="eu", job="chatops"' in rule["expr"] for rule in changed.values())
    assert not [rule for rule in changed.values() if 'namespace="' in rule["expr"]]


def selectors(expression: str) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Yield each metric's name with its matchers: label, sign, value."""
    for name, inside in re.findall(r"\b([a-z]\w*(?:_\w+)+|ALERTS)\{([^}]*)\}", expression):
        yield name, re.findall(r'(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"', inside)


def missing_of(expression: str, scraped: Mapping[SeriesKey, float]) -> list[str]:
    """Return the selectors of *expression* that find nothing in the scrape, and labels that no series of it has."""
    found, labels = [], set(SCRAPERS_OWN)
    for name, matchers in selectors(expression):
        known = [dict(pairs) for one, pairs in scraped if one == name]
        labels |= {label for one in known for label in one}
        own = [matcher for matcher in matchers if matcher[0] not in SCRAPERS_OWN]
        fit = [one for one in known if all(_fits(one, *matcher) for matcher in own)]
        ways = [(label, way) for label, sign, value in own if sign == "=~" for way in value.split("|")]
        idle = [way for label, way in ways if not any(_fits(one, label, "=~", way) for one in fit)]
        if name != "ALERTS" and (idle or not fit):
            found.append(f"{name} {own}")
    grouped = {label.strip() for inside in re.findall(r"by \(([^)]*)\)", expression) for label in inside.split(",")}
    return found + sorted(grouped - labels)


def _fits(labels: Mapping[str, str], label: str, sign: str, value: str) -> bool:
    if label not in labels:
        return False
    equal = bool(re.fullmatch(value, labels[label])) if "~" in sign else labels[label] == value
    return equal != sign.startswith("!")


def test_alerts_ask_for_what_is_measured(rules: list[dict[str, Any]], scraped: Mapping[SeriesKey, float]) -> None:
    """What is not there never fires, and nobody sees that it does not: metrics, labels, their values."""
    for rule in rules:
        assert list(selectors(rule["expr"])), rule
        assert missing_of(rule["expr"], scraped) == [], rule["alert"]
    assert missing_of('clearml_chatops_jobs{state="lost"}', scraped)
    assert missing_of('clearml_chatops_jobs{state=~"queued|lost"}', scraped)
    assert missing_of("sum by (tenant) (clearml_chatops_jobs{})", scraped) == ["tenant"]


def test_panels_show_what_is_measured(
    panels: list[dict[str, Any]], scraped: Mapping[SeriesKey, float], tmp_path: Path
) -> None:
    """Every expression parses and finds something; legends name labels that are there."""
    text = next(iter(watched("ConfigMap")["data"].values()))
    expressions = re.findall(r'"expr": ("(?:[^"\\]|\\.)*")', text)
    recorded = []
    for number, quoted in enumerate(expressions):
        expression = (
            json.loads(quoted).replace("$__rate_interval", "5m").replace("$namespace", "ops").replace("$job", "bot")
        )
        assert "$" not in expression
        assert missing_of(expression, scraped) == [], expression
        recorded.append({"record": f"panel:{number}", "expr": expression})
    assert len(recorded) >= len(panels) > 10
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": recorded}]}))
    done = promtool("check", "rules", str(tmp_path / "panels.yaml"))
    assert done.returncode == 0, done.stderr
    for panel in panels:
        for target in panel["targets"]:
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert any(
                    label in dict(labels)
                    for name, _ in selectors(target["expr"])
                    for known, labels in scraped
                    if known == name
                )


def test_panels_stand_beside_each_other(panels: list[dict[str, Any]]) -> None:
    """None covers another, none is called as another, and each has its own id."""
    cells = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    for key in ("id", "title"):
        assert len({panel[key] for panel in panels}) == len(panels)


def test_every_metric_is_alerted_on_or_shown(
    rules: list[dict[str, Any]], panels: list[dict[str, Any]], scraped: Mapping[SeriesKey, float]
) -> None:
    """What nobody looks at need not be measured."""
    asked = {name for rule in rules for name, _ in selectors(rule["expr"])}
    asked |= {name for panel in panels for target in panel["targets"] for name, _ in selectors(target["expr"])}
    parts = re.compile(r"_(bucket|count|sum|created|total)$")
    exported = {parts.sub("", name) for name, _ in scraped if name.startswith("clearml_chatops_")}
    assert exported - {parts.sub("", name) for name in asked} == set()
