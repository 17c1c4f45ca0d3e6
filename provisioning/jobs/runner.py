"""What a job does, one call at a time. The engine decides when; every call returns a plain envelope.

Everything here may run twice: the engine repeats a call that a crash interrupted. What has been written to
the store for this attempt is never done again.
"""

import logging
from collections.abc import Callable, Mapping
from threading import Event as Flag
from typing import NotRequired, TypedDict

from policies.approvals import Refusal
from provisioning.clock import Clock
from provisioning.jobs import asking_again, changes
from provisioning.jobs.attempts import Attempt, failure_of
from provisioning.jobs.job import Failure, Job, JobState
from provisioning.jobs.mended_charts import plan_of_today
from provisioning.jobs.requests import Decided
from provisioning.jobs.schedule import Ended, Schedule, schedule_of
from provisioning.jobs.step_runs import Cancellations, StepRuns
from provisioning.jobs.waits import WaitingJobs
from provisioning.plan import Plan
from provisioning.plan_differences import as_text, differences
from provisioning.plan_ports import port_ranges_of
from provisioning.steps.base import Ask, StepAction
from provisioning.store import Store

log = logging.getLogger(__name__)

REPLAN_TIMEOUT_S = 120.0


class Done(TypedDict):
    """The envelope of a step, and of the end."""

    ok: bool
    waits: NotRequired[bool]  # it did not fail: it goes on once something outside has happened


class Begun(TypedDict):
    """The envelope of the beginning: the step ids to run, or to undo. Wave after wave they are the steps' places in
    the replay, whatever order they are run in."""

    ok: bool
    undo: bool
    waves: list[list[str]]
    goes_on: NotRequired[bool]  # where a step fails, those that do not need it still begin


class Runner:
    """Runs the steps of jobs and writes what came of them. Thread-safe; raises nothing but Interrupted.

    Args:
        store: where jobs are kept.
        actions: kind → action.
        replan: makes the plan of the same request in today's world (``Planner.replan``).
        clock: for what is stored.
        delay_scale: scales the waits between tries; tests make it small.
    """

    def __init__(
        self,
        store: Store,
        actions: Mapping[str, StepAction],
        replan: Callable[[Plan], Plan | Refusal],
        clock: Clock,
        *,
        delay_scale: float = 1.0,
    ) -> None:
        self._store = store
        self._actions = actions
        self._replan = replan
        self._clock = clock
        self._delay_scale = delay_scale
        self._stopping = Flag()
        self._cancellations = Cancellations(store)
        self._waits = WaitingJobs(store, actions, clock)
        self._steps = StepRuns(
            store=store,
            actions=actions,
            clock=clock,
            stopping=self._stopping,
            cancellations=self._cancellations,
            delay_scale=delay_scale,
            waits=self._waits,
            ask_for=self._ask_for,
        )
        self.ask_for: Callable[[Job, str, Ask], Job | Refusal] = _nobody_asks
        self.ask_again: Callable[[Job, Plan], Job | Refusal] = _nobody_asks_again
        self.decide_again: Callable[[Job, Plan], Decided | Refusal] = _nobody_asks_again

    def stop(self) -> None:
        """Let every running step end with Interrupted as soon as it can."""
        self._stopping.set()

    def resume(self) -> None:
        """Take ``stop`` back."""
        self._stopping.clear()

    def cancel(self, job_id: str) -> None:
        """Let the job's running steps see at once that the store holds a cancellation."""
        self._cancellations.add(job_id)

    def job(self, job_id: str) -> Job:
        """Return the job as stored. Raises: KeyError."""
        return self._store.job(job_id)

    def may_go_on(self, job: Job) -> bool:
        """Return whether what the waiting job waits for has happened, or will not any more."""
        return self._waits.may_go_on(job)

    def begin(self, job_id: str, attempt: int) -> Begun:
        """Start the attempt. Not ok: nothing is to be run.

        Until a step has changed something, the plan is made again first. Another digest supersedes the job.
        """
        try:
            return self._begin(job_id, attempt)
        except Exception as error:  # noqa: BLE001 - the engine pickles what escapes
            self.abandon(job_id, attempt, failure_of(error, f"beginning {job_id}, attempt {attempt}"))
            return _nothing_to_run()

    def schedule(self, job_id: str, attempt: int, begun: Begun) -> Schedule:
        """Return when each of the steps of *begun* may run. Raises: KeyError."""
        steps = [step_id for wave in begun["waves"] for step_id in wave]
        goes_on = begun.get("goes_on", False)
        return schedule_of(self._store.job(job_id), attempt, steps, undo=begun["undo"], goes_on=goes_on)

    def run_step(self, job_id: str, step_id: str, attempt: int) -> Done:
        """Look, and make it so where it is not. The store has the details."""
        return self._fenced(self._steps.run, job_id, step_id, attempt)

    def undo_step(self, job_id: str, step_id: str, attempt: int) -> Done:
        """Take back what the step did."""
        return self._fenced(self._steps.undo, job_id, step_id, attempt)

    def finish(self, job_id: str, attempt: int) -> Done:
        """Close the attempt: ``{"ok"}``: succeeded or rolled back, else failed."""
        try:
            return {"ok": self._finish(job_id, attempt)}
        except Exception as error:  # noqa: BLE001 - the engine pickles what escapes
            self.abandon(job_id, attempt, failure_of(error, f"finishing {job_id}, attempt {attempt}"))
            return {"ok": False}

    def abandon(self, job_id: str, attempt: int, failure: Failure, *, wakes: int | None = None) -> None:
        """Fail an attempt that the engine could not carry through: as it was after so many *wakes*, or as it is."""
        now = self._clock.now()
        try:
            self._store.update_job(job_id, lambda job: changes.abandon(job, attempt, failure, now, wakes=wakes))
        except Exception:
            # The store itself is broken. The next sweep finds a job that runs nowhere, and fails it.
            log.exception("%s, attempt %d: could not be marked as failed", job_id, attempt)

    def _begin(self, job_id: str, attempt: int) -> Begun:
        now = self._clock.now()
        self._cancellations.discard(job_id)
        job = self._store.update_job(job_id, lambda job: changes.start(job, attempt, now))
        if job.attempt != attempt:
            return _nothing_to_run()
        match job.state:
            case JobState.ROLLING_BACK:
                waves = tuple(reversed(changes.waves_to_undo(job)))
            case JobState.RUNNING if self._is_still_the_plan(job):
                waves = job.plan.waves()
            case _:
                return _nothing_to_run()
        return {
            "ok": True,
            "undo": job.state is JobState.ROLLING_BACK,
            "waves": [[step.id for step in wave] for wave in waves],
            "goes_on": job.plan.goes_on and job.state is JobState.RUNNING,
        }

    def _ask_for(self, job: Job, step_id: str, ask: Ask) -> Job | Refusal:
        return self.ask_for(job, step_id, ask)  # whoever answers is known only later

    def _fenced(self, run: Callable[[str, str, int], Ended], job_id: str, step_id: str, attempt: int) -> Done:
        try:
            return _done(run(job_id, step_id, attempt))
        except Exception as error:  # noqa: BLE001 - the engine pickles what escapes
            failure = failure_of(error, f"{job_id}, attempt {attempt}, step {step_id}")
        try:
            self._steps.failed(job_id, step_id, attempt, failure)
        except Exception:
            log.exception("%s, step %s: the failure could not be written", job_id, step_id)
        return {"ok": False}

    def _is_still_the_plan(self, job: Job) -> bool:
        """Look whether what would be run is what was approved. True where the job may go on.

        Once the job has changed something, the whole plan can be made no more. What helm would be given still is
        looked at.
        """
        return self._is_still_planned(job) if job.is_untouched else self._has_its_charts(job)

    def _has_its_charts(self, job: Job) -> bool:
        """Ask again, or go on where nobody has to be asked, where a chart was mended since it was approved."""
        found = self._attempt_at(job, "looking at the charts again").run(
            lambda _timeout_s, _stop: plan_of_today(job, self._actions)
        )
        if found is None or isinstance(found, Failure) or self._store.job(job.id).cancelled_by is not None:
            return True  # the steps themselves say what cannot be read
        today, lines = found
        why = f"what is left is not what was approved:\n{as_text(lines)}"
        decided, now = self.decide_again(job, today), self._clock.now()
        if isinstance(decided, Refusal):
            failure = Failure(what=f"{why}\n{decided.reason}", next_action=decided.next_action)
            self._store.update_job(job.id, lambda fresh: changes.do_not_begin(fresh, job.attempt, failure, None, now))
            return False
        after = self._store.update_job(
            job.id,
            lambda fresh: asking_again.go_on_with(
                fresh,
                today,
                attempt=job.attempt,
                approval=decided.approval,
                place=decided.place,
                policy=decided.version.digest,
                why=why,
                now=now,
            ),
        )
        return after.state is JobState.RUNNING

    def _is_still_planned(self, job: Job) -> bool:
        """Plan again; where the plan is another one, end the job. True where it may go on.

        A world in which nothing is left to do is no surprise to be approved: every step will be skipped.
        """
        today = self._plan_again(job)
        match today:
            case Plan() if today.digest == job.digest or today.is_noop:
                return True
            case Plan() if self._store.job(job.id).cancelled_by is not None:
                follow_up, failure = None, Failure(what="cancelled")
            case Plan():
                answer = self.ask_again(job, today)
                lines = as_text(differences(job.plan, today))
                follow_up, failure = _after_asking(answer, lines)
            case Refusal():
                follow_up, failure = None, Failure(what=today.reason, next_action=today.next_action)
            case Failure():
                follow_up, failure = None, today
        now = self._clock.now()
        self._store.update_job(job.id, lambda fresh: changes.do_not_begin(fresh, job.attempt, failure, follow_up, now))
        return False

    def _plan_again(self, job: Job) -> Plan | Refusal | Failure:
        return self._attempt_at(job, "planning again").run(lambda _timeout_s, _stop: self._replan(job.plan))

    def _attempt_at(self, job: Job, what: str) -> Attempt:
        return Attempt(
            doing=f"job {job.number}: {what}",
            timeout_s=REPLAN_TIMEOUT_S,
            note=lambda _line: None,
            cancelled=self._cancellations.of(job.id),
            stopping=self._stopping,
            delay_scale=self._delay_scale,
        )

    def _finish(self, job_id: str, attempt: int) -> bool:
        job = self._store.job(job_id)
        if job.attempt == attempt and job.state is JobState.RUNNING and changes.is_complete(job):
            self._settle_leases(job)
        now = self._clock.now()
        job = self._store.update_job(job_id, lambda job: changes.finish(job, attempt, now))
        self._cancellations.discard(job_id)
        return job.state in {JobState.SUCCEEDED, JobState.ROLLED_BACK}

    def _settle_leases(self, job: Job) -> None:
        """What the plan takes into use is the tenant's for good, and only that; other plans change no lease."""
        ranges = port_ranges_of(job.plan)
        if ranges is not None:
            self._store.settle_leases(job.plan.subject, ranges, job.id)


def how_ended(done: Done) -> Ended:
    """Return what a step's envelope says."""
    if done["ok"]:
        return Ended.WELL
    return Ended.WAITS if done.get("waits") else Ended.BADLY


def _done(ended: Ended) -> Done:
    return {"ok": False, "waits": True} if ended is Ended.WAITS else {"ok": ended is Ended.WELL}


def _nothing_to_run() -> Begun:
    return {"ok": False, "undo": False, "waves": []}


def _after_asking(answer: Job | Refusal, lines: str) -> tuple[Job | None, Failure]:
    what = f"the world has changed since this was asked:\n{lines}"
    if isinstance(answer, Job):
        return answer, Failure(what=what, next_action=f"job {answer.number} asks again")
    return None, Failure(what=f"{what}\n{answer.reason}", next_action=answer.next_action)


def _nobody_asks(_job: Job, _step_id: str, _ask: Ask) -> Job | Refusal:
    return Refusal(reason="nobody asks for other jobs here", next_action="run the bot's service")


def _nobody_asks_again(_job: Job, _today: Plan) -> Refusal:
    return Refusal(reason="nobody asks again by itself here", next_action="run the command again")
