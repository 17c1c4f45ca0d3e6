"""Digests in a real store: each slot once whoever fires, alerts without flapping, crashes at the worst moment."""

import json
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from commands.digests import DigestAdd, DigestArgs
from policies.approvals import Actor, Refusal
from provisioning.digests.compose import DigestComposer
from provisioning.digests.desk import MOST_TRIES
from provisioning.digests.posts import Post, Standing
from provisioning.errors import PermanentError, TemporaryError
from provisioning.evidence.verifier import verify
from provisioning.operations.base import Draft
from provisioning.operations.digests import MOST, AddDigest, DigestFacts, RemoveDigest
from provisioning.plan import Presence
from provisioning.queries.base import Asked
from provisioning.queries.digest_list import DigestList
from provisioning.redact import Redactor
from provisioning.reports import Report
from provisioning.steps.digest_steps import KeepDigest, RunDigestNow
from provisioning.store import Store
from provisioning.store.digests import Digests
from provisioning.store.samples import Sample, Samples
from tests.integration.digest_samples import MORNING, RUN, START, Hands, actions, desk, words
from tests.integration.store_samples import create

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def store(tmp_path: Path, hands: Hands) -> Store:
    return Store(tmp_path / "chatops.db", clock=hands, redact=Redactor())


def test_each_slot_is_posted_once(store: Store, hands: Hands) -> None:
    """However often it ticks, in however many processes at once; before its slot nothing is."""
    Digests(store).put(MORNING, START)
    desks = [desk(store, hands) for _ in range(4)]
    for one in desks:
        one.tick()
    assert hands.sent == []
    for _ in range(3):
        hands.at += timedelta(days=1)
        threads = [threading.Thread(target=one.tick) for one in desks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert hands.titles == ["Digest morning"] * 3
    assert hands.pictures == 3
    assert actions(store) == ["digest.posted"] * 3


@pytest.mark.timeout(120)
def test_processes_that_fire_at_once_post_each_slot_once(store: Store, tmp_path: Path) -> None:
    """Three of them, each with a store and a clock of its own, race through forty slots: no slot is posted twice or
    left out. Whoever comes late may post one slot for several, and says so."""
    digests, slots = Digests(store), 40
    digests.put(MORNING.model_copy(update={"cron": "*/5 * * * *", "alert": None, "clear": None}), START)
    command = [sys.executable, "-m", "tests.integration.digest_process", str(tmp_path), str(slots)]
    firing = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    try:
        for process in firing:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "ready"
        for process in firing:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [json.loads(process.communicate(timeout=90)[0]) for process in firing]
    finally:
        for process in firing:
            process.kill()
            process.wait(10)
    posted = sorted(slot for one in said for slot in one)
    assert len(set(posted)) == len(posted) > slots / 2
    with store.reading() as db:
        rows = list(db.table("digest_posts").rows)
    assert {row["state"] for row in rows} == {"posted"}
    assert len(rows) == len(posted)
    assert sum(1 + row["missed"] for row in rows) == slots
    assert actions(store).count("digest.posted") == len(posted)


def test_missed_slots_are_caught_up_by_one_post(store: Store, hands: Hands) -> None:
    """After ten days without a bot: the last slot, which says how many it stands for."""
    Digests(store).put(MORNING, START)
    hands.at += timedelta(days=10)
    desk(store, hands).tick()
    desk(store, hands).tick()
    assert len(hands.sent) == 1
    assert "9 earlier slots" in words(hands.sent[0])
    assert hands.sent[0].summary == "Thu 2026-12-03 09:00 UTC"


def test_an_alert_comes_once_and_goes_once(store: Store, hands: Hands) -> None:
    """Between slots by samples, at a slot by what is measured then; between the limits nothing comes or goes."""
    Digests(store).put(MORNING, START)
    one = desk(store, hands)
    for hour, free in enumerate((60.0, 49.0, 60.0, 48.0, 79.0, 81.0, 60.0)):
        hands.at, hands.free = START + timedelta(hours=hour), free
        sample = Sample(at=hands.at, values={"ports.free": free})
        Samples(store).put(f"hour-{hour}", sample)
        one.watch(sample)
        one.tick()
    assert hands.titles == ["⚠️ Alert: ports.free<50", "✅ Over: ports.free<50"]
    assert "ports.free is 49" in hands.sent[0].summary
    assert [one.name for one in hands.sent[0].attachments] == ["trends.png"]  # how it came to that
    assert hands.sent[1].attachments == ()
    assert actions(store) == ["digest.alerted", "digest.posted", "digest.cleared", "digest.posted"]
    hands.at, hands.free = START + timedelta(days=1), 10.0
    one.tick()
    assert hands.titles[2:] == ["⚠️ Alert: ports.free<50"]  # the slot itself, and no second message
    hands.at += timedelta(days=1)
    one.tick()
    assert hands.titles[3:] == ["Digest morning"]
    assert "The alert ports.free<50 holds since" in words(hands.sent[3])


def test_what_cannot_be_measured_turns_nothing(store: Store, hands: Hands) -> None:
    """The digest is posted all the same, and an alert that holds goes on."""
    Digests(store).put(MORNING, START)
    one = desk(store, hands)
    one.watch(Sample(at=START, values={"ports.free": 1.0}))
    hands.at, hands.free = START + timedelta(days=1), None
    one.tick()
    assert hands.titles == ["⚠️ Alert: ports.free<50", "Digest morning"]
    assert "holds since" in words(hands.sent[1])


def test_a_post_that_died_half_way_is_posted_again_and_says_so(store: Store, hands: Hands) -> None:
    """Killed between the claim and its settling: the next start does not know whether Slack had it."""

    class Killed(BaseException):
        pass

    Digests(store).put(MORNING, START)
    hands.at += timedelta(days=1)
    hands.fail = Killed
    with pytest.raises(Killed):
        desk(store, hands).tick()
    hands.fail = None
    other = desk(store, hands)
    other.tick()
    assert hands.sent == []  # it is claimed: another process that lives might be sending it
    other.start()
    other.tick()
    other.start()
    other.tick()
    assert len(hands.sent) == 1
    assert "may stand here twice" in words(hands.sent[0])


def test_slack_being_down_delays_and_loses_nothing(store: Store, hands: Hands) -> None:
    """Tried again and again, ever later; given up only after the last try, and that is audited."""
    Digests(store).put(MORNING, START)
    one = desk(store, hands)
    hands.at += timedelta(days=1)
    hands.fail = lambda: TemporaryError("posting in C01: ratelimited")
    one.tick()
    one.tick()  # too early for the second try
    assert Digests(store).all()[0].last is not None
    hands.fail, hands.at = None, hands.at + timedelta(seconds=6)
    one.tick()
    assert len(hands.sent) == 1
    hands.fail = lambda: TemporaryError("posting in C01: ratelimited")
    hands.at += timedelta(days=1)
    for _ in range(MOST_TRIES + 2):
        one.tick()
        hands.at += timedelta(minutes=10)
    assert actions(store) == ["digest.posted", "digest.failed", "digest.told"]
    last = Digests(store).all()[0].last
    assert last is not None
    assert (last.state, last.tries) == ("failed", MOST_TRIES)


def test_a_channel_without_the_bot_is_said_and_not_tried_again(store: Store, hands: Hands) -> None:
    Digests(store).put(MORNING, START)
    hands.at += timedelta(days=1)
    hands.fail = lambda: PermanentError("posting in C01: not_in_channel", next_action="invite the bot to the channel")
    one = desk(store, hands)
    one.tick()
    one.tick()
    assert actions(store) == ["digest.failed", "digest.told"]

    class Sources:
        def __init__(self) -> None:
            self.store = store

    query = DigestList(Sources())  # type: ignore[arg-type]  # it looks at nothing but the store
    listed = query.answer(None, _asked(hands))  # type: ignore[arg-type]  # it takes no arguments
    assert "invite the bot to the channel" in str(listed.parts)


def test_one_broken_digest_does_not_hold_up_the_others(store: Store, hands: Hands) -> None:
    """Whatever its composing raises."""

    class Broken(DigestComposer):
        def compose(self, standing: Standing, post: Post, now: datetime) -> Report:
            if standing.digest.name == "broken":
                raise ZeroDivisionError
            return super().compose(standing, post, now)

    for name in ("broken", "morning"):
        Digests(store).put(MORNING.model_copy(update={"name": name}), START)
    hands.at += timedelta(days=1)
    composer = Broken(store=store, queries={})
    desk(store, hands, composer).tick()
    assert hands.titles == ["Digest morning"]


def test_the_posted_head_anchors_the_trail(store: Store, hands: Hands, tmp_path: Path) -> None:
    """The trail holds with the head that was posted, also once it has grown; not with its tail cut off."""
    Digests(store).put(MORNING, START)
    one = desk(store, hands)
    for _ in range(3):
        hands.at += timedelta(days=1)
        one.tick()
    facts = next(part for part in hands.sent[-1].parts if getattr(part, "title", "") == "Audit head")
    head = dict(facts.items)["Hash"]  # type: ignore[union-attr]  # Facts
    assert isinstance(head, str)
    assert verify(tmp_path / "chatops.db", head).ok
    with store.reading() as db:
        db.execute("DROP TRIGGER audit_no_delete")
        db.execute("DELETE FROM audit WHERE seq >= 2")
    assert verify(tmp_path / "chatops.db").ok
    assert not verify(tmp_path / "chatops.db", head).ok


def test_pause_resume_and_remove(store: Store, hands: Hands) -> None:
    """Paused: nothing, not even alerts; resumed: from the next slot; removed: what was owed is forgotten."""
    digests, one = Digests(store), desk(store, hands)
    digests.put(MORNING.model_copy(update={"paused": True}), START)
    hands.at, hands.free = START + timedelta(days=3), 1.0
    one.watch(Sample(at=hands.at, values={"ports.free": 1.0}))
    one.tick()
    assert hands.sent == []
    digests.put(MORNING, hands.at)
    one.tick()
    assert hands.sent == []
    hands.at += timedelta(days=1)
    one.tick()
    assert len(hands.sent) == 1
    assert "to stop: /clearml digest pause morning" in words(hands.sent[0])
    digests.put(MORNING.model_copy(update={"paused": True}), hands.at)
    create(store)
    RunDigestNow(store, hands).apply({"name": "morning"}, RUN)
    one.tick()
    assert "paused · to go on: /clearml digest resume morning" in words(hands.sent.pop())
    digests.remove("morning")
    hands.at += timedelta(days=1)
    one.tick()
    assert len(hands.sent) == 1


def test_steps_keep_and_take_back(store: Store, hands: Hands) -> None:
    """Applying again after a crash moves no cursor; undo keeps what was before; a job owes one post however often."""
    create(store)  # the job that the steps are of
    digests, keep = Digests(store), KeepDigest(store, hands)
    wanted = {"name": "morning", "wanted": MORNING.model_dump(mode="json"), "before": None}
    assert keep.observe(wanted).presence is Presence.ABSENT
    keep.apply(wanted, RUN)
    hands.at += timedelta(hours=1)
    keep.apply(wanted, RUN)
    assert digests.all()[0].cursor == START
    assert keep.observe(wanted).presence is Presence.PRESENT
    paused = MORNING.model_copy(update={"paused": True}).model_dump(mode="json")
    change = {"name": "morning", "wanted": paused, "before": MORNING.model_dump(mode="json")}
    assert keep.observe(change).differences == {"paused": (False, True)}
    keep.apply(change, RUN)
    keep.undo(change, {}, RUN)
    assert digests.get("morning") == MORNING
    run = RunDigestNow(store, hands)
    run.apply({"name": "morning"}, RUN)
    run.apply({"name": "morning"}, RUN)
    desk(store, hands).tick()
    assert len(hands.sent) == 1
    keep.undo(wanted, {}, RUN)
    assert digests.get("morning") is None


def test_operations_refuse_with_the_next_action() -> None:
    """No channel, too many, none of that name."""
    args = DigestAdd.model_validate({"name": "morning", "at": "daily 09:00"})
    nowhere = AddDigest().draft(args, DigestFacts(found=None, count=0))
    assert isinstance(nowhere, Refusal)
    assert "--channel" in nowhere.next_action
    many = AddDigest().draft(args.asked_in("C01"), DigestFacts(found=None, count=MOST))
    assert isinstance(many, Refusal)
    drafted = AddDigest().draft(args.asked_in("C01"), DigestFacts(found=MORNING, count=MOST))
    assert isinstance(drafted, Draft)
    assert drafted.subject == "digest:morning"
    gone = RemoveDigest().draft(DigestArgs(name="x1"), DigestFacts(found=None, count=0))
    assert isinstance(gone, Refusal)


def test_settled_posts_are_forgotten_in_time(store: Store, hands: Hands) -> None:
    """Ninety days are kept."""
    Digests(store).put(MORNING, START)
    one = desk(store, hands)
    for _ in range(120):
        hands.at += timedelta(days=1)
        one.tick()
    with store.reading() as db:
        assert db.table("digest_posts").count == 91


def _asked(hands: Hands) -> Asked:
    return Asked(actor=Actor(id="U1", name="ana", roles=frozenset({"viewer"})), now=hands.at, channel=None)
