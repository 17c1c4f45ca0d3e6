"""What nobody else sees to: requests that ran out, jobs that may go on, what the engine has not or has given up.

After a crash between two writes, or a command of another process, the sweep is what goes on; so whatever is wrong
with one job keeps it from no other.
"""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from provisioning.clock import Clock
from provisioning.engine import Engine, Fate
from provisioning.jobs import changes, decisions
from provisioning.jobs.job import UNDER_WAY, Failure, Job, JobState
from provisioning.store import Store

log = logging.getLogger(__name__)

ALL = 100_000  # jobs: more than a store ever holds open


class Sweep:
    """Thread-safe, and safe to repeat at any time."""

    def __init__(self, *, store: Store, engine: Engine, clock: Clock) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock

    def __call__(self) -> None:
        """Expire approvals and leases; submit jobs that the engine does not have; fail those it gave up."""
        for job in self._each({JobState.AWAITING_APPROVAL}):
            with _apart(job):
                self.expire(job.id)
                self._drop_if_moot(job)
        self._store.drop_expired_leases()
        if not self._engine.is_running:
            return
        for job in self._each({JobState.WAITING}):
            with _apart(job):
                self._go_on_if_it_may(job)
        for job in self._each(UNDER_WAY):
            with _apart(job):
                self._see_that_it_runs(job)

    def expire(self, job_id: str) -> None:
        """Close the request where nobody has decided in time."""
        now = self._clock.now()
        self._store.update_job(job_id, lambda job: decisions.expire(job, now))

    def _each(self, states: Collection[JobState]) -> tuple[Job, ...]:
        return self._store.jobs(states=states, limit=ALL)

    def _drop_if_moot(self, job: Job) -> None:
        """Close a request that another job's step had made, and that nobody waits for any more."""
        if job.asked_by is None:
            return
        asker = self._store.job(job.asked_by.job)
        if asker.state.is_final or asker.state is JobState.FAILED:
            now = self._clock.now()
            self._store.update_job(job.id, lambda fresh: decisions.moot(fresh, asker, now))

    def _go_on_if_it_may(self, job: Job) -> None:
        if self._engine.runner.may_go_on(job):
            now = self._clock.now()
            self._engine.submit(self._store.update_job(job.id, lambda fresh: changes.wake(fresh, now)))

    def _see_that_it_runs(self, job: Job) -> None:
        match self._engine.look(job):
            case Fate.UNKNOWN:
                self._engine.submit(job)
            case Fate.ENDED:
                failure = Failure(what="the engine gave this run up", next_action="Retry goes on", retryable=True)
                self._engine.runner.abandon(job.id, job.attempt, failure, wakes=job.wakes)
            case Fate.ALIVE:
                pass


@contextmanager
def _apart(job: Job) -> Iterator[None]:
    try:
        yield
    except Exception:
        log.exception("looking after %s failed: the next sweep tries again", job.id)
