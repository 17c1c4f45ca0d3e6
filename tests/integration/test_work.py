"""What a delivery does, where Slack, people and time do not do as they should."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from bot.slack import forms, render_job
from bot.slack.deliveries import CLICK, COMMAND, FORM, OPEN, REASON
from bot.slack.work import ACKED_S
from policies.approvals import Actor
from policies.loader import default_text, load
from provisioning.jobs.job import Job, JobState
from provisioning.store import Delivery
from tests.integration.engine_samples import DANA, PIA, World
from tests.integration.work_samples import work_in

CHANNEL = "C1"


class FakeSlack:
    """Records calls; *refuse* says which of them fail, and how."""

    base_url = "https://slack.com/api/"

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refuse: Callable[[str], str] = lambda _method: ""

    def __getattr__(self, method: str) -> Callable[..., dict[str, Any]]:
        def call(**given: Any) -> dict[str, Any]:
            self.calls.append((method, given))
            if refused := self.refuse(method):
                raise SlackApiError("refused", {"error": refused})  # type: ignore[no-untyped-call]  # slack_sdk's
            return {"ok": True, "view": {"id": "V1"}, "channel": given.get("channel"), "ts": "1.1"}

        return call

    def of(self, method: str) -> list[dict[str, Any]]:
        return [given for name, given in self.calls if name == method]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, shape={"one": ()}, policy=load(default_text())) as made:
        yield made


@pytest.fixture
def slack() -> FakeSlack:
    return FakeSlack()


@pytest.fixture
def give(world: World, slack: FakeSlack) -> Callable[..., None]:
    """Work off a delivery of that kind, now."""
    work = work_in(world, slack)

    def deliver(kind: str, who: Actor, **body: Any) -> None:
        kept = {"user": who.id, "teams": [], "channel": CHANNEL, "trigger_id": "1.2", "response_url": "", **body}
        work.handlers()[kind](Delivery(key="1", kind=kind, body=kept, received_at=world.clock.now()))

    return deliver


def value(job: Job) -> str:
    return render_job.button_value(job.id, job.digest)


def test_a_window_that_was_closed_while_it_waited_is_no_incident(give: Callable[..., None], slack: FakeSlack) -> None:
    """Who closes the preview before the plan is there wants nothing more, and no word of an incident."""
    slack.refuse = lambda method: "not_found" if method == "views_update" else ""
    spec = "tenant create"
    args = {"name": "acme", "admin_email": "ana@acme.example"}
    how = {"dry_run": True, "reason": "", "break_glass": False}
    give(FORM, DANA, view="V1", command=spec, args=args, how=how)
    assert [method for method, _given in slack.calls] == ["views_update"]


def test_a_plan_does_not_come_before_the_window_that_it_fills(
    give: Callable[..., None], slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ack shows the window, on another way to Slack: what overtakes it would be covered by it for good."""
    waited: list[float] = []
    monkeypatch.setattr("bot.slack.work.time", SimpleNamespace(sleep=waited.append))
    how = {"dry_run": True, "reason": "", "break_glass": False}
    give(FORM, DANA, view="V1", command="tenant create", args={"name": "acme", "admin_email": "a@a.example"}, how=how)
    assert slack.of("views_update")
    assert len(waited) == 1
    assert 0 < waited[0] <= ACKED_S


def test_a_form_that_came_too_late_is_a_button_away(give: Callable[..., None], slack: FakeSlack) -> None:
    """Its trigger has expired: the answer has a button, which brings a trigger of its own, with what was typed."""
    slack.refuse = lambda method: "expired_trigger_id" if method == "views_open" else ""
    give(COMMAND, DANA, text="tenant create acme")
    (said,) = slack.of("chat_postEphemeral")
    (button,) = said["blocks"][-1]["elements"]
    assert (button["action_id"], button["value"]) == (forms.OPEN, "tenant create acme")


def test_a_button_of_an_older_version_says_so(give: Callable[..., None], slack: FakeSlack) -> None:
    """A form's button that names no command of today is answered, and not silent."""
    give(OPEN, DANA, value="tenant imagine")
    (said,) = slack.of("chat_postEphemeral")
    assert "another version" in said["text"]


def test_nobody_writes_a_reason_in_vain(give: Callable[..., None], slack: FakeSlack, world: World) -> None:
    """Whose word does not count is told at the click, and no form is opened; the others get it."""
    job = world.ask()
    give(CLICK, DANA, action=render_job.DENY, value=value(job))
    assert not slack.of("views_open")
    assert "your own request" in slack.of("chat_postEphemeral")[-1]["text"]
    give(CLICK, PIA, action=render_job.DENY, value=value(job))
    assert slack.of("views_open")[-1]["view"]["callback_id"] == render_job.DENY_FORM
    assert [row["action"] for row in world.store.audit_rows(limit=50)].count("vote.refused") == 1


def test_a_reason_that_comes_too_late_is_handed_back(give: Callable[..., None], slack: FakeSlack, world: World) -> None:
    """The request was withdrawn while somebody wrote: what they wrote is not lost."""
    job = world.ask()
    world.service.withdraw(job.id, DANA)
    give(REASON, PIA, form=render_job.DENY_FORM, value=value(job), reason="the quota is *not* theirs")
    (said,) = [given for name, given in slack.calls if name.startswith("chat_")]
    assert "the quota is *not* theirs" in json.dumps(said["blocks"])


@pytest.mark.parametrize("is_copy", [True, False])
def test_a_copy_for_one_person_is_brought_up_to_date(
    give: Callable[..., None], world: World, monkeypatch: pytest.MonkeyPatch, *, is_copy: bool
) -> None:
    """`job show` answers with buttons; after a click on one of them it must not show them as if nothing had been."""
    put: list[str] = []
    monkeypatch.setattr("bot.slack.work.refresh_copy", lambda _client, _url, shown: put.append(shown.text))
    job = world.ask()
    give(CLICK, DANA, action=render_job.WITHDRAW, value=value(job), is_copy=is_copy)
    assert world.store.job(job.id).state is JobState.WITHDRAWN
    assert ["withdrawn" in text for text in put] == ([True] if is_copy else [])
