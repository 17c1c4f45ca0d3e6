"""Words to people whose word is missing: reminders, escalation, broken glass. Each is said once, or daily.

What was said is kept with the job, after it was said: after a crash it may be said twice, but never not at all.
"""

import logging
from collections.abc import Callable
from datetime import timedelta

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack import render_reminders
from bot.slack.render_job import Rendered
from provisioning.clock import Clock
from provisioning.errors import ChatopsError
from provisioning.jobs import reminders
from provisioning.jobs.job import Job, JobState
from provisioning.people import People
from provisioning.store import Store

log = logging.getLogger(__name__)

MOST_JOBS = 1000
REVIEW_EVERY = timedelta(days=1)
UNREACHABLE = frozenset({"user_not_found", "user_disabled", "cannot_dm_bot", "account_inactive", "channel_not_found"})


class Reminders:
    """``tick`` says what is due. Called by one thread at a time."""

    def __init__(self, *, store: Store, people: People, client: WebClient, clock: Clock) -> None:
        self._store = store
        self._people = people
        self._client = client
        self._clock = clock

    def tick(self) -> None:
        """Say what is due now. What Slack does not take is tried again at the next tick."""
        for job in self._store.jobs(states={JobState.AWAITING_APPROVAL}, limit=MOST_JOBS):
            self._fenced(self._remind, job)
        for job in self._store.unreviewed(limit=MOST_JOBS):
            self._fenced(self._tell, job)
            self._fenced(self._ask_for_review, self._store.job(job.id))

    def _fenced(self, say: Callable[[Job], None], job: Job) -> None:
        try:
            say(job)
        except (SlackApiError, OSError) as error:
            said = error.response.get("error") if isinstance(error, SlackApiError) else type(error).__name__
            log.warning("people were not reminded of %s (%s): trying again", job.id, said)
        except ChatopsError as error:
            log.warning("people were not reminded of %s: %s", job.id, error)

    def _remind(self, job: Job) -> None:
        approval, now = job.approval, self._clock.now()
        if approval is None or job.place is None or job.place.ts is None:
            return
        if approval.escalate_at is not None and job.escalated_at is None and now >= approval.escalate_at:
            self._say(job, render_reminders.escalation(job, approval))
            self._store.update_job(job.id, lambda fresh: reminders.escalated(fresh, now))
        elif approval.remind_at is not None and job.reminded_at is None and now >= approval.remind_at:
            self._say(job, render_reminders.reminder(job, approval))
            self._store.update_job(job.id, lambda fresh: reminders.reminded(fresh, now))

    def _tell(self, job: Job) -> None:
        """Tell each of those who could have approved, in a message of their own."""
        glass = job.break_glass
        if glass is None:
            return
        for person in sorted(self._people.people_with(glass.told_roles) - {job.requester.id, *glass.told}):
            try:
                self._post(person, render_reminders.glass_broken(job))
            except SlackApiError as error:
                if error.response.get("error") not in UNREACHABLE:
                    raise
                log.warning("%s cannot be told of %s: %s", person, job.id, error.response.get("error"))
            told = reminders.told(person)
            self._store.update_job(job.id, told)

    def _ask_for_review(self, job: Job) -> None:
        glass, now = job.break_glass, self._clock.now()
        if glass is None or job.place is None or job.place.ts is None:
            return
        if now - (glass.reminded_at or job.created_at) >= REVIEW_EVERY:
            self._say(job, render_reminders.review_wanted(job))
            self._store.update_job(job.id, lambda fresh: reminders.review_asked_for(fresh, now))

    def _say(self, job: Job, shown: Rendered) -> None:
        """Say it in the job's thread."""
        if job.place is not None:
            self._post(job.place.channel, shown, thread_ts=job.place.ts)

    def _post(self, channel: str, shown: Rendered, thread_ts: str | None = None) -> None:
        self._client.chat_postMessage(
            channel=channel, text=shown.text, blocks=shown.blocks, unfurl_links=False, thread_ts=thread_ts
        )
