"""A backup that is made while a job runs: restored, the job goes on, and nothing is done a second time."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioning.evidence import backup
from provisioning.evidence.verifier import verify
from provisioning.jobs.job import Job, JobState
from tests.integration.engine_samples import IN_A_ROW, World

NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)


def _backed_up_in_the_middle(folder: Path, backups: Path) -> tuple[Job, Path]:
    """Return a job that came to its end, and a backup of the moment when its third step was under way."""
    with World(folder, holds=frozenset({"three"})) as world:
        job = world.ask()
        world.held("acme", "three")
        made = backup.backup(world.store, backups, now=NOW)
        world.action.let_go.set()
        assert world.ended(job).state is JobState.SUCCEEDED
    assert {path.name for path in made.iterdir()} == {"chatops.db", "engine.db", "manifest.json"}
    return job, made


def _applied(world: World) -> Counter[str]:
    return Counter(line.split()[2] for line in world.log() if line.startswith("apply "))


def test_a_job_goes_on_from_a_backup_of_its_middle(tmp_path: Path) -> None:
    """What was done after the backup is found done: no step is applied again, and the trail holds."""
    folder = tmp_path / "data"
    job, made = _backed_up_in_the_middle(folder, tmp_path / "backups")
    backup.restore(made, folder, now=NOW)
    with World(folder) as world:
        assert world.ended(job).state is JobState.SUCCEEDED
        assert _applied(world) == dict.fromkeys(IN_A_ROW, 1)
        assert world.actions(job).count("job.succeeded") == 1
        assert world.actions(job).count("job.started") == 1
    assert verify(folder / "chatops.db").ok


def test_a_job_goes_on_though_the_world_lost_what_came_after(tmp_path: Path) -> None:
    """Where the cluster was brought back to that moment, too, what is missing is done, and nothing else."""
    folder = tmp_path / "data"
    job, made = _backed_up_in_the_middle(folder, tmp_path / "backups")
    for step_id in ("three", "four", "five"):
        (folder / f"acme-{step_id}").unlink()
    backup.restore(made, folder, now=NOW)
    with World(folder) as world:
        assert world.ended(job).state is JobState.SUCCEEDED
        assert _applied(world) == {"one": 1, "two": 1, "three": 2, "four": 2, "five": 2}


@pytest.mark.parametrize("engine", ["lost", "older"])
def test_without_the_engines_database_of_that_moment_nothing_is_done_twice(tmp_path: Path, engine: str) -> None:
    """PostgreSQL's own backup may be older, or missing: the job begins again, and each step looks before it acts."""
    folder = tmp_path / "data"
    if engine == "older":
        with World(folder) as world:
            before = backup.backup(world.store, tmp_path / "older", now=NOW)
    job, made = _backed_up_in_the_middle(folder, tmp_path / "backups")
    backup.restore(made, folder, now=NOW)
    (folder / "engine.db").unlink()
    if engine == "older":
        (before / "engine.db").rename(folder / "engine.db")
    with World(folder) as world:
        assert world.ended(job).state is JobState.SUCCEEDED
        assert _applied(world) == dict.fromkeys(IN_A_ROW, 1)
        assert world.actions(job).count("job.succeeded") == 1
