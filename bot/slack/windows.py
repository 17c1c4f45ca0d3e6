"""Windows that a person opens: a trigger lives three seconds, and a window shows a secret or nobody does."""

import logging

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack import render_modals
from bot.slack.kit import Block
from policies.approvals import Refusal
from provisioning.errors import ChatopsError, TemporaryError
from provisioning.jobs.job import Job
from provisioning.people import People
from provisioning.service import JobService
from provisioning.store import Delivery

log = logging.getLogger(__name__)


class Windows:
    """Opens windows with *client*. Thread-safe."""

    def __init__(self, *, client: WebClient, service: JobService, people: People) -> None:
        self._client = client
        self._service = service
        self._people = people

    def open(self, delivery: Delivery, view: Block) -> str:
        """Open a window and return its id. Raises: TemporaryError."""
        if delivery.replayed:
            raise TemporaryError(
                "I was started again just after you clicked, and Slack opens no window for a click that old",
                next_action="click again",
            )
        trigger_id = delivery.body["trigger_id"]
        try:
            return str(self._client.views_open(trigger_id=trigger_id, view=view)["view"]["id"])
        except SlackApiError as error:
            said = error.response.get("error")
            if said not in {"expired_trigger_id", "exchanged_trigger_id", "trigger_expired", "ratelimited"}:
                raise
            raise TemporaryError(f"Slack did not open the window ({said})", next_action="try again") from error

    def reveal(self, delivery: Delivery, job: Job) -> Refusal | None:
        """Show new credentials in a window that is opened first: a key that nobody can see must not be made."""
        user = delivery.body["user"]
        if user != job.requester.id:
            refused = self._service.reveal(job.id, self._people.actor(user))  # audited
            return refused if isinstance(refused, Refusal) else None
        view_id = self.open(delivery, render_modals.credentials_wait_modal())
        try:
            made = self._service.reveal(job.id, self._people.actor(user))
        except Exception as error:
            said = str(error) if isinstance(error, ChatopsError) else "Something went wrong: no credentials were made."
            self._client.views_update(view_id=view_id, view=render_modals.text_modal("Credentials", said))
            raise
        if isinstance(made, Refusal):
            self._client.views_update(view_id=view_id, view=render_modals.text_modal("Credentials", str(made)))
            return None
        try:
            shown = render_modals.credentials_modal(job, made.access_key, made.secret_key.get_secret_value())
            self._client.views_update(view_id=view_id, view=shown)
        except Exception as error:  # noqa: BLE001 - whatever it was, they were not shown
            log.warning("the credentials of %s could not be shown: %s", job.id, type(error).__name__)
            self._service.unreveal(job.id, made.access_key)
            raise TemporaryError(
                "Slack did not show the credentials, so they were revoked",
                next_action="click Show credentials again, and keep the window open",
            ) from None  # the request that failed holds the secret
        return None
