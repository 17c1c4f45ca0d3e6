"""Admins are told once that the policy's file is not taken, and once that it is right again."""

from pathlib import Path
from typing import Any, cast

import pytest
from slack_sdk import WebClient

from bot.slack.policy_news import PolicyNews
from provisioning.policy_source import PolicySource
from tests.fakes import FakePeople
from tests.integration.store_samples import TurnedClock, open_store

GOOD = "rules:\n- {name: first, effect: allow}\n"


class FakeSlack:
    """Posts, but to nobody in *gone*."""

    def __init__(self, *gone: str) -> None:
        self.posted: list[tuple[str, str]] = []
        self._gone = gone

    def chat_postMessage(self, *, channel: str, text: str, **_more: Any) -> None:  # noqa: N802 - Slack's name
        if channel in self._gone:
            raise OSError("unreachable")
        self.posted.append((channel, text))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(GOOD)
    return file


def test_every_admin_is_told_once_of_each_mistake(file: Path, tmp_path: Path) -> None:
    """With the file's path and the line; who cannot be told keeps nobody else from it. Then that it is right again."""
    slack = FakeSlack("UGONE")
    people = FakePeople({"admin": frozenset({"UADA", "UGONE", "UZOE", "os:root"}), "operator": frozenset({"UDANA"})})
    source = PolicySource(file, open_store(tmp_path, TurnedClock()), in_use=True)
    news = PolicyNews(policy=source, people=people, client=cast("WebClient", slack))
    news.tick()
    assert slack.posted == []
    digest = source.current().digest
    file.write_text(GOOD + "- {name: <!channel>, effect: alow}\n")
    news.tick()
    news.tick()
    assert [channel for channel, _ in slack.posted] == ["UADA", "UZOE"]
    said = slack.posted[0][1]
    assert str(file) in said
    assert "line 3" in said
    assert digest[:12] in said
    assert "<!channel>" not in said
    assert source.current().digest == digest
    slack.posted.clear()
    file.write_text(GOOD + "- {name: more, effect: allow}\n")
    news.tick()
    news.tick()
    assert [text for channel, text in slack.posted if channel == "UZOE"] == [
        f"✅ The policy file is right again: the version {source.current().digest[:12]} counts."
    ]
    assert source.current().digest != digest
