"""Jobs whose step waits for something outside: what has become of it, and whether they may go on."""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from provisioning.clock import Clock
from provisioning.errors import ChatopsError
from provisioning.jobs.job import Failure, Job, JobState, StepState, StepStatus, Waiting
from provisioning.plan import Step, resolve
from provisioning.steps.base import Answered, StepAction, StepWaits, Waits
from provisioning.store import Store

LOOK_EVERY_S = 3.0  # at one job: looks ask other systems


class WaitingJobs:
    """Looks only; whoever asks writes. Thread-safe."""

    def __init__(self, store: Store, actions: Mapping[str, StepAction], clock: Clock) -> None:
        self._store = store
        self._actions = actions
        self._clock = clock
        self._looked_at: dict[str, float] = {}  # job id → monotonic

    def waiting(self, waits: StepWaits, asked: Job | None, before: Waiting | None) -> Waiting:
        """Return what is stored of *waits*, whose job is *asked* where it has asked for one.

        What the step waited for *before*, in this attempt, it still waits for until the same time.
        """
        until = None if waits.give_up_s is None else self._clock.now() + timedelta(seconds=waits.give_up_s)
        what = waits.what if asked is None else f"{waits.what}: job {asked.number} asks for it"
        if before is not None and until is not None and before.what == what:
            until = before.until
        return Waiting(what=what, next_action=waits.next_action, job=asked.id if asked else None, until=until)

    def may_go_on(self, job: Job) -> bool:
        """Return whether what one of the job's steps waits for has happened, or will not any more."""
        now = time.monotonic()
        if now - self._looked_at.get(job.id, -LOOK_EVERY_S) < LOOK_EVERY_S:
            return False
        self._looked_at[job.id] = now
        if any(self._is_over(job, status) for status in job.steps if status.state is StepState.WAITING):
            self._looked_at.pop(job.id, None)
            return True
        return False

    def answered(self, status: StepStatus) -> Answered | None:
        """Return what became of the job that the step had asked for, or None while it is open."""
        if status.waiting is None or status.waiting.job is None:
            return None
        asked = self._store.job(status.waiting.job)
        while asked.superseded_by is not None:
            asked = self._store.job(asked.superseded_by)
        if not asked.state.is_final and asked.state is not JobState.FAILED:
            return None
        why = asked.failure.what if asked.failure else asked.state.value.replace("_", " ")
        return Answered(number=asked.number, succeeded=asked.state is JobState.SUCCEEDED, why=why)

    def too_late(self, status: StepStatus) -> Failure | None:
        """Return why the step fails where it has waited long enough."""
        waiting = status.waiting
        if waiting is None or waiting.until is None or self._clock.now() < waiting.until:
            return None
        return Failure(
            what=f"waited until {waiting.until:%Y-%m-%d %H:%M} UTC for {waiting.what}",
            next_action=f"{waiting.next_action}, then Retry" if waiting.next_action else "Retry waits again",
            retryable=True,
        )

    def _is_over(self, job: Job, status: StepStatus) -> bool:
        if status.waiting is None or self.too_late(status) is not None or self.answered(status) is not None:
            return True
        step = job.plan.step(status.step_id)
        action: object = self._actions.get(step.kind)
        if status.waiting.job is not None or not isinstance(action, Waits):
            return False
        try:
            return action.may_go_on(_inputs(job, step))
        except (ChatopsError, KeyError):  # it does not answer just now: that is no news
            return False


def _inputs(job: Job, step: Step) -> dict[str, Any]:
    return resolve(step.inputs, {status.step_id: status.outputs for status in job.steps if status.outputs})
