"""Keeps every job's one live message up to date: throttled, in order, mended after a restart.

A change only marks its job; one thread shows the newest state of each marked job. What people wait for (a
decision, an end) goes before what is on its way. Slack's limits are kept here and not found out by 429s.
"""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.pacing import Pace
from bot.slack.render_job import Rendered, bare_message, job_message
from bot.slack.render_notes import moved_note, thread_note
from provisioning.clock import Clock
from provisioning.jobs.history import expected_durations
from provisioning.jobs.job import MOVING, UNDER_WAY, Job, JobState, Place
from provisioning.store import Change, Store
from provisioning.store.seen import Seen

log = logging.getLogger(__name__)

EVERY_S = 1.3  # between two updates of one message
UPDATES = {"burst": 8, "per_minute": 42}  # chat.update is Tier 3: 50 a minute
POSTS = {"burst": 2, "per_minute": 55}  # chat.postMessage: one a second in a channel
FIRST_RETRY_S, LAST_RETRY_S = 2.0, 120.0
TICK_S = 15.0  # so often the elapsed time of a step that runs is told anew
HISTORY_S, HISTORY_JOBS = 60.0, 50
MENDED_JOBS = 200  # how far back a restart looks for messages that are behind
NOTE_TTL_S = 3600.0
# What Slack says. Source: docs.slack.dev/reference/methods/chat.update and chat.postMessage
ARCHIVED = frozenset({"is_archived", "is_inactive"})  # to a post, to an update
NO_PLACE = ARCHIVED | {"channel_not_found", "not_in_channel", "restricted_action"}
LOST = frozenset({"message_not_found", "cant_update_message"})  # deleted, or of an app that was installed anew
NOBODY = frozenset({"cannot_dm_bot", "messages_tab_disabled", "user_disabled", "user_not_found"})
GONE = NO_PLACE | NOBODY | {"edit_window_closed"}
PASSING = frozenset({"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"})
TOO_MUCH = frozenset({"invalid_blocks", "msg_too_long", "msg_blocks_too_long", "invalid_arguments"})


@dataclass
class _Due:
    """A job whose message is behind."""

    at: float  # by the monotonic clock
    moving: bool  # nobody waits for this: more will come
    updates: bool  # it has a message
    tick: bool = False  # nothing has changed but the time


class LiveMessages:
    """Shows jobs. ``start`` once; ``stop`` shows what is left and ends.

    *client* must not retry 429s by itself: it would hold up every other message. *cards*: show steps as Slack's task
    cards, until Slack refuses them once.
    """

    def __init__(
        self, store: Store, client: WebClient, clock: Clock, *, every_s: float = EVERY_S, cards: bool = False
    ) -> None:
        self._store = store
        self._seen = Seen(store)
        self._cards = cards
        self._client = client
        self._clock = clock
        self._every_s = every_s
        self._due: dict[str, _Due] = {}  # by job id
        self._shown_at: dict[str, float] = {}
        self._failures: dict[str, int] = {}  # in a row
        self._updates = Pace(burst=UPDATES["burst"], per_minute=UPDATES["per_minute"])
        self._posts: dict[str, Pace] = {}  # by channel
        self._history: dict[str, tuple[float, Mapping[str, float]]] = {}  # by operation
        self._held_until = 0.0  # Slack has asked to wait
        self._seen_version = -1
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="live-messages", daemon=True)
        store.on_change(self.mark)

    def start(self) -> None:
        """Begin, with every message that is behind."""
        self.mend()
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Show what is marked, then end. What Slack does not take now is shown by the next start."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def mend(self) -> None:
        """Mark every job whose message is behind, where another process has changed the store."""
        version = self._store.changed_elsewhere()
        if version == self._seen_version:
            return
        self._seen_version = version
        for job in self._store.jobs(limit=MENDED_JOBS):
            if job.shown_revision < job.revision:
                self.mark(job)

    def mark(self, job: Job) -> None:
        """Have *job* shown as soon as its turn comes. Returns at once."""
        if job.place is not None:
            self._mark(job, not_before=0.0)

    def _mark(self, job: Job, *, not_before: float) -> None:
        with self._wake:
            known = self._due.get(job.id)
            if known is not None and known.tick:
                known = None
            earliest = self._shown_at.get(job.id, -self._every_s) + self._every_s
            at = known.at if known is not None else max(earliest, not_before, time.monotonic())
            has_message = job.place is not None and job.place.ts is not None
            self._due[job.id] = _Due(at=at, moving=job.state in UNDER_WAY, updates=has_message)
            self._wake.notify()

    def _work(self) -> None:
        while (job_id := self._next()) is not None:
            try:
                self._show(job_id)
            except Exception:
                # Whatever it was, the message must not stay behind, and the thread must not die.
                log.exception("showing %s failed: trying again", job_id)
                self._again(job_id)

    def _next(self) -> str | None:
        """Return the job whose turn it is, waiting for it; None once all is shown and the end has come."""
        with self._wake:
            while True:
                now = time.monotonic()
                if not self._due and self._stopping:
                    return None
                ready = {job_id: self._ready_at(due, now) for job_id, due in self._due.items()}
                may = [job_id for job_id, at in ready.items() if at <= now or self._stopping]
                if may:
                    first = min(may, key=lambda job_id: (self._due[job_id].moving, self._due[job_id].at))
                    del self._due[first]
                    return first
                self._wake.wait(max(0.0, min(ready.values()) - now) if ready else None)

    def _ready_at(self, due: _Due, now: float) -> float:
        paced = now + self._updates.wait_s(now) if due.updates else now
        return max(due.at, paced, self._held_until)

    def _show(self, job_id: str) -> None:
        job = self._store.job(job_id)
        if job.place is None or (job.shown_revision >= job.revision and job.state not in MOVING):
            return
        shown, place = self._render(job), job.place
        try:
            put = self._put(job, place, shown)
            if put != place:
                self._place(job, put)
            place = put
            self._tell(job, place)
        except SlackApiError as error:
            self._refused(job, place, error)
            return
        except OSError as error:
            log.warning("Slack cannot be reached for %s (%s): trying again", job_id, type(error).__name__)
            self._again(job_id)
            return
        self._remember(job)

    def _put(self, job: Job, place: Place, shown: Rendered) -> Place:
        """Post or update the message and return where it stands. Raises: SlackApiError, OSError."""
        try:
            return self._send(place, shown)
        except SlackApiError as error:
            if error.response.get("error") not in TOO_MUCH:
                raise
            said = error.response
        if self._cards:
            log.warning("Slack does not take task cards (%s): steps are lines from now on", said)
            self._cards = False
            return self._put(job, place, self._render(job))
        log.warning("Slack does not take the message of %s (%s): a short one goes", job.id, said)
        return self._send(place, bare_message(job))

    def _render(self, job: Job) -> Rendered:
        return job_message(job, self._clock.now(), self._expected(job), cards=self._cards)

    def _send(self, place: Place, shown: Rendered) -> Place:
        if place.ts is not None:
            with self._wake:
                self._updates.take(time.monotonic())
            self._client.chat_update(channel=place.channel, ts=place.ts, text=shown.text, blocks=shown.blocks)
            return place
        answer = self._post(place.channel, shown)
        # Posted to a person's id, a message stands in a channel of its own.
        return Place(channel=str(answer.get("channel") or place.channel), ts=str(answer["ts"]))

    def _post(self, channel: str, shown: Rendered, thread_ts: str | None = None) -> "dict[str, object]":
        pace = self._posts.setdefault(channel, Pace(burst=POSTS["burst"], per_minute=POSTS["per_minute"]))
        wait_s = pace.wait_s(time.monotonic())
        if wait_s:
            time.sleep(wait_s)  # about a second, and posts are rare
        pace.take(time.monotonic())
        answer = self._client.chat_postMessage(
            channel=channel, text=shown.text, blocks=shown.blocks, thread_ts=thread_ts, unfurl_links=False
        )
        return dict(answer.data) if isinstance(answer.data, dict) else {}

    def _refused(self, job: Job, place: Place, error: SlackApiError) -> None:
        said = str(error.response.get("error"))
        in_person = place.channel == job.requester.id or place.channel.startswith("D")
        if said == "ratelimited":
            wait_s = float(error.response.headers.get("Retry-After", 30))
            log.warning("Slack asks to wait %.0f s", wait_s)
            with self._wake:
                self._held_until = time.monotonic() + wait_s
                is_ending = self._stopping
            if not is_ending:  # else the next start shows it
                self._mark(job, not_before=0.0)
        elif said in LOST and place.ts is not None:
            log.warning("the message of %s is lost (%s): it is posted anew", job.id, said)
            self._mark(self._place(job, Place(channel=place.channel)), not_before=0.0)
        elif said in NO_PLACE and not in_person:
            self._move_to_requester(job, place.channel, said)
        elif said in GONE:
            log.warning("the message of %s cannot be shown: %s", job.id, said)
            self._remember(job)
        else:
            log.warning("Slack refused the message of %s (%s): trying again", job.id, said)
            self._again(job.id)

    def _move_to_requester(self, job: Job, channel: str, said: str) -> None:
        """The bot cannot post in the channel: the message goes to who asked, with how to have it in the channel."""
        log.warning("%s cannot be shown in %s (%s): it goes to who asked", job.id, channel, said)
        moved = self._place(job, Place(channel=job.requester.id))
        try:
            self._post(moved.requester.id, moved_note(moved, channel, is_archived=said in ARCHIVED))
        except (SlackApiError, OSError) as error:
            log.warning("who asked for %s could not be told: %s", job.id, type(error).__name__)
        self._mark(moved, not_before=0.0)

    def _tell(self, job: Job, place: Place) -> None:
        """Say the end, or what is waited for, in the thread, once: an update of the message notifies nobody.

        Raises: SlackApiError, OSError where it may be said later.
        """
        note, key = thread_note(job), f"note:{job.id}:{job.attempt}:{job.state}:{job.wakes}"
        if note is None or self._seen.knows(key):
            return
        try:
            self._post(place.channel, note, thread_ts=place.ts)
        except SlackApiError as error:
            if error.response.get("error") in PASSING:
                raise
            log.warning("the thread of %s was not told: %s", job.id, error.response.get("error"))
        self._seen.before(key, NOTE_TTL_S)

    def _place(self, job: Job, place: Place) -> Job:
        """Keep where the message stands, before anything can go wrong: else it would be posted twice."""
        return self._store.update_job(
            job.id, lambda fresh: Change(job=fresh.model_copy(update={"place": place}), revise=False)
        )

    def _remember(self, shown: Job) -> None:
        def change(job: Job) -> Change:
            return Change(job=job.model_copy(update={"shown_revision": shown.revision}), revise=False)

        after = self._store.update_job(shown.id, change)
        with self._wake:
            self._failures.pop(shown.id, None)
            self._shown_at[shown.id] = time.monotonic()
            if shown.state.is_final:
                self._shown_at.pop(shown.id)
            if shown.state in MOVING and not self._stopping:
                at = time.monotonic() + TICK_S
                self._due.setdefault(shown.id, _Due(at=at, moving=True, updates=True, tick=True))
        if after.revision > shown.revision:
            self.mark(after)

    def _expected(self, job: Job) -> Mapping[str, float]:
        """Return how long the steps of its operation took lately."""
        operation, now = job.plan.operation, time.monotonic()
        at, known = self._history.get(operation, (-HISTORY_S, {}))
        if now - at >= HISTORY_S:
            ended = self._store.jobs(states={JobState.SUCCEEDED}, limit=HISTORY_JOBS)
            known = expected_durations(one for one in ended if one.plan.operation == operation)
            self._history[operation] = (now, known)
        return known

    def _again(self, job_id: str) -> None:
        """Try later, and ever later. At the end, not at all: the next start mends it."""
        with self._wake:
            failures = self._failures[job_id] = self._failures.get(job_id, 0) + 1
            delay_s = min(FIRST_RETRY_S * 2 ** (failures - 1), LAST_RETRY_S)
            if not self._stopping:
                self._due.setdefault(job_id, _Due(at=time.monotonic() + delay_s, moving=True, updates=False))
