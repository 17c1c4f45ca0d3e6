"""What a message's menu asks for, and what of a hostile payload is kept."""

from typing import Any

import pytest

from bot.slack import deliveries, shortcuts
from bot.slack.deliveries import NotOurs
from commands.grammar import Invocation
from policies.approvals import Refusal


def named(*names: str) -> list[dict[str, str]]:
    return [{"id": f"F0123ABC{number}", "name": name} for number, name in enumerate(names)]


def test_the_one_yaml_file_is_previewed_by_its_id() -> None:
    """As a dry run: nothing is asked for before its plan was seen. Other files beside it are no matter."""
    asked = shortcuts.applied(named("notes.txt", "Tenants.YML", "photo.png"))
    assert isinstance(asked, Invocation)
    assert (asked.spec.name, asked.dry_run) == ("tenant apply", True)
    assert asked.args.model_dump()["specs"] == "slack-file:F0123ABC1"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], "that message has no YAML file"),
        (named("notes.txt", "yaml"), "that message has no YAML file"),
        (named("a.yaml", "b.yml"), "that message has 2 YAML files: a.yaml, b.yml"),
        ([{"id": "F1 --break-glass", "name": "a.yaml"}], "Slack does not say which file that is"),
        ([{"id": "name: acme", "name": "a.yaml"}], "Slack does not say which file that is"),
        ([{"name": "a.yaml"}], "Slack does not say which file that is"),
    ],
)
def test_any_other_message_is_refused_with_the_way_to_go(files: list[dict[str, str]], reason: str) -> None:
    """What is no id of a file becomes no text of one either."""
    answer = shortcuts.applied(files)
    assert isinstance(answer, Refusal)
    assert answer.reason == reason
    assert "tenant apply LINK takes the link" in answer.next_action


def payload(**more: Any) -> dict[str, Any]:
    return {
        "type": "message_action",
        "callback_id": shortcuts.APPLY,
        "user": {"id": "U1", "team_id": "T1"},
        "channel": {"id": "C1"},
        "trigger_id": "1.2.3",
        "response_url": "https://hooks.slack.com/app/1",
        "message": {"ts": "1.1", "text": "secret plans", "files": named("a.yaml")},
    } | more


def test_of_a_message_only_its_files_are_kept() -> None:
    """Names and ids, of twenty at most; the same choice delivered twice is one."""
    parcel = deliveries.of_shortcut(payload())
    assert parcel.body["files"] == named("a.yaml")
    assert "secret plans" not in str(parcel)
    assert deliveries.of_shortcut(payload()).key == parcel.key
    many = deliveries.of_shortcut(payload(message={"files": named(*["x.yaml"] * 50)}))
    assert len(many.body["files"]) == 20
    assert deliveries.of_shortcut(payload(message=None)).body["files"] == []
    with pytest.raises(NotOurs):
        deliveries.of_shortcut(payload(channel={"id": "C1> <!channel"}))
