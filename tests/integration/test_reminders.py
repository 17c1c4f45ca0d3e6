"""Who is told of broken glass, and when others are reminded: once each, whatever Slack does in between."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.reminders import Reminders
from policies.approvals import Actor, Refusal
from provisioning.errors import UnreachableError
from provisioning.jobs import decisions
from provisioning.jobs.job import BreakGlass, Job, JobState, Place
from provisioning.jobs.pending import pending_for
from provisioning.store import Store
from tests.fakes import FakePeople
from tests.integration.store_samples import ANA, START, TurnedClock, create, open_store

PIA = Actor(id="UPIA", name="pia", roles=frozenset({"approver"}))
GLASS = BreakGlass(rule="change", told_roles=frozenset({"approver"}))


@dataclass
class FakeSlack:
    """Posts, or answers with what is in *errors*, by channel, once each."""

    posted: list[dict[str, Any]] = field(default_factory=list)
    errors: dict[str, list[str]] = field(default_factory=dict)

    def chat_postMessage(self, **message: Any) -> None:  # noqa: N802 - Slack's name
        if left := self.errors.get(message["channel"]):
            raise SlackApiError("no", {"error": left.pop(0)})  # type: ignore[no-untyped-call]
        self.posted.append(message)


class World:
    def __init__(self, folder: Path) -> None:
        self.clock = TurnedClock()
        self.store: Store = open_store(folder, self.clock)
        self.slack = FakeSlack()
        self.people = FakePeople({"approver": frozenset({"UPIA", "UPAUL", ANA.id, "os:root"})})
        self.reminders = Reminders(
            store=self.store, people=self.people, client=cast("WebClient", self.slack), clock=self.clock
        )

    def broken(self) -> Job:
        return create(
            self.store,
            state=JobState.QUEUED,
            approval=None,
            break_glass=GLASS,
            reason="an outage",
            place=Place(channel="C1", ts="1.0"),
        )

    def told(self) -> list[str]:
        return [message["channel"] for message in self.slack.posted]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_everybody_who_could_have_approved_is_told_once(world: World) -> None:
    """In a message of their own; not who broke it, and nobody twice."""
    job = world.broken()
    for _ in range(3):
        world.reminders.tick()
    assert world.told() == ["UPAUL", "UPIA"]
    assert "an outage" in world.slack.posted[0]["text"]
    assert [row["outcome"] for row in world.store.audit_rows(job=job.id) if row["action"] == "glass.told"] == [
        "UPAUL",
        "UPIA",
    ]


def test_who_could_not_be_told_is_told_later(world: World) -> None:
    """A rate limit is waited out; somebody who has left holds up nobody."""
    world.broken()
    world.slack.errors = {"UPAUL": ["ratelimited"], "UPIA": ["user_not_found"]}
    world.reminders.tick()
    assert world.told() == []
    world.reminders.tick()
    assert world.told() == ["UPAUL"]
    world.reminders.tick()
    assert world.told() == ["UPAUL"]


def test_a_workspace_that_does_not_answer_delays_the_word(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.broken()

    def unreachable(_roles: frozenset[str]) -> frozenset[str]:
        raise UnreachableError("Slack could not be asked")

    with monkeypatch.context() as patched:
        patched.setattr(world.people, "people_with", unreachable)
        world.reminders.tick()
    assert world.told() == []
    world.reminders.tick()
    assert len(world.told()) == 2


def test_a_review_is_asked_for_daily_until_it_is_there(world: World) -> None:
    """In the job's thread. The review is somebody else's, is made once, and leaves the mark."""
    job = world.broken()
    for _ in range(3):
        world.clock.turn(hours=24)
        world.reminders.tick()
        world.reminders.tick()
    asked = [message for message in world.slack.posted if message["channel"] == "C1"]
    assert [message["thread_ts"] for message in asked] == ["1.0"] * 3
    assert pending_for(PIA, (), world.store.unreviewed()).to_review[0].id == job.id
    assert pending_for(ANA, (), world.store.unreviewed()).own_glass[0].id == job.id
    own = decisions.review(world.store.job(job.id), ANA, "fine", world.clock.now())
    assert isinstance(own, Refusal)
    assert own.next_action == "somebody else must review it"
    after = world.store.update_job(job.id, lambda fresh: _changed(decisions.review(fresh, PIA, "ok", START)))
    assert after.break_glass is not None
    assert after.break_glass.is_reviewed
    assert world.store.unreviewed() == ()
    again = decisions.review(after, PIA, "ok", START)
    assert isinstance(again, Refusal)
    assert "was reviewed by @pia already" in again.reason
    world.clock.turn(hours=48)
    world.reminders.tick()
    assert len([message for message in world.slack.posted if message["channel"] == "C1"]) == 3


def test_there_is_nothing_to_review_of_an_ordinary_job(world: World) -> None:
    answer = decisions.review(create(world.store), PIA, "ok", START)
    assert isinstance(answer, Refusal)
    assert "took the ordinary way" in answer.reason


def test_a_request_is_reminded_of_then_escalated_once_each(world: World) -> None:
    """Also where both are due at once: then the escalation says it all."""
    job = create(world.store, place=Place(channel="C1", ts="1.0"))
    assert job.approval is not None
    due = {"remind_at": START + timedelta(minutes=10), "escalate_at": START + timedelta(minutes=20)}
    approval = job.approval.model_copy(update={**due, "escalate_to": ("S0ONCALL", "U0BOSS")})
    late = create(world.store, "late", place=Place(channel="C2", ts="2.0"), approval=approval)
    for minutes in (9, 2, 2, 20, 5):
        world.clock.turn(minutes=minutes)
        world.reminders.tick()
    assert [(message["channel"], message["thread_ts"]) for message in world.slack.posted] == [("C2", "2.0")] * 2
    assert "<!subteam^S0ONCALL> <@U0BOSS>" in world.slack.posted[1]["text"]
    assert world.store.job(late.id).revision == late.revision  # nobody is shown a message anew for it
    both = create(world.store, "both", place=Place(channel="C3", ts="3.0"), approval=approval)
    world.reminders.tick()
    world.reminders.tick()
    assert world.told()[2:] == ["C3"]
    assert world.store.job(both.id).escalated_at is not None


def _changed(answer: Any) -> Any:
    assert not isinstance(answer, Refusal), answer
    return answer
