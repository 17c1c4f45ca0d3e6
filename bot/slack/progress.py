"""Keeps every job's one live message up to date: throttled, in order, mended after a restart.

Slack takes about 50 updates a minute, and one message a second in a channel. A change only marks its job; one
thread shows the newest state of each marked job, at most once in a while, and tries again where Slack fails.
"""

import logging
import threading
import time

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.render_job import job_message
from provisioning.clock import Clock
from provisioning.jobs import Job, Place
from provisioning.store import Change, Store

log = logging.getLogger(__name__)

EVERY_S = 1.3  # between two updates of one message
AFTER_FAILURE_S = 5.0
TICK_S = 0.1
MENDED_JOBS = 200  # how far back a restart looks for messages that are behind
GONE = frozenset({"message_not_found", "channel_not_found", "is_archived", "not_in_channel", "cant_update_message"})


class LiveMessages:
    """Shows jobs. ``start`` once; ``stop`` shows what is left and ends."""

    def __init__(self, store: Store, client: WebClient, clock: Clock) -> None:
        self._store = store
        self._client = client
        self._clock = clock
        self._due: dict[str, float] = {}  # job id → when it may be shown, by the monotonic clock
        self._shown_at: dict[str, float] = {}
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="live-messages", daemon=True)
        store.on_change(self.mark)

    def start(self) -> None:
        """Begin, with every message that is behind."""
        self.mend()
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Show what is marked, then end."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def mend(self) -> None:
        """Mark every job whose message is behind; other processes change jobs too."""
        for job in self._store.jobs(limit=MENDED_JOBS):
            if job.shown_revision < job.revision:
                self.mark(job)

    def mark(self, job: Job) -> None:
        """Have *job* shown as soon as its turn comes. Returns at once."""
        if job.place is None:
            return
        with self._wake:
            earliest = self._shown_at.get(job.id, 0.0) + EVERY_S
            self._due.setdefault(job.id, max(earliest, time.monotonic()))
            self._wake.notify()

    def _work(self) -> None:
        while True:
            job_id = self._next()
            if job_id is None:
                return
            try:
                self._show(job_id)
            except Exception:
                # Whatever it was, the message must not stay behind, and the thread must not die.
                log.exception("showing %s failed: trying again", job_id)
                self._again(job_id)

    def _next(self) -> str | None:
        """Return the job that is due, waiting for it; None once all is shown and the end has come."""
        with self._wake:
            while True:
                now = time.monotonic()
                due = min(self._due, key=lambda job_id: self._due[job_id], default=None)
                if due is not None and (self._due[due] <= now or self._stopping):
                    del self._due[due]
                    return due
                if due is None and self._stopping:
                    return None
                self._wake.wait(TICK_S if due is None else min(self._due[due] - now, 1.0))

    def _show(self, job_id: str) -> None:
        job = self._store.job(job_id)
        if job.place is None or job.shown_revision >= job.revision:
            return
        shown = job_message(job, self._clock.now())
        try:
            if job.place.ts is None:
                answer = self._client.chat_postMessage(
                    channel=job.place.channel, text=shown.text, blocks=shown.blocks, unfurl_links=False
                )
                ts = str(answer["ts"])
            else:
                ts = job.place.ts
                self._client.chat_update(channel=job.place.channel, ts=ts, text=shown.text, blocks=shown.blocks)
        except SlackApiError as error:
            if error.response.get("error") in GONE:
                log.warning("the message of %s cannot be shown: %s", job_id, error.response.get("error"))
                self._remember(job, job.place)
                return
            log.warning("Slack refused the message of %s (%s): trying again", job_id, error.response.get("error"))
            self._again(job_id)
            return
        except OSError as error:
            log.warning("Slack cannot be reached for %s (%s): trying again", job_id, type(error).__name__)
            self._again(job_id)
            return
        self._remember(job, Place(channel=job.place.channel, ts=ts))

    def _remember(self, shown: Job, place: Place) -> None:
        def change(job: Job) -> Change:
            return Change(job=job.model_copy(update={"place": place, "shown_revision": shown.revision}), revise=False)

        after = self._store.update_job(shown.id, change)
        with self._wake:
            self._shown_at[shown.id] = time.monotonic()
        if after.revision > shown.revision:
            self.mark(after)

    def _again(self, job_id: str) -> None:
        with self._wake:
            if not self._stopping:
                self._due.setdefault(job_id, time.monotonic() + AFTER_FAILURE_S)
