"""A digest that cannot be posted: its owner hears of it, once for each reason, and it goes on."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from provisioning.digests.posts import Owner
from provisioning.errors import PermanentError, TemporaryError
from provisioning.redact import Redactor
from provisioning.steps.digest_steps import KeepDigest
from provisioning.store import Store
from provisioning.store.digests import Digests
from provisioning.store.samples import Sample
from tests.integration.digest_samples import MORNING, RUN, START, Hands, actions, desk, words
from tests.integration.store_samples import ANA, create

OWNER = Owner(id="U1", name="ana")


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def store(tmp_path: Path, hands: Hands) -> Store:
    return Store(tmp_path / "chatops.db", clock=hands, redact=Redactor())


def left() -> PermanentError:
    return PermanentError("posting in C01: not_in_channel", next_action="in that channel: /invite @clearml-chatops")


def archived() -> PermanentError:
    return PermanentError("posting in C01: is_archived", next_action="unarchive it")


def test_the_owner_hears_of_it_once_for_each_reason(store: Store, hands: Hands) -> None:
    """Not at each slot; again where the reason changes, and where it fails anew after it was posted in between."""
    digests, one = Digests(store), desk(store, hands)
    digests.put(MORNING, START, OWNER)
    for day, (fail, told) in enumerate(
        [(left, 1), (left, 1), (left, 1), (archived, 2), (archived, 2), (None, 2), (left, 3), (left, 3)], 1
    ):
        hands.fail, hands.at = fail, START + timedelta(days=day)
        one.tick()
        assert [person for person, _ in hands.told] == ["U1"] * told, day
    assert len(hands.sent) == 1
    assert actions(store)[:2] == ["digest.failed", "digest.told"]
    assert actions(store).count("digest.failed") == 3
    assert "/invite @clearml-chatops" in words(hands.told[0][1])
    assert "it is tried again Wed 2026-11-25 09:00 UTC" in words(hands.told[0][1])
    assert digests.get("morning") == MORNING
    standing = digests.all()[0]
    assert standing.trouble.startswith("posting in C01: not_in_channel")
    assert standing.last is not None
    assert standing.last.state == "failed"
    digests.put(MORNING.model_copy(update={"channel": "C02"}), hands.at)
    assert digests.all()[0].trouble == ""
    assert digests.all()[0].owner == OWNER


@pytest.mark.parametrize("owner", [None, Owner(id="os:root", name="root"), OWNER])
def test_admins_hear_of_it_where_the_owner_cannot(store: Store, hands: Hands, owner: Owner | None) -> None:
    """Of a digest from the command line, from before owners were kept, or of somebody who has left."""
    Digests(store).put(MORNING, START, owner)
    hands.fail, hands.gone, hands.at = left, {"U1"}, START + timedelta(days=1)
    one = desk(store, hands)
    one.tick()
    one.tick()
    assert [person for person, _ in hands.told] == ["U9"]
    assert ("of ana" in words(hands.told[0][1])) is (owner is OWNER)
    hands.gone.add("U9")
    Digests(store).put(MORNING, hands.at, owner)
    hands.at += timedelta(days=1)
    one.tick()
    assert len(hands.told) == 1  # nobody is left, and that is no endless chain
    assert actions(store)[-1] == "digest.failed"


def test_each_alert_that_nobody_sees_is_told(store: Store, hands: Hands) -> None:
    """Also while the channel's trouble is known already; and once the channel is back, it is no news any more."""
    Digests(store).put(MORNING, START, OWNER)
    one = desk(store, hands)
    hands.fail, hands.at = left, START + timedelta(days=1)
    one.tick()
    one.watch(Sample(at=hands.at, values={"ports.free": 1.0}))
    one.tick()
    assert len(hands.told) == 2
    assert "Its alert ports.free<50 holds since" in words(hands.told[1][1])
    assert actions(store).count("digest.failed") == 2


def test_a_word_of_trouble_that_is_over_is_not_said(store: Store, hands: Hands) -> None:
    """Slack was away for the channel and the owner alike; then the digest was posted first."""
    digests = Digests(store)
    digests.put(MORNING, START, OWNER)
    hands.fail, hands.at = left, START + timedelta(days=1)
    one = desk(store, hands)
    one._poster = _Mute(hands)  # type: ignore[assignment]  # takes nothing for people
    one.tick()
    one._poster, hands.fail = hands, None
    hands.at += timedelta(days=1)
    digests.put(MORNING, START + timedelta(days=1), OWNER)  # clears the trouble
    one.tick()
    assert hands.told == []
    assert len(hands.sent) == 1


def test_who_shapes_a_digest_owns_it(store: Store, hands: Hands) -> None:
    """Pausing and resuming by somebody else takes it over from nobody; another shape does."""
    create(store)
    create(store, "beta", requester=ANA.model_copy(update={"id": "UBEN", "name": "ben"}))
    digests, keep = Digests(store), KeepDigest(store, hands)
    shape = MORNING.model_dump(mode="json")
    by_ben = replace(RUN, job_id="job-2")
    keep.apply({"name": "morning", "wanted": shape, "before": None}, RUN)
    keep.apply({"name": "morning", "wanted": shape | {"paused": True}, "before": shape}, by_ben)
    assert digests.all()[0].owner == Owner(id=ANA.id, name=ANA.name)
    other = shape | {"cron": "0 8 * * *"}
    keep.apply({"name": "morning", "wanted": other, "before": shape}, by_ben)
    assert digests.all()[0].owner == Owner(id="UBEN", name="ben")


class _Mute:
    """A channel whose people cannot be reached for a while."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    def post(self, channel: str, report: object) -> str:
        if channel != "C01":
            raise TemporaryError("posting: ratelimited")
        raise left()


def test_digests_from_before_owners_were_kept_stay(tmp_path: Path, hands: Hands) -> None:
    """An older store is brought up to date: its digests have no owner, and admins are told of theirs."""
    path = tmp_path / "chatops.db"
    older = Store(path, clock=hands, redact=Redactor())
    Digests(older).put(MORNING, START)
    with older.writing() as transaction:
        for column in ("owner", "owner_name", "trouble"):
            transaction.db.execute(f"ALTER TABLE digests DROP COLUMN {column}")
        transaction.db.execute("ALTER TABLE digest_posts DROP COLUMN addressee")
        transaction.db.execute("DELETE FROM _sqlite_migrations WHERE name = '0013_digest_owners'")
    older.close()
    store = Store(path, clock=hands, redact=Redactor())
    assert [(one.digest, one.owner, one.trouble) for one in Digests(store).all()] == [(MORNING, None, "")]
    hands.fail, hands.at = left, START + timedelta(days=1)
    desk(store, hands).tick()
    assert [person for person, _ in hands.told] == ["U9"]
