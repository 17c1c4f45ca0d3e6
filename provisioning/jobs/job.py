"""A job: one request for one plan, from the command to its end. Pure data.

    awaiting_approval → queued → running → succeeded
            │              │        ├────→ failed ──→ queued (retry) | rolling_back → rolled_back
            │              │        ├────→ superseded (the world changed: a new job asks again)
            │              └──── waiting ←┘ (a step waits for something outside; nothing is held meanwhile)
            └→ denied | expired | withdrawn │ cancelled
A plan that needs no approval starts as queued.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from policies.approvals import Actor, Approval, Vote
from provisioning.plan import Outputs, Plan


class JobState(StrEnum):
    AWAITING_APPROVAL = "awaiting_approval"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    ROLLING_BACK = "rolling_back"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"

    @property
    def is_final(self) -> bool:
        """True where nothing will happen by itself or by a button any more."""
        return self not in {
            JobState.AWAITING_APPROVAL,
            JobState.QUEUED,
            JobState.RUNNING,
            JobState.WAITING,
            JobState.ROLLING_BACK,
            JobState.FAILED,
        }


OPEN = tuple(state for state in JobState if not state.is_final)
UNDER_WAY = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.ROLLING_BACK})  # the engine has it
MOVING = frozenset({JobState.RUNNING, JobState.ROLLING_BACK})  # its steps run


class StepState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"  # for something outside: a reboot, another job
    DONE = "done"
    SKIPPED = "skipped"  # it found its work done
    FAILED = "failed"
    UNDONE = "undone"


class Failure(BaseModel):
    """Why a step or a job failed, redacted, for people."""

    model_config = ConfigDict(frozen=True)

    what: str
    next_action: str = ""
    details: str = ""  # the failing command's last lines
    retryable: bool = False


class Waiting(BaseModel):
    """What a step waits for."""

    model_config = ConfigDict(frozen=True)

    what: str  # "node gpu-1 to be rebooted"
    next_action: str = ""
    job: str | None = None  # the job that was asked for, and that is waited for
    until: datetime | None = None  # aware, UTC; None: as long as that job is open


class AskedBy(BaseModel):
    """The step of another job that asked for this one, and waits for it."""

    model_config = ConfigDict(frozen=True)

    job: str
    step: str
    attempt: int


class StepStatus(BaseModel):
    """Where one step of a job stands."""

    model_config = ConfigDict(frozen=True)

    step_id: str
    state: StepState = StepState.PENDING
    attempt: int = 0
    started_at: datetime | None = None  # aware, UTC
    finished_at: datetime | None = None
    note: str = ""  # the newest progress line
    outputs: Outputs = {}
    failure: Failure | None = None
    waiting: Waiting | None = None
    applied: bool = False  # its apply was begun and not undone since: undo has something to look for


class Place(BaseModel):
    """Where the job's one live message stands. ``ts`` is None until it is posted."""

    model_config = ConfigDict(frozen=True)

    channel: str
    ts: str | None = None


class BreakGlass(BaseModel):
    """The job went ahead without approval, in an emergency. The mark stays; somebody else reviews it afterwards."""

    model_config = ConfigDict(frozen=True)

    rule: str  # of the policy, which let the requester do so
    told_roles: frozenset[str]  # whoever has one of these is told
    told: tuple[str, ...] = ()  # ids of those who were
    reviewed_by: Actor | None = None
    reviewed_at: datetime | None = None  # aware, UTC
    note: str = ""  # the reviewer's
    reminded_at: datetime | None = None

    @property
    def is_reviewed(self) -> bool:
        return self.reviewed_by is not None


class Job(BaseModel):
    """One request with its plan, votes and progress, as stored. Times are aware, UTC."""

    model_config = ConfigDict(frozen=True)

    id: str  # "job-41"; also the engine's workflow id
    number: int  # what people say: 41
    command: str  # as typed, redacted
    requester: Actor
    plan: Plan
    digest: str
    state: JobState
    created_at: datetime
    updated_at: datetime
    revision: int  # grows with every stored change; the live message shows one revision
    attempt: int = 1  # grows with every retry
    wakes: int = 0  # grows whenever it goes on after it has waited
    asked_by: AskedBy | None = None
    approval: Approval | None = None  # None where the policy asked for none
    votes: tuple[Vote, ...] = ()
    approved_plan: Plan | None = None  # what was approved, while the job asks again for what differs from it
    steps: tuple[StepStatus, ...] = ()
    failure: Failure | None = None
    superseded_by: str | None = None
    cancelled_by: Actor | None = None  # asked to stop while it ran; it stops at the next safe point
    place: Place | None = None  # None where the job was asked for without Slack
    shown_revision: int = 0  # the revision that the live message shows
    revealed_at: datetime | None = None  # when the requester was shown the credentials
    policy: str = ""  # the digest of the policy that decided on it
    reason: str = ""  # the requester's own, redacted
    batch: str | None = None  # the id of the job that this one is a part of, and was approved with
    break_glass: BreakGlass | None = None  # None: it took the ordinary way
    reminded_at: datetime | None = None  # when approvers were reminded
    escalated_at: datetime | None = None  # when others were mentioned

    @property
    def is_untouched(self) -> bool:
        """True where no step of it has begun to change anything."""
        return not any(status.applied for status in self.steps)

    def status(self, step_id: str) -> StepStatus:
        """Return where the step stands. Raises: KeyError."""
        for status in self.steps:
            if status.step_id == step_id:
                return status
        raise KeyError(step_id)
