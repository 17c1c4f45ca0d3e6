"""The commands of the catalog on the command line: the same grammar, policy and engine as in Slack.

Who asks is ``oidc:ISSUER:SUBJECT`` or ``os:USER``; roles come from the setting ``roles``, beside those of Slack's ids.
Where a bot runs on the same data folder, it does the work; where none does, this process does.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from bot import cli_files
from bot.cli_actor import Identity, identify
from bot.cli_failures import CliError, Code, complain, note, refused
from bot.cli_print import print_job, print_jobs, print_pending, print_plan, tell
from bot.cli_settings import read_settings
from commands.approvals import ApprovalDelegate, ApprovalRecall
from commands.audit import AuditArgs
from commands.grammar import Invocation
from commands.jobs import JobArgs, JobReview, JobsArgs
from commands.spec import Risk
from policies.approvals import Actor, Refusal

if TYPE_CHECKING:
    from bot.core import Core
    from provisioning.jobs.job import Job

LOOK_S = 0.5


def run(invocation: Invocation, files: cli_files.Wanted, *, as_json: bool) -> None:
    """Run a command of the catalog, and print its answer. Raises: CliError, ChatopsError."""
    with _core(as_json=as_json) as core:
        actor, identity = identify(core, command=invocation.text)
        with _telling_who(actor):
            _run(core, invocation, actor, identity, files, as_json=as_json)


def vote(number: int, *, approve: bool, reason: str, as_json: bool) -> None:
    """Vote on a job. Raises: CliError, ChatopsError."""
    with _core(as_json=as_json) as core:
        actor, _ = identify(core, command=f"{'approve' if approve else 'deny'} {number}")
        with _telling_who(actor):
            job = _job_of(core, number)
            answer = core.service.vote(job.id, actor, approve=approve, seen_digest=job.digest, reason=reason)
            _answer(answer, as_json=as_json)


@contextlib.contextmanager
def _core(*, as_json: bool) -> Iterator["Core"]:
    from bot import core, logs

    built = core.Core(read_settings())
    logs.set_up(built.redact, "json" if as_json else "text", level="WARNING")
    try:
        yield built
    finally:
        built.close()


@contextlib.contextmanager
def _telling_who(actor: Actor) -> Iterator[None]:
    """Where who has no role is refused, say who that is: nobody knows their id on this machine by heart."""
    try:
        yield
    except CliError as failed:
        if failed.code is not Code.REFUSED or actor.roles:
            raise
        who = f"you are {actor.id} here: the setting CLEARML_CHATOPS_ROLES gives roles"
        next_action = f"{failed.next_action}; {who}" if failed.next_action else who
        raise CliError(failed.code, failed.what, next_action, failed.details) from failed


def _run(
    core: "Core",
    invocation: Invocation,
    actor: Actor,
    identity: Identity,
    files: cli_files.Wanted,
    *,
    as_json: bool,
) -> None:
    if invocation.spec.risk is not Risk.READ and not invocation.spec.is_never_limited:
        _refuse(core.allowance.take(actor.id))
    match invocation.args:
        case JobsArgs(tenant=tenant, limit=limit):
            _refuse(core.permissions.refusal_to_read(invocation, actor, None))
            print_jobs(core.store.jobs(subject=tenant, limit=limit), as_json=as_json)
        case ApprovalDelegate() as args:
            lent = core.service.lend_vote(invocation, args, actor, None)
            _refuse(lent if isinstance(lent, Refusal) else None)
            tell({"person": args.person, "may_vote": True}, f"{args.person} may vote in your place", as_json=as_json)
        case ApprovalRecall() as args:
            ended = core.service.recall_vote(invocation, args, actor, None)
            _refuse(ended if isinstance(ended, Refusal) else None)
            said = f"{args.person} may no longer vote in your place"
            tell({"person": args.person, "may_vote": False}, said, as_json=as_json)
        case JobReview(number=number, note=said):
            _answer(core.service.review(_job_of(core, number).id, actor, said), as_json=as_json)
        case JobArgs(number=number):
            _job_command(core, invocation, actor, number, as_json=as_json)
        case AuditArgs():
            raise AssertionError("audit is a command group of its own")
        case _ if invocation.spec.name == "approvals":
            _refuse(core.permissions.refusal_to_read(invocation, actor, None))
            print_pending(core.service.pending(actor), as_json=as_json)
        case _ if invocation.spec.name == "whoami":
            roles = sorted(actor.roles)
            said = f"{actor.id}: {', '.join(roles) or 'no role: see the setting CLEARML_CHATOPS_ROLES'}"
            found = {"id": actor.id, "roles": roles, **identity.told()}
            tell(found, f"{said}\nproven: {identity}", as_json=as_json)
        case _ if invocation.spec.name in core.queries:
            _query(core, invocation, actor, files, as_json=as_json)
        case _:
            _request(core, invocation, actor, as_json=as_json)


def _query(core: "Core", invocation: Invocation, actor: Actor, files: cli_files.Wanted, *, as_json: bool) -> None:
    from bot.cli_report import show, telling
    from provisioning.queries.base import Asked

    _refuse(core.permissions.refusal_to_read(invocation, actor, None))
    with telling() as tell:
        asked = Asked(actor=actor, now=core.clock.now(), channel=None, pictures=files.png is not None, tell=tell)
        found = core.queries[invocation.spec.name].answer(invocation.args, asked)
    if isinstance(found, Refusal):
        _refuse(found)
    else:
        show(found, as_json=as_json)
        for path in cli_files.write(found.attachments, files):
            note(f"wrote {path}")


def _request(core: "Core", invocation: Invocation, actor: Actor, *, as_json: bool) -> None:
    from provisioning.service import Changed, DryRun, NothingToDo, Requested

    answer = core.service.request(invocation, actor, None)
    match answer:
        case Refusal():
            _refuse(answer)
        case DryRun(plan=plan):
            print_plan(plan, "Dry run: nothing was changed.", as_json=as_json)
        case Changed(plan=plan):
            print_plan(plan, "The plan has changed: nothing was asked for.", as_json=as_json)
        case NothingToDo(plan=plan):
            print_plan(plan, "There is nothing to do: all of it is already there.", as_json=as_json)
        case Requested(job=job):
            print_plan(
                job.plan, f"Job {job.number}: {job.state.value.replace('_', ' ')}", as_json=as_json, job=job.number
            )
            if job.approval is not None:
                _say(f"next: {job.approval.asks}: clearml-chatops approve {job.number}", as_json=as_json)
            else:
                _follow(core, job, as_json=as_json)


def _job_command(core: "Core", invocation: Invocation, actor: Actor, number: int, *, as_json: bool) -> None:
    job = _job_of(core, number)
    match invocation.spec.name:
        case "job show":
            _refuse(core.permissions.refusal_to_read(invocation, actor, None))
            print_job(job, as_json=as_json)
        case "job leave":
            _answer(core.service.leave(job.id, actor), as_json=as_json)
        case "job cancel":
            _answer(core.service.cancel(job.id, actor), as_json=as_json)
        case name:
            action = core.service.retry if name == "job retry" else core.service.roll_back
            answer = action(job.id, actor)
            if isinstance(answer, Refusal):
                _refuse(answer)
            else:
                _say(f"Job {answer.number}: {answer.state.value}", as_json=as_json)
                _follow(core, answer, as_json=as_json)


def _follow(core: "Core", job: "Job", *, as_json: bool) -> None:
    """Wait for the job's end, printing each step as it moves; run the engine where no bot does.

    For machines the job is printed once it has ended, and its steps go to standard error.
    """
    from provisioning.errors import PermanentError
    from provisioning.jobs.job import UNDER_WAY, JobState

    with contextlib.suppress(PermanentError):  # a running bot has the data folder: it does the work
        core.service.start()
    told: dict[str, str] = {}
    while True:
        now = core.store.job(job.id)
        for status in now.steps:
            if told.get(status.step_id) != status.state.value and status.state.value != "pending":
                told[status.step_id] = status.state.value
                _say(f"{status.state.value:>8}  {now.plan.step(status.step_id).title}", as_json=as_json)
        if now.state not in UNDER_WAY:
            break
        time.sleep(LOOK_S)
    tell(now.model_dump(mode="json"), f"Job {now.number}: {now.state.value}", as_json=as_json)
    for waiting in (status.waiting for status in now.steps if now.state is JobState.WAITING):
        if waiting is not None:
            action = f"\nnext: {waiting.next_action}" if waiting.next_action else ""
            _say(f"waits for {waiting.what}{action}", as_json=as_json)
    if now.state in {JobState.SUCCEEDED, JobState.ROLLED_BACK, JobState.WAITING}:
        if now.failure is not None and not as_json:  # of the run that was rolled back
            complain(now.failure.what, now.failure.next_action, now.failure.details)
        return
    if now.failure is not None:
        raise CliError(Code.JOB_FAILED, now.failure.what, now.failure.next_action, now.failure.details)
    next_action = f"see clearml-chatops job show {now.number}"
    raise CliError(Code.JOB_FAILED, f"job {now.number}: {now.state.value}", next_action)


def _say(line: str, *, as_json: bool) -> None:
    """Say what people read as a part of the answer, and machines beside it."""
    if as_json:
        note(line.strip())
    else:
        typer.echo(line)


def _job_of(core: "Core", number: int) -> "Job":
    job = core.store.job_by_number(number)
    if job is None:
        raise CliError(Code.NOT_FOUND, f"there is no job {number}", "see clearml-chatops jobs")
    return job


def _answer(answer: "Job | Refusal", *, as_json: bool) -> None:
    if isinstance(answer, Refusal):
        _refuse(answer)
    elif as_json:
        print_job(answer, as_json=True)
    else:
        typer.echo(f"Job {answer.number}: {answer.state.value}")


def _refuse(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise refused(refusal)
