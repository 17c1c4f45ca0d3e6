"""One attempt's tries, waits and stops; and what differs between two plans, in words."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from provisioning.errors import PermanentError, TemporaryError
from provisioning.jobs.attempts import Attempt, Interrupted
from provisioning.jobs.job import Failure
from provisioning.plan import Observation, Plan, Presence, Step
from provisioning.plan_differences import as_text, differences


@dataclass
class Work:
    """Raises its problems one after the other, then returns."""

    problems: list[Exception] = field(default_factory=list)
    tries: int = 0

    def __call__(self, timeout_s: float, stop: Callable[[], bool]) -> str:
        self.tries += 1
        if self.problems:
            raise self.problems.pop(0)
        return "done"


def attempt(**words: Any) -> Attempt:
    fields: dict[str, Any] = {
        "doing": "Do it",
        "timeout_s": 10.0,
        "note": lambda _line: None,
        "cancelled": lambda: False,
        "stopping": threading.Event(),
        "delay_scale": 0.001,
    }
    return Attempt(**(fields | words))


@pytest.mark.parametrize(("problems", "tries", "ok"), [(0, 1, True), (3, 4, True), (4, 4, False)])
def test_temporary_errors_are_tried_four_times(problems: int, tries: int, ok: bool) -> None:
    """The first try and three more."""
    work = Work([TemporaryError("busy")] * problems)
    result = attempt().run(work)
    assert work.tries == tries
    assert (result == "done") is ok


def test_people_read_when_the_next_try_is_due() -> None:
    """The waits double from what the error asks for."""
    notes: list[str] = []
    problems: list[Exception] = [TemporaryError("429 slow down", delay_s=1000)] * 2
    attempt(note=notes.append, delay_scale=1e-6).run(Work(problems))
    assert notes == ["try 2 of 4 in 0 s: 429 slow down", "try 3 of 4 in 0 s: 429 slow down"]


def test_no_try_begins_after_the_timeout() -> None:
    """A step with no time left for the wait fails at once."""
    work = Work([TemporaryError("busy", delay_s=5)])
    began = time.monotonic()
    result = attempt(timeout_s=1.0, delay_scale=1.0).run(work)
    assert isinstance(result, Failure)
    assert result.retryable
    assert work.tries == 1
    assert time.monotonic() - began < 1


def test_the_second_try_gets_the_time_that_is_left() -> None:
    """The timeout is for all tries together."""
    given: list[float] = []

    def work(timeout_s: float, stop: Callable[[], bool]) -> str:
        given.append(timeout_s)
        time.sleep(0.05)
        raise TemporaryError("busy")

    attempt(timeout_s=10.0).run(work)
    assert given[0] > given[1] > given[2] > given[3] > 9


def test_a_cancelled_job_is_not_tried_again() -> None:
    """And a wait between two tries ends as soon as somebody cancels."""
    cancelled = threading.Event()
    work = Work([TemporaryError("busy", delay_s=20)] * 2)
    threading.Timer(0.1, cancelled.set).start()
    began = time.monotonic()
    result = attempt(timeout_s=100, delay_scale=1.0, cancelled=cancelled.is_set).run(work)
    assert isinstance(result, Failure)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("problem", [PermanentError("killed"), TemporaryError("killed"), OSError("killed")])
def test_a_stopping_process_decides_nothing(problem: Exception) -> None:
    """Whatever a step raises while the process stops, it is not the step's failure."""
    stopping = threading.Event()

    def work(timeout_s: float, stop: Callable[[], bool]) -> str:
        stopping.set()
        assert stop()
        raise problem

    with pytest.raises(Interrupted):
        attempt(stopping=stopping).run(work)
    with pytest.raises(Interrupted):
        attempt(stopping=stopping).run(Work())


def test_interrupted_is_no_exception() -> None:
    """So that no fence for exceptions records it as a failure."""
    assert not issubclass(Interrupted, Exception)


def test_foreign_errors_become_an_incident(caplog: pytest.LogCaptureFixture) -> None:
    """The text of an unknown error may hold anything: it goes to the log alone."""
    with caplog.at_level(logging.ERROR):
        result = attempt().run(Work([RuntimeError("token=abc")]))
    assert isinstance(result, Failure)
    assert "token" not in result.what + result.next_action + result.details
    assert "token=abc" in caplog.text
    assert not result.retryable


def plan(*steps: Step, **words: Any) -> Plan:
    fields: dict[str, Any] = {
        "operation": "tenant create",
        "subject": "acme",
        "summary": "Create tenant acme",
        "request": {},
    }
    return Plan(**(fields | words), steps=steps)


def step(step_id: str = "company", **words: Any) -> Step:
    return Step(id=step_id, kind="k", title=f"Create {step_id}", **words)


OTHERWISE = "differs otherwise than before in"


def policy(ports: int) -> dict[str, Any]:
    return {"metadata": {"name": "deny"}, "spec": {"ingress": [{"ports": ports}]}}


def found(presence: str, detail: str = "", **words: Any) -> Observation:
    return Observation(presence=Presence(presence), detail=detail, **words)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            plan(step()),
            plan(step(found=found("present", "id 7"))),
            "Create company: was absent, is present (id 7)",
        ),
        (
            plan(step(inputs={"a": 1, "b": 2})),
            plan(step(inputs={"a": 1, "b": 3})),
            "Create company: would now be made with another b (2, now 3)",
        ),
        (
            plan(step(inputs={"values": {"redis": {"password": "one", "port": 1}}})),
            plan(step(inputs={"values": {"redis": {"password": "two", "port": 1}}})),
            "Create company: would now be made with another values.redis.password (•••, now •••)",
        ),
        (
            plan(step(inputs={"manifests": [policy(1)]})),
            plan(step(inputs={"manifests": [policy(2)]})),
            "Create company: would now be made with another manifests.deny.spec.ingress[0].ports (1, now 2)",
        ),
        (
            plan(step(found=found("differs", differences={"chart": ("1", "2")}))),
            plan(step(found=found("differs", differences={"chart": ("0", "2")}))),
            f"Create company: {OTHERWISE} chart (was 1, is 0)",
        ),
        (
            plan(step(found=found("differs", differences={"a": (1, 2), "gone": (3, 4)}))),
            plan(step(found=found("differs", differences={"a": (1, 5), "new": (6, None)}))),
            f"Create company: {OTHERWISE} a (should be 2, shall be 5), gone (was 3, is 4), new (was none, is 6)",
        ),
        (
            plan(step(found=found("present", "r1"))),
            plan(step(found=found("present", "r2"))),
            "Create company: was r1, is r2",
        ),
        (plan(step()), plan(step(timeout_s=9)), "Create company: would now be done in another way"),
        (plan(step()), plan(), "Create company: no longer part of the plan"),
        (plan(), plan(step()), "Create company: new in the plan"),
        (plan(), plan(warnings=("full",)), "new warning: full"),
        (plan(warnings=("full",)), plan(), "no longer: full"),
        (plan(), plan(summary="Create tenant Acme"), "the plan reads now: Create tenant Acme"),
    ],
)
def test_every_difference_has_a_line(before: Plan, after: Plan, expected: str) -> None:
    """Whatever changes the digest is said in words."""
    assert before.digest != after.digest
    assert differences(before, after) == (expected,)


def test_the_same_plan_has_no_difference() -> None:
    """The words follow the digest."""
    assert differences(plan(step()), plan(step())) == ()


def test_many_differences_are_shortened() -> None:
    """A message has room for twelve."""
    text = as_text(tuple(f"line {n}" for n in range(20)))
    assert text.splitlines()[-1] == "… and 8 more"
    assert len(text.splitlines()) == 13
