"""Everything people may do with jobs: ask, vote, retry, roll back, leave, cancel, withdraw, reveal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from policies.approvals import Actor, Refusal
from provisioning.clock import Clock
from provisioning.engine import Engine
from provisioning.jobs import Job
from provisioning.plan import Plan
from provisioning.planner import Planner
from provisioning.store import Store

if TYPE_CHECKING:
    from commands.grammar import Invocation

    from policies.policy import Policy
    from provisioning.clients.clearml import ClearML, Credentials


@dataclass(frozen=True)
class Requested:
    """A job was stored: it waits for approval or runs."""

    job: Job


@dataclass(frozen=True)
class DryRun:
    """What the job would do; nothing was stored but the audit row."""

    plan: Plan


@dataclass(frozen=True)
class NothingToDo:
    """Every step found its work done."""

    plan: Plan


Answer: TypeAlias = Requested | DryRun | NothingToDo | Refusal


class JobService:
    """The one door to jobs for Slack and the command line. Thread-safe.

    Every method but ``sweep`` and ``start`` answers with a value; ChatopsError where the world could not be
    read; KeyError for an unknown job id.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        planner: Planner,
        policy: "Callable[[], Policy]",
        clearml: "ClearML",
        clock: Clock,
    ) -> None:
        self._store = store
        self._engine = engine
        self._planner = planner
        self._policy = policy
        self._clearml = clearml
        self._clock = clock

    def request(self, invocation: "Invocation", actor: Actor, channel: str | None) -> Answer:
        raise NotImplementedError

    def vote(
        self, job_id: str, actor: Actor, *, approve: bool, seen_digest: str, reason: str = ""
    ) -> Job | Refusal:
        raise NotImplementedError

    def retry(self, job_id: str, actor: Actor) -> Job | Refusal:
        raise NotImplementedError

    def roll_back(self, job_id: str, actor: Actor) -> Job | Refusal:
        raise NotImplementedError

    def leave(self, job_id: str, actor: Actor) -> Job | Refusal:
        raise NotImplementedError

    def cancel(self, job_id: str, actor: Actor) -> Job | Refusal:
        raise NotImplementedError

    def withdraw(self, job_id: str, actor: Actor) -> Job | Refusal:
        raise NotImplementedError

    def reveal(self, job_id: str, actor: Actor) -> "Credentials | Refusal":
        raise NotImplementedError

    def unreveal(self, job_id: str, access_key: str) -> None:
        raise NotImplementedError

    def sweep(self) -> None:
        raise NotImplementedError

    def start(self) -> None:
        raise NotImplementedError
