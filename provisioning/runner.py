"""What a job does, one call at a time. The engine decides when; every call returns a plain envelope."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from pydantic import JsonValue

from policies.approvals import Refusal
from provisioning.clock import Clock
from provisioning.plan import Plan
from provisioning.steps.base import StepAction
from provisioning.store import Store

Envelope: TypeAlias = dict[str, JsonValue]


class Runner:
    """Runs the steps of jobs and writes what came of them. Thread-safe; raises nothing foreign."""

    def __init__(
        self,
        store: Store,
        actions: Mapping[str, StepAction],
        replan: Callable[[Plan], Plan | Refusal],
        clock: Clock,
    ) -> None:
        self._store = store
        self._actions = actions
        self._replan = replan
        self._clock = clock

    def begin(self, job_id: str, attempt: int) -> Envelope:
        raise NotImplementedError

    def run_step(self, job_id: str, step_id: str, attempt: int) -> Envelope:
        raise NotImplementedError

    def undo_step(self, job_id: str, step_id: str, attempt: int) -> Envelope:
        raise NotImplementedError

    def finish(self, job_id: str, attempt: int) -> Envelope:
        raise NotImplementedError
