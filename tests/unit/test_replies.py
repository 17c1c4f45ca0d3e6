"""A payload does not send the bot's replies elsewhere."""

import pytest

from bot.slack.replies import is_slacks

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
