"""The store: changes and audit rows together, leases apart, deliveries once; by threads and by processes."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.approvals import Actor, Vote
from provisioning.errors import PermanentError
from provisioning.evidence import verifier
from provisioning.evidence.trail import Event
from provisioning.jobs.job import Failure, Job, JobState
from provisioning.port_ranges import PortRange
from provisioning.store import Change, LeaseTakenError, Store, TenantRecord
from provisioning.store.seen import Seen
from tests.integration.store_samples import ANA, START, TurnedClock, create, open_store


def give_up(store: Store, job: Job) -> None:
    """End the job before it has changed anything."""
    store.update_job(job.id, lambda job: Change(job=job.model_copy(update={"state": JobState.DENIED})))


def test_a_job_is_read_back_as_it_was_stored(tmp_path: Path) -> None:
    """By id, by number, by state, by subject; after a restart too."""
    store = open_store(tmp_path)
    first, second = create(store, "acme"), create(store, "beta")
    store.close()
    again = open_store(tmp_path)
    assert again.job("job-1") == first == again.job_by_number(1)
    assert again.jobs(states=[JobState.AWAITING_APPROVAL]) == (second, first)
    assert again.jobs(subject="acme", requester=ANA.id) == (first,)
    assert again.jobs(states=[]) == ()
    with pytest.raises(KeyError):
        again.job("job-3")
    again.close()


def test_a_change_and_its_audit_row_commit_together_or_not_at_all(tmp_path: Path) -> None:
    """A change that raises leaves neither; one that returns None leaves all as it was; listeners hear commits only."""
    store = open_store(tmp_path)
    heard: list[Job] = []
    job = create(store)
    store.on_change(heard.append)

    def fails(_job: Job) -> Change:
        raise PermanentError("no")

    with pytest.raises(PermanentError):
        store.update_job(job.id, fails)
    assert store.update_job(job.id, lambda _job: None) == job
    assert (len(store.audit_rows()), heard) == (1, [])
    queued = store.update_job(
        job.id,
        lambda job: Change(
            job=job.model_copy(update={"state": JobState.QUEUED}),
            event=Event(action="job.approved", actor="UBEN"),
            extra=[Event(action="job.queued", actor="bot")],
        ),
    )
    assert (queued.state, queued.revision, heard) == (JobState.QUEUED, 2, [queued])
    assert [(row["action"], row["job"], row["subject"], row["plan_digest"]) for row in store.audit_rows()] == [
        (action, "job-1", "acme", job.digest) for action in ("job.requested", "job.approved", "job.queued")
    ]
    store.close()


def test_what_the_live_message_shows_is_no_new_revision(tmp_path: Path) -> None:
    """Or showing it would ask for showing it again."""
    store = open_store(tmp_path)
    job = create(store)
    heard: list[Job] = []
    store.on_change(heard.append)
    shown = store.update_job(job.id, lambda job: Change(job=job.model_copy(update={"shown_revision": 1}), revise=False))
    assert (shown.revision, shown.shown_revision, heard) == (1, 1, [])
    store.close()


def test_secrets_in_free_texts_are_not_stored(tmp_path: Path) -> None:
    """In the command, a failure, an audit row's detail: the file never holds them."""
    store = open_store(tmp_path, None, "canary-secret-1")
    job = create(store, command="tenant create acme --note canary-secret-1")
    failed = Failure(what="helm said canary-secret-1", details="password: hunter22")
    store.update_job(
        job.id,
        lambda job: Change(
            job=job.model_copy(update={"failure": failed}),
            event=Event(action="job.failed", actor="bot", detail={"said": ["canary-secret-1"]}),
        ),
    )
    store.close()
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        assert b"canary-secret-1" not in content
        assert b"hunter22" not in content


def test_sixteen_votes_at_once_count_once_each(tmp_path: Path) -> None:
    """Each voter clicks twice, from threads of their own; every one is there once."""
    store = open_store(tmp_path)
    job = create(store)

    def vote(number: int) -> None:
        voter = Actor(id=f"U{number % 8}", name=f"v{number % 8}", roles=frozenset({"approver"}))

        def change(job: Job) -> Change | None:
            if any(one.actor.id == voter.id for one in job.votes):
                return None
            cast = Vote(actor=voter, approve=True, at=START, digest=job.digest)
            return Change(
                job=job.model_copy(update={"votes": (*job.votes, cast)}), event=Event(action="job.vote", actor=voter.id)
            )

        store.update_job(job.id, change)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(vote, range(16)))
    after = store.job(job.id)
    assert sorted(one.actor.id for one in after.votes) == [f"U{number}" for number in range(8)]
    assert (after.revision, len(store.audit_rows())) == (9, 9)
    assert verifier.verify(store.path).ok
    store.close()


def test_leases_of_two_tenants_never_overlap(tmp_path: Path) -> None:
    """The second is refused by name and stores nothing; the same tenant may ask again."""
    store = open_store(tmp_path)
    create(store, "acme", leases=[PortRange(31_010, 10)])
    with pytest.raises(LeaseTakenError, match="tenant acme holds"):
        create(store, "beta", leases=[PortRange(31_020, 10)])
    assert len(store.jobs()) == len(store.audit_rows()) == 1
    create(store, "acme", leases=[PortRange(31_010, 10)])
    create(store, "beta", leases=[PortRange(31_030, 10)])
    assert [(lease.tenant, str(lease.ports)) for lease in store.leases()] == [
        ("acme", "31010-31020"),
        ("beta", "31030-31040"),
    ]
    store.close()


def test_a_resized_tenant_keeps_its_old_ports_until_the_new_ones_have_proved_themselves(tmp_path: Path) -> None:
    """The larger envelope of the same start stands beside the old one; a failure gives up only the new one."""
    store = open_store(tmp_path)
    small, large = PortRange(31_000, 10), PortRange(31_000, 20)
    made = create(store, "acme", leases=[small])
    store.settle_leases("acme", [small], made.id)
    tried = create(store, "acme", leases=[large])
    assert [lease.ports for lease in store.leases()] == [small, large]
    give_up(store, tried)
    assert [lease.ports for lease in store.leases()] == [small]
    again = create(store, "acme", leases=[large])
    store.settle_leases("acme", [large], again.id)
    assert [(lease.ports, lease.expires_at) for lease in store.leases()] == [(large, None)]
    store.close()


def test_a_lease_ends_with_its_time_unless_its_job_is_open_or_succeeded(tmp_path: Path) -> None:
    clock = TurnedClock()
    store = open_store(tmp_path, clock)
    kept = create(store, "kept", leases=[PortRange(31_000, 10)], lease_ttl_s=60)
    create(store, "lost", leases=[PortRange(31_100, 10)], lease_ttl_s=60, state=JobState.DENIED)
    store.settle_leases("kept", [PortRange(31_000, 10)], kept.id)
    clock.turn(seconds=61)
    store.drop_expired_leases()
    assert [(lease.tenant, lease.expires_at) for lease in store.leases()] == [("kept", None)]
    give_up(store, kept)
    assert len(store.leases()) == 1, "a job's failure must not take a tenant's confirmed ports"
    store.release_leases("kept")
    assert store.leases() == ()
    store.close()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=st.lists(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 12), st.integers(1, 3), st.booleans()), max_size=12
    )
)
def test_any_sequence_from_two_threads_keeps_leases_apart_and_the_chain_whole(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[str, int, int, bool]]
) -> None:
    store = open_store(tmp_path_factory.mktemp("store"))

    def ask(one: tuple[str, int, int, bool]) -> None:
        tenant, place, size, gives_up = one
        try:
            job = create(store, tenant, leases=[PortRange(31_000 + 10 * place, 10 * size)])
        except LeaseTakenError:
            return
        if gives_up:
            give_up(store, job)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(ask, asked))
    held = store.leases()
    assert not [
        (one, other) for one in held for other in held if one.tenant != other.tenant and one.ports.overlaps(other.ports)
    ]
    verdict = verifier.verify(store.path)
    assert (verdict.ok, verdict.rows) == (True, len(store.jobs(limit=1000)))
    store.close()


def test_what_was_told_is_known_for_a_while_also_after_a_restart(tmp_path: Path) -> None:
    clock = TurnedClock()
    store = open_store(tmp_path, clock)
    assert not Seen(store).before("job-1 is done", ttl_s=60)
    assert Seen(store).before("job-1 is done", ttl_s=60)
    store.close()
    again = open_store(tmp_path, clock)
    assert Seen(again).before("job-1 is done", ttl_s=60)
    clock.turn(seconds=59)
    assert not Seen(again).before("a signature", ttl_s=1)
    assert Seen(again).before("job-1 is done", ttl_s=60), "another one's shorter time makes nothing of it forgotten"
    clock.turn(seconds=2)
    assert not Seen(again).before("job-1 is done", ttl_s=60)
    again.close()


def test_two_stores_on_one_file_see_each_other(tmp_path: Path) -> None:
    """The command line beside the running bot."""
    bot, line = open_store(tmp_path), open_store(tmp_path)
    job = create(bot)
    line.update_job(job.id, lambda job: Change(job=job.model_copy(update={"state": JobState.QUEUED})))
    assert bot.job(job.id).state is JobState.QUEUED
    bot.close()
    line.close()


def test_a_tenant_is_recorded_and_replaced(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    record = TenantRecord(name="acme", request={"name": "acme"}, job="job-1", recorded_at=START)
    store.put_tenant(record, Event(action="tenant.recorded", actor="bot", subject="acme"))
    newer = record.model_copy(update={"job": "job-2"})
    store.put_tenant(newer)
    assert store.tenants() == (newer,)
    assert store.tenant("acme") == newer
    assert store.tenant("beta") is None
    store.forget_tenant("acme")
    store.forget_tenant("acme")
    assert store.tenants() == ()
    assert [row["action"] for row in store.audit_rows()] == ["tenant.recorded"], "evidence stays"
    store.close()


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """It says what is there and what to do, and changes nothing."""
    open_store(tmp_path).close()
    raw = sqlite3.connect(tmp_path / "chatops.db")
    raw.execute("UPDATE _sqlite_migrations SET name = '9999_future' WHERE name = '0004_audit'")
    raw.commit()
    raw.close()
    with pytest.raises(PermanentError, match="newer version") as caught:
        open_store(tmp_path)
    assert "9999_future" in caught.value.what


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert store.path.stat().st_mode & 0o077 == 0
    store.close()
