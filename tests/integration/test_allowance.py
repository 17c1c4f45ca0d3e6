"""One person's requests are bounded; deciding and stopping are not, and nothing is counted twice."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.slack import too_many
from bot.slack.deliveries import Parcel
from bot.slack.inbox import Inbox
from commands import grammar
from commands.catalog import CATALOG
from commands.grammar import Invocation
from policies.approvals import Refusal
from provisioning.store import Allowance, Deliveries, Store
from provisioning.store.allowance import LIMITED, WINDOW
from tests.integration.store_samples import START, TurnedClock, open_store

MOST = 3


def test_one_too_many_is_refused_until_the_oldest_is_a_minute_old(store: Store, clock: TurnedClock) -> None:
    """And it says when; others are not concerned."""
    allowance = Allowance(store, MOST)
    for _ in range(MOST):
        assert allowance.take("UANA") is None
        clock.turn(seconds=10)
    refused = allowance.take("UANA")
    assert isinstance(refused, Refusal)
    assert "3 requests within a minute" in refused.reason
    assert "in 30 s" in refused.next_action
    assert allowance.take("UDANA") is None
    clock.turn(seconds=29.5)
    assert allowance.take("UANA") is not None
    clock.turn(seconds=0.5)
    assert allowance.take("UANA") is None
    assert allowance.take("UANA") is not None, "the second one is not old yet"


def test_no_minute_has_more_than_that_and_nobody_below_it_is_refused(store: Store, clock: TurnedClock) -> None:
    """Any sequence of requests of two people."""
    allowance = Allowance(store, MOST)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(st.floats(0, 40), st.sampled_from(["UANA", "UDANA"])), max_size=40))
    def hold(asked: list[tuple[float, str]]) -> None:
        clock.turn(seconds=120)
        taken: dict[str, list[datetime]] = {"UANA": [], "UDANA": []}
        for pause, person in asked:
            clock.turn(seconds=pause)
            lately = [at for at in taken[person] if clock.now() - at < WINDOW]
            refused = allowance.take(person)
            assert (refused is not None) == (len(lately) >= MOST)
            if refused is None:
                taken[person].append(clock.now())

    hold()


def test_refusals_are_audited_once_a_minute_and_keep_nothing(store: Store, clock: TurnedClock) -> None:
    """A stuck script must not fill the store with its refusals."""
    allowance = Allowance(store, MOST)
    for _ in range(500):
        allowance.take("UANA")
    rows = store.audit_rows()
    assert [(row["action"], row["actor"], row["detail"]["most"]) for row in rows] == [(LIMITED, "UANA", MOST)]
    assert store._db.execute("SELECT count(*) FROM requests").fetchone() == (MOST,)
    clock.turn(seconds=120)
    allowance.take("UDANA")
    assert store._db.execute("SELECT person FROM requests").fetchall() == [("UDANA",)], "old ones are forgotten"


def test_it_holds_across_threads_processes_and_restarts(tmp_path: Path, clock: TurnedClock) -> None:
    stores = [open_store(tmp_path, clock) for _ in range(2)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: Allowance(stores[n % 2], MOST).take("UANA"), range(60)))
    assert sum(answer is None for answer in answers) == MOST
    for one in stores:
        one.close()
    again = open_store(tmp_path, clock)
    assert Allowance(again, MOST).take("UANA") is not None
    again.close()


def test_a_clock_that_is_turned_back_locks_nobody_out(store: Store, clock: TurnedClock) -> None:
    allowance = Allowance(store, 1)
    assert allowance.take("UANA") is None
    clock.time = START - timedelta(days=1)
    assert allowance.take("UANA") is None


def test_none_means_no_limit(store: Store) -> None:
    assert [Allowance(store, 0).take("UANA") for _ in range(100)] == [None] * 100


class _Bench:
    """An inbox that takes commands of one person."""

    def __init__(self, store: Store, clock: TurnedClock) -> None:
        self.did: Counter[str] = Counter()
        self.worked: list[str] = []
        self.refusals: list[Refusal] = []
        self.inbox = Inbox(
            store=store,
            clock=clock,
            handlers={"command": lambda delivery: self.worked.append(delivery.key)},
            allowance=Allowance(store, MOST),
            too_late=lambda delivery: None,
            slow=frozenset(),
            workers=1,
        )

    def send(self, key: str, *, counts: bool = True) -> None:
        parcel = Parcel(kind="command", key=key, body={"user": "UANA"})
        refuse = self.refusals.append if counts else None
        self.inbox.take(parcel, ack=lambda: self.did.update([key]), refuse=refuse)


def test_the_same_delivery_again_counts_once(store: Store, clock: TurnedClock) -> None:
    """Also when nothing is left, and after a restart, when what a crash has left is worked off: it was counted."""
    bench = _Bench(store, clock)
    for key in ("k1", "k1", "k1", "k2", "k3", "k1"):
        bench.send(key)
    bench.send("k4")
    bench.inbox.stop()
    assert (bench.did, len(bench.refusals)) == (Counter(k1=4, k2=1, k3=1), 1)
    with store.writing() as transaction:
        transaction.db.execute("UPDATE inbox SET done_at = NULL, body = '{}' WHERE key = 'k3'")
    restarted = _Bench(store, clock)
    restarted.inbox.replay()
    restarted.inbox.stop()
    assert restarted.worked == ["k3"]
    assert store._db.execute("SELECT count(*) FROM requests").fetchone() == (MOST,)


def test_what_is_refused_is_not_kept_and_what_never_counts_goes_on(store: Store, clock: TurnedClock) -> None:
    bench = _Bench(store, clock)
    for number in range(10):
        bench.send(f"k{number}")
    bench.send("cancel", counts=False)
    while Deliveries(store).undone():
        time.sleep(0.01)
    bench.inbox.stop()
    assert len(bench.refusals) == 7
    assert bench.worked == ["k0", "k1", "k2", "cancel"]
    assert not Deliveries(store).knows("k5")


def test_a_crash_before_the_commit_counts_nothing(
    store: Store, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting and keeping are one transaction."""
    bench = _Bench(store, clock)

    def full(_delivery: object) -> bool:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(bench.inbox._deliveries, "accept", full)
        with pytest.raises(OSError, match="disk full"):
            bench.send("k1")
    assert store._db.execute("SELECT count(*) FROM requests").fetchone() == (0,)


REFUSED = Refusal(reason="you have sent 30 requests", next_action="send it again in 5 s")


def _answers(make: Any, *about: Any) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    refuse = make(lambda **fields: said.append(fields), *about)
    if refuse is not None:
        refuse(REFUSED)
    return said


@pytest.mark.parametrize("text", ["whoami", "tenant create acme --admin-email a@acme.example", "", "help", "nonsense"])
def test_a_command_too_many_is_answered_to_its_sender_alone(text: str) -> None:
    """Whatever it says: also what is no command costs a reply."""
    (said,) = _answers(too_many.at_command, grammar.parse(text))
    assert said["response_type"] == "ephemeral"
    assert "send it again in 5 s" in str(said["blocks"])


@pytest.mark.parametrize("text", ["job cancel 41", "approval recall U0123456789"])
def test_what_stops_something_is_heard_however_often(text: str) -> None:
    assert _answers(too_many.at_command, grammar.parse(text)) == []


def test_a_form_too_many_stays_open_and_a_preview_says_so() -> None:
    spec = CATALOG["tenant create"]
    (said,) = _answers(too_many.at_form, spec)
    assert said["response_action"] == "errors"
    assert set(said["errors"]) <= set(spec.args.model_fields)
    asked = grammar.parse("tenant create acme --admin-email ana@acme.example")
    assert isinstance(asked, Invocation)
    (shown,) = _answers(too_many.at_preview, asked)
    assert shown["response_action"] == "update"
    assert "in 5 s" in str(shown["view"])


def test_a_click_too_many_is_said_not_to_have_counted() -> None:
    """An ack shows nothing, and who approved must not believe that they did."""
    said: list[str] = []
    assert _answers(lambda ack: too_many.at_click(ack, lambda shown: said.append(shown.text))) == [{}]
    assert len(said) == 1
    assert "your click did nothing" in said[0]
    assert "click again in 5 s" in said[0]
