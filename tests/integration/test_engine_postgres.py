"""The same engine on a real PostgreSQL, started here on loopback: what a crash leaves, it goes on with."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.processes import free_ports
from tests.integration.engine_samples import IN_A_ROW, World
from tests.integration.test_engine_crash import assert_told_once, finish, kill_in
from tests.parts import POSTGRES

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of an empty server, without its database's name. It refuses to run as root, so it does not."""
    assert POSTGRES is not None
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="clearml-chatops-pg-", dir="/tmp"))
    if user:
        shutil.chown(folder, user)
    (port,) = free_ports(1)
    initdb = [
        str(POSTGRES / "initdb"),
        "--pgdata",
        str(folder / "data"),
        "--auth=trust",
        "--username=chatops",
        "--no-sync",
    ]
    subprocess.run(initdb, check=True, capture_output=True, user=user, cwd=folder, timeout=60)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    pg_ctl = [str(POSTGRES / "pg_ctl"), "--pgdata", str(folder / "data"), "--log", str(folder / "log"), "--wait"]
    subprocess.run([*pg_ctl, "--options", options, "start"], check=True, user=user, cwd=folder, timeout=60)
    try:
        yield f"postgresql://chatops@127.0.0.1:{port}"
    finally:
        subprocess.run([*pg_ctl, "--mode=fast", "stop"], check=True, user=user, cwd=folder, timeout=60)
        shutil.rmtree(folder)


@pytest.fixture
def database_url(server: str) -> str:
    """A database that does not exist yet: the engine makes it."""
    return f"{server}/engine_{secrets.token_hex(4)}"


def test_a_killed_job_goes_on_at_the_step_that_was_interrupted(tmp_path: Path, database_url: str) -> None:
    """Killed in step 3 of 5: steps 1 and 2 do not run again, step 3 runs twice, 4 and 5 once."""
    kill_in(tmp_path, ("three",), "--database-url", database_url)
    assert not (tmp_path / "engine.db").exists()
    assert finish(tmp_path, "--hold", "three", "--database-url", database_url) == "succeeded"
    world = World(tmp_path)
    applies = Counter(line for line in world.log() if line.startswith("apply"))
    assert applies == {f"apply job-1 {step_id}": 1 + (step_id == "three") for step_id in IN_A_ROW}
    assert_told_once(world)
    world.close()


def test_jobs_of_many_tenants_end_there(tmp_path: Path, database_url: str) -> None:
    """Twelve at once, one at a time for each tenant."""
    with World(tmp_path, database_url=database_url) as world:
        jobs = [world.ask(f"tenant-{number}") for number in range(12)]
        assert {world.ended(job, 90).state.value for job in jobs} == {"succeeded"}
