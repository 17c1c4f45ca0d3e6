"""What Prometheus gets tells what is so: by the store, the clock and the process, at the moment of the scrape."""

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from bot.metrics import Metrics
from provisioning.configuration import AuditTrail
from provisioning.evidence.checkpoints import Checkpoints
from provisioning.evidence.keys import Keyring
from provisioning.evidence.trail import Event
from provisioning.jobs.job import JobState, StepState
from provisioning.store import Deliveries, Delivery, Store
from provisioning.store.samples import Sample, Samples
from tests.integration.metrics_samples import (
    CHECKS,
    SeriesKey,
    become,
    full_scrape,
    series,
    shrink,
    step,
    value_of,
)
from tests.integration.store_samples import TurnedClock, create
from tests.promtool import promtool


@pytest.fixture
def metrics(store: Store, clock: TurnedClock) -> Metrics:
    made = Metrics(clock)
    made.watch(store)
    return made


def test_failed_steps_are_counted_from_nought_and_each_once(store: Store, metrics: Metrics) -> None:
    """The counter is there before the first failure, which an increase would else not see; a retry's failure counts."""
    assert value_of(series(metrics.text()), "steps_failed_total") == 0
    job = create(store)
    for attempt in (1, 1, 2):
        become(store, job, JobState.FAILED, step(StepState.FAILED, attempt=attempt, took=timedelta(seconds=1)))
    assert value_of(series(metrics.text()), "steps_failed_total") == 2


def test_what_waits_says_since_when(store: Store, clock: TurnedClock, metrics: Metrics) -> None:
    """The oldest counts, by its beginning; nothing waits: 0, and not the last value."""
    first, second = create(store, "acme"), create(store, "beta")
    become(store, second, JobState.RUNNING, step(StepState.RUNNING))
    clock.turn(hours=2)
    third = create(store, "gamma")
    become(store, third, JobState.WAITING, step(StepState.WAITING))
    clock.turn(hours=1)
    found = series(metrics.text())
    assert value_of(found, "approval_oldest_seconds") == 3 * 3600
    assert value_of(found, "step_oldest_seconds", state="running") == 3 * 3600
    assert value_of(found, "step_oldest_seconds", state="waiting") == 3 * 3600
    for job in (first, second, third):
        become(store, job, JobState.SUCCEEDED, step(StepState.DONE, took=timedelta(seconds=1)))
    found = series(metrics.text())
    assert value_of(found, "approval_oldest_seconds") == 0
    assert value_of(found, "step_oldest_seconds", state="running") == 0
    assert value_of(found, "step_oldest_seconds", state="waiting") == 0


def test_a_failed_job_has_no_step_that_runs(store: Store, clock: TurnedClock, metrics: Metrics) -> None:
    """A step that was cut off in a job that failed is told of as the failure, and not as stuck for ever."""
    become(store, create(store), JobState.FAILED, step(StepState.RUNNING))
    clock.turn(days=1)
    assert value_of(series(metrics.text()), "step_oldest_seconds", state="running") == 0


def test_the_inbox_is_what_was_acked_and_not_worked_off(store: Store, clock: TurnedClock, metrics: Metrics) -> None:
    """By the oldest; what is done does not count."""
    deliveries = Deliveries(store)
    for key in ("a", "b"):
        deliveries.accept(Delivery(key=key, kind="command", body={}, received_at=clock.now()))
        clock.turn(minutes=1)
    found = series(metrics.text())
    assert (value_of(found, "inbox_undone"), value_of(found, "inbox_oldest_seconds")) == (2, 120)
    deliveries.finish("a")
    found = series(metrics.text())
    assert (value_of(found, "inbox_undone"), value_of(found, "inbox_oldest_seconds")) == (1, 60)


def test_rows_without_a_checkpoint_age(store: Store, clock: TurnedClock, metrics: Metrics, tmp_path: Path) -> None:
    """From the oldest of them; signed, they no longer do."""
    store.record(Event(action="test.done", actor="U1"))
    clock.turn(minutes=20)
    store.record(Event(action="test.done", actor="U1"))
    assert value_of(series(metrics.text()), "audit_unsigned_age_seconds") == 1200
    Checkpoints(store, Keyring(AuditTrail(), tmp_path), clock, every_rows=1, every_s=1).make()
    assert value_of(series(metrics.text()), "audit_unsigned_age_seconds") == 0


def test_backups_age_from_the_last_one(store: Store, clock: TurnedClock, metrics: Metrics) -> None:
    """Before the first backup, from the first row: who never made one is told, too. Others' rows change nothing."""
    assert value_of(series(metrics.text()), "backup_age_seconds") is None
    store.record(Event(action="test.done", actor="U1"))
    clock.turn(days=3)
    assert value_of(series(metrics.text()), "backup_age_seconds") == 3 * 86_400
    for action in ("backup.made", "test.done"):
        store.record(Event(action=action, actor="os:root"))
        clock.turn(hours=1)
        assert value_of(series(metrics.text()), "backup_age_seconds") == (3600 if action == "backup.made" else 7200)


def test_what_runs_out_is_forecast(store: Store, clock: TurnedClock, metrics: Metrics) -> None:
    """10 a day of 110 that are left: in 11 days from the last sample; by each newer sample anew."""
    shrink(store, clock, days=10)
    found = series(metrics.text())
    assert value_of(found, "measure", measure="ports.free") == 110
    assert value_of(found, "sample_age_seconds") == 86_400
    left_s = value_of(found, "runs_out_seconds", measure="ports.free")
    assert left_s is not None
    assert 9 * 86_400 <= left_s <= 10 * 86_400
    assert value_of(found, "runs_out_seconds", measure="tenants") is None
    Samples(store).put("none", Sample(at=clock.now(), values={"ports.free": 0.0}))
    found = series(metrics.text())
    assert value_of(found, "runs_out_seconds", measure="ports.free") == 0
    assert value_of(found, "measure", measure="tenants") is None


def test_a_store_that_fails_leaves_the_rest(
    store: Store, clock: TurnedClock, metrics: Metrics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody would be told by the scrape which part it is that fails."""

    def broken(**_words: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(store, "jobs", broken)
    metrics.watch_process(CHECKS | {"store": lambda: False}, tmp_path)
    found = series(metrics.text())
    assert value_of(found, "ready", check="store") == 0
    assert value_of(found, "ready", check="engine") == 1
    assert value_of(found, "jobs", state="running") is None


def test_the_process_is_told_of(tmp_path: Path) -> None:
    """Room for the data, version, memory and start: what a restart, a leak and a full disk show in."""
    found: dict[SeriesKey, float] = dict(series(full_scrape(tmp_path)))
    free, size = value_of(found, "data_free_bytes"), value_of(found, "data_size_bytes")
    assert free is not None
    assert size is not None
    assert 0 < free <= size
    names = {name for name, _ in found}
    assert names >= {"clearml_chatops_build_info", "process_start_time_seconds", "process_resident_memory_bytes"}


def test_prometheus_own_linter_finds_nothing(tmp_path: Path) -> None:
    """Names, units and help texts, as Prometheus wants them."""
    done = promtool("check", "metrics", given=full_scrape(tmp_path))
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"")
