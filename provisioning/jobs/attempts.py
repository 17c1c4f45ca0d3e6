"""One piece of work, tried a bounded number of times: what is retried, what is told to people, what stops it."""

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

from provisioning.errors import ChatopsError, TemporaryError
from provisioning.jobs.job import Failure
from provisioning.steps.base import StepWaits

log = logging.getLogger(__name__)

TRIES = 4
MOST_DELAY_S = 30.0
GRACE_S = 5.0  # what an action gets beyond its timeout to stop by itself
LOOK_S = 0.05  # how soon a wait between two tries notices that it should end

T = TypeVar("T")


class Interrupted(BaseException):
    """The process stops in the middle of a step. Whoever goes on runs the step again.

    Not an Exception on purpose: nobody may record it as a failure of the step.
    """


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """The surroundings of one piece of work.

    Args:
        doing: for messages: ``Create company acme``.
        timeout_s: for all tries together.
        note: takes a line for people.
        cancelled: somebody asked to stop this job.
        stopping: this process is to end.
        first_delay_s: scales the waits between tries; tests make it small.
    """

    doing: str
    timeout_s: float
    note: Callable[[str], None]
    cancelled: Callable[[], bool]
    stopping: Event
    tries: int = TRIES
    delay_scale: float = 1.0

    def run(self, work: Callable[[float, Callable[[], bool]], T]) -> T | Failure:
        """Return what *work* returns, or why it failed. Raises: Interrupted, StepWaits.

        *work* is given the seconds it has and a function that says whether to stop.
        """
        deadline = time.monotonic() + self.timeout_s

        def stop_now() -> bool:
            return self._must_stop() or time.monotonic() > deadline + GRACE_S

        for tried in range(1, self.tries + 1):
            self._check()
            try:
                return work(max(1.0, deadline - time.monotonic()), stop_now)
            except TemporaryError as error:
                self._check()
                delay_s = min(error.delay_s * 2 ** (tried - 1), MOST_DELAY_S) * self.delay_scale
                if self.cancelled() or tried == self.tries or time.monotonic() + delay_s >= deadline:
                    return failure_of(error, self.doing)
                log.info("%s: try %d of %d failed: %s", self.doing, tried, self.tries, error.what)
                self.note(f"try {tried + 1} of {self.tries} in {delay_s:.0f} s: {error.what}")
                self._wait(delay_s)
            except StepWaits:
                raise
            except Exception as error:  # noqa: BLE001 - the last fence: the engine must only see envelopes
                self._check()
                return failure_of(error, self.doing)
        raise AssertionError("unreachable: the last try returns")

    def _must_stop(self) -> bool:
        return self.stopping.is_set() or self.cancelled()

    def _check(self) -> None:
        if self.stopping.is_set():
            raise Interrupted

    def _wait(self, delay_s: float) -> None:
        until = time.monotonic() + delay_s
        while (left_s := until - time.monotonic()) > 0 and not self._must_stop():
            self.stopping.wait(min(left_s, LOOK_S))


def failure_of(error: Exception, doing: str) -> Failure:
    """Return *error* as people may read it. A fault of ours becomes an incident id and a log line."""
    if isinstance(error, ChatopsError):
        return Failure(
            what=error.what,
            next_action=error.next_action,
            details=error.details,
            retryable=isinstance(error, TemporaryError),
        )
    incident = uuid.uuid4().hex[:8]
    log.error("incident %s: %s", incident, doing, exc_info=error)
    return Failure(
        what=f"an internal error, incident {incident}",
        next_action=f"ask an admin to look for incident {incident} in the bot's log, then Retry",
    )
