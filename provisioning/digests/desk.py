"""Posts digests: finds slots that are due by the product's clock, turns alerts on and off, sends what is owed.

Whoever ticks and however often, each slot is posted by one (see `provisioning.store.digests`). Slots that passed while
nothing ran are caught up by one post, for the last of them. What cannot be posted is told to the digest's owner, once.
"""

import logging
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from provisioning.clock import Clock
from provisioning.digests.digest import Digest, Turn, turn_of
from provisioning.digests.posts import Post, PostKind, Standing, post_id
from provisioning.errors import ChatopsError, TemporaryError
from provisioning.evidence.trail import Event
from provisioning.people import People
from provisioning.reports import Report
from provisioning.store.digests import Digests
from provisioning.store.samples import Sample

log = logging.getLogger(__name__)

ADMINS = frozenset({"admin"})
MOST_TRIES = 8
FIRST_RETRY_S, LAST_RETRY_S = 5, 600

Measure = Callable[[], Mapping[str, float]]


class Poster(Protocol):
    """Sends a report to a channel."""

    def post(self, channel: str, report: Report) -> str:
        """Return the message's ts. Raises: PermanentError where the channel cannot have it, TemporaryError."""

    def illustrate(self, channel: str, ts: str, report: Report) -> None:
        """Put the report's pictures into the message's thread, where that can be done. Raises nothing of its own."""


class Composer(Protocol):
    """Makes the report of a post."""

    def compose(self, standing: Standing, post: Post, now: datetime) -> Report:
        """Look at the world and report. What cannot be read is said in the report."""


class Desk:
    """Ticked by the scheduler; `watch` is told of each sample. One thread at a time ticks."""

    def __init__(
        self,
        *,
        digests: Digests,
        composer: Composer,
        poster: Poster,
        measure: Measure,
        clock: Clock,
        people: People,
    ) -> None:
        self._digests = digests
        self._people = people
        self._composer = composer
        self._poster = poster
        self._measure = measure
        self._clock = clock
        self._owner = uuid.uuid4().hex

    def start(self) -> None:
        """Take over what a dead process had claimed. Only for who holds the data folder."""
        if count := self._digests.release(self._owner):
            log.warning("%d digest posts were claimed by a process that is gone: they are posted again", count)

    def tick(self) -> None:
        """Find what is due, and send all that is owed."""
        now = self._clock.now()
        values: Mapping[str, float] | None = None
        for standing in self._digests.all():
            digest = standing.digest
            passed = None if digest.paused else digest.schedule.passed(standing.cursor, now)
            if passed is None:
                continue
            if digest.alert is not None and values is None:
                values = self._measured()  # once for all that are due
            watched = values or {} if digest.alert is not None else {}
            self._fall_due(standing, slot=passed[0], missed=passed[1], values=watched, now=now)
        self._send()

    def watch(self, sample: Sample) -> None:
        """Turn alerts on and off between slots by what was sampled. The next tick sends them."""
        for standing in self._digests.all():
            digest = standing.digest
            turn = turn_of(digest, alerting=standing.alert_since is not None, values=sample.values)
            if turn is not None and not digest.paused:
                self._turn(digest, turn, slot=sample.at, missed=0, values=sample.values, now=sample.at)

    def _fall_due(
        self, standing: Standing, *, slot: datetime, missed: int, values: Mapping[str, float], now: datetime
    ) -> None:
        digest = standing.digest
        turn = turn_of(digest, alerting=standing.alert_since is not None, values=values)
        if turn is not None and self._turn(digest, turn, slot=slot, missed=missed, values=values, now=now, cursor=slot):
            return
        post = Post(
            id=post_id(digest.name, PostKind.SLOT, slot.isoformat()),
            digest=digest.name,
            kind=PostKind.SLOT,
            slot=slot,
            missed=missed,
            values=values,
        )
        self._digests.owe(post, cursor=slot)

    def _turn(
        self,
        digest: Digest,
        turn: Turn,
        *,
        slot: datetime,
        missed: int,
        values: Mapping[str, float],
        now: datetime,
        cursor: datetime | None = None,
    ) -> bool:
        kind = PostKind.ALERT if turn is Turn.ALERT else PostKind.CLEAR
        condition = digest.alert if turn is Turn.ALERT else digest.clear
        post = Post(
            id=post_id(digest.name, kind, slot.isoformat()),
            digest=digest.name,
            kind=kind,
            slot=slot,
            missed=missed,
            values=values,
        )
        event = Event(
            action="digest.alerted" if turn is Turn.ALERT else "digest.cleared",
            subject=f"digest:{digest.name}",
            detail={"condition": str(condition), "value": values[condition.measure] if condition else None},
            actor="bot",
            actor_name="bot",
        )
        return self._digests.turn(post, since=now if turn is Turn.ALERT else None, event=event, cursor=cursor)

    def _measured(self) -> Mapping[str, float]:
        try:
            return self._measure()
        except ChatopsError as error:
            log.warning("a digest is due and nothing could be measured: %s", error)
            return {}

    def _send(self) -> None:
        while (post := self._digests.claim(self._owner, self._clock.now())) is not None:
            standing = next((one for one in self._digests.all() if one.digest.name == post.digest), None)
            if standing is None or (post.kind is PostKind.TROUBLE and not standing.trouble):
                self._digests.forget(post)  # the digest is gone, or is posted again
                continue
            try:
                report = self._composer.compose(standing, post, self._clock.now())
                ts = self._post(standing, post, report)
            except Exception as error:
                # Whatever it was, the post must not stay claimed, nor hold up the others.
                log.exception("posting %s failed", post.id)
                self._try_again(standing, post, type(error).__name__)
                continue
            if ts is not None and not post.addressee:
                self._poster.illustrate(standing.digest.channel, ts, report)

    def _post(self, standing: Standing, post: Post, report: Report) -> str | None:
        """Return the message's ts, or None where it could not be posted. Settled at once: what is settled is not
        posted again, whatever becomes of its pictures."""
        channel = post.addressee or standing.digest.channel
        head = self._digests.head()
        try:
            ts = self._poster.post(channel, report)
        except TemporaryError as error:
            log.warning("posting %s: %s", post.id, error)
            self._try_again(standing, post, str(error))
        except ChatopsError as error:
            log.warning("posting %s: %s", post.id, error)
            self._fail(standing, post, str(error))
        else:
            detail = {"ts": ts, "head_seq": head[0], "head": head[1]}
            self._digests.settle(
                post, _event("digest.told" if post.addressee else "digest.posted", post, channel, detail)
            )
            return ts
        return None

    def _try_again(self, standing: Standing, post: Post, problem: str) -> None:
        if post.tries + 1 >= MOST_TRIES:
            self._fail(standing, post, f"after {MOST_TRIES} tries: {problem}")
            return
        delay_s = min(FIRST_RETRY_S * 2**post.tries, LAST_RETRY_S)
        self._digests.again(post, at=self._clock.now() + timedelta(seconds=delay_s), problem=problem)

    def _fail(self, standing: Standing, post: Post, problem: str) -> None:
        channel = post.addressee or standing.digest.channel
        event = _event("digest.failed", post, channel, {"why": problem})
        self._digests.settle(post, event, problem=problem, tell=self._to_tell(standing, post))

    def _to_tell(self, standing: Standing, post: Post) -> frozenset[str]:
        """Return the ids of those who hear that *post* failed: the digest's owner; where that is nobody in Slack, or
        the owner cannot be told either, the admins."""
        owner = standing.owner.id if standing.owner is not None and standing.owner.id.isalnum() else ""
        if owner and not post.addressee:
            return frozenset({owner})
        if post.addressee and post.addressee != owner:
            return frozenset()  # an admin, who cannot be told: the audit trail and `digest list` say it
        try:
            return self._people.people_with(ADMINS) - {owner}
        except ChatopsError as error:
            log.warning("nobody is told that %s failed: %s", post.id, error)
            return frozenset()


def _event(action: str, post: Post, channel: str, detail: Mapping[str, object]) -> Event:
    return Event(
        action=action,
        subject=f"digest:{post.digest}",
        outcome="failed" if action == "digest.failed" else "",
        detail={"post": post.id, "channel": channel, "missed": post.missed, **detail},
        actor="bot",
        actor_name="bot",
    )
