"""manifest.yml: what Slack takes, and exactly what the code uses."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from bot.slack import shortcuts
from commands.catalog import CATALOG, COMMAND
from sandbox.slack.methods import METHODS

ROOT = Path(__file__).parents[2]
MANIFEST: dict[str, Any] = yaml.safe_load((ROOT / "manifest.yml").read_text())
SCHEMA = json.loads((ROOT / "tests/data/slack-manifest.schema.2.0.0.json").read_text())


def problems(manifest: dict[str, Any]) -> list[str]:
    validator = jsonschema.Draft7Validator(SCHEMA)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(manifest)]


def test_the_manifest_holds_slacks_own_schema() -> None:
    """It validates against the schema that Slack publishes; a copy that breaks it does not."""
    assert problems(MANIFEST) == []
    assert problems(MANIFEST | {"nonsense": 1}) != []


def test_the_schema_is_kept_with_its_license() -> None:
    """The copy names where it comes from, and carries its notice."""
    notice = (ROOT / "tests/data/slack-manifest.schema.LICENSE.txt").read_text()
    assert "github.com/slackapi/manifest-schema" in notice
    assert "MIT License" in notice


def test_the_scopes_are_those_that_the_code_uses() -> None:
    """Every Web API method that bot/ calls has its scope, and no scope is there for nothing."""
    sources = "\n".join(path.read_text() for path in (ROOT / "bot").rglob("*.py"))
    called = {name.replace("_", ".") for name in re.findall(r"client(?:\(\w+\))?\.([a-z]+(?:_[a-zA-Z]+)+)\(", sources)}
    if "client.files_upload_v2(" in sources:  # the SDK's own way over two methods
        called |= {"files.getUploadURLExternal", "files.completeUploadExternal"}
    methods = {name for name in METHODS if name in called}
    assert {"chat.postMessage", "chat.update", "views.open", "users.info", "usergroups.users.list"} <= methods
    used = {scope for name in methods if (scope := METHODS[name].scope)}
    if "conversations.info" in methods:  # its scope goes by the kind of channel; a digest goes to these two
        used |= {"channels:read", "groups:read"}
    assert set(MANIFEST["oauth_config"]["scopes"]["bot"]) == used | {"commands"}


def test_the_shortcuts_are_those_that_the_code_knows() -> None:
    """On messages, each answered."""
    declared = {(one["type"], one["callback_id"]) for one in MANIFEST["features"]["shortcuts"]}
    assert declared == {("message", shortcuts.APPLY)}


def test_the_slash_command_is_the_one_that_is_parsed() -> None:
    """One command, with names sent as ids, whose hint names real commands."""
    (command,) = MANIFEST["features"]["slash_commands"]
    assert command["command"] == COMMAND
    assert command["should_escape"] is True
    said = [part.strip() for part in command["usage_hint"].split("|")]
    assert all(any(part.startswith(name) for name in (*CATALOG, "help")) for part in said)


def test_what_is_listened_to_is_switched_on() -> None:
    """Buttons, modals, the Home tab and Socket Mode."""
    settings = MANIFEST["settings"]
    assert settings["interactivity"]["is_enabled"] is True
    assert settings["socket_mode_enabled"] is True
    assert settings["event_subscriptions"]["bot_events"] == [
        "app_home_opened",
        "subteam_members_changed",
        "subteam_updated",
        "user_change",
    ]
    assert MANIFEST["features"]["app_home"]["home_tab_enabled"] is True
