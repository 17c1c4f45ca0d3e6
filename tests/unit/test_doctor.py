"""The doctor: looks at the same time, each with a limit, none hides another, no text that is foreign."""

import json
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
import yaml
from slack_sdk.errors import SlackApiError
from typer.testing import CliRunner

from bot.cli import app
from bot.doctor import SCOPES, _app_token, _helm, _spec, known_to_slack
from bot.settings import Settings
from provisioning.checks import cluster as cluster_checks
from provisioning.checks import own_state
from provisioning.checks.clocks import skew
from provisioning.checks.findings import Finding, Level, Look, examine, fail, ok, report, warn
from provisioning.clients.cluster_review import Right
from provisioning.errors import PermanentError
from provisioning.reports import Lines
from tests.unit.platform_samples import SPEC

MANIFEST = Path(__file__).parents[2] / "manifest.yml"
NOW = datetime(2026, 11, 25, 18, tzinfo=UTC)


def _raise(error: Exception) -> list[Finding]:
    raise error


def _hang() -> list[Finding]:
    time.sleep(1.5)
    return [ok("hangs", "late")]


def test_looks_are_taken_at_the_same_time_and_told_in_their_order() -> None:
    def slow(what: str) -> list[Finding]:
        time.sleep(0.2)
        return [ok(what, "fine")]

    began = time.monotonic()
    found = examine([Look(what=name, run=lambda name=name: slow(name)) for name in "abcdef"])  # type: ignore[misc]  # the default binds
    assert time.monotonic() - began < 1.0
    assert [one.what for one in found] == list("abcdef")


def test_one_that_fails_hangs_or_breaks_hides_no_other() -> None:
    """What a foreign error says is not shown: it may hold what nobody should read."""
    found = examine(
        [
            Look(what="hangs", run=_hang),
            Look(what="refused", run=lambda: _raise(PermanentError("it says no", next_action="ask"))),
            Look(what="breaks", run=lambda: _raise(ValueError("secret-token"))),
            Look(what="fine", run=lambda: [ok("fine", "yes")]),
        ],
        limit_s=0.3,
    )
    assert [(one.what, one.level) for one in found] == [
        ("hangs", Level.FAIL),
        ("refused", Level.FAIL),
        ("breaks", Level.FAIL),
        ("fine", Level.OK),
    ]
    assert "within" in found[0].detail
    assert found[1].next_action == "ask"
    assert "secret-token" not in str(found)


def test_the_report_says_what_to_do_with_failures_first() -> None:
    made = report([ok("a", "1"), warn("b", "2", "mend b"), fail("c", "3", "mend c"), fail("d", "3", "mend c")])
    assert made.summary == "1 ok, 1 to know of, 2 failed"
    told = [(part.title, part.lines) for part in made.parts if isinstance(part, Lines)]
    assert told == [("Failed", ("c, d: 3. Next: mend c",)), ("To know of", ("b: 2. Next: mend b",))]
    assert [part.title for part in made.parts] == ["Failed", "To know of", "Checks"]
    assert isinstance(made.data, dict)
    assert made.data["ok"] is False


@pytest.mark.parametrize(
    ("apart_s", "level"), [(0, Level.OK), (9, Level.OK), (11, Level.WARN), (-11, Level.WARN), (300, Level.FAIL)]
)
def test_clocks_are_compared_both_ways(apart_s: int, level: Level) -> None:
    assert skew("clock", NOW + timedelta(seconds=apart_s), NOW).level is level
    assert skew("clock", None, NOW).level is Level.WARN


def test_a_damaged_store_is_seen(tmp_path: Path) -> None:
    database = tmp_path / "chatops.db"
    assert own_state.store(database).level is Level.OK
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE jobs (body TEXT)")
    connection.executemany("INSERT INTO jobs VALUES (?)", [("x" * 500,) for _ in range(200)])
    connection.commit()
    connection.close()
    assert own_state.store(database).level is Level.OK
    content = bytearray(database.read_bytes())
    content[8192:16384] = b"\x55" * 8192
    database.write_bytes(content)
    found = own_state.store(database)
    assert found.level is Level.FAIL
    assert "restore the newest backup" in found.next_action


def test_names_that_do_not_resolve_are_told() -> None:
    assert own_state.dns("the API", "https://127.0.0.1:8008")[0].level is Level.OK
    (found,) = own_state.dns("the API", "https://api.sandbox.invalid")
    assert (found.level, found.what) == (Level.WARN, "DNS of the API")


def test_the_scopes_are_those_of_the_manifest() -> None:
    manifest = yaml.safe_load(MANIFEST.read_text())
    assert set(SCOPES) == set(manifest["oauth_config"]["scopes"]["bot"])


class Review:
    """A cluster that grants some rights."""

    def __init__(self, *granted: str) -> None:
        self.granted = granted

    def may(self, right: Right) -> bool:
        return str(right) in self.granted


@pytest.mark.parametrize(
    ("granted", "level", "action"), [(("* *",), Level.OK, ""), ((), Level.WARN, "rbac.platform")], ids=["all", "none"]
)
def test_who_is_to_install_the_platform_needs_every_right(granted: tuple[str, ...], level: Level, action: str) -> None:
    found = cluster_checks._platform(cast("Any", Review(*granted)))
    assert found.level is level
    assert action in found.next_action


@pytest.mark.parametrize(
    ("token", "error", "level", "said"),
    [
        ("xapp-1-A", None, Level.OK, "it opens connections"),
        ("xapp-1-A", "ratelimited", Level.OK, "asked too often"),
        ("xapp-1-A", "invalid_auth", Level.FAIL, "Slack says invalid_auth"),
        ("xapp-1-A", "missing_scope", Level.FAIL, "Slack says missing_scope"),
        ("xoxb-1-A", None, Level.FAIL, "is none"),
    ],
)
def test_the_app_token_is_tried(token: str, error: str | None, level: Level, said: str) -> None:
    """Without it Socket Mode never connects, and the token is in no finding."""
    client = MagicMock()
    if error is not None:
        client.apps_connections_open.side_effect = SlackApiError("no", {"ok": False, "error": error})  # type: ignore[no-untyped-call]
    found = _app_token(token, client)
    assert found.level is level
    assert said in found.detail
    assert (found.next_action != "") is (level is Level.FAIL)
    assert token not in str(found)


def test_the_exit_code_and_json_say_whether_something_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """For machines: 0 also where there is something to know of."""
    monkeypatch.setattr("bot.cli_settings.read_settings", lambda: None)
    for found, code in ((warn("a", "2", "mend a"), 0), (fail("a", "3", "mend a"), 1)):
        monkeypatch.setattr("bot.doctor.looks", lambda _settings, found=found: [Look(what="a", run=lambda: [found])])
        plain = CliRunner().invoke(app, ["doctor"])
        assert plain.exit_code == code, plain.output
        assert "mend a" in plain.output
        told = CliRunner().invoke(app, ["doctor", "--json"])
        assert told.exit_code == code
        assert json.loads(told.stdout)["findings"][0]["level"] == found.level.value


@pytest.mark.parametrize(("version", "level"), [("v3.16.1", Level.FAIL), ("v3.17.3", Level.OK), ("v4.3.1", Level.OK)])
@pytest.mark.parametrize("pinned", [True, False])
def test_a_helm_that_is_too_old_for_pinned_charts_is_said_before_anything_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, level: Level, pinned: bool
) -> None:
    """Whose chart it is, and both ways out. Where nothing is pinned, 3.14 is new enough."""
    binary = tmp_path / "helm"
    binary.write_text(f"#!/bin/sh\necho {version}\n")
    binary.chmod(0o755)
    digest = f", digest: 'sha256:{'a' * 64}'" if pinned else ""
    spec = tmp_path / "platform.yaml"
    spec.write_text(SPEC.replace("version: 17.8.3}", f"version: 17.8.3{digest}}}"))
    for name, value in {
        "CLEARML__API_URL": "https://api.example.com",
        "CLEARML__WEB_URL": "https://app.example.com",
        "CLEARML__FILES_URL": "https://files.example.com",
        "CLEARML__ACCESS_KEY": "KEY",
        "CLEARML__SECRET_KEY": "s3cret-of-the-bot",
        "AGENT__CHART__REFERENCE": "/charts/agent",
        "DATA_DIR": str(tmp_path / "data"),
        "REDIS__PASSWORD": "s3cret-of-redis",
        "TOOLS__HELM": str(binary),
        "PLATFORM__FILE": str(spec),
    }.items():
        monkeypatch.setenv(f"CLEARML_CHATOPS_{name}", value)
    settings = Settings()
    found = _helm(settings)
    assert found.level is (level if pinned else Level.OK), found
    if found.level is Level.FAIL:
        assert f"{binary} is helm 3.16, and charts are pulled by their digest from 3.17 on" in found.detail
        assert "the chart of redis" in found.detail
        assert "TOOLS__HELM" in found.next_action
    assert "redis" in _spec(settings).detail


@pytest.mark.parametrize(
    ("roles", "level", "said"),
    [
        ({"admin": {"U1"}, "operator": {"S1", "os:root"}}, Level.OK, "ids that Slack knows: 2"),
        ({"admin": {"U0ADMIN"}}, Level.FAIL, "Slack knows no user U0ADMIN, which should be admin"),
        ({"operator": {"S0PLATFORM"}}, Level.FAIL, "Slack knows no user group S0PLATFORM, which should be operator"),
        ({"viewer": {f"U{number:03}" for number in range(30)}}, Level.OK, "and 10 more that were not asked for"),
    ],
)
def test_roles_of_nobody_are_found(roles: dict[str, set[str]], level: Level, said: str) -> None:
    """An id that is mistyped, or copied from an example, gives its role to nobody."""
    client = MagicMock()

    def unknown(code: str) -> SlackApiError:
        return SlackApiError("no", {"error": code})  # type: ignore[no-untyped-call]

    client.users_info.side_effect = lambda user: _raise(unknown("user_not_found")) if user == "U0ADMIN" else {}
    client.usergroups_users_list.side_effect = lambda usergroup: (
        _raise(unknown("no_such_subteam")) if usergroup == "S0PLATFORM" else {}
    )
    (found,) = known_to_slack(client, {role: frozenset(ids) for role, ids in roles.items()})
    assert found.level is level
    assert said in found.detail
