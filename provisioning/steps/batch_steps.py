"""Steps that are jobs of their own: a batch's tenants, each made by the operation that makes one.

The batch was approved as a whole, so its parts ask nobody, but where a chart was mended since. Each is an ordinary job
of its tenant: one at a time with the tenant's others, audited, retried and rolled back like them.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue

from commands.tenants import TenantCreate
from policies.approvals import Actor, Refusal
from provisioning.clock import Clock
from provisioning.errors import PermanentError, TemporaryError
from provisioning.evidence.trail import Event
from provisioning.jobs import decisions
from provisioning.jobs.batches import STEP_KIND
from provisioning.jobs.job import OPEN, UNDER_WAY, Job, JobState, StepState
from provisioning.plan import Observation, Outputs, Plan, Presence, Step
from provisioning.plan_ports import port_ranges_of
from provisioning.steps.base import StepRun, StepWaits
from provisioning.store import Change, LeaseTakenError, Store

if TYPE_CHECKING:
    from provisioning.planner import Planner

LOOK_EVERY_S = 0.3
MOMENT_S = 30.0  # parts that look at the same time look at one world and read it once, for so long at most
CREATE = "tenant create"
APPROVED = "approved"  # of each step that has something to do: its print, as it was when it was planned
MOST_BEGINNINGS = 3

Decision: TypeAlias = Callable[[Job, Actor, datetime], Change | Refusal]


class PartInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: dict[str, JsonValue]  # a `tenant create` request


@dataclass(frozen=True, kw_only=True)
class JobsOfOthers:
    """What a batch needs of the engine: to begin and to stop jobs of its own."""

    submit: Callable[[Job], None]
    cancel: Callable[[str], None]


class ApplyTenant:
    """``tenant.apply``: the tenant is as the spec says. Outputs: ``job``, the number of the job that made it so.

    Args:
        planner: plans what is run.
        planner_of_one_moment: makes a planner for looking at many tenants.
        lease_ttl_s: how long a part's ports are held until it has succeeded.
    """

    kind = STEP_KIND

    def __init__(
        self,
        *,
        planner: "Planner",
        planner_of_one_moment: "Callable[[], Planner]",
        store: Store,
        clock: Clock,
        engine: JobsOfOthers,
        lease_ttl_s: int,
    ) -> None:
        self._planner = planner
        self._make_look = planner_of_one_moment
        self._store = store
        self._clock = clock
        self._engine = engine
        self._lease_ttl_s = lease_ttl_s
        self._lock = Lock()
        self._look: tuple[float, Planner] | None = None
        self._looking = 0

    def observe(self, inputs: dict[str, Any]) -> Observation:
        with self._shared_look() as look:
            plan = _planned(look, PartInputs.model_validate(inputs).spec)
        if plan.is_noop:
            return Observation(presence=Presence.PRESENT, detail="as it shall be")
        due = [step for step in plan.steps if not step.is_noop]
        is_new = plan.steps[0].found.presence is Presence.ABSENT
        return Observation(
            presence=Presence.ABSENT if is_new else Presence.DIFFERS,
            detail=f"{len(due)} of {len(plan.steps)} steps have something to do",
            outputs={APPROVED: {step.id: _print_of(step) for step in due}},
            differences={
                f"{step.id}: {field}": difference
                for step in due
                for field, difference in ({} if is_new else step.found.differences).items()
            },
        )

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = PartInputs.model_validate(inputs)
        name = TenantCreate.model_validate(wanted.spec).name
        part = self._part_of(run.job_id, name)
        if run.answered is not None and part is not None:  # it has asked people; a Retry asks them anew
            return _outputs(part)
        beginnings = 0
        while True:
            beginnings += 1
            if part is not None and part.state is JobState.FAILED and part.is_untouched:
                part = self._changed(part, decisions.leave, run)  # a sibling has done a part of its work meanwhile
            if part is None or part.state.is_final:
                part = self._begin(wanted, name, run)
                if part is None:
                    return {}
            elif part.state is JobState.FAILED:
                part = self._changed(part, decisions.retry, run)
                self._engine.submit(part)
            part = self._ended(part, run)
            if part.state is JobState.AWAITING_APPROVAL:
                raise StepWaits(
                    f"what differs of tenant {name} to be approved",
                    next_action=f"approve or deny job {part.number}",
                    job=part.id,
                )
            changed_before_it_began = part.state is JobState.FAILED and part.is_untouched
            if not changed_before_it_began or beginnings == MOST_BEGINNINGS:
                return _outputs(part)

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        run.note("the tenant stays: its own job can be rolled back where it failed")

    @contextmanager
    def _shared_look(self) -> "Iterator[Planner]":
        """One look for all that look at this moment; whoever comes when nobody looks takes a new one."""
        with self._lock:
            now = time.monotonic()
            if self._look is None or now - self._look[0] > MOMENT_S:
                self._look = (now, self._make_look())
            self._looking += 1
            look = self._look[1]
        try:
            yield look
        finally:
            with self._lock:
                self._looking -= 1
                if self._looking == 0:
                    self._look = None

    def _part_of(self, batch: str, tenant: str) -> Job | None:
        return next((job for job in self._store.jobs(subject=tenant) if job.batch == batch), None)

    def _begin(self, wanted: PartInputs, name: str, run: StepRun) -> Job | None:
        """Store the tenant's job and submit it; None where nothing is left to do. Raises: PermanentError."""
        batch = self._store.job(run.job_id)
        plan = _planned(self._planner, wanted.spec)
        if plan.is_noop:
            return None
        _check_approved(plan, batch.plan.step(run.step_id))

        def check() -> None:
            for other in self._store.jobs(states=OPEN, subject=name):
                busy = decisions.busy(other)
                raise PermanentError(busy.reason, next_action=f"{busy.next_action}, then Retry")

        try:
            job = self._store.create_job(
                command=f"tenant create {name}",
                requester=batch.requester,
                plan=plan,
                state=JobState.QUEUED,
                approval=None,
                place=None,
                event=Event(
                    action="job.requested",
                    actor=batch.requester.id,
                    actor_name=batch.requester.name,
                    detail={"batch": batch.id, "summary": plan.summary},
                ),
                policy=batch.policy,
                reason=batch.reason,
                batch=batch.id,
                leases=port_ranges_of(plan) or (),
                lease_ttl_s=self._lease_ttl_s,
                check=check,
            )
        except LeaseTakenError as error:
            raise PermanentError(
                error.what, next_action="Leave this job, and ask for it again: it then chooses other ports"
            ) from error
        self._engine.submit(job)
        return job

    def _changed(self, part: Job, decide: Decision, run: StepRun) -> Job:
        """Let who asked for the batch decide on its part."""
        requester = self._store.job(run.job_id).requester

        def change(fresh: Job) -> Change | None:
            answer = decide(fresh, requester, self._clock.now())
            return None if isinstance(answer, Refusal) else answer

        return self._store.update_job(part.id, change)

    def _ended(self, part: Job, run: StepRun) -> Job:
        """Wait until the job ends, or asks people, telling where it stands. Raises: TemporaryError."""
        while (part := self._store.job(part.id)).state in UNDER_WAY:
            if run.cancelled():
                self._stop_or_let_go(part, run)
            run.note(f"job {part.number}: {_doing(part)}")
            time.sleep(LOOK_EVERY_S)
        return part

    def _stop_or_let_go(self, part: Job, run: StepRun) -> None:
        """Where the batch is cancelled, so is its part. Where the bot stops, or it takes too long, the part runs on.

        Raises: TemporaryError.
        """
        cancelled_by = self._store.job(run.job_id).cancelled_by
        if cancelled_by is None:
            raise TemporaryError(
                f"job {part.number} still {'runs' if part.state is JobState.RUNNING else 'waits'}",
                next_action="Retry waits for it again",
            )
        if part.cancelled_by is None:
            self._changed(part, decisions.cancel, run)
            self._engine.cancel(part.id)


def _outputs(part: Job) -> Outputs:
    """Return the outputs of a part that succeeded. Raises: PermanentError where it did not."""
    if part.state is JobState.SUCCEEDED:
        return {"job": part.number}
    why = f": {part.failure.what}" if part.failure else ""
    raise PermanentError(
        f"job {part.number} {part.state.value.replace('_', ' ')}{why}",
        next_action=f"see job show {part.number}; Retry goes on with it",
        details=part.failure.details if part.failure else "",
    )


def _check_approved(today: Plan, approved: Step) -> None:
    """What was approved may have become less, by what siblings share, but nothing else. Raises: PermanentError."""
    seen = approved.found.outputs.get(APPROVED)
    prints = seen if isinstance(seen, dict) else {}
    new = [step.title for step in today.steps if not step.is_noop and prints.get(step.id) != _print_of(step)]
    if new:
        raise PermanentError(
            f"{today.subject} is not as it was when this was approved: {'; '.join(new)}",
            next_action="Leave this job, and ask for it again",
        )


def _print_of(step: Step) -> str:
    """Return what tells whether a step is still the same: what it does, and what it found."""
    said = json.dumps(step.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _planned(planner: "Planner", spec: Mapping[str, JsonValue]) -> Plan:
    """Return the plan of the spec. Raises: PermanentError where there can be none."""
    plan = planner.plan(CREATE, spec)
    if isinstance(plan, Refusal):
        raise PermanentError(plan.reason, next_action=plan.next_action)
    return plan


def _doing(job: Job) -> str:
    running = [status.step_id for status in job.steps if status.state is StepState.RUNNING]
    return job.plan.step(running[0]).title if running else "waits for its turn"
