"""kill -9 of a real process, at any point: the job goes on, and nothing is done or written more than it must."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioning.errors import PermanentError
from provisioning.evidence.verifier import verify
from provisioning.jobs.job import JobState, StepState
from tests.integration.engine_process import FORKED, SHORT
from tests.integration.engine_samples import IN_A_ROW, World, wait_until_held

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 60


@contextmanager
def process(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "error", "-m", "tests.integration.engine_process", str(folder), *options]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def finish(folder: Path, *options: str) -> str:
    with process(folder, *options) as child:
        out, err = child.communicate(timeout=TIMEOUT_S)
        assert child.returncode == 0, err
        return out.strip()


def kill_in(folder: Path, step_ids: tuple[str, ...], *options: str) -> None:
    """Start a process whose steps hold, and kill it once they do."""
    holds = [word for step_id in step_ids for word in ("--hold", step_id)]
    with process(folder, *options, *holds) as child:
        for step_id in step_ids:
            wait_until_held(folder, "acme", step_id, TIMEOUT_S)
        child.kill()


def assert_told_once(world: World) -> None:
    """Every event of the only job stands in the audit trail once, and the chain holds."""
    (job,) = world.store.jobs()
    assert job.state is JobState.SUCCEEDED
    assert {status.state for status in job.steps} == {StepState.DONE}
    told = Counter(world.actions(job))
    assert set(told.values()) == {1}, told
    assert {f"step.done {step.id}" for step in job.plan.steps} <= set(told)
    assert {"job.requested", "job.started", "job.succeeded"} <= set(told)
    assert verify(world.store.path).ok


def test_a_killed_job_goes_on_at_the_step_that_was_interrupted(tmp_path: Path) -> None:
    """Killed in step 3 of 5: steps 1 and 2 do not run again, step 3 runs twice, 4 and 5 once."""
    kill_in(tmp_path, ("three",))
    assert finish(tmp_path, "--hold", "three") == "succeeded"
    world = World(tmp_path)
    applies = Counter(line for line in world.log() if line.startswith("apply"))
    assert applies == {f"apply job-1 {step_id}": 1 + (step_id == "three") for step_id in IN_A_ROW}
    assert_told_once(world)
    world.close()


def test_of_a_killed_wave_only_the_interrupted_steps_run_again(tmp_path: Path) -> None:
    """Killed while two of three siblings hold: the third, which had ended, does not run again."""
    kill_in(tmp_path, ("left", "right"), "--shape", "forked")
    assert finish(tmp_path, "--shape", "forked") == "succeeded"
    world = World(tmp_path, shape=FORKED)
    applies = Counter(line.split()[2] for line in world.log() if line.startswith("apply"))
    assert applies == {"root": 1, "left": 2, "middle": 1, "right": 2, "last": 1}
    assert_told_once(world)
    world.close()


def test_a_bot_that_dies_after_every_commit_still_finishes(tmp_path: Path) -> None:
    """Killed right after each change it stores, restarted each time: every step is applied at most twice.

    A sibling that has just been applied dies uncommitted with each of the other's two commits as well.
    """
    for _start in range(25):
        with process(tmp_path, "--shape", "short", "--die-after-commits", "1") as child:
            child.communicate(timeout=TIMEOUT_S)
            if child.returncode == 0:
                break
    else:
        pytest.fail("the job never ended")
    world = World(tmp_path, shape=SHORT)
    applies = Counter(line.split()[2] for line in world.log() if line.startswith("apply"))
    assert set(applies) == set(SHORT)
    assert applies["one"] <= 2
    assert max(applies.values()) <= 2 + 2
    assert_told_once(world)
    world.close()


def test_a_second_process_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    """It would run live work twice. The refusal names the process that holds the folder; its death frees it."""
    with process(tmp_path, "--hold", "one") as child:
        world = World(tmp_path)
        world.held("acme", "one", TIMEOUT_S)
        with pytest.raises(PermanentError, match=rf"process {child.pid} already runs on") as refused:
            world.service.start()
        assert "CLEARML_CHATOPS_DATA_DIR" in refused.value.next_action
        assert not world.engine.is_running
        child.kill()
        child.wait()
        with world:
            assert world.ended(world.store.jobs()[0]).state is JobState.SUCCEEDED
