"""How long steps took before: what people are told to expect. Pure."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping

from provisioning.jobs.job import Job, StepState


def step_key(step_id: str) -> str:
    """Return what a step is compared by: ``drain:gpu-1`` → ``drain``, since steps of many nodes are alike."""
    return step_id.partition(":")[0]


def expected_durations(jobs: Iterable[Job]) -> Mapping[str, float]:
    """Return step key → the median seconds that the step took in *jobs*, of one operation, where it was done."""
    taken: dict[str, list[float]] = defaultdict(list)
    for job in jobs:
        for status in job.steps:
            if status.state is StepState.DONE and status.started_at and status.finished_at:
                seconds = (status.finished_at - status.started_at).total_seconds()
                taken[step_key(status.step_id)].append(max(0.0, seconds))
    return {key: statistics.median(found) for key, found in taken.items()}
