"""A payload does not send the bot's replies elsewhere; who waits hears how far it is, a few times."""

import time

import pytest

from bot.slack.render_job import Rendered
from bot.slack.replies import is_slacks, patience

SLACK = "https://slack.com/api/"
SANDBOX = "http://127.0.0.1:8765/api/"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://hooks.slack.com/commands/T1/2/abc", SLACK),
        ("https://hooks.slack.com:443/actions/T1/2/abc", SLACK),
        ("https://hooks.slack-gov.com/commands/T1/2/abc", "https://slack-gov.com/api/"),
        ("https://slack.com/commands/T1", SLACK),
        ("http://127.0.0.1:8765/response/abc", SANDBOX),
    ],
)
def test_slacks_own_addresses_are_used(url: str, base: str) -> None:
    assert is_slacks(url, base)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("", SLACK),
        ("http://hooks.slack.com/commands/T1/2/abc", SLACK),
        ("https://hooks.slack.com.evil.example/commands", SLACK),
        ("https://hooks.slack.com@evil.example/commands", SLACK),
        ("https://user:password@hooks.slack.com/commands", SLACK),
        ("https://evil.example/hooks.slack.com", SLACK),
        ("https://hooks.slack.com:8443/commands", SLACK),
        ("https://hooks.slack-gov.com/commands/T1/2/abc", SLACK),
        ("http://169.254.169.254/latest/meta-data/", SLACK),
        ("http://127.0.0.1:8766/response/abc", SANDBOX),
        ("https://hooks.127.0.0.1/commands", SANDBOX),
        ("file:///etc/passwd", SLACK),
        ("http://[::1", SLACK),
        ("https://hooks.slack.com:99999/x", SLACK),
    ],
)
def test_any_other_address_is_not(url: str, base: str) -> None:
    """The cloud's metadata service, this machine, look-alikes, what cannot be read."""
    assert not is_slacks(url, base)


def test_the_file_host_is_slacks_where_files_are_asked_for() -> None:
    """And only there; a reply does not go to it."""
    url = "https://files.slack.com/files-pri/T1-F1/download/a.yaml"
    assert is_slacks(url, SLACK, "files")
    assert not is_slacks(url, SLACK)
    for other in ("https://hooks.slack.com/a", "http://files.slack.com/a", "https://files.slack.com.evil.example/a"):
        assert not is_slacks(other, SLACK, "files")


def test_who_waits_long_hears_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most as often as there are waits, and nothing twice: Slack allows few replies to one command."""
    monkeypatch.setattr("bot.slack.replies.PATIENCE_S", (0.01,) * 500)
    heard: list[str] = []

    def reply(shown: Rendered) -> None:
        heard.append(shown.text)

    with patience(reply, "capacity") as tell:
        _await(heard, 1)
        tell("3 of 20 nodes read")
        _await(heard, 2)
        time.sleep(0.1)
    assert heard == ["⏳ Working on `capacity` …", "⏳ Working on `capacity`: 3 of 20 nodes read …"]


def test_who_is_answered_at_once_hears_nothing_before() -> None:
    heard: list[Rendered] = []
    with patience(heard.append, "capacity") as tell:
        tell("1 of 1 nodes read")
    time.sleep(0.05)
    assert heard == []


def _await(heard: list[str], number: int) -> None:
    deadline = time.monotonic() + 10
    while len(heard) < number:
        assert time.monotonic() < deadline
        time.sleep(0.001)
