"""What Slack sends → one call of ours each: committed to the inbox, acked, then worked off; twice counts once."""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from slack_bolt import Ack, App
from slack_sdk import WebClient

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
    too_many,
)
from bot.slack.answers import Answers
from bot.slack.deliveries import CLICK, COMMAND, FORM, REASON, SHORTCUT, Asked
from bot.slack.files import SharedFiles
from bot.slack.gate import Gate
from bot.slack.inbox import Handler, Inbox
from bot.slack.mrkdwn import date
from bot.slack.offers import Offers
from bot.slack.render_job import Rendered
from bot.slack.replies import Reply, fence, patience, to_person
from bot.slack.windows import Windows
from commands import grammar
from commands.catalog import CATALOG
from commands.grammar import HelpRequest, Invocation, UsageError
from policies.approvals import Actor, Refusal
from provisioning.clock import Clock
from provisioning.errors import PermanentError
from provisioning.evidence.trail import Event
from provisioning.jobs.job import Job
from provisioning.people import People
from provisioning.queries.base import Query
from provisioning.service import JobService
from provisioning.store import Allowance, Delivery, Store

log = logging.getLogger(__name__)

_SEE_JOBS = f"see {grammar.COMMAND} {CATALOG['jobs'].name}"

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
        gate: Gate,
        forget: Callable[[str], None],
        clock: Clock,
        allowance: Allowance,
        workers: int,
    ) -> None:
        self._offers = offers
        self._gate = gate
        self._forget = forget
        self._service = service
        self._store = store
        self._people = people
        self._client = client
        self._inbox = Inbox(
            store=store,
            clock=clock,
            handlers={
                kind: self._gated(handler)
                for kind, handler in (
                    (COMMAND, self._command),
                    (FORM, self._form),
                    (CLICK, self._button),
                    (REASON, self._reason),
                    (SHORTCUT, self._shortcut),
                )
            },
            allowance=allowance,
            too_late=self._too_late,
            slow=frozenset({COMMAND, FORM, SHORTCUT}),
            workers=workers,
        )
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

    def register(self, app: App) -> None:
        app.command(grammar.COMMAND)(self._on_command)
        app.action(re.compile(r"job_[a-z]+"))(self._on_button)
        app.shortcut({"type": "message_action", "callback_id": shortcuts.APPLY})(self._on_shortcut)
        app.view(forms.COMMAND_FORM)(self._on_command_form)
        app.view(previews.PREVIEW)(self._on_preview)
        app.action(previews.ASK)(self._on_ask)
        app.view(re.compile(r"job_[a-z]+_form"))(self._on_reason_form)
        for event in ("user_change", "subteam_updated", "subteam_members_changed"):
            app.event(event)(self._on_change_of_people)

    def start(self) -> None:
        """Work off what was acked and not done before. Call before anything can be delivered."""
        self._inbox.replay()

    def stop(self) -> None:
        """Let what is under way come to an end."""
        self._inbox.stop()

    # -- what Slack delivers: committed, acked, then worked off ------------------------------------------------

    def _on_command(self, ack: Ack, body: Payload) -> None:
        refuse = too_many.at_command(ack, str(body.get("text") or ""))
        self._inbox.take(deliveries.of_command(body), ack=ack, refuse=refuse)

    def _on_command_form(self, ack: Ack, body: Payload, view: Payload) -> None:
        spec, channel = forms.spec_and_channel(view)
        if twice := forms.given_twice(spec, view):
            ack(response_action="errors", errors=twice)
            return
        invocation = grammar.build(spec, forms.values(spec, view), how=forms.how(view))
        if isinstance(invocation, UsageError):
            ack(response_action="errors", errors=forms.errors(invocation))
            return
        shows = partial(ack, response_action="update", view=previews.waiting(invocation))
        parcel = deliveries.of_form(body, view, Asked(invocation=invocation, channel=channel))
        self._inbox.take(parcel, ack=shows if invocation.dry_run else ack, refuse=too_many.at_form(ack, spec))

    def _on_preview(self, ack: Ack, body: Payload, view: Payload) -> None:
        wanted = previews.accepted(view["private_metadata"])
        refuse = too_many.at_preview(ack, wanted.invocation)
        self._inbox.take(deliveries.of_form(body, view, wanted), ack=ack, refuse=refuse)

    def _on_ask(self, ack: Ack, body: Payload, action: Payload) -> None:
        wanted = previews.accepted(action["value"])
        self._inbox.take(deliveries.of_ask(body, action, wanted), ack=ack)

    def _on_button(self, ack: Ack, body: Payload, action: Payload) -> None:
        self._inbox.take(deliveries.of_click(body, action), ack=ack)

    def _on_reason_form(self, ack: Ack, body: Payload, view: Payload) -> None:
        self._inbox.take(deliveries.of_reason(body, view), ack=ack)

    def _on_shortcut(self, ack: Ack, body: Payload) -> None:
        parcel = deliveries.of_shortcut(body)
        self._inbox.take(parcel, ack=ack, refuse=too_many.at_shortcut(ack, self._reply_to(parcel.body)))

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

    # -- commands -------------------------------------------------------------------------------------------

    def _command(self, delivery: Delivery) -> None:
        body = delivery.body
        with fence(reply := self._reply(delivery)):
            match grammar.parse(body["text"]):
                case HelpRequest() as asked:
                    reply(render_help.help_text(asked))
                case UsageError(spec=spec, asks=True) as error if spec is not None:
                    named = sight.may_see(self._service, self._people.actor(body["user"]), "tenant list")
                    choices = self._offers.of(spec) if named else {}
                    view = forms.opened(error, spec, channel=body["channel"], choices=choices)
                    self._windows.open(delivery, view)
                case UsageError() as error:
                    reply(render_help.usage_error(error, typed=body["text"]))
                case Invocation() as invocation:
                    self._run(invocation, body["user"], body["channel"], reply)

    def _form(self, delivery: Delivery) -> None:
        body = delivery.body
        if body.get("view"):
            self._preview(delivery, deliveries.filled_in(body))
            return
        with fence(reply := self._reply(delivery)):
            self._run(deliveries.filled_in(body), body["user"], body["channel"], reply, body.get("digest", ""))

    def _preview(self, delivery: Delivery, invocation: Invocation) -> None:
        """Show the plan, or why there is none, in the window that waits for it."""
        body = delivery.body

        def show(shown: Rendered, digest: str = "") -> None:
            view = previews.preview(invocation, shown, channel=body["channel"], digest=digest)
            self._client.views_update(view_id=body["view"], view=view)

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

    # -- buttons --------------------------------------------------------------------------------------------

    def _button(self, delivery: Delivery) -> None:
        with fence(reply := self._reply(delivery)):
            job, seen = self._named_by(delivery.body["value"])
            answer = self._click(delivery, job, seen)
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
                self._windows.open(delivery, render_modals.reason_modal(job, approve=False, seen_digest=seen))
            case render_job.APPROVE if job.approval is not None and job.approval.reason_required:
                self._windows.open(delivery, render_modals.reason_modal(job, approve=True, seen_digest=seen))
            case render_job.REVEAL:
                return self._windows.reveal(delivery, job)
            case other if other in self._buttons:
                return self._buttons[other](job, self._people.actor(user), seen)
            case _:
                raise PermanentError("this button is of another version of me", next_action=_SEE_JOBS)
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
                reply(render_lists.refusal(answer))

    def _on_change_of_people(self, event: Payload) -> None:
        """Somebody was deactivated, or a user group has changed: what was known of them counts no more."""
        changed = event.get("user") or event.get("subteam")
        self._forget(str(changed["id"]) if isinstance(changed, Mapping) else str(event.get("subteam_id", "")))

    # -- shared ---------------------------------------------------------------------------------------------

    def _reply(self, delivery: Delivery) -> Reply:
        return self._reply_to(delivery.body)

    def _reply_to(self, body: Payload) -> Reply:
        url = body.get("response_url", "")
        return to_person(self._client, channel=body.get("channel", ""), user=body["user"], response_url=url)

    def _too_late(self, delivery: Delivery) -> None:
        what = "command" if delivery.kind == COMMAND else "form" if delivery.kind in {FORM, REASON} else "click"
        text = f"⌛ Your {what} of {date(delivery.received_at)} came while I was going down, and it is old by now"
        self._reply(delivery)(render_lists.notice(f"{text}: nothing was done. Do it again if it is still wanted."))

    def _named_by(self, value: str) -> tuple[Job, str]:
        """Return the job that a button or form is about, and the digest of the plan that was seen.

        Raises: PermanentError where there is no such job: a message may be older than a store that was restored.
        """
        try:
            job_id, digest = deliveries.named_by(value)
            return self._store.job(job_id), digest
        except (deliveries.NotOurs, KeyError) as problem:
            raise PermanentError("this button is about a job that I do not have", next_action=_SEE_JOBS) from problem
