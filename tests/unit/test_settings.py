"""Settings: from the environment and a file, strict, and secrets never shown."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from bot.settings import Settings, mistakes_in, unknown_names
from provisioning.errors import PermanentError

NEEDED = {
    "CLEARML__API_URL": "https://api.example.com",
    "CLEARML__WEB_URL": "https://app.example.com",
    "CLEARML__FILES_URL": "https://files.example.com",
    "CLEARML__ACCESS_KEY": "an-access-key",
    "CLEARML__SECRET_KEY": "the-secret-of-clearml",
    "AGENT__CHART__REFERENCE": "oci://charts.example.com/agent",
    "AGENT__CHART__VERSION": "1.2.3",
    "REDIS__PASSWORD": "the-password-of-redis",
}
SOCKET = {"SLACK__BOT_TOKEN": "xoxb-1-token-of-bot", "SLACK__APP_TOKEN": "xapp-1-token-of-app"}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CLEARML_CHATOPS_"):
            monkeypatch.delenv(name)


def put(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"CLEARML_CHATOPS_{name}", value)


def test_the_environment_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested fields by __, structured ones as JSON."""
    put(monkeypatch, NEEDED | SOCKET | {"ROLES": json.dumps({"admin": ["U1", "S2"]}), "PORTS__FIRST": "31000"})
    settings = Settings()
    assert settings.slack is not None
    assert settings.slack.bot_token.get_secret_value() == "xoxb-1-token-of-bot"
    assert settings.roles == {"admin": frozenset({"U1", "S2"})}
    assert settings.ports.first == 31000
    assert settings.provisioning().clearml.api_url == "https://api.example.com"


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each missing field is an error of its own."""
    put(monkeypatch, {key: value for key, value in NEEDED.items() if key != "REDIS__PASSWORD"})
    with pytest.raises(ValidationError) as raised:
        Settings()
    assert [error["loc"] for error in raised.value.errors()] == [("redis",)]


@pytest.mark.parametrize(
    ("without", "given", "said"),
    [
        (
            "REDIS__PASSWORD",
            {},
            {"REDIS: set REDIS__PASSWORD, or REDIS__PASSWORD_SECRET (namespace/name/key), not both"},
        ),
        ("CLEARML__SECRET_KEY", {}, {"CLEARML__SECRET_KEY: is missing"}),
        (
            "CLEARML__",
            {},
            {f"CLEARML__{one}: is missing" for one in ("API_URL", "WEB_URL", "FILES_URL", "ACCESS_KEY", "SECRET_KEY")},
        ),
        ("AGENT__", {}, {"AGENT__CHART__REFERENCE: is missing"}),
        ("-", {"SLACK__APP_TOKEN": ""}, {"SLACK__BOT_TOKEN: is missing"}),
        ("-", {"SLACK__BOT_TOKEN": "xoxb-1"}, {"SLACK: Socket Mode needs SLACK__APP_TOKEN (xapp-…)"}),
    ],
)
def test_each_mistake_names_the_variable_that_is_to_be_set(
    monkeypatch: pytest.MonkeyPatch, without: str, given: dict[str, str], said: set[str]
) -> None:
    """Of a group that is missing as a whole, each that it needs, to the last level; and nothing else."""
    put(monkeypatch, {name: value for name, value in NEEDED.items() if not name.startswith(without)} | given)
    with pytest.raises(ValidationError) as raised:
        Settings()
    assert set(mistakes_in(raised.value)) == {f"CLEARML_CHATOPS_{line}" for line in said}


@pytest.mark.parametrize(
    ("mode", "words"),
    [("socket", "SLACK__APP_TOKEN"), ("http", "SLACK__SIGNING_SECRET"), ("pigeon", "'socket' or 'http'")],
)
def test_each_mode_needs_its_secret(monkeypatch: pytest.MonkeyPatch, mode: str, words: str) -> None:
    """Socket Mode needs the app token, HTTP mode the signing secret; there is no third."""
    put(monkeypatch, NEEDED | {"SLACK__BOT_TOKEN": "xoxb-1", "SLACK__MODE": mode})
    with pytest.raises(ValidationError, match=words):
        Settings()


def test_a_misspelt_nested_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Levels below the first take no unknown fields."""
    put(monkeypatch, NEEDED | SOCKET | {"SLACK__BOTTOKEN": "x"})
    with pytest.raises(ValidationError, match="Extra inputs"):
        Settings()


def test_a_misspelt_first_level_name_is_found() -> None:
    """Names that set nothing are told, and what Kubernetes adds for a Service is left alone."""
    names = [
        "CLEARML_CHATOPS_POLICYFILE",
        "CLEARML_CHATOPS_POLICY_FILE",
        "CLEARML_CHATOPS_SLACK__BOT_TOKEN",
        "CLEARML_CHATOPS_SERVICE_HOST",
        "CLEARML_CHATOPS_SERVICE_PORT_HTTP",
        "CLEARML_CHATOPS_PORT",
        "CLEARML_CHATOPS_PORT_80_TCP_ADDR",
        "CLEARML_CHATOPS_PORTS__FIRST",
        "PATH",
    ]
    assert unknown_names(names) == ("CLEARML_CHATOPS_POLICYFILE",)


def test_the_environment_wins_over_the_file_field_by_field(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file may hold everything; what the environment sets counts more, and the rest of a level stays."""
    file = tmp_path / "settings.yaml"
    file.write_text(
        "clearml: {api_url: https://a.example, web_url: https://w.example, files_url: https://f.example,"
        " access_key: k, secret_key: s}\n"
        "agent: {chart: {reference: ./chart}}\nredis: {password: p, port: 6380}\nroles: {viewer: [U9]}\n"
    )
    put(monkeypatch, {"CONFIG_FILE": str(file), "CLEARML__API_URL": "https://b.example"})
    settings = Settings()
    assert (settings.clearml.api_url, settings.clearml.web_url) == ("https://b.example", "https://w.example")
    assert settings.redis.port == 6380
    assert settings.roles == {"viewer": frozenset({"U9"})}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No such file"),
        ("redis: {password: hunter22hunter22", "no YAML"),
        ("- a list", "a mapping of names"),
        ("workers: 4\n7: seven\n", "a mapping of names"),
        ("redis:\n  port: 1\n  password: 'hunter22hunter22\n", r"no YAML \(line 4\)"),
        ("a: &x hunter22hunter22\nb: 1\nc: *x\n", r"an alias \(line 3\): write the value out"),
        ("\xff", "no YAML|utf-8|mapping"),
    ],
)
def test_a_file_that_is_none_says_so_without_its_contents(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, words: str
) -> None:
    """A broken file is an error for people, and does not print the secrets in it."""
    file = tmp_path / "settings.yaml"
    if text is not None:
        file.write_text(text)
    put(monkeypatch, NEEDED | {"CONFIG_FILE": str(file)})
    with pytest.raises(PermanentError, match=words) as raised:
        Settings()
    assert "hunter22" not in str(raised.value)
    assert "CONFIG_FILE" in raised.value.next_action


def test_every_secret_is_known_to_the_redactor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each SecretStr of the settings, wherever it stands, is among what is redacted; none is printed."""
    secrets = {
        "SLACK__SIGNING_SECRET": "signing-secret-1",
        "AGENT__IMAGE_PASSWORD": "image-password-1",
        "AGENT__CHART__PASSWORD": "chart-password-1",
        "ENGINE__DATABASE_URL": "postgresql://u:database-1@db.example/x",
        "ROUTER__CHART__REFERENCE": "oci://charts.example.com/router",
        "ROUTER__CHART__VERSION": "1.2.3",
        "ROUTER__DOMAIN": "apps.example.com",
        "ROUTER__SIGNING_KEY": "router-signing-key-1",
        "ROUTER__CHART__PASSWORD": "router-chart-password-1",
        "AUDIT__SIGNING_KEY": "audit-key-1",
        "AUDIT__PREVIOUS_SIGNING_KEY": "audit-key-0",
        "PLATFORM__SECRETS__KAFKA": "kafka-password-1",
    }
    put(monkeypatch, NEEDED | SOCKET | secrets)
    settings = Settings()
    known, wanted = set(settings.secrets().values()), set(_every_secret(settings))
    assert {*SOCKET.values(), NEEDED["CLEARML__SECRET_KEY"], NEEDED["REDIS__PASSWORD"]} <= wanted
    assert {value for name, value in secrets.items() if not name.endswith(("REFERENCE", "VERSION", "DOMAIN"))} <= wanted
    assert wanted <= known
    printed = repr(settings) + settings.model_dump_json()
    assert not [secret for secret in wanted if secret in printed]


def _every_secret(value: Any) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case BaseModel():
            for name in type(value).model_fields:
                yield from _every_secret(getattr(value, name))
        case dict():
            for item in value.values():
                yield from _every_secret(item)
