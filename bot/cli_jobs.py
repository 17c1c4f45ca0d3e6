"""The commands of the catalog on the command line: the same grammar, policy and engine as in Slack.

Who asks is ``os:USER``; roles come from the setting ``roles``, where that id may stand beside Slack's.
Where a bot runs on the same data folder, it does the work; where none does, this process does.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from bot import cli_complete, cli_files, cli_help
from bot.cli_actor import os_user
from bot.cli_app import App
from bot.cli_complete import Catalogued
from bot.cli_print import AsJson, complain, print_job, print_jobs, print_pending, print_plan, tell
from commands import grammar
from commands.approvals import ApprovalDelegate, ApprovalRecall
from commands.audit import AuditArgs
from commands.catalog import CATALOG
from commands.grammar import HelpRequest, Invocation, UsageError
from commands.help import about
from commands.jobs import JobArgs, JobReview, JobsArgs
from commands.spec import Risk
from policies.approvals import Actor, Refusal
from provisioning.errors import ChatopsError

if TYPE_CHECKING:
    from bot.core import Core
    from bot.settings import Settings
    from provisioning.jobs.job import Job
    from provisioning.redact import Redactor

REFUSED, USAGE, NOT_SET_UP = 1, 2, 3
SET_THEM = "set these in the environment; see docs/configuration.md, or try `clearml-chatops sandbox`"
LOOK_S = 0.5
ANY = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def register(app: App) -> None:
    """Add one command for each family of the catalog, and approve and deny."""
    for family in dict.fromkeys(name.split()[0] for name in CATALOG):
        if family in {"audit", "doctor", "platform", "policy"}:  # have modules of their own, and doctor is in cli
            continue
        app.command(family, cls=Catalogued, context_settings=ANY, help=f"{about(family)}.")(command(family))
    app.command("approve", examples=("approve 41",), help="Approve a job: counts as os:USER's vote.")(
        _vote(approve=True)
    )
    app.command("deny", examples=("deny 41 --reason 'not this week'",), help="Deny a job, with a reason.")(
        _vote(approve=False)
    )


@contextlib.contextmanager
def fenced() -> Iterator[None]:
    """Print errors for people and exit with 1."""
    try:
        yield
    except ChatopsError as error:
        complain(error.what, error.next_action, error.details)
        raise typer.Exit(REFUSED) from error


def redactor() -> "Redactor":
    """Return the redactor of what the command line writes into the store.

    It knows the secrets of the settings. Where these are not all there, as beside a copy of the data folder, it goes
    by shapes alone.
    """
    from bot.settings import Settings
    from provisioning.redact import Redactor

    try:
        return Redactor(Settings().secrets().values())
    except (ValidationError, ChatopsError):
        return Redactor()


def read_settings() -> "Settings":
    """Return the settings of the environment; exit with 3 and one line a mistake where they are wrong."""
    from bot.settings import Settings, mistakes_in

    try:
        return Settings()
    except ValidationError as error:
        complain("\n".join(mistakes_in(error)), SET_THEM)
        raise typer.Exit(NOT_SET_UP) from error


def command(*first: str) -> Callable[[typer.Context], None]:
    """Return what runs the commands of the catalog that begin with the words *first*."""

    def run(context: typer.Context) -> None:
        if (*first, *context.args[:1]) == ("capacity", "fits"):  # asks no cluster and needs no settings
            from bot import cli_capacity

            typer.main.get_command(cli_capacity.app)(args=context.args, prog_name="clearml-chatops capacity")
        words, files = cli_files.taken_from([*first, *context.args])
        as_json = "--json" in words
        with fenced():
            said = cli_files.understood([word for word in words if word != "--json"])
        match said:
            case HelpRequest() as asked:
                typer.echo(cli_help.told(asked))
            case UsageError() as error:
                complain(
                    error.message or "forms are Slack's: name the arguments here",
                    error.usage.replace(grammar.COMMAND, "clearml-chatops"),
                )
                raise typer.Exit(USAGE)
            case Invocation() as invocation:
                with fenced(), _core() as core, _telling_who(_actor(core)):
                    _run(core, invocation, files, as_json=as_json)

    return run


def _vote(*, approve: bool) -> Callable[..., None]:
    def run(
        number: Annotated[
            int, typer.Argument(metavar="JOB", help="The job's number.", autocompletion=cli_complete.jobs)
        ],
        reason: Annotated[str, typer.Option(metavar="TEXT", help="Why. Everybody sees it, the audit keeps it.")] = "",
        json_output: AsJson = False,
    ) -> None:
        with fenced(), _core() as core:
            job = _job_of(core, number)
            answer = core.service.vote(job.id, _actor(core), approve=approve, seen_digest=job.digest, reason=reason)
            _answer(answer, as_json=json_output)

    return run


@contextlib.contextmanager
def _core() -> Iterator["Core"]:
    from bot import core, logs

    built = core.Core(read_settings())
    logs.set_up(built.redact, "text", level="WARNING")
    try:
        yield built
    finally:
        built.close()


def _actor(core: "Core") -> Actor:
    return core.people.actor(f"os:{os_user()}")


@contextlib.contextmanager
def _telling_who(actor: Actor) -> Iterator[None]:
    """Where who has no role is refused, say who that is: nobody knows their id on this machine by heart."""
    try:
        yield
    except typer.Exit as ended:
        if ended.exit_code == REFUSED and not actor.roles:
            typer.echo(f"you are {actor.id} here: the setting CLEARML_CHATOPS_ROLES gives roles", err=True)
        raise


def _run(core: "Core", invocation: Invocation, files: cli_files.Wanted, *, as_json: bool) -> None:
    actor = _actor(core)
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
        case JobReview(number=number, note=note):
            _answer(core.service.review(_job_of(core, number).id, actor, note), as_json=as_json)
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
            tell({"id": actor.id, "roles": roles}, said, as_json=as_json)
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
            typer.echo(f"wrote {path}", err=True)


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
                typer.echo(f"next: {job.approval.asks}: clearml-chatops approve {job.number}", err=as_json)
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
                typer.echo(f"Job {answer.number}: {answer.state.value}", err=as_json)
                _follow(core, answer, as_json=as_json)


def _follow(core: "Core", job: "Job", *, as_json: bool) -> None:
    """Wait for the job's end, printing each step as it moves; run the engine where no bot does.

    For machines the job is printed once it has ended, and its steps go to standard error.
    """
    from provisioning.errors import PermanentError
    from provisioning.jobs.job import JobState

    with contextlib.suppress(PermanentError):  # a running bot has the data folder: it does the work
        core.service.start()
    told: dict[str, str] = {}
    while True:
        now = core.store.job(job.id)
        for status in now.steps:
            if told.get(status.step_id) != status.state.value and status.state.value != "pending":
                told[status.step_id] = status.state.value
                typer.echo(f"{status.state.value:>8}  {now.plan.step(status.step_id).title}", err=as_json)
        if now.state not in {JobState.QUEUED, JobState.RUNNING, JobState.ROLLING_BACK}:
            break
        time.sleep(LOOK_S)
    tell(now.model_dump(mode="json"), f"Job {now.number}: {now.state.value}", as_json=as_json)
    if now.failure is not None:
        complain(now.failure.what, now.failure.next_action, now.failure.details)
    for waiting in (status.waiting for status in now.steps if now.state is JobState.WAITING):
        if waiting is not None:
            action = f"\nnext: {waiting.next_action}" if waiting.next_action else ""
            typer.echo(f"waits for {waiting.what}{action}", err=as_json)
    if now.state not in {JobState.SUCCEEDED, JobState.ROLLED_BACK, JobState.WAITING}:
        raise typer.Exit(REFUSED)


def _job_of(core: "Core", number: int) -> "Job":
    job = core.store.job_by_number(number)
    if job is None:
        complain(f"there is no job {number}", "see clearml-chatops jobs")
        raise typer.Exit(REFUSED)
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
        complain(refusal.reason, refusal.next_action)
        raise typer.Exit(REFUSED)
