"""Which steps of a job may begin now: each as soon as what it needs is done. Pure.

Whoever runs them asks ``begin`` and tells ``ended``. What is said here never moves a step's place in the replay, so
a run that a crash interrupted may be scheduled otherwise than it was: only what had begun must begin again.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from provisioning.jobs.job import MOVING, Job, StepState
from provisioning.plan import Plan, Step, all_needs


class Ended(StrEnum):
    """How one call of a step came to its end."""

    WELL = "well"
    BADLY = "badly"
    WAITS = "waits"  # for something outside: it goes on another time


class Schedule:
    """The steps of one run. Not thread-safe.

    Args:
        needs: step id → the steps that end well before it, in the order in which steps begin if they may.
        chains: step id → what it is a part of, for those that are.
        chains_at_once: how many of these are under way at most. One whose step failed or waits stays so.
        goes_on: where a step fails, those that do not need it still begin.
        begun: what an interrupted run had begun: it begins again, whatever has failed since.
        held: nothing else begins.
    """

    def __init__(
        self,
        needs: Mapping[str, Iterable[str]],
        *,
        chains: Mapping[str, str] | None = None,
        chains_at_once: int | None = None,
        goes_on: bool = False,
        begun: frozenset[str] = frozenset(),
        held: bool = False,
    ) -> None:
        self._needs = {step_id: frozenset(needed) for step_id, needed in needs.items()}
        self._chains = chains or {}
        self._chains_at_once = chains_at_once
        self._goes_on = goes_on
        self._begun = begun
        self._held = held
        self._left = sorted(needs, key=lambda step_id: step_id not in begun)
        self._well: set[str] = set()
        self._under_way: set[str] = set()  # chains
        self.waits = False  # a step does

    def begin(self) -> Iterator[str]:
        """Yield the steps that may begin now, each once."""
        for step_id in tuple(self._left):
            if self._may_begin(step_id):
                self._left.remove(step_id)
                self._under_way |= self._chain(step_id)
                yield step_id

    def ended(self, step_id: str, how: Ended) -> None:
        """Take down how a step that has begun came to its end."""
        match how:
            case Ended.WELL:
                self._well.add(step_id)
                chain = self._chain(step_id)
                if all(one in self._well for one in self._needs if self._chain(one) == chain):
                    self._under_way -= chain
            case Ended.BADLY:
                self._held = self._held or not self._goes_on
            case Ended.WAITS:
                self.waits = True

    def hold(self) -> None:
        """Let nothing more begin but what had begun before."""
        self._held = True

    def _may_begin(self, step_id: str) -> bool:
        if not self._needs[step_id] <= self._well or (self._held and step_id not in self._begun):
            return False
        under_way = self._under_way | self._chain(step_id)
        return self._chains_at_once is None or len(under_way) <= max(self._chains_at_once, len(self._under_way))

    def _chain(self, step_id: str) -> set[str]:
        chain = self._chains.get(step_id)
        return {chain} if chain else set()


def schedule_of(job: Job, attempt: int, step_ids: Iterable[str], *, undo: bool, goes_on: bool) -> Schedule:
    """Return the schedule of this attempt's *step_ids*, as far as the store knows that it has come.

    What failed in this attempt before a crash holds what had not begun, as it did then.
    """
    chosen = [job.plan.step(step_id) for step_id in step_ids]
    own = [status for status in job.steps if status.attempt == attempt and status.state is not StepState.PENDING]
    has_failed = any(status.state is StepState.FAILED for status in own)
    return Schedule(
        needs_to_undo(job.plan, chosen) if undo else {step.id: step.needs for step in chosen},
        chains={step.id: step.chain for step in chosen if step.chain},
        chains_at_once=job.plan.chains_at_once,
        goes_on=goes_on,
        begun=frozenset(status.step_id for status in own),
        held=job.attempt != attempt or job.state not in MOVING or (has_failed and not goes_on),
    )


def needs_to_undo(plan: Plan, chosen: Iterable[Step]) -> dict[str, frozenset[str]]:
    """Return what is undone before each of the *chosen* steps: those that need it, directly or through others."""
    needs, ids = all_needs(plan.steps), [step.id for step in chosen]
    return {step_id: frozenset(other for other in ids if step_id in needs[other]) for step_id in ids}
