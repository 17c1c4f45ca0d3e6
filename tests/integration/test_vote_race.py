"""Two processes, many threads, one store: each person counts once, whoever clicks where and when."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from policies.loader import load
from provisioning.evidence.verifier import verify
from provisioning.jobs.job import JobState
from tests.integration.engine_samples import World

ROOT = Path(__file__).parents[2]
PEOPLE = [f"U{number}" for number in range(6)]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("needed", "counted"), [(10, 6), (2, 2), (1, 1)])
def test_two_processes_count_each_person_once(tmp_path: Path, needed: int, counted: int) -> None:
    """Six people vote from two threads in each of two processes. Where two are needed, two in the same instant make
    up the approval together, and no third is counted; the audit trail has a row for each vote and for each refusal."""
    policy = load(f"rules:\n- {{name: many, effect: approve, approvals: {{roles: [approver], count: {needed}}}}}\n")
    world = World(tmp_path, shape={"one": ()}, policy=policy)
    job = world.ask()
    command = [sys.executable, "-m", "tests.integration.vote_process", str(tmp_path), job.id, *PEOPLE, *PEOPLE]
    voting = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    try:
        for process in voting:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "ready"
        for process in voting:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [int(process.communicate(timeout=60)[0]) for process in voting]
    finally:
        for process in voting:
            process.kill()
            process.wait(10)
    after = world.store.job(job.id)
    assert sum(said) == counted
    assert Counter(vote.actor.id for vote in after.votes).most_common(1)[0][1] == 1
    assert len(after.votes) == counted
    assert after.state is (JobState.QUEUED if counted >= needed else JobState.AWAITING_APPROVAL)
    rows = Counter(row["action"] for row in world.store.audit_rows(limit=1000))
    assert (rows["job.approved"], rows["vote.refused"]) == (counted, 24 - counted)
    assert verify(world.store.path).ok
    world.close()
