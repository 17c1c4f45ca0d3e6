"""What Slack sends → one call of ours each. Everything is acked first, and delivered twice counts once."""

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from slack_bolt import Ack, App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack import forms, render_job, render_lists, render_modals
from bot.slack.answers import Answers
from bot.slack.kit import Block
from bot.slack.offers import Offers
from bot.slack.render_home import home
from bot.slack.replies import Reply, fence, to_person
from commands import grammar
from commands.grammar import HelpRequest, Invocation, UsageError
from policies.approvals import Actor, Refusal
from provisioning.errors import ChatopsError, TemporaryError
from provisioning.jobs import Job
from provisioning.people import People
from provisioning.queries.base import Query
from provisioning.service import JobService
from provisioning.store import Store

log = logging.getLogger(__name__)

PATIENCE_S = 1.0  # after this long people are told that planning goes on
DELIVERY_TTL_S = 3600.0
HOME_JOBS = 200

Payload: TypeAlias = Mapping[str, Any]


class Listeners:
    """Registers itself with a Bolt app. No job work is done here."""

    def __init__(
        self,
        *,
        service: JobService,
        store: Store,
        queries: Mapping[str, Query],
        people: People,
        client: WebClient,
        offers: Offers,
    ) -> None:
        self._offers = offers
        self._service = service
        self._store = store
        self._people = people
        self._client = client
        self._answers = Answers(service, store, queries)
        self._buttons: Mapping[str, Callable[[Job, Actor, str], Job | Refusal]] = {
            render_job.APPROVE: lambda job, actor, seen: service.vote(job.id, actor, approve=True, seen_digest=seen),
            render_job.WITHDRAW: lambda job, actor, _seen: service.withdraw(job.id, actor),
            render_job.RETRY: lambda job, actor, _seen: service.retry(job.id, actor),
            render_job.ROLL_BACK: lambda job, actor, _seen: service.roll_back(job.id, actor),
            render_job.LEAVE: lambda job, actor, _seen: service.leave(job.id, actor),
            render_job.CANCEL: lambda job, actor, _seen: service.cancel(job.id, actor),
        }

    def register(self, app: App) -> None:
        app.command(grammar.COMMAND)(self._on_command)
        app.action(re.compile(r"job_[a-z]+"))(self._on_button)
        app.view(forms.COMMAND_FORM)(self._on_command_form)
        app.view(re.compile(r"job_[a-z]+_form"))(self._on_reason_form)
        app.event("app_home_opened")(self._on_home)

    # -- commands -------------------------------------------------------------------------------------------

    def _on_command(self, ack: Ack, body: Payload) -> None:
        ack()
        channel, user, trigger_id = (str(body[name]) for name in ("channel_id", "user_id", "trigger_id"))
        reply = to_person(self._client, channel=channel, user=user, response_url=str(body["response_url"]))
        with fence(reply):
            if self._seen(f"command:{trigger_id}"):
                return
            match grammar.parse(str(body.get("text") or "")):
                case HelpRequest() as asked:
                    reply(render_lists.help_text(asked))
                case UsageError(spec=spec) as error if spec is not None and error.missing and not error.fields:
                    given, offered = dict(error.given), self._offers.of(spec)
                    view = forms.form(spec, channel=channel, given=given, how=error.how, choices=offered)
                    self._open(trigger_id, view)
                case UsageError() as error:
                    reply(render_lists.usage_error(error))
                case Invocation() as invocation:
                    self._run(invocation, user, channel, reply)

    def _on_command_form(self, ack: Ack, body: Payload, view: Payload) -> None:
        spec, channel = forms.spec_and_channel(view)
        invocation = grammar.build(spec, forms.values(spec, view), how=forms.how(view))
        if isinstance(invocation, UsageError):
            ack(response_action="errors", errors=forms.errors(invocation))
            return
        ack()
        user = str(body["user"]["id"])
        reply = to_person(self._client, channel=channel, user=user)
        with fence(reply):
            if not self._seen(f"form:{view['id']}:{view['hash']}"):
                self._run(invocation, user, channel, reply)

    def _run(self, invocation: Invocation, user: str, channel: str, reply: Reply) -> None:
        with _patience(reply, f"⏳ Working on `{invocation.spec.name}` …"):
            answer = self._answers.answer(invocation, self._people.actor(user), channel)
        if answer is not None:
            reply(answer)

    # -- buttons --------------------------------------------------------------------------------------------

    def _on_button(self, ack: Ack, body: Payload, action: Payload) -> None:
        ack()
        user = str(body["user"]["id"])
        channel = str((body.get("channel") or {}).get("id") or "")
        reply = to_person(self._client, channel=channel, user=user, response_url=str(body.get("response_url") or ""))
        with fence(reply):
            if self._seen(f"click:{user}:{action['action_id']}:{action['action_ts']}"):
                return
            job, seen = self._named_by(str(action["value"]))
            answer = self._click(str(action["action_id"]), job, seen, user, str(body["trigger_id"]))
            if isinstance(answer, Refusal):
                reply(render_lists.refusal(answer))

    def _click(self, action_id: str, job: Job, seen: str, user: str, trigger_id: str) -> Job | Refusal | None:
        """Do what the button says. Windows are opened before anything slow: a trigger lives three seconds."""
        match action_id:
            case render_job.DETAILS:
                self._open(trigger_id, render_modals.details_modal(job))
            case render_job.DENY:
                self._open(trigger_id, render_modals.reason_modal(job, approve=False, seen_digest=seen))
            case render_job.APPROVE if job.approval is not None and job.approval.reason_required:
                self._open(trigger_id, render_modals.reason_modal(job, approve=True, seen_digest=seen))
            case render_job.REVEAL:
                return self._reveal(job, user, trigger_id)
            case other:
                return self._buttons[other](job, self._people.actor(user), seen)
        return None

    def _on_reason_form(self, ack: Ack, body: Payload, view: Payload) -> None:
        ack()
        user = str(body["user"]["id"])
        job, seen = self._named_by(str(view["private_metadata"]))
        reply = to_person(self._client, channel=job.place.channel if job.place else "", user=user)
        with fence(reply):
            if self._seen(f"form:{view['id']}:{view['hash']}"):
                return
            reason = str(view["state"]["values"]["reason"]["value"].get("value") or "")
            approve = view["callback_id"] == render_job.APPROVE_FORM
            actor = self._people.actor(user)
            answer = self._service.vote(job.id, actor, approve=approve, seen_digest=seen, reason=reason)
            if isinstance(answer, Refusal):
                reply(render_lists.refusal(answer))

    def _reveal(self, job: Job, user: str, trigger_id: str) -> Refusal | None:
        """Show new credentials in a window that is opened first: a key that nobody can see must not be made."""
        if user != job.requester.id:
            refused = self._service.reveal(job.id, self._people.actor(user))  # audited
            return refused if isinstance(refused, Refusal) else None
        view_id = self._open(trigger_id, render_modals.credentials_wait_modal())
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

    # -- Home -----------------------------------------------------------------------------------------------

    def _on_home(self, event: Payload) -> None:
        if event.get("tab", "home") != "home":
            return
        user = str(event["user"])
        actor = self._people.actor(user)
        view = home(actor, self._store.jobs(limit=HOME_JOBS), self._service.pending(actor))
        self._client.views_publish(user_id=user, view=view)

    # -- shared ---------------------------------------------------------------------------------------------

    def _seen(self, key: str) -> bool:
        return self._store.seen(key, DELIVERY_TTL_S)

    def _named_by(self, value: str) -> tuple[Job, str]:
        """Return the job that a button or form is about, and the digest of the plan that was seen."""
        named = json.loads(value)
        return self._store.job(str(named["job"])), str(named["digest"])

    def _open(self, trigger_id: str, view: Block) -> str:
        """Open a window and return its id. Raises: TemporaryError."""
        try:
            return str(self._client.views_open(trigger_id=trigger_id, view=view)["view"]["id"])
        except SlackApiError as error:
            said = error.response.get("error")
            if said not in {"expired_trigger_id", "exchanged_trigger_id", "trigger_expired", "ratelimited"}:
                raise
            raise TemporaryError(f"Slack did not open the window ({said})", next_action="try again") from error


@contextmanager
def _patience(reply: Reply, text: str) -> Iterator[None]:
    """Say *text* where what is inside takes long."""

    def say() -> None:
        try:
            reply(render_lists.notice(text))
        except Exception:
            log.exception("the word that it takes long could not be said")

    timer = threading.Timer(PATIENCE_S, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
