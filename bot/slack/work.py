"""What is done with each delivery, once it is kept and acked. Errors for people go to the person."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack import (
    deliveries,
    forms,
    previews,
    render_help,
    render_job,
    render_lists,
    render_modals,
    shortcuts,
    sight,
)
from bot.slack.answers import Answers
from bot.slack.deliveries import CLICK, COMMAND, FORM, OPEN, REASON, SHORTCUT
from bot.slack.files import SharedFiles
from bot.slack.gate import Gate
from bot.slack.inbox import Handler
from bot.slack.kit import Block
from bot.slack.mrkdwn import date
from bot.slack.offers import Offers
from bot.slack.render_job import Rendered
from bot.slack.replies import Reply, fence, patience, refresh_copy, to_person
from bot.slack.windows import Windows
from commands import grammar
from commands.catalog import CATALOG
from commands.grammar import HelpRequest, Invocation, UsageError
from commands.spec import CommandSpec
from policies.approvals import Actor, Refusal
from provisioning.errors import PermanentError, TemporaryError
from provisioning.evidence.trail import Event
from provisioning.jobs.job import Job
from provisioning.people import People
from provisioning.queries.base import Query
from provisioning.service import JobService
from provisioning.store import Delivery, Store

log = logging.getLogger(__name__)

ACKED_S = 0.5  # until an ack that shows a window has surely come to Slack: else it would cover what came after it

_SEE_JOBS = f"see {grammar.COMMAND} {CATALOG['jobs'].name}"

Payload: TypeAlias = Mapping[str, Any]


class Work:
    """Works deliveries off, each by its kind. Thread-safe."""

    def __init__(
        self,
        *,
        service: JobService,
        store: Store,
        queries: Mapping[str, Query],
        people: People,
        client: WebClient,
        offers: Offers,
        gate: Gate,
    ) -> None:
        self._offers = offers
        self._gate = gate
        self._service = service
        self._store = store
        self._people = people
        self._client = client
        self._answers = Answers(service, store, queries)
        self._files = SharedFiles(client)
        self._windows = Windows(client=client, service=service, people=people)
        self._buttons: Mapping[str, Callable[[Job, Actor, str], Job | Refusal]] = {
            render_job.APPROVE: lambda job, actor, seen: service.vote(job.id, actor, approve=True, seen_digest=seen),
            render_job.WITHDRAW: lambda job, actor, _seen: service.withdraw(job.id, actor),
            render_job.RETRY: lambda job, actor, _seen: service.retry(job.id, actor),
            render_job.ROLL_BACK: lambda job, actor, _seen: service.roll_back(job.id, actor),
            render_job.LEAVE: lambda job, actor, _seen: service.leave(job.id, actor),
            render_job.CANCEL: lambda job, actor, _seen: service.cancel(job.id, actor),
        }

    def handlers(self) -> Mapping[str, Handler]:
        """Return kind of delivery → what works it off, for those who are heard at all."""
        handlers = {
            COMMAND: self._command,
            FORM: self._form,
            CLICK: self._button,
            OPEN: self._open_form,
            REASON: self._reason,
            SHORTCUT: self._shortcut,
        }
        return {kind: self._gated(handler) for kind, handler in handlers.items()}

    def reply_to(self, body: Payload) -> Reply:
        """Return what replies to who sent *body*, a parcel's, and to nobody else."""
        url = body.get("response_url", "")
        return to_person(self._client, channel=body.get("channel", ""), user=body["user"], response_url=url)

    def too_late(self, delivery: Delivery) -> None:
        """Tell who sent it that it was not done."""
        what = "command" if delivery.kind == COMMAND else "form" if delivery.kind in {FORM, REASON} else "click"
        text = f"⌛ Your {what} of {date(delivery.received_at)} came while I was going down, and it is old by now"
        self._reply(delivery)(render_lists.notice(f"{text}: nothing was done. Do it again if it is still wanted."))

    def _gated(self, handler: Handler) -> Handler:
        """Return *handler* for those who are heard at all, and a refusal for the others."""

        def work(delivery: Delivery) -> None:
            body = delivery.body
            with fence(reply := self._reply(delivery)):
                teams = frozenset(body.get("teams", ()))
                refused = self._gate.refusal(user=body["user"], channel=body.get("channel", ""), teams=teams)
                if refused is None:
                    handler(delivery)
                    return
                detail = {"why": refused.reason, "kind": delivery.kind, "channel": body.get("channel", "")}
                self._store.record(
                    Event(action="delivery.refused", actor=body["user"], outcome="refused", detail=detail)
                )
                reply(render_lists.refusal(refused))

        return work

    def _command(self, delivery: Delivery) -> None:
        body = delivery.body
        with fence(reply := self._reply(delivery)):
            match grammar.parse(body["text"]):
                case HelpRequest() as asked:
                    reply(render_help.help_text(asked))
                case UsageError(spec=spec, asks=True) as error if spec is not None:
                    try:
                        self._windows.open(delivery, self._filled_form(error, spec, body))
                    except TemporaryError as late:  # a button has a trigger of its own
                        log.warning("the form of %s was not opened: %s", spec.name, late)
                        reply(render_help.usage_error(error, typed=body["text"]))
                case UsageError() as error:
                    reply(render_help.usage_error(error, typed=body["text"]))
                case Invocation() as invocation:
                    self._run(invocation, body["user"], body["channel"], reply)

    def _open_form(self, delivery: Delivery) -> None:
        """Open the form of the command that a button names; in a window, in that window's place."""
        body = delivery.body
        asked = forms.asked_for(body["value"])
        if asked is None or asked.spec is None:
            raise PermanentError("this button is of another version of me", next_action=f"say {grammar.COMMAND} help")
        view = self._filled_form(asked, asked.spec, body)
        if body.get("view"):  # where Slack says ok to views.open, and shows nothing
            self._update(body["view"], view)
        else:
            self._windows.open(delivery, view)

    def _filled_form(self, asked: UsageError, spec: CommandSpec, body: Payload) -> Block:
        named = sight.may_see(self._service, self._people.actor(body["user"]), "tenant list")
        choices = self._offers.of(spec) if named else {}
        return forms.opened(asked, spec, channel=body["channel"], choices=choices)

    def _form(self, delivery: Delivery) -> None:
        body = delivery.body
        if body.get("view"):
            age_s = (self._service.now() - delivery.received_at).total_seconds()
            time.sleep(min(max(ACKED_S - age_s, 0.0), ACKED_S))
            self._preview(delivery, deliveries.filled_in(body))
            return
        with fence(reply := self._reply(delivery)):
            self._run(deliveries.filled_in(body), body["user"], body["channel"], reply, body.get("digest", ""))

    def _preview(self, delivery: Delivery, invocation: Invocation) -> None:
        """Show the plan, or why there is none, in the window that waits for it."""
        body = delivery.body

        def show(shown: Rendered, digest: str = "") -> None:
            self._update(body["view"], previews.preview(invocation, shown, channel=body["channel"], digest=digest))

        with fence(show):
            match self._files.filled(invocation, user=body["user"], channel=body["channel"]):
                case UsageError() as error:
                    show(render_help.usage_error(error))
                case filled:
                    show(*self._answers.preview(filled, self._people.actor(body["user"]), body["channel"]))

    def _shortcut(self, delivery: Delivery) -> None:
        """Open the window at once, for a trigger lives three seconds; the plan comes into it as a form's does."""
        with fence(reply := self._reply(delivery)):
            match shortcuts.applied(delivery.body["files"]):
                case Refusal() as refusal:
                    reply(render_lists.refusal(refusal))
                case invocation:
                    view_id = self._windows.open(delivery, previews.waiting(invocation))
                    self._preview(replace(delivery, body={**delivery.body, "view": view_id}), invocation)

    def _run(self, invocation: Invocation, user: str, channel: str, reply: Reply, digest: str = "") -> None:
        with patience(reply, invocation.spec.name) as tell:
            match self._files.filled(invocation, user=user, channel=channel):
                case UsageError() as error:
                    answer: Rendered | None = render_help.usage_error(error)
                case filled:
                    actor = self._people.actor(user)
                    answer = self._answers.answer(filled, actor, channel, seen_digest=digest, tell=tell)
        if answer is not None:
            reply(answer)

    def _button(self, delivery: Delivery) -> None:
        with fence(reply := self._reply(delivery)):
            job, seen = self._named_by(delivery.body["value"])
            answer = self._click(delivery, job, seen)
            if delivery.body.get("is_copy") and delivery.body["action"] in self._buttons:
                fresh = render_job.job_message(self._store.job(job.id), self._service.now())
                refresh_copy(self._client, delivery.body["response_url"], fresh)
            if isinstance(answer, Refusal):
                reply(render_lists.refusal(answer))

    def _click(self, delivery: Delivery, job: Job, seen: str) -> Job | Refusal | None:
        """Do what the button says. Windows are opened before anything slow: a trigger lives three seconds."""
        user = delivery.body["user"]
        match delivery.body["action"]:
            case render_job.DETAILS:  # it shows more than the message: a read as `job show`, and audited as that
                shown = sight.asked(f"job show {job.number}")
                if refused := self._service.may(shown, self._people.actor(user), delivery.body["channel"]):
                    return refused
                self._windows.open(delivery, render_modals.details_modal(job))
            case render_job.DENY:
                return self._ask_why(delivery, job, approve=False, seen=seen)
            case render_job.APPROVE if job.approval is not None and job.approval.reason_required:
                return self._ask_why(delivery, job, approve=True, seen=seen)
            case render_job.REVEAL:
                return self._windows.reveal(delivery, job)
            case other if other in self._buttons:
                return self._buttons[other](job, self._people.actor(user), seen)
            case _:
                raise PermanentError("this button is of another version of me", next_action=_SEE_JOBS)
        return None

    def _ask_why(self, delivery: Delivery, job: Job, *, approve: bool, seen: str) -> Refusal | None:
        """Open the form for a reason, for who may vote at all: nobody shall write one in vain."""
        actor = self._people.actor(delivery.body["user"])
        if refused := self._service.refusal_to_vote(job.id, actor, approve=approve, seen_digest=seen):
            return refused
        self._windows.open(delivery, render_modals.reason_modal(job, approve=approve, seen_digest=seen))
        return None

    def _reason(self, delivery: Delivery) -> None:
        body = delivery.body
        job, seen = self._named_by(body["value"])
        channel = job.place.channel if job.place else ""
        with fence(reply := to_person(self._client, channel=channel, user=body["user"])):
            actor = self._people.actor(body["user"])
            approve = body["form"] == render_job.APPROVE_FORM
            answer = self._service.vote(job.id, actor, approve=approve, seen_digest=seen, reason=body["reason"])
            if isinstance(answer, Refusal):
                reply(render_lists.refusal(answer, kept=body["reason"]))

    def _update(self, view_id: str, view: Block) -> None:
        """Show *view* in a window that is open; one that was closed meanwhile is left closed."""
        try:
            self._client.views_update(view_id=view_id, view=view)
        except SlackApiError as error:
            if error.response.get("error") not in {"not_found", "view_not_found"}:
                raise
            log.info("a window was closed before it could show what was asked for")

    def _reply(self, delivery: Delivery) -> Reply:
        return self.reply_to(delivery.body)

    def _named_by(self, value: str) -> tuple[Job, str]:
        """Return the job that a button or form is about, and the digest of the plan that was seen.

        Raises: PermanentError where there is no such job: a message may be older than a store that was restored.
        """
        try:
            job_id, digest = deliveries.named_by(value)
            return self._store.job(job_id), digest
        except (deliveries.NotOurs, KeyError) as problem:
            raise PermanentError("this button is about a job that I do not have", next_action=_SEE_JOBS) from problem
