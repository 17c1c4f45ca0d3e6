"""One of two processes that vote on one store at the same time: `python -m tests.integration.vote_process …`.

Waits for a line on stdin, then lets each person vote from threads, and prints how many votes were counted.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from policies.approvals import Actor
from provisioning.jobs.job import Job
from tests.integration.engine_samples import World


def main(folder: str, job_id: str, people: list[str]) -> None:
    world = World(Path(folder), shape={"one": ()})
    job = world.store.job(job_id)

    def vote(person: str) -> bool:
        actor = Actor(id=person, name=person.lower(), roles=frozenset({"approver"}))
        answer = world.service.vote(job_id, actor, approve=True, seen_digest=job.digest)
        return isinstance(answer, Job)

    print("ready", flush=True)  # noqa: T201 - the parent waits for it
    sys.stdin.readline()
    with ThreadPoolExecutor(len(people)) as pool:
        print(sum(pool.map(vote, people)), flush=True)  # noqa: T201 - the parent reads it
    world.store.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
