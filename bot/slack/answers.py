"""What a command that was understood is answered with. Knows nothing of how Slack delivers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from bot.slack import previews, render_job, render_lists, render_report
from bot.slack.mrkdwn import user
from bot.slack.previews import ShownPlans
from bot.slack.render_job import Rendered
from commands import grammar
from commands.approvals import ApprovalDelegate, ApprovalRecall
from commands.audit import AuditArgs
from commands.catalog import CATALOG
from commands.grammar import Invocation
from commands.jobs import JobArgs, JobReview, JobsArgs
from commands.spec import Risk
from policies.approvals import Actor, Refusal
from provisioning.evidence.search import wanted_by
from provisioning.jobs.requests import Answer
from provisioning.looks import Tell, tell_nobody
from provisioning.queries.base import Asked, Query
from provisioning.service import Changed, DryRun, JobService, NothingToDo, Requested
from provisioning.store import Store


class Answers:
    """Runs commands. Thread-safe. Raises: ChatopsError where the world could not be read."""

    def __init__(self, service: JobService, store: Store, queries: Mapping[str, Query]) -> None:
        self._service = service
        self._store = store
        self._queries = queries
        self._shown_plans = ShownPlans()

    def answer(
        self, invocation: Invocation, actor: Actor, channel: str, *, seen_digest: str = "", tell: Tell = tell_nobody
    ) -> Rendered | None:
        """Return the reply to who asked; None where the job's own message says it all.

        *seen_digest*: of the plan whose preview was asked for. *tell*: hears how far a long look is.
        """
        invocation = replace(invocation, args=invocation.args.asked_in(channel))
        if invocation.spec.risk is Risk.READ:
            refused = self._service.may(invocation, actor, channel)
            return self._read(invocation, actor, channel, tell) if refused is None else render_lists.refusal(refused)
        if isinstance(invocation.args, ApprovalDelegate | ApprovalRecall):
            return self._delegation(invocation, invocation.args, actor, channel)
        if isinstance(invocation.args, JobArgs):
            return self._job_command(invocation.spec.name, invocation.args, actor)
        answer = self._service.request(invocation, actor, channel, seen_digest=seen_digest)
        if isinstance(answer, Changed):
            before = self._shown_plans.get(seen_digest)
            self._shown_plans.remember(answer.plan)
            return previews.changed(invocation, answer.plan, before, channel=channel)
        return self._shown(answer)

    def preview(self, invocation: Invocation, actor: Actor, channel: str) -> tuple[Rendered, str]:
        """Return what a dry run shows, and the digest of a plan that can be asked for."""
        invocation = replace(invocation, args=invocation.args.asked_in(channel))
        answer = self._service.request(invocation, actor, channel)
        if isinstance(answer, DryRun):
            self._shown_plans.remember(answer.plan)
            return render_job.plan_message(answer.plan, headline="Dry run: nothing was changed."), answer.plan.digest
        return self._shown(answer) or render_lists.notice("It was asked for."), ""

    def _read(self, invocation: Invocation, actor: Actor, channel: str, tell: Tell) -> Rendered:
        match invocation.args:
            case JobsArgs(tenant=tenant, limit=limit):
                listed = self._store.jobs(subject=tenant, limit=limit)
                return render_lists.jobs(listed, title="Jobs", empty="There are no jobs yet.")
            case AuditArgs() as asked_for:
                rows = self._store.find_audit_rows(wanted_by(asked_for, self._service.now()))
                return render_lists.audit(rows[::-1], subject=asked_for.tenant)
            case JobArgs(number=number):
                job = self._store.job_by_number(number)
                return render_job.job_message(job, self._service.now()) if job else _no_such_job(number)
            case _ if invocation.spec.name == "approvals":
                return render_lists.pending(self._service.pending(actor))
            case _ if invocation.spec.name == "whoami":
                return render_lists.whoami(actor)
            case _:
                asked = Asked(actor=actor, now=self._service.now(), channel=channel, tell=tell)
                found = self._queries[invocation.spec.name].answer(invocation.args, asked)
                if isinstance(found, Refusal):
                    return render_lists.refusal(found)
                return render_report.message(found, files_are="in my direct messages to you")

    def _delegation(
        self, invocation: Invocation, args: ApprovalDelegate | ApprovalRecall, actor: Actor, channel: str
    ) -> Rendered:
        if isinstance(args, ApprovalRecall):
            ended = self._service.recall_vote(invocation, args, actor, channel)
            if isinstance(ended, Refusal):
                return render_lists.refusal(ended)
            return render_lists.notice(f"{user(args.person)} may no longer vote in your place.")
        lent = self._service.lend_vote(invocation, args, actor, channel)
        return render_lists.refusal(lent) if isinstance(lent, Refusal) else render_lists.lent(lent)

    def _job_command(self, command: str, args: JobArgs, actor: Actor) -> Rendered:
        number = args.number
        job = self._store.job_by_number(number)
        if job is None:
            return _no_such_job(number)
        if isinstance(args, JobReview):
            reviewed = self._service.review(job.id, actor, args.note)
            if isinstance(reviewed, Refusal):
                return render_lists.refusal(reviewed)
            return render_lists.notice(f"Job {number} is reviewed: everybody reads your note at its message.")
        action = {
            "job retry": self._service.retry,
            "job rollback": self._service.roll_back,
            "job leave": self._service.leave,
            "job cancel": self._service.cancel,
        }[command]
        answer = action(job.id, actor)
        if isinstance(answer, Refusal):
            return render_lists.refusal(answer)
        if answer.cancelled_by is not None:
            return render_lists.notice(f"Job {number} stops at the next safe point.")
        return render_lists.notice(f"Job {number} {render_job.STATES[answer.state][1]}.")

    def _shown(self, answer: Answer) -> Rendered | None:
        match answer:
            case Requested():
                return None
            case Changed(plan=plan):
                return render_job.plan_message(plan, headline="The plan has changed: nothing was asked for.")
            case DryRun(plan=plan):
                return render_job.plan_message(plan, headline="Dry run: nothing was changed.")
            case NothingToDo(plan=plan):
                return render_job.plan_message(plan, headline="There is nothing to do: all of it is already there.")
            case Refusal():
                return render_lists.refusal(answer)
            case _:
                assert_never(answer)


def _no_such_job(number: int) -> Rendered:
    return render_lists.refusal(
        Refusal(reason=f"there is no job {number}", next_action=f"see {grammar.COMMAND} {CATALOG['jobs'].name}")
    )
