"""A scrape in which every metric of the bot has a value: what alerts and panels are held against."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from bot.metrics import Metrics
from commands.measures import MEASURES
from provisioning.jobs.job import Job, JobState, StepState, StepStatus
from provisioning.store import Change, Deliveries, Delivery, Store
from provisioning.store.samples import Sample, Samples
from tests.integration.store_samples import START, TurnedClock, create, open_store

SeriesKey: TypeAlias = tuple[str, frozenset[tuple[str, str]]]
CHECKS = {"engine": lambda: True, "store": lambda: True, "slack": lambda: True}


def series(text: bytes) -> Mapping[SeriesKey, float]:
    """Return (name, labels) → value."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value_of(found: Mapping[SeriesKey, float], name: str, **labels: str) -> float | None:
    """Return the value of ``clearml_chatops_NAME{labels}``; None where there is no such series."""
    return found.get((f"clearml_chatops_{name}", frozenset(labels.items())))


def become(store: Store, job: Job, state: JobState, *steps: StepStatus) -> Job:
    """Store *job* in another state."""

    def changed(before: Job) -> Change:
        return Change(job=before.model_copy(update={"state": state, "steps": steps or before.steps}))

    return store.update_job(job.id, changed)


def step(state: StepState, *, attempt: int = 1, took: timedelta | None = None) -> StepStatus:
    """Return where the sample plan's only step stands, begun at START."""
    return StepStatus(
        step_id="one", state=state, attempt=attempt, started_at=START, finished_at=START + took if took else None
    )


def shrink(store: Store, clock: TurnedClock, *, days: int) -> None:
    """Take a sample a day in which what can run out loses 10 of 200."""
    for day in range(days):
        values = {name: 200.0 - 10 * day if one.runs_out else 3.0 for name, one in MEASURES.items()}
        Samples(store).put(f"slot-{day}", Sample(at=clock.now(), values=values))
        clock.turn(days=1)


def full_scrape(folder: Path) -> bytes:
    """Return a scrape with a value for everything: jobs, a failed step, a delivery, a forecast, a backlog."""
    clock = TurnedClock()
    store = open_store(folder, clock)
    metrics = Metrics(clock)
    metrics.watch(store)
    metrics.watch_process(CHECKS, folder)
    become(store, create(store), JobState.FAILED, step(StepState.FAILED, took=timedelta(seconds=3)))
    Deliveries(store).accept(Delivery(key="k", kind="command", body={}, received_at=clock.now()))
    shrink(store, clock, days=10)
    metrics.acks.observe(0.1)
    text = metrics.text()
    store.close()
    return text
