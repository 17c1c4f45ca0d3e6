"""`tenant apply`: many tenants from one file through the real service, engine and store; the world is stand-ins."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands.tenants import TenantCreate
from policies.loader import load
from provisioning.clients.helm_releases import Release
from provisioning.fleet import spec_files
from provisioning.jobs.job import Job, JobState, StepState
from provisioning.port_ranges import PortRange
from provisioning.service import NothingToDo, Requested
from tests.integration.engine_samples import DANA, DEFAULT_POLICY, PIA
from tests.integration.office import helm_that_fails, opened, refused
from tests.integration.tenant_world import World

ACME = "name: acme\nadmin_email: ana@acme.example\n"
BETA = "name: beta\nadmin_email: bo@beta.example\n"
GAMMA = "name: gamma\nadmin_email: cy@gamma.example\n"
TWO = f"{ACME}ports: true\n---\n{BETA}ports: true\n"
NAMES = ("acme", "beta")


def test_what_is_exported_is_as_it_is(world: World) -> None:
    """Also a tenant with ports that chose its range itself, as no file would say it."""
    world.make("tenant create acme --admin-email ana@acme.example --ports")
    (record,) = world.store.tenants()
    exported = spec_files.write([TenantCreate.model_validate(record.request)])
    with opened(world) as office:
        assert isinstance(office.ask(exported), NothingToDo)
        changed = office.ended(office.asked(f"{exported}max_pods: 4\n"))
    assert changed.state is JobState.SUCCEEDED
    assert [lease.ports for lease in world.store.leases()] == [PortRange(30100, 10)]


def test_every_tenant_of_the_file_is_made_by_a_job_of_its_own(world: World) -> None:
    """With ports that do not overlap, an audit row each, and nothing left to do afterwards."""
    with opened(world) as office:
        batch = office.ended(office.asked(TWO))
        assert batch.state is JobState.SUCCEEDED
        parts = [office.part(batch, name) for name in NAMES]
        assert [(part.state, part.approval, part.place) for part in parts] == [(JobState.SUCCEEDED, None, None)] * 2
        assert [batch.status(f"tenant-{name}").outputs for name in NAMES] == [{"job": part.number} for part in parts]
        assert [(lease.tenant, str(lease.ports), lease.expires_at) for lease in world.store.leases()] == [
            ("acme", "30100-30110", None),
            ("beta", "30120-30130", None),
        ]
        requests = [row for row in world.store.audit_rows(limit=500) if row["action"] == "job.requested"]
        assert [row["subject"] for row in requests if "batch" in str(row["detail"]) and row["subject"] in NAMES]
        assert isinstance(office.ask(TWO), NothingToDo)


def test_one_approval_stands_for_all(world: World) -> None:
    """And until then nothing is made, but the ports are held."""
    with opened(world, DEFAULT_POLICY) as office:
        batch = office.asked(TWO)
        assert batch.state is JobState.AWAITING_APPROVAL
        assert [str(lease.ports) for lease in world.store.leases()] == ["30100-30110", "30120-30130"]
        assert "acme" not in world.cluster.namespaces
        office.service.vote(batch.id, PIA, approve=True, seen_digest=batch.digest)
        assert office.ended(batch).state is JobState.SUCCEEDED


def test_a_denied_batch_holds_no_ports(world: World) -> None:
    """Of none of its tenants."""
    with opened(world, DEFAULT_POLICY) as office:
        batch = office.asked(TWO)
        office.service.vote(batch.id, PIA, approve=False, seen_digest=batch.digest, reason="no")
        assert world.store.leases() == ()


def test_what_fails_is_told_by_tenant_and_the_others_are_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry goes on with the one that failed, and leaves the others alone."""
    mend = helm_that_fails(world, monkeypatch, "beta")
    with opened(world) as office:
        batch = office.ended(office.asked(TWO))
        assert batch.state is JobState.FAILED
        assert [batch.status(f"tenant-{name}").state for name in NAMES] == [StepState.DONE, StepState.FAILED]
        failure = batch.status("tenant-beta").failure
        part = office.part(batch, "beta")
        assert failure is not None
        assert failure.what == f"job {part.number} failed: {part.failure.what if part.failure else ''}"
        installs = len(world.helm.installs)
        mend()
        again = office.service.retry(batch.id, DANA)
        assert isinstance(again, Job)
        assert office.ended(again).state is JobState.SUCCEEDED
        assert office.part(batch, "beta").id == part.id, "its own job went on"
        assert len(world.helm.installs) == installs + 1


def test_a_batch_waits_for_jobs_without_taking_their_place(world: World) -> None:
    """Where one job runs at a time, its parts run one after the other."""
    with opened(world, max_parallel_jobs=1) as office:
        batch = office.ended(office.asked(TWO))
        assert batch.state is JobState.SUCCEEDED, [step.failure for step in batch.steps]


def test_a_batch_that_is_cancelled_stops_its_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """At their next safe point; each says so."""
    begun, install = threading.Event(), world.helm.upgrade_install

    def slow(where: str, *args: Any, cancelled: Callable[[], bool], **named: Any) -> Release:
        begun.set()
        while not cancelled():
            time.sleep(0.01)
        return install(where, *args, cancelled=cancelled, **named)

    monkeypatch.setattr(world.helm, "upgrade_install", slow)
    with opened(world) as office:
        batch = office.asked(TWO)
        assert begun.wait(20)
        office.service.cancel(batch.id, DANA)
        assert office.ended(batch).state is JobState.FAILED
        ends = {office.part(batch, name).state for name in NAMES}
        assert ends <= {JobState.FAILED, JobState.CANCELLED}, ends


def test_a_tenant_that_has_a_job_is_not_applied_to(world: World) -> None:
    """Whoever is first; and the other way round, while parts run."""
    with opened(world, DEFAULT_POLICY) as office:
        assert isinstance(office.say("tenant create acme --admin-email ana@acme.example"), Requested)
        assert "acme" in refused(office.ask(TWO))


def test_a_change_is_applied_to_what_is_there(world: World) -> None:
    """Only its values; what is not in the file is not touched."""
    world.make("tenant create acme --admin-email ana@acme.example --max-resources 3")
    world.make("tenant create gamma --admin-email cy@gamma.example")
    with opened(world) as office:
        batch = office.asked("name: acme\nadmin_email: ana@acme.example\nmax_resources: 9\n")
        step = batch.plan.step("tenant-acme")
        assert step.found.differences["agent: agentk8sglue.monitoredResources.maxResources"] == (3, 9)
        assert office.ended(batch).state is JobState.SUCCEEDED
        values = world.cluster.releases["acme", "clearml-agent"].values
        assert values["agentk8sglue"]["monitoredResources"]["maxResources"] == 9
        record = world.store.tenant("acme")
        assert record is not None
        assert record.request["max_resources"] == "9"


@pytest.mark.parametrize(
    ("specs", "reason"),
    [
        ("name: acme\nadmin_email: eve@acme.example\n", "document 1 (acme): its admin is ana@acme.example"),
        (
            "name: acme\nadmin_email: ana@acme.example\ndomains: [other.example]\n",
            "document 1 (acme): acme.example may sign in, and a file takes no domain away",
        ),
        (
            "name: acme\nadmin_email: ana@acme.example\nqueues: ['1']\n",
            "document 1 (acme): it has queues for 0.5, 0.25, and a file takes no queue away",
        ),
        (
            f"{BETA}ports: true\nport_start: 30100\n---\n{GAMMA}ports: true\nport_start: 30105\n",
            "port_start: 30105-30115 overlaps 30100-30110 of document 1",
        ),
        (BETA.replace("bo@beta", "ana@acme"), "document 1 (beta): ana@acme.example is a user of company acme"),
        (BETA.replace("beta\n", "kube-system\n", 1), "document 1 (kube-system): the name kube-system is reserved"),
        ("nonsense", "the file is no list of tenants: document 1, line 1: must be a mapping"),
    ],
)
def test_what_a_file_cannot_do_is_refused_as_a_whole(world: World, specs: str, reason: str) -> None:
    """By document; nothing is stored."""
    world.make("tenant create acme --admin-email ana@acme.example")
    before = len(world.store.jobs())
    with opened(world) as office:
        assert reason in refused(office.ask(specs))
    assert len(world.store.jobs()) == before


def test_a_policy_on_one_tenant_counts_for_the_file(world: World) -> None:
    """A freeze of one denies all, also by the name of the command for one; different approvals are no one click."""
    freeze = load(
        "rules:\n- {name: freeze, subjects: [beta], effect: deny, reason: beta is frozen}\n"
        "- {name: rest, effect: allow}\n"
    )
    with opened(world, freeze) as office:
        assert "beta is frozen" in refused(office.ask(TWO))
        assert world.store.jobs() == ()
    by_another_name = load(
        "rules:\n- {name: freeze, commands: [tenant create], subjects: ['prod-*'], effect: deny, reason: no more}\n"
        "- {name: rest, commands: [tenant apply], effect: allow}\n"
    )
    with opened(world, by_another_name) as office:
        said = refused(office.ask(f"{ACME}---\nname: prod-x\nadmin_email: px@prod.example\n"))
        assert "prod-x: no more" in said
        assert world.store.jobs() == ()
    two_ways = load(
        "rules:\n- {name: two, subjects: [beta], effect: approve, approvals: {roles: [approver], count: 2}}\n"
        "- {name: rest, effect: approve, approvals: {roles: [approver], count: 1}}\n"
    )
    with opened(world, two_ways) as office:
        assert "acme and beta need different approvals" in refused(office.ask(TWO))
        assert "document 1" in refused(office.ask("name: beta\nadmin_email: nothing\n"))


def test_interrupted_in_the_middle_it_goes_on(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another engine on the same store carries the same parts to the same end."""
    begun, let_go, install = threading.Event(), threading.Event(), world.helm.upgrade_install

    def held(where: str, *args: Any, **named: Any) -> Release:
        begun.set()
        let_go.wait(20)
        return install(where, *args, **named)

    monkeypatch.setattr(world.helm, "upgrade_install", held)
    with opened(world) as office:
        batch = office.asked(TWO)
        assert begun.wait(20)
    let_go.set()
    with opened(world) as office:
        office.service.sweep()
        assert office.ended(batch).state is JobState.SUCCEEDED
        parts = [job for job in world.store.jobs() if job.batch == batch.id]
        assert sorted(job.plan.subject for job in parts if job.state is JobState.SUCCEEDED) == list(NAMES)
        others = [job for job in parts if job.state is not JobState.SUCCEEDED]
        assert all(job.is_untouched for job in others), "left before they began: their sibling made what they share"
        assert isinstance(office.ask(TWO), NothingToDo)
