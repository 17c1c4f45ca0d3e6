"""The engine in this process: order, parallelism, retries, cancellation, roll back, stop and start."""

import logging
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from policies.approvals import Refusal
from provisioning.engine import Engine, Fate
from provisioning.errors import PermanentError, TemporaryError, UnreachableError
from provisioning.evidence.trail import Event
from provisioning.jobs.job import Job, JobState, StepState
from provisioning.jobs.waits import LOOK_EVERY_S
from provisioning.plan import Plan
from provisioning.steps.base import StepWaits
from tests.integration.engine_samples import DANA, OLAF, World

ONE = {"one": ()}
TWO = {"one": (), "two": ("one",)}
SIBLINGS = {"left": (), "right": (), "last": ("left", "right")}


def states(job: Job) -> dict[str, str]:
    return {status.step_id: status.state.value for status in job.steps}


def test_a_job_runs_its_steps_in_order(tmp_path: Path) -> None:
    """Outputs go from step to step, and the audit trail tells each step."""
    with World(tmp_path, shape=TWO) as world:
        job = world.ended(world.ask())
        assert job.state is JobState.SUCCEEDED
        assert job.status("two").outputs == {"text": "two after one after nothing"}
        assert world.actions(job) == [
            "job.requested",
            "job.started",
            "step.started one",
            "step.done one",
            "step.started two",
            "step.done two",
            "job.succeeded",
        ]


def test_submitting_twice_runs_once(tmp_path: Path) -> None:
    """Whoever is unsure whether a job was submitted may submit it again."""
    with World(tmp_path, shape=ONE) as world:
        job = world.ask()
        threads = [threading.Thread(target=world.engine.submit, args=(job,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        world.ended(job)
        world.engine.submit(job)
        world.ended(world.ask("other"))
        assert world.log() == ["apply job-1 one", "done job-1 one", "apply job-2 one", "done job-2 one"]
        assert Counter(world.actions(job)).most_common(1)[0][1] == 1


def test_jobs_of_one_subject_take_turns_and_others_run_beside(tmp_path: Path) -> None:
    """While acme's first job holds, its second one waits, and another tenant's job runs to its end."""
    with World(tmp_path, shape=ONE, holds=frozenset({"one"})) as world:
        first = world.ask("acme")
        world.held("acme", "one")
        # The service admits one job of a tenant at a time; the engine does not depend on that.
        second = world.store.create_job(
            command="again",
            requester=DANA,
            plan=first.plan.model_copy(update={"summary": "second"}),
            state=JobState.QUEUED,
            approval=None,
            place=None,
            event=Event(action="job.requested", actor=DANA.id),
        )
        world.engine.submit(second)
        (tmp_path / "other-one.held").touch()  # so that it does not hold
        other = world.ended(world.ask("other"))
        assert other.state is JobState.SUCCEEDED
        assert world.store.job(second.id).state is JobState.QUEUED
        assert world.engine.look(second) is Fate.ALIVE
        world.action.let_go.set()
        world.ended(first)
        world.ended(second)
        log = world.log()
        assert "apply job-2 one" not in log[: log.index("done job-1 one")]


def test_no_more_jobs_run_at_once_than_allowed(tmp_path: Path) -> None:
    """With two places, the third tenant waits until one is free."""
    with World(tmp_path, shape=ONE, holds=frozenset({"one"}), max_parallel_jobs=2) as world:
        jobs = [world.ask(tenant) for tenant in ("aaa", "bbb", "ccc")]
        while len(world.log()) < 2:
            time.sleep(0.01)
        time.sleep(0.3)  # three looks of the queue
        assert len(world.log()) == 2
        world.action.let_go.set()
        assert [world.ended(job).state for job in jobs] == [JobState.SUCCEEDED] * 3


def test_a_temporary_error_is_tried_again_and_a_permanent_one_is_not(tmp_path: Path) -> None:
    """Four tries for what may pass; one for what will not. The operator reads the error's own words."""
    with World(tmp_path, shape=ONE) as world:
        world.action.problems["one"] = [UnreachableError("no answer")] * 3
        assert world.ended(world.ask("aaa")).state is JobState.SUCCEEDED
        assert world.log().count("apply job-1 one") == 4
        world.action.problems["one"] = [TemporaryError("still busy", next_action="wait")] * 9
        job = world.ended(world.ask("bbb"))
        assert world.log().count("apply job-2 one") == 4
        assert job.failure is not None
        assert (job.failure.what, job.failure.next_action) == ("Write one: still busy", "wait")
        assert job.failure.retryable
        world.action.problems["one"] = [PermanentError("creating namespace: 403 quota", details="quota: 3")]
        job = world.ended(world.ask("ccc"))
        assert world.log().count("apply job-3 one") == 1
        assert job.failure is not None
        assert job.failure.details == "quota: 3"
        assert not job.failure.retryable
        assert states(job) == {"one": "failed"}


def test_a_fault_of_ours_becomes_an_incident(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """People read an incident id; the log has the same id and the traceback; the text of the fault stays there."""
    with World(tmp_path, shape=ONE) as world, caplog.at_level(logging.ERROR):
        world.action.problems["one"] = [ZeroDivisionError("password=hunter2")]
        job = world.ended(world.ask())
        assert job.state is JobState.FAILED
        assert job.failure is not None
        assert "hunter2" not in job.model_dump_json()
        incident = job.failure.what.rpartition(" ")[2]
        assert f"incident {incident}" in job.failure.next_action
        assert f"incident {incident}" in caplog.text
        assert "ZeroDivisionError" in caplog.text


def test_a_slow_step_holds_up_only_what_needs_it(tmp_path: Path) -> None:
    """While the left one still runs, all that is right of it comes to its end."""
    shape = {"left": (), "right": (), "right_two": ("right",), "right_three": ("right_two",), "last": ("left",)}
    with World(tmp_path, shape=shape, holds=frozenset({"left"})) as world:
        job = world.ask()
        world.held("acme", "left")
        world.until(job, "right_three", StepState.DONE)
        assert states(world.store.job(job.id))["left"] == "running"
        assert states(world.store.job(job.id))["last"] == "pending"
        world.action.let_go.set()
        assert world.ended(job).state is JobState.SUCCEEDED


def test_nothing_begins_after_a_failure_but_what_runs_ends(tmp_path: Path) -> None:
    """The right one was under way when the left one failed: it ends, and the one behind it does not begin."""
    shape = {"left": (), "right": (), "after_right": ("right",)}
    with World(tmp_path, shape=shape, holds=frozenset({"right"})) as world:
        world.action.problems["left"] = [PermanentError("refused")]
        job = world.ask()
        world.held("acme", "right")
        world.until(job, "left", StepState.FAILED)
        time.sleep(0.2)  # so that the engine has heard of it
        world.action.let_go.set()
        job = world.ended(job)
        assert states(job) == {"left": "failed", "right": "done", "after_right": "pending"}


def test_only_so_many_chains_are_under_way_and_the_next_begins_when_any_has_ended(tmp_path: Path) -> None:
    """Two at a time: while the first still runs, the second ends and the third begins; rolling back keeps to it."""
    shape = {f"{name}{part}": (f"{name}1",) if part == 2 else () for name in ("a", "b", "c") for part in (1, 2)}
    with World(tmp_path, shape=shape, holds=frozenset({"a1"})) as world:
        world.operation.chains_at_once = 2
        world.action.problems["a2"] = [PermanentError("refused")]
        job = world.ask()
        world.held("acme", "a1")
        world.until(job, "c2", StepState.DONE)
        world.action.let_go.set()
        job = world.ended(job)
        assert states(job)["a2"] == "failed"
        log = [line for line in world.log() if "c1" in line or "b2" in line]
        assert log.index("apply job-1 c1") > log.index("done job-1 b2")
        world.service.roll_back(job.id, DANA)
        assert world.ended(job).state is JobState.ROLLED_BACK
        undone = [line.split()[2] for line in world.log() if line.startswith("undo")]
        assert all(undone.index(f"{name}2") < undone.index(f"{name}1") for name in ("a", "b", "c"))


def test_what_a_step_waits_for_holds_up_only_what_needs_it(tmp_path: Path) -> None:
    """The left one waits for people; the right ones go on to their end before the job waits."""
    shape = {"left": (), "right": (), "right_two": ("right",), "last": ("left", "right_two")}
    with World(tmp_path, shape=shape) as world:
        setattr(world.action, "may_go_on", lambda _inputs: False)  # noqa: B010 - FileAction has none
        world.action.problems["left"] = [StepWaits("the door")]
        job = world.ended(world.ask())
        assert job.state is JobState.WAITING
        assert states(job) == {"left": "waiting", "right": "done", "right_two": "done", "last": "pending"}
        setattr(world.action, "may_go_on", lambda _inputs: True)  # noqa: B010 - FileAction has none
        time.sleep(LOOK_EVERY_S)
        world.service.sweep()
        assert world.ended(job).state is JobState.SUCCEEDED


def test_siblings_of_a_failed_step_end_and_nothing_else_begins(tmp_path: Path) -> None:
    """Then Retry goes on: what is done stays done, and only the rest runs."""
    with World(tmp_path, shape=SIBLINGS) as world:
        world.action.problems["left"] = [PermanentError("refused")]
        job = world.ended(world.ask())
        assert states(job) == {"left": "failed", "right": "done", "last": "pending"}
        retried = world.service.retry(job.id, OLAF)
        assert isinstance(retried, Job)
        assert retried.attempt == 2
        job = world.ended(job)
        assert job.state is JobState.SUCCEEDED
        assert set(states(job).values()) == {"done"}
        applies = Counter(line.split()[2] for line in world.log() if line.startswith("apply"))
        assert applies == {"left": 2, "right": 1, "last": 1}


def test_a_plan_that_goes_on_runs_what_does_not_need_the_failed_step(tmp_path: Path) -> None:
    """Then Retry runs the rest, and only that."""
    shape = {"left": (), "right": (), "after_left": ("left",), "after_right": ("right",), "last": ("after_right",)}
    with World(tmp_path, shape=shape) as world:
        world.operation.goes_on = True
        world.action.problems["left"] = [PermanentError("refused")]
        job = world.ended(world.ask())
        assert job.state is JobState.FAILED
        assert states(job) == {
            "left": "failed",
            "right": "done",
            "after_left": "pending",
            "after_right": "done",
            "last": "done",
        }
        world.service.retry(job.id, OLAF)
        job = world.ended(job)
        assert job.state is JobState.SUCCEEDED
        applies = Counter(line.split()[2] for line in world.log() if line.startswith("apply"))
        assert applies == {"left": 2, "right": 1, "after_left": 1, "after_right": 1, "last": 1}


def test_rolling_back_undoes_what_was_done_newest_first(tmp_path: Path) -> None:
    """Also the step that failed half-way. What was there before the job stays."""
    shape = {"zero": (), "one": ("zero",), "two": ("one",), "three": ("two",), "four": ("three",)}
    with World(tmp_path, shape=shape) as world:
        (tmp_path / "acme-zero").write_text("there before")
        world.action.problems["three"] = [PermanentError("refused")]
        job = world.ended(world.ask())
        assert states(job)["zero"] == "skipped"
        world.action.undo_problems["two"] = [PermanentError("still in use")]
        world.service.roll_back(job.id, DANA)
        job = world.ended(job)
        assert job.state is JobState.FAILED
        assert job.failure is not None
        assert job.failure.what == "rolling back: Write two: still in use"
        world.service.roll_back(job.id, DANA)
        job = world.ended(job)
        assert job.state is JobState.ROLLED_BACK
        assert [line for line in world.log() if line.startswith("undo")] == [
            f"undo job-1 {step_id}" for step_id in ("three", "two", "two", "one")
        ]
        assert states(job) == {
            "zero": "skipped",
            "one": "undone",
            "two": "undone",
            "three": "undone",
            "four": "pending",
        }
        assert sorted(path.name for path in tmp_path.glob("acme-*")) == ["acme-zero"]


def test_cancelling_a_running_job_stops_it_in_its_step(tmp_path: Path) -> None:
    """The action sees it at once; no other step begins; what was done can be rolled back."""
    with World(tmp_path, shape=TWO, holds=frozenset({"one"})) as world:
        job = world.ask()
        world.held("acme", "one")
        answer = world.service.cancel(job.id, OLAF)
        assert isinstance(answer, Job)
        again = world.service.cancel(job.id, DANA)
        assert isinstance(again, Refusal)
        job = world.ended(job, 5)
        assert job.state is JobState.FAILED
        assert job.failure is not None
        assert job.failure.what == "cancelled by @olaf while it ran"
        assert states(job) == {"one": "failed", "two": "pending"}
        world.service.roll_back(job.id, DANA)
        assert world.ended(job).state is JobState.ROLLED_BACK


def test_a_stop_interrupts_without_failing_and_the_next_start_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """SIGTERM in the middle of a step: nothing is recorded as failed; the same attempt goes on afterwards."""
    with World(tmp_path, shape=TWO, holds=frozenset({"two"})) as world:
        job = world.ask()
        world.held("acme", "two")
    with World(tmp_path, shape=TWO) as world:
        job = world.ended(job)
        assert job.state is JobState.SUCCEEDED
        assert job.attempt == 1
        assert world.log().count("apply job-1 one") == 1
        assert "step.failed two" not in world.actions(job)
    assert capfd.readouterr() == ("", "")


def test_a_stop_lets_running_steps_end(tmp_path: Path) -> None:
    """Within the time it is given, a step ends by itself; the steps after it wait for the next start."""
    world = World(tmp_path, shape=TWO, holds=frozenset({"one"}))
    world.service.start()
    job = world.ask()
    world.held("acme", "one")
    stopping = threading.Thread(target=world.engine.stop, args=(10.0,))
    stopping.start()
    world.action.let_go.set()
    stopping.join(15)
    assert not world.engine.is_running
    assert states(world.store.job(job.id)) == {"one": "done", "two": "pending"}
    world.close()
    with World(tmp_path, shape=TWO) as world:
        assert world.ended(job).state is JobState.SUCCEEDED


def test_a_changed_world_supersedes_and_asks_again(tmp_path: Path) -> None:
    """What was approved is what runs: another plan stops the job, names the difference, and a new job is made."""
    with World(tmp_path, shape=TWO) as world:
        world.engine.stop()
        job = world.ask(channel="C1")
        (tmp_path / "acme-one").write_text("somebody else's")
        world.service.start()
        world.ended(job)
        job = world.store.job(job.id)
        assert job.state is JobState.SUPERSEDED
        assert job.failure is not None
        assert "Write one: was absent, is present (written)" in job.failure.what
        assert job.superseded_by == "job-2"
        follow_up = world.ended(world.store.job("job-2"))
        assert follow_up.state is JobState.SUCCEEDED
        assert follow_up.requester == DANA
        assert follow_up.place is not None
        assert states(follow_up) == {"one": "skipped", "two": "done"}
        assert "job.superseded" in world.actions(job)


def test_a_world_that_cannot_be_read_fails_the_job_and_retry_compares_then(tmp_path: Path) -> None:
    """Nothing has been changed, so that the comparison is still due at the next attempt."""
    with World(tmp_path, shape=TWO) as world:
        world.engine.stop()
        job = world.ask()
        world.facts.problems = [UnreachableError("ClearML did not answer")] * 4
        world.service.start()
        job = world.ended(job)
        assert job.state is JobState.FAILED
        assert job.failure is not None
        assert job.failure.what == "ClearML did not answer"
        (tmp_path / "acme-one").write_text("somebody else's")
        world.service.retry(job.id, DANA)
        world.ended(job)
        assert world.store.job(job.id).state is JobState.SUPERSEDED


def test_what_became_forbidden_does_not_run(tmp_path: Path) -> None:
    """Between asking and running the operation may have become impossible: the reason is the job's failure."""
    with World(tmp_path, shape=ONE) as world:
        world.engine.stop()
        job = world.ask()
        world.facts.said = Refusal(reason="domain acme.example is taken", next_action="choose another")
        world.service.start()
        job = world.ended(job)
        assert job.state is JobState.FAILED
        assert job.failure is not None
        assert job.failure.what == "domain acme.example is taken"
        assert world.log() == []


def test_a_plan_that_never_stays_the_same_ends(tmp_path: Path) -> None:
    """Where nobody's approval stands between, jobs do not follow each other for ever."""
    with World(tmp_path, shape=ONE) as world:
        count = 0

        def restless(plan: Plan) -> Plan:
            nonlocal count
            count += 1
            return plan.model_copy(update={"warnings": (f"try {count}",)})

        world.runner._replan = restless
        world.ask()
        for _ in range(8):
            newest = world.store.jobs()[0]
            world.ended(newest)
            if world.store.jobs()[0].id == newest.id:
                break
        newest = world.store.jobs()[0]
        assert newest.state is JobState.FAILED
        assert len(world.store.jobs()) == 4
        assert world.log() == []


def test_a_lost_engine_database_loses_no_job(tmp_path: Path) -> None:
    """The store is the truth: what stands there as running is submitted anew, and goes on."""
    with World(tmp_path, shape=TWO, holds=frozenset({"two"})) as world:
        job = world.ask()
        world.held("acme", "two")
    for file in tmp_path.glob("engine.db*"):
        file.unlink()
    with World(tmp_path, shape=TWO) as world:
        assert world.ended(job).state is JobState.SUCCEEDED
        assert world.log().count("apply job-1 one") == 1


def test_one_engine_a_process(tmp_path: Path) -> None:
    """DBOS is a singleton: a second engine in the process is refused, and the first one goes on."""
    with World(tmp_path / "a", shape=ONE) as world:
        second = World(tmp_path / "b", shape=ONE)
        with pytest.raises(PermanentError, match="already runs one"):
            second.service.start()
        second.close()
        assert world.ended(world.ask()).state is JobState.SUCCEEDED


def test_nothing_is_advertised(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The engine under ours prints nothing at a start, a job and a stop."""
    with World(tmp_path, shape=ONE) as world:
        world.ended(world.ask())
    assert capfd.readouterr() == ("", "")
    assert Engine._launched.acquire(blocking=False)
    Engine._launched.release()


def test_a_step_that_is_found_done_is_skipped(tmp_path: Path) -> None:
    """Its outputs go on to the steps that need them, and rolling back would leave it alone."""
    with World(tmp_path, shape=TWO) as world:
        (tmp_path / "acme-one").write_text("found")
        job = world.ended(world.ask())
        assert job.status("one").state is StepState.SKIPPED
        assert not job.status("one").applied
        assert job.status("two").outputs == {"text": "two after found"}
        assert "step.skipped one" in world.actions(job)
