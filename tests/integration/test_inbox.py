"""An acked delivery is never lost and has one effect, wherever the process dies; and acks stay quick under load."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient

from bot.slack.deliveries import Parcel
from bot.slack.inbox import FRESH, Inbox
from bot.slack.listeners import Listeners
from bot.slack.render_job import job_message
from policies.loader import load
from provisioning.jobs.job import JobState
from provisioning.store import Allowance, Change, Deliveries, Delivery, Store
from sandbox.serving import LoopbackServer
from sandbox.slack.app import create_app
from sandbox.slack.manifest import load_manifest
from sandbox.slack.model import Channel, Person
from sandbox.slack.workspace import Workspace
from tests.integration.engine_samples import DANA, World
from tests.integration.store_samples import TurnedClock, create, open_store
from tests.integration.work_samples import work_in

PEOPLE = 100
MANY = load("rules:\n- {name: ten, effect: approve, approvals: {roles: [approver], count: 10}}\n")


class Dies(BaseException):
    """The process died here."""


class Bench:
    """An inbox over a store, whose handler is *work*."""

    def __init__(self, store: Store, clock: TurnedClock, work: Callable[[Delivery], None]) -> None:
        self.store = store
        self.late: list[Delivery] = []
        self.inbox = Inbox(
            store=store,
            clock=clock,
            handlers={"click": work},
            allowance=Allowance(store, 30),
            too_late=self.late.append,
            slow=frozenset(),
            workers=4,
        )

    def take(self, key: str = "k1", **body: Any) -> list[str]:
        acks: list[str] = []
        self.inbox.take(Parcel(kind="click", key=key, body={"user": "UPIA", **body}), ack=lambda: acks.append(key))
        return acks


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def store(tmp_path: Path, clock: TurnedClock) -> Store:
    return open_store(tmp_path, clock, "a-known-secret")


def test_it_is_committed_before_it_is_acked(store: Store, clock: TurnedClock) -> None:
    """At the moment of the ack another process would find it; when it is done, its words are forgotten."""
    done = threading.Event()
    bench = Bench(store, clock, lambda _delivery: done.set())
    seen: list[tuple[Delivery, ...]] = []
    body = {"user": "UPIA", "response_url": "https://hooks.example/1", "text": "with a-known-secret in it"}
    parcel = Parcel(kind="click", key="k1", body=body)
    bench.inbox.take(parcel, ack=lambda: seen.append(Deliveries(store).undone()))
    assert done.wait(5)
    bench.inbox.stop()
    ((kept,),) = seen
    assert kept.key == "k1"
    assert "a-known-secret" not in json.dumps(kept.body)
    assert Deliveries(store).undone() == ()
    assert store._db.execute("SELECT body FROM inbox").fetchone() == ("",)


def test_the_same_delivery_is_acked_and_done_once(store: Store, clock: TurnedClock) -> None:
    """However often Slack delivers it, also after it is done and after a restart."""
    worked: list[str] = []
    bench = Bench(store, clock, lambda delivery: worked.append(delivery.key))
    with ThreadPoolExecutor(16) as pool:
        acks = list(pool.map(lambda _n: bench.take(), range(16)))
    bench.inbox.stop()
    again = Bench(store, clock, lambda delivery: worked.append(delivery.key))
    again.inbox.replay()
    assert again.take() == ["k1"]
    again.inbox.stop()
    assert sum(map(len, acks)) == 16
    assert worked == ["k1"]


def test_what_cannot_be_committed_is_not_acked(
    store: Store, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then Slack tells the person, and nothing is done in secret."""
    bench = Bench(store, clock, lambda _delivery: None)

    def full(_delivery: Delivery) -> bool:
        raise OSError("disk full")

    monkeypatch.setattr(bench.inbox._deliveries, "accept", full)
    acks: list[str] = []
    with pytest.raises(OSError, match="disk full"):
        bench.inbox.take(Parcel(kind="click", key="k", body={}), ack=lambda: acks.append("k"))
    assert acks == []


@pytest.mark.parametrize("dies", ["before the effect", "after the effect", "never"])
def test_a_crash_between_ack_and_effect_loses_nothing_and_doubles_nothing(
    tmp_path: Path, clock: TurnedClock, dies: str
) -> None:
    """The vote and the note that the click is done commit together, so the next start knows which it was."""
    store = open_store(tmp_path, clock)
    job = create(store)
    votes: list[str] = []

    def work(delivery: Delivery) -> None:
        if dies == "before the effect" and not delivery.replayed:
            raise Dies
        store.update_job(job.id, lambda fresh: Change(job=fresh.model_copy(update={"reason": f"{fresh.reason}+1"})))
        votes.append(delivery.key)
        if dies == "after the effect" and not delivery.replayed:
            raise Dies

    bench = Bench(store, clock, work)
    assert bench.take() == ["k1"]
    bench.inbox.stop()
    assert len(Deliveries(store).undone()) == (1 if dies == "before the effect" else 0)
    clock.turn(minutes=5)
    restarted = Bench(store, clock, work)
    restarted.inbox.replay()
    restarted.inbox.stop()
    assert store.job(job.id).reason == "+1"
    assert votes == ["k1"]
    assert Deliveries(store).undone() == ()


def test_a_crash_between_the_commit_and_the_ack_has_one_effect(store: Store, clock: TurnedClock) -> None:
    """Slack shows that it failed, the next start does it, and what Slack delivers again is only acked."""
    worked: list[str] = []
    bench = Bench(store, clock, lambda delivery: worked.append(delivery.key))

    def dies() -> None:
        raise Dies

    with pytest.raises(Dies):
        bench.inbox.take(Parcel(kind="click", key="k1", body={"user": "UPIA"}), ack=dies)
    bench.inbox.stop()
    assert worked == []
    restarted = Bench(store, clock, lambda delivery: worked.append(delivery.key))
    restarted.inbox.replay()
    assert restarted.take() == ["k1"]
    restarted.inbox.stop()
    assert worked == ["k1"]


def test_what_is_old_is_told_of_and_not_done(store: Store, clock: TurnedClock) -> None:
    """With a row in the audit trail; and it is told once."""
    Deliveries(store).accept(Delivery(key="k1", kind="click", body={"user": "UPIA"}, received_at=clock.now()))
    clock.turn(seconds=FRESH.total_seconds() + 1)
    worked: list[str] = []
    for _ in range(2):
        bench = Bench(store, clock, lambda delivery: worked.append(delivery.key))
        bench.inbox.replay()
        bench.inbox.stop()
        if bench.late:
            assert [delivery.key for delivery in bench.late] == ["k1"]
    assert worked == []
    assert [row["action"] for row in store.audit_rows()] == ["delivery.too_late"]


def test_what_waits_at_the_stop_is_done_by_the_next_start(store: Store, clock: TurnedClock) -> None:
    """Four workers, ten clicks, and the stop comes while the first four are under way."""
    go, worked = threading.Event(), []

    def work(delivery: Delivery) -> None:
        go.wait(5)
        worked.append(delivery.key)

    bench = Bench(store, clock, work)
    for number in range(10):
        bench.take(f"k{number}")
    threading.Timer(0.2, go.set).start()
    bench.inbox.stop()
    left = {delivery.key for delivery in Deliveries(store).undone()}
    assert len(left) + len(worked) == 10
    restarted = Bench(store, clock, work)
    restarted.inbox.replay()
    restarted.inbox.stop()
    assert Counter(worked) + Counter(delivery.key for delivery in Deliveries(store).undone()) == Counter(
        f"k{number}" for number in range(10)
    )


def test_done_deliveries_are_forgotten_after_a_day(store: Store, clock: TurnedClock) -> None:
    bench = Bench(store, clock, lambda _delivery: None)
    bench.take("old")
    bench.inbox.stop()
    clock.turn(hours=25)
    assert Deliveries(store).accept(Delivery(key="new", kind="click", body={}, received_at=clock.now()))
    assert [row[0] for row in store._db.execute("SELECT key FROM inbox")] == ["new"]


@pytest.mark.timeout(120)
def test_a_hundred_people_click_at_once(tmp_path: Path) -> None:
    """Through Slack's stand-in and Bolt: each click is acked within Slack's three seconds, ten of them count, the
    others are told that it is decided; and nothing is left undone."""
    people = [
        Person(id=f"U{n:08d}", name=f"p{n}", real_name=f"P {n}", email=f"p{n}@example.com") for n in range(PEOPLE)
    ]
    workspace = Workspace(
        manifest=load_manifest(Path(__file__).parents[2] / "manifest.yml"),
        people=people,
        channels=[Channel(name="ops", members=tuple(person.name for person in people))],
    )
    server = LoopbackServer(create_app(workspace))
    url = server.start()
    with World(tmp_path, shape={"one": ()}, policy=MANY) as world:
        world.people.roles["approver"] = frozenset(person.id for person in people)
        client = WebClient(token=workspace.bot_token, base_url=f"{url}/api/")
        app = App(
            client=client,
            authorize=lambda enterprise_id, team_id: AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id),
            listener_executor=ThreadPoolExecutor(16),
        )
        listeners = Listeners(
            work=work_in(world, client),
            store=world.store,
            forget=lambda _id: None,
            clock=world.clock,
            allowance=Allowance(world.store, 1),
            workers=8,
        )
        listeners.register(app)
        handler: Any = SocketModeHandler(app, workspace.app_token)
        handler.connect()
        try:
            workspace.wait(lambda: workspace.connected, 10)
            channel = workspace.state.channel("ops").id
            job = world.ask(actor=DANA)
            shown = job_message(job, world.clock.now())
            ts = str(client.chat_postMessage(channel=channel, text=shown.text, blocks=shown.blocks)["ts"])
            took: list[float] = []

            def click(person: Person) -> None:
                began = time.monotonic()
                workspace.press(person.name, action_id="job_approve", ts=ts)
                took.append(time.monotonic() - began)

            with ThreadPoolExecutor(PEOPLE) as pool:
                list(pool.map(click, people))
            assert max(took) < 3, f"the slowest ack took {max(took):.2f} s"
            assert [seen for seen in (workspace.visible(p.name, "ops")[-1]["trouble"] for p in people) if seen] == []
            deadline = time.monotonic() + 60
            while Deliveries(world.store).undone() and time.monotonic() < deadline:
                time.sleep(0.1)
            assert Deliveries(world.store).undone() == ()
            after = world.ended(job)
            assert after.state is JobState.SUCCEEDED
            assert len({vote.actor.id for vote in after.votes}) == 10
            assert len(after.votes) == 10
            rows = Counter(row["action"] for row in world.store.audit_rows(limit=2000))
            assert (rows["job.approved"], rows["vote.refused"]) == (10, PEOPLE - 10)
        finally:
            handler.close()
            listeners.stop()
            workspace.stop()
            server.stop()


def test_freshness_leaves_room_for_a_restart() -> None:
    """Shorter than a response_url lives, longer than a start takes."""
    assert timedelta(minutes=2) < FRESH < timedelta(minutes=30)
