"""A bot's engine in a process of its own, to be killed: ``python -m tests.integration.engine_process FOLDER``.

Asks for tenant acme where nobody has yet, waits for the job's end, and prints its state.
"""

import argparse
import os
import signal
import threading
from pathlib import Path

from provisioning.engine import Engine
from provisioning.errors import PermanentError
from provisioning.jobs.job import Job
from tests.integration.engine_by_waves import EngineByWaves
from tests.integration.engine_samples import IN_A_ROW, Shape, World

FORKED: Shape = {
    "root": (),
    "left": ("root",),
    "middle": ("root",),
    "right": ("root",),
    "last": ("left", "middle", "right"),
}
SHORT: Shape = {"one": (), "two": ("one",), "too": ("one",)}
TWO_WAYS: Shape = {"root": (), "left": ("root",), "right": ("root",), "right_two": ("right",), "last": ("left",)}
SHAPES = {"row": IN_A_ROW, "forked": FORKED, "short": SHORT, "two_ways": TWO_WAYS}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", choices=SHAPES, default="row")
    parser.add_argument("--hold", action="append", default=[])
    parser.add_argument("--fail", action="append", default=[])
    parser.add_argument("--die-after-commits", type=int, default=0)
    parser.add_argument("--die-at", help="STEP=STATE, once that is stored")
    parser.add_argument("--by-waves", action="store_true", help="as the engine was before")
    parser.add_argument("--die-after-calls", type=int, default=0, help="that it recorded; only by waves")
    parser.add_argument("--database-url")
    options = parser.parse_args()
    world = World(
        options.folder,
        shape=SHAPES[options.shape],
        holds=frozenset(options.hold),
        database_url=options.database_url,
        engine=EngineByWaves if options.by_waves else Engine,
    )
    world.action.problems = {step_id: [PermanentError("refused")] for step_id in options.fail}
    if isinstance(world.engine, EngineByWaves):
        world.engine.die_after_calls = options.die_after_calls
    if options.die_after_commits:
        _die_after(world, options.die_after_commits)
    if options.die_at:
        _die_at(world, *options.die_at.split("="))
    with world:
        jobs = world.store.jobs()
        job = jobs[0] if jobs else world.ask()
        print(world.ended(job).state.value, flush=True)  # noqa: T201


def _die_after(world: World, commits: int) -> None:
    left, lock = commits, threading.Lock()

    def count(_job: Job) -> None:
        nonlocal left
        with lock:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    world.store.on_change(count)


def _die_at(world: World, step_id: str, state: str) -> None:
    def look(job: Job) -> None:
        if job.status(step_id).state.value == state:
            os.kill(os.getpid(), signal.SIGKILL)

    world.store.on_change(look)


if __name__ == "__main__":
    main()
