"""One step of a job: look, make it so or take it back, and write what came of it."""

import time
from collections.abc import Callable, Mapping
from threading import Event as Flag
from threading import Lock

from policies.approvals import Actor, Refusal
from provisioning.clock import Clock
from provisioning.errors import PermanentError
from provisioning.jobs import changes, decisions
from provisioning.jobs.attempts import Attempt
from provisioning.jobs.job import Failure, Job, JobState, StepState, StepStatus
from provisioning.jobs.schedule import Ended
from provisioning.jobs.waits import WaitingJobs
from provisioning.plan import Outputs, Presence, Step, resolve
from provisioning.steps.base import Ask, StepAction, StepRun, StepWaits
from provisioning.store import Change, Store

NOTE_EVERY_S = 0.5  # a revision for each note is too many for a talkative step
LOOK_EVERY_S = 0.5  # how soon a cancellation written by another process is seen


class Cancellations:
    """Which running jobs are to stop: told by this process at once, by others through the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: set[str] = set()
        self._lock = Lock()

    def add(self, job_id: str) -> None:
        with self._lock:
            self._jobs.add(job_id)

    def discard(self, job_id: str) -> None:
        with self._lock:
            self._jobs.discard(job_id)

    def of(self, job_id: str) -> Callable[[], bool]:
        """Return a question that is cheap to ask often."""
        asked_at, found = time.monotonic(), False

        def cancelled() -> bool:
            nonlocal asked_at, found
            with self._lock:
                found = found or job_id in self._jobs
            if not found and time.monotonic() - asked_at >= LOOK_EVERY_S:
                found = self._store.job(job_id).cancelled_by is not None
                asked_at = time.monotonic()
            return found

        return cancelled


class StepRuns:
    """Runs and undoes single steps. Raises: Interrupted, and what the store raises."""

    def __init__(
        self,
        *,
        store: Store,
        actions: Mapping[str, StepAction],
        clock: Clock,
        stopping: Flag,
        cancellations: Cancellations,
        delay_scale: float,
        waits: WaitingJobs,
        ask_for: Callable[[Job, str, Ask], Job | Refusal],
    ) -> None:
        self._store = store
        self._actions = actions
        self._clock = clock
        self._stopping = stopping
        self._cancellations = cancellations
        self._delay_scale = delay_scale
        self._waits = waits
        self._ask_for = ask_for

    def run(self, job_id: str, step_id: str, attempt: int) -> Ended:
        """Make the step so where it is not."""
        job = self._store.job(job_id)
        if job.attempt != attempt or job.state is not JobState.RUNNING:
            return Ended.BADLY
        known = job.status(step_id)
        if known.attempt == attempt and known.state in changes.COMPLETE:
            return Ended.WELL  # done and written; only the engine had not heard of it before a crash
        if (known.attempt, known.state) == (attempt, StepState.FAILED):
            return Ended.BADLY  # written, too: steps that saw it have not begun
        if job.cancelled_by is not None:
            self._stop_part(job, known, job.cancelled_by)
            return Ended.BADLY
        step = job.plan.step(step_id)
        if any(job.status(need).state not in changes.COMPLETE for need in step.needs):
            return Ended.BADLY  # it stays pending: a plan that goes on passes over what a failed step would have given
        try:
            result = self._attempt(job, step, attempt).run(
                lambda timeout_s, stop: self._make_so(job, step, timeout_s, stop)
            )
        except StepWaits as waits:
            return self._wait(job, step, waits)
        if isinstance(result, Failure):
            return self._failed(job, step, result)
        state, outputs, note = result
        now = self._clock.now()
        self._store.update_job(
            job.id,
            lambda job: changes.step_ended(job, step.id, attempt, state=state, outputs=outputs, note=note, now=now),
        )
        return Ended.WELL

    def undo(self, job_id: str, step_id: str, attempt: int) -> Ended:
        """Take back what the step did."""
        job = self._store.job(job_id)
        if job.attempt != attempt or job.state is not JobState.ROLLING_BACK:
            return Ended.BADLY
        known = job.status(step_id)
        if not known.applied:
            return Ended.WELL
        if (known.attempt, known.state) == (attempt, StepState.FAILED):
            return Ended.BADLY
        step, now = job.plan.step(step_id), self._clock.now()
        self._store.update_job(job.id, lambda job: changes.undo_started(job, step.id, attempt, now))
        result = self._attempt(job, step, attempt).run(
            lambda timeout_s, stop: self._take_back(job, step, timeout_s, stop)
        )
        if isinstance(result, Failure):
            return self._failed(job, step, result)
        now = self._clock.now()
        self._store.update_job(job.id, lambda job: changes.undo_ended(job, step.id, attempt, now))
        return Ended.WELL

    def failed(self, job_id: str, step_id: str, attempt: int, failure: Failure) -> None:
        """Write a failure that did not come from the step's action."""
        now = self._clock.now()
        self._store.update_job(job_id, lambda job: changes.step_failed(job, step_id, attempt, failure, now))

    def _make_so(
        self, job: Job, step: Step, timeout_s: float, stop: Callable[[], bool]
    ) -> tuple[StepState, Outputs, str]:
        action, inputs = self._action(step), _resolved(job, step)
        seen = action.observe(inputs)
        if seen.presence is Presence.PRESENT:
            # What an earlier try of this job made is ours: rolling back takes it back.
            ours = self._store.job(job.id).status(step.id).applied
            return StepState.DONE if ours else StepState.SKIPPED, seen.outputs, seen.detail
        if late := self._waits.too_late(job.status(step.id)):
            raise PermanentError(late.what, next_action=late.next_action)
        now = self._clock.now()
        self._store.update_job(job.id, lambda fresh: changes.step_started(fresh, step.id, job.attempt, now))
        outputs = action.apply(inputs, self._step_run(job, step, timeout_s, stop))
        return StepState.DONE, outputs, ""

    def _wait(self, job: Job, step: Step, waits: StepWaits) -> Ended:
        """Write what the step waits for, having asked for the job that it needs. Asking twice asks once."""
        asked: Job | Refusal | None = None
        if waits.job is not None:
            asked = self._store.job(waits.job)
        elif waits.ask is not None:
            asked = self._ask_for(job, step.id, waits.ask)
        if isinstance(asked, Refusal):
            return self._failed(job, step, Failure(what=asked.reason, next_action=asked.next_action))
        before = job.status(step.id)
        since = before.waiting if before.attempt == job.attempt else None
        waiting, now = self._waits.waiting(waits, asked, since), self._clock.now()
        self._store.update_job(job.id, lambda fresh: changes.step_waits(fresh, step.id, job.attempt, waiting, now))
        return Ended.WAITS

    def _stop_part(self, batch: Job, known: StepStatus, actor: Actor) -> None:
        """Cancel the part that a step of a cancelled *batch* waits for, as one that runs is."""
        if known.waiting is None or known.waiting.job is None:
            return
        now = self._clock.now()

        def change(part: Job) -> Change | None:
            answer = decisions.cancel(part, actor, now) if part.batch == batch.id else None
            return answer if isinstance(answer, Change) else None

        self._store.update_job(known.waiting.job, change)

    def _take_back(self, job: Job, step: Step, timeout_s: float, stop: Callable[[], bool]) -> None:
        run = self._step_run(job, step, timeout_s, stop)
        self._action(step).undo(_resolved(job, step), job.status(step.id).outputs, run)

    def _failed(self, job: Job, step: Step, failure: Failure) -> Ended:
        self.failed(job.id, step.id, job.attempt, failure)
        return Ended.BADLY

    def _action(self, step: Step) -> StepAction:
        try:
            return self._actions[step.kind]
        except KeyError:
            raise PermanentError(
                f"no action is called {step.kind!r}",
                next_action="run the version of the bot that planned this job, or Leave it and ask again",
            ) from None

    def _step_run(self, job: Job, step: Step, timeout_s: float, stop: Callable[[], bool]) -> StepRun:
        return StepRun(
            job_id=job.id,
            step_id=step.id,
            attempt=job.attempt,
            timeout_s=timeout_s,
            note=self._noter(job, step),
            cancelled=stop,
            answered=self._waits.answered(job.status(step.id)),
            waited=job.status(step.id).waiting is not None,
        )

    def _attempt(self, job: Job, step: Step, attempt: int) -> Attempt:
        undoing = job.state is JobState.ROLLING_BACK
        return Attempt(
            doing=f"job {job.number}, attempt {attempt}: {'undo: ' if undoing else ''}{step.title}",
            timeout_s=step.timeout_s,
            note=self._noter(job, step),
            # Rolling back is itself the way out: it is not cancelled, only retried.
            cancelled=(lambda: False) if undoing else self._cancellations.of(job.id),
            stopping=self._stopping,
            delay_scale=self._delay_scale,
        )

    def _noter(self, job: Job, step: Step) -> Callable[[str], None]:
        written_at = -NOTE_EVERY_S

        def note(line: str) -> None:
            nonlocal written_at
            if time.monotonic() - written_at >= NOTE_EVERY_S:
                now = self._clock.now()
                self._store.update_job(job.id, lambda fresh: changes.noted(fresh, step.id, job.attempt, line, now))
                written_at = time.monotonic()

        return note


def _resolved(job: Job, step: Step) -> dict[str, object]:
    """Return the step's inputs with the outputs of the steps before it. Raises: PermanentError."""
    outputs = {status.step_id: status.outputs for status in job.steps if status.outputs}
    try:
        return resolve(step.inputs, outputs)
    except KeyError as error:
        raise PermanentError(f"preparing the step: {error.args[0]}", next_action="Retry") from None
