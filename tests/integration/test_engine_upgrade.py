"""A job that the engine of version 0.1 left in its middle is finished by today's: nothing is stranded or done twice."""

import logging
from collections import Counter
from pathlib import Path

import pytest

from provisioning.engine import Fate
from provisioning.evidence.verifier import verify
from provisioning.jobs.job import Job, JobState, StepState
from tests.integration.engine_process import TWO_WAYS
from tests.integration.engine_samples import DANA, World
from tests.integration.test_engine_crash import TIMEOUT_S, process

BY_WAVES = ("--by-waves", "--shape", "two_ways")
pytestmark = pytest.mark.timeout(180)


def leave(folder: Path, *options: str) -> None:
    """Let the former engine run until it dies."""
    with process(folder, *BY_WAVES, *options) as child:
        child.communicate(timeout=TIMEOUT_S)
        assert child.returncode < 0, "it should have died"


def settled(world: World) -> Job:
    """Return the only job once the engine has nothing left of it."""
    (job,) = world.store.jobs()
    world.ended(job)
    while world.engine.look(world.store.job(job.id)) is Fate.ALIVE:
        world.engine.wait(job.id, 0.1)
    return world.store.job(job.id)


def assert_told_once(world: World, job: Job) -> None:
    assert set(Counter(world.actions(job)).values()) == {1}, world.actions(job)
    assert verify(world.store.path).ok


@pytest.mark.parametrize("calls", [1, 2, 4, 6, 7])
def test_a_job_that_went_well_so_far_is_finished(tmp_path: Path, calls: int, caplog: pytest.LogCaptureFixture) -> None:
    """Killed behind the beginning, each wave, and the end: what was recorded does not run again."""
    leave(tmp_path, "--die-after-calls", str(calls))
    with World(tmp_path, shape=TWO_WAYS) as world, caplog.at_level(logging.WARNING):
        job = settled(world)
        assert job.state is JobState.SUCCEEDED
        assert {status.state for status in job.steps} == {StepState.DONE}
        applied = Counter(line.split()[2] for line in world.log() if line.startswith("apply"))
        assert applied == dict.fromkeys(TWO_WAYS, 1)
        assert_told_once(world, job)
    assert not caplog.records


@pytest.mark.parametrize("commits", [4, 6, 8, 9])
def test_a_job_that_was_killed_within_a_wave_is_finished(tmp_path: Path, commits: int) -> None:
    """Killed behind a change of the store, with siblings under way: those alone run again."""
    leave(tmp_path, "--die-after-commits", str(commits))
    with World(tmp_path, shape=TWO_WAYS) as world:
        done = {status.step_id for status in world.store.jobs()[0].steps if status.state is StepState.DONE}
        job = settled(world)
        assert job.state is JobState.SUCCEEDED
        applied = Counter(line.split()[2] for line in world.log() if line.startswith("apply"))
        assert all(applied[step_id] == 1 for step_id in done)
        assert max(applied.values()) <= 2
        assert_told_once(world, job)


@pytest.mark.parametrize("calls", [4, 5])
def test_behind_a_failed_wave_nothing_begins(tmp_path: Path, calls: int, caplog: pytest.LogCaptureFixture) -> None:
    """The left step had failed, and the former engine went no further: killed before the job's end was recorded (4)
    and behind it (5), where the place of the end is now that of a step. Retry runs the rest, and only that."""
    leave(tmp_path, "--fail", "left", "--die-after-calls", str(calls))
    with World(tmp_path, shape=TWO_WAYS) as world, caplog.at_level(logging.WARNING):
        job = settled(world)
        assert job.state is JobState.FAILED
        assert {status.step_id: status.state.value for status in job.steps} == {
            "root": "done",
            "left": "failed",
            "right": "done",
            "right_two": "pending",
            "last": "pending",
        }
        assert_told_once(world, job)
        world.service.retry(job.id, DANA)
        assert world.ended(job).state is JobState.SUCCEEDED
        applied = Counter(line.split()[2] for line in world.log() if line.startswith("apply"))
        assert applied == {"root": 1, "left": 2, "right": 1, "right_two": 1, "last": 1}
    assert not caplog.records


def test_a_failure_that_was_written_and_not_recorded_is_none_that_is_tried_again(tmp_path: Path) -> None:
    """Killed right behind the store's row of the failure: it stands, what ran ends, and nothing else begins."""
    leave(tmp_path, "--fail", "left", "--hold", "right", "--die-at", "left=failed")
    with World(tmp_path, shape=TWO_WAYS) as world:
        left = world.store.jobs()[0]
        assert left.status("left").state is StepState.FAILED
        had_begun = left.status("right").state is StepState.RUNNING
        job = settled(world)
        assert job.state is JobState.FAILED
        assert {status.step_id: status.state.value for status in job.steps} == {
            "root": "done",
            "left": "failed",
            "right": "done" if had_begun else "pending",
            "right_two": "pending",
            "last": "pending",
        }
        assert sum(line.startswith("apply job-1 left") for line in world.log()) == 1
        assert_told_once(world, job)
