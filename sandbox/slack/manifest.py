"""The app's manifest (manifest.yml) → what the workspace knows of the installed app."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MAX_COMMANDS = 50
MAX_COMMAND_CHARS = 32
MAX_SHORTCUTS = 10
MAX_SHORTCUT_CHARS = 24


class ManifestError(ValueError):
    """The manifest is one that Slack would refuse; the text names the field."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """One slash command as the manifest declares it."""

    name: str  # with the slash
    description: str
    usage_hint: str = ""
    should_escape: bool = False
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """What the app adds to the menu of a message."""

    name: str
    callback_id: str


@dataclass(frozen=True, kw_only=True)
class AppManifest:
    """What of the manifest decides how Slack treats the app."""

    name: str
    bot_name: str
    scopes: frozenset[str]
    commands: Mapping[str, Command]
    shortcuts: Mapping[str, Shortcut] = field(default_factory=dict)  # on messages, by name
    events: frozenset[str] = frozenset()
    events_url: str = ""
    interactivity: bool = True
    interactivity_url: str = ""
    socket_mode: bool = True
    home_tab: bool = False
    messages_tab: bool = True


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What the operator copies from Slack's pages into the bot's settings. New ones for each workspace."""

    bot_token: str = field(default_factory=lambda: f"xoxb-{_digits(12)}-{_digits(13)}-{secrets.token_hex(12)}")
    app_token: str = field(default_factory=lambda: f"xapp-1-A0SANDBOX01-{_digits(13)}-{secrets.token_hex(32)}")
    signing_secret: str = field(default_factory=lambda: secrets.token_hex(16))


def load_manifest(path: Path) -> AppManifest:
    """Read *path* (YAML or JSON, Slack's manifest v1 or v2). Raises: ManifestError, OSError."""
    return parse_manifest(path.read_text(encoding="utf-8"))


def parse_manifest(text: str) -> AppManifest:
    """Return the manifest in *text*. Raises: ManifestError."""
    try:
        root = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise ManifestError(f"the manifest is not YAML: {problem}") from problem
    if not isinstance(root, dict):
        raise ManifestError("the manifest must be a mapping")
    features, settings = _map(root, "features"), _map(root, "settings")
    bot, home = _map(features, "bot_user"), _map(features, "app_home")
    events, clicks = _map(settings, "event_subscriptions"), _map(settings, "interactivity")
    scopes = _map(_map(root, "oauth_config"), "scopes").get("bot") or []
    name = _map(root, "display_information").get("name")
    if not name:
        raise ManifestError("display_information.name is missing")
    commands = [_command(given) for given in features.get("slash_commands") or []]
    if len(commands) > MAX_COMMANDS:
        raise ManifestError(f"features.slash_commands: more than {MAX_COMMANDS}")
    if commands and "commands" not in scopes:
        raise ManifestError("oauth_config.scopes.bot: slash commands need the scope 'commands'")
    shortcuts = [_shortcut(given) for given in features.get("shortcuts") or []]
    if len(shortcuts) > MAX_SHORTCUTS:
        raise ManifestError(f"features.shortcuts: more than {MAX_SHORTCUTS}")
    if shortcuts and "commands" not in scopes:
        raise ManifestError("oauth_config.scopes.bot: shortcuts need the scope 'commands'")
    return AppManifest(
        name=str(name),
        bot_name=str(bot.get("display_name", name)),
        scopes=frozenset(map(str, scopes)),
        commands={command.name: command for command in commands},
        shortcuts={shortcut.name: shortcut for shortcut in shortcuts if shortcut is not None},
        events=frozenset(map(str, events.get("bot_events") or [])),
        events_url=str(events.get("request_url") or ""),
        interactivity=bool(clicks.get("is_enabled", False)),
        interactivity_url=str(clicks.get("request_url") or ""),
        socket_mode=bool(settings.get("socket_mode_enabled", False)),
        home_tab=bool(home.get("home_tab_enabled", False)),
        messages_tab=bool(home.get("messages_tab_enabled", True)),
    )


def _command(given: Any) -> Command:
    name = str(given.get("command", "")) if isinstance(given, dict) else ""
    if not name.startswith("/") or len(name) < 2 or any(letter.isspace() for letter in name):
        raise ManifestError(f"features.slash_commands: {name!r} must be one word that starts with /")
    if len(name) > MAX_COMMAND_CHARS:
        raise ManifestError(f"features.slash_commands: {name!r} is longer than {MAX_COMMAND_CHARS}")
    if not given.get("description"):
        raise ManifestError(f"features.slash_commands: {name} needs a description")
    return Command(
        name=name,
        description=str(given["description"]),
        usage_hint=str(given.get("usage_hint") or ""),
        should_escape=bool(given.get("should_escape", False)),
        url=str(given.get("url") or ""),
    )


def _shortcut(given: Any) -> Shortcut | None:
    """Return a shortcut on messages; None for a global one, which nobody has here."""
    said = given if isinstance(given, dict) else {}
    name, kind = str(said.get("name") or ""), said.get("type")
    if not name or len(name) > MAX_SHORTCUT_CHARS:
        raise ManifestError(f"features.shortcuts: {name!r} must be a name of at most {MAX_SHORTCUT_CHARS} characters")
    if kind not in {"message", "global"} or not said.get("callback_id") or not said.get("description"):
        raise ManifestError(f"features.shortcuts: {name} needs a type (message, global), callback_id, description")
    return Shortcut(name=name, callback_id=str(said["callback_id"])) if kind == "message" else None


def _map(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key) or {}
    if not isinstance(value, dict):
        raise ManifestError(f"{key} must be a mapping")
    return value


def _digits(count: int) -> str:
    return "".join(secrets.choice("0123456789") for _ in range(count))
