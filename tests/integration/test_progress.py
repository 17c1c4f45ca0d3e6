"""A job's one live message: in order, throttled, mended after a restart, told elsewhere where it cannot be posted."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack import progress
from bot.slack.progress import LiveMessages
from policies.approvals import Actor
from provisioning.clock import SystemClock
from provisioning.evidence.trail import Event
from provisioning.jobs.history import expected_durations
from provisioning.jobs.job import Job, JobState, Place, StepState, StepStatus
from provisioning.plan import Plan, Step
from provisioning.redact import Redactor
from provisioning.store import Change, Store

ANA = Actor(id="U0000ANA", name="ana")
PLAN = Plan(
    operation="tenant create",
    subject="acme",
    summary="Create tenant acme: queues default",
    request={},
    steps=(Step(id="agent", kind="k", title="Install agent"),),
)
PATIENCE_S = 10.0


class Answer(dict[str, Any]):
    """What the client returns, and what an error carries."""

    def __init__(self, headers: dict[str, str] | None = None, **data: Any) -> None:
        super().__init__(data)
        self.data = data
        self.headers = headers or {}


class FakeSlack:
    """Records calls; *refuse* says which of them fail, and how."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any], float]] = []
        self.refuse: Callable[[str, dict[str, Any]], Answer | None] = lambda _method, _given: None

    def chat_postMessage(self, **given: Any) -> Answer:  # noqa: N802 - Slack's name
        return self._call("post", given, Answer(ok=True, channel=given["channel"], ts=f"{len(self.calls)}.1"))

    def chat_update(self, **given: Any) -> Answer:
        return self._call("update", given, Answer(ok=True))

    def _call(self, method: str, given: dict[str, Any], answer: Answer) -> Answer:
        self.calls.append((method, given, time.monotonic()))
        if (refused := self.refuse(method, given)) is not None:
            raise SlackApiError("refused", refused)  # type: ignore[no-untyped-call]  # slack_sdk leaves it so
        return answer

    def updates(self) -> list[dict[str, Any]]:
        return [given for method, given, _at in self.calls if method == "update"]

    def texts(self) -> list[str]:
        return [given["text"] for _method, given, _at in self.calls]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "chatops.db", clock=SystemClock(), redact=Redactor())
    yield made
    made.close()


@pytest.fixture
def slack() -> FakeSlack:
    return FakeSlack()


@pytest.fixture
def start(store: Store, slack: FakeSlack) -> Iterator[Callable[[], LiveMessages]]:
    started: list[LiveMessages] = []

    def begin() -> LiveMessages:
        live = LiveMessages(store, cast("WebClient", slack), SystemClock(), every_s=0.05)
        started.append(live)
        live.start()
        return live

    yield begin
    for live in started:
        live.stop(PATIENCE_S)


def ask(store: Store, channel: str = "C1") -> Job:
    return store.create_job(
        command="tenant create acme",
        requester=ANA,
        plan=PLAN,
        state=JobState.AWAITING_APPROVAL,
        approval=None,
        place=Place(channel=channel),
        event=Event(action="job.requested", actor=ANA.id),
    )


def become(store: Store, job: Job, **fields: Any) -> Job:
    return store.update_job(job.id, lambda fresh: Change(job=fresh.model_copy(update=fields)))


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.01)


def shown(store: Store, job: Job) -> bool:
    fresh = store.job(job.id)
    return fresh.shown_revision == fresh.revision


def test_one_message_a_job_and_its_newest_state_last(
    store: Store, slack: FakeSlack, start: Callable[[], LiveMessages]
) -> None:
    """Posted once, updated after; of many quick changes the newest is the last that is shown."""
    start()
    job = ask(store)
    until(lambda: shown(store, job))
    for _ in range(30):
        become(store, job, state=JobState.RUNNING)
    become(store, job, state=JobState.SUCCEEDED)
    until(lambda: shown(store, job))
    until(lambda: "job 1 succeeded" in slack.texts()[-1])  # the thread
    methods = [(method, given.get("thread_ts")) for method, given, _at in slack.calls]
    assert methods.count(("post", None)) == 1
    assert len(methods) < 15  # not one for each of 32 changes
    (message_ts,) = {given["ts"] for method, given, _at in slack.calls if method == "update"}
    assert store.job(job.id).place == Place(channel="C1", ts=message_ts)
    last = [given["text"] for method, given, _at in slack.calls if method == "update"][-1]
    assert "succeeded" in last


def test_a_restart_mends_what_is_behind(store: Store, slack: FakeSlack, start: Callable[[], LiveMessages]) -> None:
    """What changed while nobody listened is shown at the start; what is up to date is left alone."""
    behind, settled = ask(store), ask(store)
    become(store, settled, place=Place(channel="C1", ts="9.9"))
    store.update_job(
        settled.id,
        lambda job: Change(job=job.model_copy(update={"shown_revision": job.revision}), revise=False),
    )
    start()
    until(lambda: shown(store, behind))
    assert [method for method, _given, _at in slack.calls] == ["post"]


def test_slack_asks_to_wait_and_is_obeyed(store: Store, slack: FakeSlack, start: Callable[[], LiveMessages]) -> None:
    """After a 429 nothing is sent for as long as it says, and then the newest state is."""
    refusals = [Answer(error="ratelimited", headers={"Retry-After": "1"})]
    slack.refuse = lambda _method, _given: refusals.pop() if refusals else None
    start()
    job = ask(store)
    until(lambda: shown(store, job))
    first, second = (at for _method, _given, at in slack.calls[:2])
    assert second - first >= 0.95


def test_where_the_bot_may_not_post_the_requester_is_told(
    store: Store, slack: FakeSlack, start: Callable[[], LiveMessages]
) -> None:
    """The message goes to who asked, with a word on why and what to do."""
    slack.refuse = lambda _method, given: Answer(error="not_in_channel") if given["channel"] == "C1" else None
    start()
    job = ask(store)
    until(lambda: shown(store, job))
    place = store.job(job.id).place
    assert place is not None
    assert place.channel == ANA.id
    assert any("/invite" in text for text in slack.texts())


@pytest.mark.parametrize(
    ("said", "why"), [("is_inactive", "is archived"), ("channel_not_found", "/invite"), ("is_archived", "is archived")]
)
def test_a_channel_that_is_lost_on_the_way_hands_the_message_to_who_asked(
    store: Store, slack: FakeSlack, start: Callable[[], LiveMessages], said: str, why: str
) -> None:
    """Archived, or the bot was removed: the request can still be seen and withdrawn, and its end is told."""
    start()
    job = ask(store)
    until(lambda: shown(store, job))
    slack.refuse = lambda _method, given: Answer(error=said) if given["channel"] == "C1" else None
    become(store, job, reason="really")
    until(lambda: shown(store, job))
    place = store.job(job.id).place
    assert place is not None
    assert place.channel == ANA.id
    assert any(why in text for text in slack.texts())
    become(store, job, state=JobState.SUCCEEDED)
    until(lambda: shown(store, job))
    assert ("post", ANA.id) in [
        (method, given["channel"]) for method, given, _at in slack.calls if "thread_ts" in given
    ]


def test_a_message_that_was_deleted_is_posted_anew(
    store: Store, slack: FakeSlack, start: Callable[[], LiveMessages]
) -> None:
    """Somebody deleted the card: nobody could approve, deny or cancel any more without another one."""
    start()
    job = ask(store)
    until(lambda: shown(store, job))
    first = store.job(job.id).place
    assert first is not None
    slack.refuse = lambda _method, given: Answer(error="message_not_found") if given.get("ts") == first.ts else None
    become(store, job, reason="really")
    until(lambda: shown(store, job))
    second = store.job(job.id).place
    assert second is not None
    assert second.channel == first.channel
    assert second.ts not in {None, first.ts}
    method, given, _at = slack.calls[-1]
    assert (method, given["thread_ts"]) == ("post", None)


def test_the_end_is_told_though_slack_wants_to_be_waited_for(
    store: Store, slack: FakeSlack, start: Callable[[], LiveMessages]
) -> None:
    """A 429 to the note in the thread, the only thing that notifies who asked, must not lose it."""
    start()
    job = ask(store)
    until(lambda: shown(store, job))
    refusals = [Answer(error="ratelimited", headers={"Retry-After": "0.2"})]
    slack.refuse = lambda _method, given: refusals.pop() if given.get("thread_ts") and refusals else None
    become(store, job, state=JobState.SUCCEEDED)
    until(lambda: shown(store, job))
    notes = [given for method, given, _at in slack.calls if method == "post" and given["thread_ts"]]
    assert len(notes) == 2  # refused, then taken


def test_the_end_does_not_call_a_slack_that_asks_to_wait_again_and_again(
    store: Store, slack: FakeSlack, start: Callable[[], LiveMessages]
) -> None:
    """Stopping while Slack says 429: each message is tried once, and left to the next start."""
    live = start()
    slack.refuse = lambda _method, _given: Answer(error="ratelimited", headers={"Retry-After": "30"})
    job = ask(store)
    until(lambda: bool(slack.calls))
    live.stop(PATIENCE_S)
    assert len(slack.calls) <= 2
    assert not shown(store, job)


def test_blocks_that_slack_refuses_do_not_lose_the_buttons(
    store: Store, slack: FakeSlack, start: Callable[[], LiveMessages]
) -> None:
    """A short message with the same buttons goes instead."""
    slack.refuse = lambda _method, given: Answer(error="invalid_blocks") if len(given["blocks"]) > 2 else None
    start()
    job = ask(store)
    until(lambda: shown(store, job))
    blocks = slack.calls[-1][1]["blocks"]
    assert [element["text"]["text"] for element in blocks[-1]["elements"]][:2] == ["Approve", "Deny"]


def test_task_cards_give_way_to_lines_where_slack_refuses_them(
    store: Store, slack: FakeSlack, start: Callable[[], LiveMessages]
) -> None:
    """Tried once; then lines, with the buttons, and no further try."""

    def refuse(_method: str, given: dict[str, Any]) -> Answer | None:
        has_cards = any(block["type"] == "plan" for block in given["blocks"])
        return Answer(error="invalid_blocks") if has_cards else None

    slack.refuse = refuse
    live = LiveMessages(store, cast("WebClient", slack), SystemClock(), every_s=0.05, cards=True)
    live.start()
    try:
        job = become(store, ask(store), state=JobState.RUNNING)
        until(lambda: shown(store, job))
        become(store, job, state=JobState.SUCCEEDED)
        until(lambda: shown(store, job))
    finally:
        live.stop(PATIENCE_S)
    with_cards = [given for _method, given, _at in slack.calls if refuse("", given)]
    assert len(with_cards) == 1
    assert "Install agent" in str(slack.updates()[-1]["blocks"])


def test_a_step_that_runs_long_is_told_anew(
    store: Store, slack: FakeSlack, start: Callable[[], LiveMessages], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The elapsed time goes on beside the expected one, without any change of the job; at the end it stops."""
    monkeypatch.setattr(progress, "TICK_S", 0.2)
    old = ask(store)
    began = old.created_at
    took = StepStatus(
        step_id="agent", state=StepState.DONE, started_at=began, finished_at=began + timedelta(seconds=40)
    )
    become(store, old, state=JobState.SUCCEEDED, steps=(took,))
    start()
    job = ask(store)
    running = StepStatus(step_id="agent", state=StepState.RUNNING, started_at=began - timedelta(seconds=30))
    become(store, job, state=JobState.RUNNING, steps=(running,))
    until(lambda: len(slack.updates()) >= 4)
    assert "of about 40 s" in str(slack.calls[-1][1]["blocks"])
    become(store, job, state=JobState.FAILED)
    until(lambda: shown(store, job))
    count = len(slack.updates())
    time.sleep(0.6)
    assert len(slack.updates()) == count


def test_what_is_expected_is_the_median_of_what_was_done() -> None:
    """Skipped and failed steps say nothing; steps of many nodes are alike."""
    now = SystemClock().now()

    def status(step_id: str, seconds: float, state: StepState = StepState.DONE) -> StepStatus:
        return StepStatus(step_id=step_id, state=state, started_at=now, finished_at=now + timedelta(seconds=seconds))

    job = Job(
        id="job-1",
        number=1,
        command="node mig enable",
        requester=ANA,
        plan=PLAN,
        digest=PLAN.digest,
        state=JobState.SUCCEEDED,
        created_at=now,
        updated_at=now,
        revision=1,
        steps=(
            status("drain:a", 10),
            status("drain:b", 30),
            status("drain:c", 20),
            status("label:a", 9, StepState.SKIPPED),
        ),
    )
    assert expected_durations([job]) == {"drain": 20}
