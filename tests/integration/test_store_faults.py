"""The store where the disk is full, the clock was wrong, or a text is strange: nothing is lost, nothing hangs."""

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from provisioning.evidence.trail import Event
from provisioning.jobs.job import BreakGlass, JobState
from provisioning.port_ranges import PortRange
from provisioning.store import Change, LeaseTakenError
from provisioning.store.policy_versions import PolicyVersions
from tests.integration.evidence_samples import Trail
from tests.integration.store_samples import START, TurnedClock, create, open_store

ENVELOPE = PortRange(31_000, 10)


def test_after_a_commit_that_failed_the_next_ones_are_kept(tmp_path: Path) -> None:
    """A full disk is told at COMMIT, and the transaction stays open: the next must not join it and vanish with it."""
    store = open_store(tmp_path)
    with store.reading() as db:  # a constraint that is looked at by COMMIT alone, as the disk's space is
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("CREATE TABLE owner (id INTEGER PRIMARY KEY)")
        db.execute("CREATE TABLE owned (id INTEGER REFERENCES owner DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError), store.writing() as transaction:
        transaction.db.execute("INSERT INTO owned VALUES (7)")
    store.record(Event(action="after.it", actor="bot"))
    other = open_store(tmp_path)
    assert [row["action"] for row in other.audit_rows()] == ["after.it"]
    create(other)
    other.close()
    store.close()


@pytest.mark.parametrize("state", [JobState.AWAITING_APPROVAL, JobState.FAILED])
def test_an_open_job_keeps_its_ports_however_long_it_is_open(tmp_path: Path, state: JobState) -> None:
    """An approval may take a month, and a failed job a weekend: whoever comes then must not get its ports."""
    clock = TurnedClock()
    store = open_store(tmp_path, clock)
    job = create(store, "acme", state=state, leases=[ENVELOPE], lease_ttl_s=60)
    clock.turn(seconds=61)
    store.drop_expired_leases()
    assert [lease.ports for lease in store.leases()] == [ENVELOPE]
    with pytest.raises(LeaseTakenError, match="tenant acme holds"):
        create(store, "beta", leases=[ENVELOPE])
    store.update_job(job.id, lambda job: Change(job=job.model_copy(update={"state": JobState.CANCELLED})))
    store.drop_expired_leases()
    create(store, "beta", leases=[ENVELOPE])
    assert [lease.tenant for lease in store.leases()] == ["beta"]
    store.close()


def test_a_batch_keeps_the_ports_of_its_tenants_as_long(tmp_path: Path) -> None:
    """They are leased to the tenants, by the batch."""
    clock = TurnedClock()
    store = open_store(tmp_path, clock)
    create(store, "batch-1", leases_of_others=[("acme", ENVELOPE)], lease_ttl_s=60)
    clock.turn(seconds=61)
    store.drop_expired_leases()
    with pytest.raises(LeaseTakenError, match="tenant acme holds"):
        create(store, "beta", leases=[ENVELOPE])
    store.close()


def test_a_reviewers_note_holds_no_secret(tmp_path: Path) -> None:
    """People paste what they have looked at."""
    store = open_store(tmp_path, None, "canary-secret-1")
    glass = BreakGlass(rule="r", told_roles=frozenset({"admin"}))
    job = create(store, break_glass=glass)
    noted = glass.model_copy(update={"note": "it was canary-secret-1"})
    store.update_job(job.id, lambda job: Change(job=job.model_copy(update={"break_glass": noted})))
    store.close()
    assert not [file for file in tmp_path.iterdir() if b"canary-secret-1" in file.read_bytes()]


def test_text_that_is_no_unicode_is_stored_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    """A terminal's bytes that are no UTF-8 come as lone surrogates, which neither JSON nor SQLite takes."""
    store = open_store(tmp_path)
    job = create(store, command="tenant create acme", reason="so \udcff it is")
    assert job.reason == "so \ufffd it is"
    store.record(Event(action="command.denied", actor="os:root", outcome="\udcff", detail={"why": ["\ud800"]}))
    (row,) = store.audit_rows(limit=1)
    assert (row["outcome"], row["detail"]) == ("\ufffd", {"why": ["\ufffd"]})
    store.close()


def test_the_policy_in_use_is_the_one_used_last_also_once_the_clock_was_set_right(tmp_path: Path) -> None:
    """The clock was a year ahead when the first was taken."""
    clock = TurnedClock()
    store = open_store(tmp_path, clock)
    versions, event = PolicyVersions(store), Event(action="policy.loaded", actor="bot")
    clock.turn(days=365)
    versions.keep("a" * 64, "first", event, in_use=True)
    clock.time = START
    for _ in range(2):
        versions.keep("b" * 64, "second", event, in_use=True)
    in_use = versions.in_use()
    assert in_use is not None
    assert in_use.text == "second"
    assert len(store.audit_rows()) == 2, "each was loaded once"
    store.close()


def test_rows_of_a_clock_that_was_ahead_are_signed_in_time(tmp_path: Path) -> None:
    """Else the trail would stand unsigned for as long as the clock had been wrong."""
    trail = Trail(tmp_path, checkpoint_rows=1000)
    trail.clock.turn(days=365)
    trail.write(1)
    trail.clock.time = START
    assert trail.signed.tick() is not None
    trail.write(1)
    assert trail.signed.tick() is None, "a row of this moment waits for others"
    trail.clock.time += timedelta(seconds=60)
    assert trail.signed.tick() is not None
    trail.store.close()
