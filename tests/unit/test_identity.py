"""Who people are, how long a lost right outlives its loss, and who is not heard at all."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.gate import Gate, teams_of
from bot.slack.identity import (
    GROUP_FRESH_S,
    GROUP_STALE_S,
    PERSON_FRESH_S,
    PERSON_STALE_S,
    Identity,
    Standing,
)
from provisioning.errors import UnreachableError

HOLDERS = {"approver": frozenset({"U0PIA", "S0APP"}), "operator": frozenset({"U0ANA"})}


@dataclass
class FakeSlack:
    """A workspace of two people and one group; counts what it is asked, and fails on demand."""

    flags: dict[str, dict[str, bool]] = field(default_factory=dict)
    group: list[str] = field(default_factory=lambda: ["U0GREG"])
    asked: list[str] = field(default_factory=list)
    error: str = ""
    before_answer: Callable[[], None] = lambda: None

    def users_info(self, *, user: str) -> dict[str, Any]:
        self._ask(user)
        found = {"user": {"id": user, "name": user.lower(), "profile": {}, **self.flags.get(user, {})}}
        self.before_answer()
        return found

    def usergroups_users_list(self, *, usergroup: str) -> dict[str, Any]:
        self._ask(usergroup)
        return {"users": list(self.group)}

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.error:
            raise SlackApiError("no", {"error": self.error})  # type: ignore[no-untyped-call]


class World:
    def __init__(self, **options: Any) -> None:
        self.slack = FakeSlack()
        self.now = 1000.0
        self.identity = Identity(cast("WebClient", self.slack), monotonic=lambda: self.now, **options)

    def roles(self, user: str) -> frozenset[str]:
        return self.identity.actor(user, HOLDERS).roles


def test_roles_come_by_id_and_by_user_group() -> None:
    world = World()
    assert world.roles("U0PIA") == {"approver"}
    assert world.roles("U0GREG") == {"approver"}
    assert world.roles("U0ANA") == {"operator"}
    assert world.roles("W0GRID") == frozenset()


def test_a_deactivated_person_loses_every_right_within_ten_seconds() -> None:
    """That is the bound, with a warm cache; at once where Slack's event arrives."""
    assert PERSON_FRESH_S == 10
    world = World()
    assert world.roles("U0PIA") == {"approver"}
    world.slack.flags["U0PIA"] = {"deleted": True}
    world.now += PERSON_FRESH_S - 0.1
    assert world.roles("U0PIA") == {"approver"}
    world.now += 0.1
    assert world.roles("U0PIA") == frozenset()
    world.slack.flags["U0ANA"] = {}
    assert world.roles("U0ANA") == {"operator"}
    world.slack.flags["U0ANA"] = {"deleted": True}
    world.identity.forget("U0ANA")
    assert world.roles("U0ANA") == frozenset()


def test_while_slack_does_not_answer_rights_end_after_two_minutes() -> None:
    """The last answer counts until then; who was not known before has none from the beginning."""
    world = World()
    assert world.roles("U0PIA") == {"approver"}
    world.slack.error = "internal_error"
    world.now += PERSON_STALE_S
    assert world.roles("U0PIA") == {"approver"}
    world.now += 1
    with pytest.raises(UnreachableError, match="nobody has a role"):
        world.roles("U0PIA")
    with pytest.raises(UnreachableError):
        world.roles("U0ANA")


def test_an_answer_that_was_under_way_when_things_changed_is_not_kept() -> None:
    """The event overtakes the answer: the answer counts for this once at most."""
    world = World()
    world.slack.before_answer = lambda: world.identity.forget("U0PIA")
    world.roles("U0PIA")
    world.slack.before_answer = lambda: None
    world.slack.flags["U0PIA"] = {"deleted": True}
    assert world.roles("U0PIA") == frozenset()


def test_a_group_is_asked_for_once_a_minute_at_most() -> None:
    """Its method allows twenty calls a minute; while Slack fails the last list counts for five minutes."""
    world = World()
    for _ in range(12):
        world.roles("U0GREG")
        world.now += 5
    assert world.slack.asked.count("S0APP") == 1
    world.slack.group = []
    world.now += GROUP_FRESH_S
    assert world.roles("U0GREG") == frozenset()
    assert GROUP_STALE_S == 300


def test_many_threads_ask_slack_once() -> None:
    world = World()
    gate = threading.Barrier(16)

    def ask(_number: int) -> frozenset[str]:
        gate.wait(5)
        return world.roles("U0PIA")

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(16))) == {frozenset({"approver"})}
    assert world.slack.asked == ["U0PIA"]


@pytest.mark.parametrize(
    ("flags", "standing", "why"),
    [
        ({"is_restricted": True}, Standing.GUEST, "guests of this workspace"),
        ({"is_ultra_restricted": True, "is_restricted": True}, Standing.GUEST, "guests of this workspace"),
        ({"is_bot": True}, Standing.BOT, "bots may not"),
        ({"is_stranger": True}, Standing.STRANGER, "people of other workspaces"),
        ({"deleted": True, "is_restricted": True}, Standing.DEACTIVATED, "deactivated"),
    ],
)
def test_only_members_are_heard(flags: dict[str, bool], standing: Standing, why: str) -> None:
    """Whatever a policy says: they hold no role, and are told at the gate."""
    world = World()
    world.slack.flags["U0PIA"] = flags
    assert world.identity.person("U0PIA").standing is standing
    assert world.roles("U0PIA") == frozenset()
    refused = Gate(world.identity).refusal(user="U0PIA", channel="C1", teams=frozenset())
    assert refused is not None
    assert why in refused.reason


def test_guests_are_heard_where_a_setting_lets_them() -> None:
    world = World(allow_guests=True)
    world.slack.flags["U0PIA"] = {"is_restricted": True}
    assert world.roles("U0PIA") == {"approver"}
    assert Gate(world.identity).refusal(user="U0PIA", channel="C1", teams=frozenset()) is None
    world.slack.flags["U0ANA"] = {"is_bot": True}
    assert Gate(world.identity).refusal(user="U0ANA", channel="C1", teams=frozenset()) is not None


@pytest.mark.parametrize(
    ("channel", "teams", "heard"),
    [
        ("C0OPS", {"T0OURS"}, True),
        ("C0OPS", {"T0OTHER", "E0GRID"}, True),
        ("C0OPS", {"T0OTHER"}, False),
        ("C0OPS", set(), False),
        ("C0RANDOM", {"T0OURS"}, False),
        ("D0DIRECT", {"T0OURS"}, True),
        ("", {"T0OURS"}, True),
    ],
)
def test_what_is_not_listed_is_not_heard(channel: str, teams: set[str], heard: bool) -> None:
    gate = Gate(World().identity, teams=frozenset({"T0OURS", "E0GRID"}), channels=frozenset({"C0OPS"}))
    assert (gate.refusal(user="U0PIA", channel=channel, teams=frozenset(teams)) is None) is heard


@pytest.mark.parametrize(
    ("body", "teams"),
    [
        ({"team_id": "T1", "enterprise_id": "E1", "user_id": "U1"}, {"T1", "E1"}),
        ({"team": {"id": "T1"}, "enterprise": None, "user": {"id": "U1", "team_id": "T1"}}, {"T1"}),
        ({"team": None, "enterprise": {"id": "E1"}, "user": {"id": "U1", "team_id": "T2"}}, {"T2", "E1"}),
        ({"team": {"id": "T1"}, "user": {"id": "U1", "team_id": "T9"}}, {"T9"}),
        ({"team": {"id": "T1"}, "user": {"id": "U1"}}, {"T1"}),
        ({"user": {"id": "U1"}}, set()),
    ],
)
def test_where_a_payload_comes_from(body: dict[str, Any], teams: set[str]) -> None:
    """A person of another workspace brings their own, whichever channel they share."""
    assert teams_of(body) == teams
