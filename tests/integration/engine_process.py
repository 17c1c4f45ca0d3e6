"""A bot's engine in a process of its own, to be killed: ``python -m tests.integration.engine_process FOLDER``.

Asks for tenant acme where nobody has yet, waits for the job's end, and prints its state.
"""

import argparse
import os
import signal
import threading
from pathlib import Path

from provisioning.jobs.job import Job
from tests.integration.engine_samples import IN_A_ROW, Shape, World

FORKED: Shape = {
    "root": (),
    "left": ("root",),
    "middle": ("root",),
    "right": ("root",),
    "last": ("left", "middle", "right"),
}
SHORT: Shape = {"one": (), "two": ("one",), "too": ("one",)}
SHAPES = {"row": IN_A_ROW, "forked": FORKED, "short": SHORT}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", choices=SHAPES, default="row")
    parser.add_argument("--hold", action="append", default=[])
    parser.add_argument("--die-after-commits", type=int, default=0)
    parser.add_argument("--database-url")
    options = parser.parse_args()
    world = World(
        options.folder,
        shape=SHAPES[options.shape],
        holds=frozenset(options.hold),
        database_url=options.database_url,
    )
    if options.die_after_commits:
        _die_after(world, options.die_after_commits)
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


if __name__ == "__main__":
    main()
