"""What Slack sends → one call of ours each. Everything is acked first, and delivered twice counts once."""

import json
import logging
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from slack_bolt import Ack, App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from bot.slack import forms, render_job, render_lists
from bot.slack.identity import Identity
from bot.slack.render_home import home
from bot.slack.render_job import Rendered
from commands import grammar
from commands.catalog import CATALOG, AuditArgs, JobArgs, JobsArgs
from commands.grammar import HelpRequest, Invocation, UsageError
from policies.approvals import Actor, Refusal
from provisioning.errors import ChatopsError
from provisioning.jobs import Job, JobState
from provisioning.service import DryRun, JobService, NothingToDo, Requested
from provisioning.store import Store

log = logging.getLogger(__name__)

PATIENCE_S = 1.2  # after this long people are told that planning goes on
DELIVERY_TTL_S = 3600.0

Payload: TypeAlias = Mapping[str, Any]
Reply: TypeAlias = Callable[[Rendered], None]


class Listeners:
    """Registers itself with a Bolt app. No job work is done here."""

    def __init__(self, *, service: JobService, store: Store, identity: Identity, client: WebClient) -> None:
        self._service = service
        self._store = store
        self._identity = identity
        self._client = client
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
        channel, user = str(body["channel_id"]), str(body["user_id"])
        if self._store.seen(f"command:{body['trigger_id']}", DELIVERY_TTL_S):
            return
        reply = self._to_person(channel, user, str(body["response_url"]))
        with self._fence(reply):
            actor = self._identity.actor(user)
            match grammar.parse(str(body.get("text") or "")):
                case HelpRequest() as asked:
                    reply(render_lists.help_text(asked))
                case UsageError(spec=spec) as error if spec is not None and error.missing and not error.fields:
                    self._client.views_open(
                        trigger_id=str(body["trigger_id"]),
                        view=forms.form(spec, channel=channel, given=dict(error.given)),
                    )
                case UsageError() as error:
                    reply(render_lists.usage_error(error))
                case Invocation() as invocation:
                    self._run(invocation, actor, channel, reply)

    def _on_command_form(self, ack: Ack, body: Payload, view: Payload) -> None:
        spec, channel = forms.spec_and_channel(view)
        invocation = grammar.build(spec, forms.values(spec, view))
        if isinstance(invocation, UsageError):
            ack(response_action="errors", errors=forms.errors(invocation))
            return
        ack()
        user = str(body["user"]["id"])
        if self._store.seen(f"form:{view['id']}:{view['hash']}", DELIVERY_TTL_S):
            return
        reply = self._to_person(channel, user)
        with self._fence(reply):
            self._run(invocation, self._identity.actor(user), channel, reply)

    def _run(self, invocation: Invocation, actor: Actor, channel: str, reply: Reply) -> None:
        spec, args = invocation.spec, invocation.args
        if spec.name in {"jobs", "approvals", "audit", "whoami", "job show"}:
            refused = self._service.may(invocation, actor, channel)
            reply(self._read(invocation, actor) if refused is None else render_lists.refusal(refused))
        elif isinstance(args, JobArgs):
            self._job_command(spec.name, args.number, actor, reply)
        else:
            self._request(invocation, actor, channel, reply)

    def _read(self, invocation: Invocation, actor: Actor) -> Rendered:
        match invocation.args:
            case JobsArgs(tenant=tenant, limit=limit):
                found = self._store.jobs(subject=tenant, limit=limit)
                return render_lists.jobs(found, title="Jobs", empty="There are no jobs yet.")
            case AuditArgs(tenant=tenant, limit=limit):
                rows = self._store.audit_rows(subject=tenant, limit=limit)
                return render_lists.audit(rows[::-1], subject=tenant)
            case JobArgs(number=number):
                job = self._store.job_by_number(number)
                return render_job.job_message(job, self._service.now()) if job else _no_such_job(number)
            case _ if invocation.spec.name == "approvals":
                waiting = self._store.jobs(states={JobState.AWAITING_APPROVAL})
                return render_lists.jobs(waiting, title="Waiting for approval", empty="Nothing waits for approval.")
            case _:
                return render_lists.whoami(actor)

    def _job_command(self, command: str, number: int, actor: Actor, reply: Reply) -> None:
        job = self._store.job_by_number(number)
        if job is None:
            reply(_no_such_job(number))
            return
        action = {
            "job retry": self._service.retry,
            "job rollback": self._service.roll_back,
            "job leave": self._service.leave,
            "job cancel": self._service.cancel,
        }[command]
        answer = action(job.id, actor)
        if isinstance(answer, Refusal):
            reply(render_lists.refusal(answer))
        else:
            reply(render_lists.notice(f"Job {number}: {render_job.STATES[answer.state][1]}."))

    def _request(self, invocation: Invocation, actor: Actor, channel: str, reply: Reply) -> None:
        waiting = threading.Timer(
            PATIENCE_S, lambda: reply(render_lists.notice(f"⏳ Planning `{invocation.spec.name}` …"))
        )
        waiting.daemon = True
        waiting.start()
        try:
            answer = self._service.request(invocation, actor, channel)
        finally:
            waiting.cancel()
        match answer:
            case Requested():
                pass  # the job's own message says it all
            case DryRun(plan=plan):
                reply(render_job.plan_message(plan, headline="Dry run: nothing was changed."))
            case NothingToDo(plan=plan):
                reply(render_job.plan_message(plan, headline="There is nothing to do: all of it is already there."))
            case Refusal() as refused:
                reply(render_lists.refusal(refused))

    # -- buttons --------------------------------------------------------------------------------------------

    def _on_button(self, ack: Ack, body: Payload, action: Payload) -> None:
        ack()
        user = str(body["user"]["id"])
        if self._store.seen(f"click:{user}:{action['action_id']}:{action['action_ts']}", DELIVERY_TTL_S):
            return
        channel = str((body.get("channel") or {}).get("id") or "")
        reply = self._to_person(channel, user, str(body.get("response_url") or ""))
        with self._fence(reply):
            job, seen = self._named_by(str(action["value"]))
            actor = self._identity.actor(user)
            match action["action_id"]:
                case render_job.DETAILS:
                    self._client.views_open(trigger_id=str(body["trigger_id"]), view=render_job.details_modal(job))
                case render_job.DENY:
                    self._ask_why(job, str(body["trigger_id"]), approve=False)
                case render_job.APPROVE if job.approval is not None and job.approval.reason_required:
                    self._ask_why(job, str(body["trigger_id"]), approve=True)
                case render_job.REVEAL:
                    self._reveal(job, actor, str(body["trigger_id"]), reply)
                case other:
                    answer = self._buttons[other](job, actor, seen)
                    if isinstance(answer, Refusal):
                        reply(render_lists.refusal(answer))

    def _ask_why(self, job: Job, trigger_id: str, *, approve: bool) -> None:
        self._client.views_open(trigger_id=trigger_id, view=render_job.reason_modal(job, approve=approve))

    def _on_reason_form(self, ack: Ack, body: Payload, view: Payload) -> None:
        ack()
        user = str(body["user"]["id"])
        if self._store.seen(f"form:{view['id']}:{view['hash']}", DELIVERY_TTL_S):
            return
        job, seen = self._named_by(str(view["private_metadata"]))
        reply = self._to_person(job.place.channel if job.place else "", user)
        with self._fence(reply):
            reason = str(view["state"]["values"]["reason"]["value"].get("value") or "")
            approve = view["callback_id"] == render_job.APPROVE_FORM
            actor = self._identity.actor(user)
            answer = self._service.vote(job.id, actor, approve=approve, seen_digest=seen, reason=reason)
            if isinstance(answer, Refusal):
                reply(render_lists.refusal(answer))

    def _reveal(self, job: Job, actor: Actor, trigger_id: str, reply: Reply) -> None:
        """Open the modal first: its trigger lives 3 seconds, and a key that nobody sees must not be made."""
        if actor.id != job.requester.id:
            refused = self._service.reveal(job.id, actor)
            if isinstance(refused, Refusal):
                reply(render_lists.refusal(refused))
            return
        opened = self._client.views_open(trigger_id=trigger_id, view=render_job.credentials_wait_modal())
        view_id = str(opened["view"]["id"])
        try:
            made = self._service.reveal(job.id, actor)
        except ChatopsError as error:
            self._client.views_update(view_id=view_id, view=render_job.text_modal("Credentials", str(error)))
            return
        if isinstance(made, Refusal):
            self._client.views_update(view_id=view_id, view=render_job.text_modal("Credentials", str(made)))
            return
        try:
            shown = render_job.credentials_modal(job, made.access_key, made.secret_key.get_secret_value())
            self._client.views_update(view_id=view_id, view=shown)
        except (SlackApiError, OSError):
            self._service.unreveal(job.id, made.access_key)
            raise

    def _on_home(self, event: Payload, client: WebClient) -> None:
        user = str(event["user"])
        actor = self._identity.actor(user)
        client.views_publish(user_id=user, view=home(actor, self._store.jobs(limit=200)))

    # -- shared ---------------------------------------------------------------------------------------------

    def _named_by(self, value: str) -> tuple[Job, str]:
        """Return the job that a button or form is about, and the digest of the plan that was seen."""
        named = json.loads(value)
        return self._store.job(str(named["job"])), str(named["digest"])

    def _to_person(self, channel: str, user: str, response_url: str = "") -> Reply:
        """Return what replies to *user* alone: by the response_url, else as an ephemeral message, else directly."""

        def reply(shown: Rendered) -> None:
            if response_url:
                answer = WebhookClient(response_url).send(
                    text=shown.text, blocks=shown.blocks, response_type="ephemeral", replace_original=False
                )
                if answer.status_code == 200:
                    return
                log.warning("the response_url refused a reply: %s", answer.status_code)
            try:
                self._client.chat_postEphemeral(channel=channel, user=user, text=shown.text, blocks=shown.blocks)
            except SlackApiError:
                self._client.chat_postMessage(channel=user, text=shown.text, blocks=shown.blocks)

        return reply

    @contextmanager
    def _fence(self, reply: Reply) -> Iterator[None]:
        """Errors for people go to the person; any other becomes an incident id and a log line."""
        try:
            yield
        except ChatopsError as error:
            log.warning("refused: %s", error)
            reply(render_lists.problem(error))
        except Exception:
            incident_id = uuid.uuid4().hex[:8]
            log.exception("incident %s", incident_id)
            reply(render_lists.incident(incident_id))


def _no_such_job(number: int) -> Rendered:
    return render_lists.refusal(
        Refusal(reason=f"there is no job {number}", next_action=f"see {grammar.COMMAND} {CATALOG['jobs'].name}")
    )
