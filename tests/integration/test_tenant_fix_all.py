"""`tenant fix` without a name: every tenant that has drifted is mended by one approval and a job of its own."""

from typing import Any, cast

import pytest

from policies.loader import load
from provisioning.clients.helm_releases import Release
from provisioning.errors import PermanentError
from provisioning.jobs.job import JobState, StepState
from provisioning.service import DryRun, NothingToDo
from tests.integration.engine_samples import DANA, DEFAULT_POLICY, PIA
from tests.integration.office import helm_that_fails, opened, refused, stored
from tests.integration.tenant_world import World

FIX = "tenant drift --fix"
NAMES = ("acme", "beta", "gamma")


@pytest.fixture
def three(world: World) -> World:
    """Three tenants as recorded."""
    for name in NAMES:
        world.make(f"tenant create {name} --admin-email ana@{name}.example --ports")
    return world


def spoil(world: World, *names: str, limit: int = 12) -> None:
    """Change a value of each tenant's agent by hand."""
    for name in names:
        world.cluster.releases[name, "clearml-agent"].values["agentk8sglue"]["monitoredResources"]["maxResources"] = (
            limit
        )


def limit_of(world: World, name: str) -> object:
    return world.cluster.releases[name, "clearml-agent"].values["agentk8sglue"]["monitoredResources"]["maxResources"]


def test_one_approval_mends_all_that_drifted_and_no_other(three: World) -> None:
    """The card names them, field by field; each has a job of its own; the records stay."""
    spoil(three, "acme", "gamma")
    records = three.store.tenants()
    with opened(three, DEFAULT_POLICY) as office:
        batch = stored(office.say(FIX))
        assert batch.state is JobState.AWAITING_APPROVAL
        assert batch.plan.summary == "Make as recorded 2 tenants: acme, gamma"
        assert [step.id for step in batch.plan.steps] == ["tenant-acme", "tenant-gamma"]
        differences = batch.plan.step("tenant-acme").found.differences
        assert differences == {"agent: agentk8sglue.monitoredResources.maxResources": (12, 3)}
        office.service.vote(batch.id, PIA, approve=True, seen_digest=batch.digest)
        assert office.ended(batch).state is JobState.SUCCEEDED
        assert [office.part(batch, name).state for name in ("acme", "gamma")] == [JobState.SUCCEEDED] * 2
        assert not [job for job in three.store.jobs(subject="beta") if job.batch]
        assert isinstance(office.say(FIX), NothingToDo)
    assert [limit_of(three, name) for name in NAMES] == [3, 3, 3]
    assert three.store.tenants() == records
    assert {lease.tenant for lease in three.store.leases()} == set(NAMES)


def test_where_nothing_has_drifted_there_is_nothing_to_do(three: World) -> None:
    with opened(three) as office:
        answer = office.say(FIX)
        assert isinstance(answer, NothingToDo)
        assert answer.plan.summary == "No tenant has drifted: 3 tenants looked at"
        assert isinstance(office.say(f"{FIX} --dry-run"), DryRun)


def test_what_fails_is_told_by_tenant_and_the_others_are_mended(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry goes on with the one that failed."""
    spoil(three, "acme", "beta")
    mend = helm_that_fails(three, monkeypatch, "beta")
    with opened(three) as office:
        batch = office.ended(stored(office.say(FIX)))
        assert batch.state is JobState.FAILED
        assert {status.step_id: status.state for status in batch.steps} == {
            "tenant-acme": StepState.DONE,
            "tenant-beta": StepState.FAILED,
        }
        assert [limit_of(three, name) for name in ("acme", "beta")] == [3, 12]
        mend()
        office.service.retry(batch.id, DANA)
        assert office.ended(batch).state is JobState.SUCCEEDED
        assert limit_of(three, "beta") == 3


def test_one_that_drifts_otherwise_while_it_waits_asks_again(three: World) -> None:
    """With the difference, and with a tenant that has come to it or dropped out of it."""
    spoil(three, "acme", "beta")
    with opened(three, DEFAULT_POLICY) as office:
        batch = stored(office.say(FIX))
        spoil(three, "acme", limit=20)
        spoil(three, "beta", limit=3)
        spoil(three, "gamma")
        office.service.vote(batch.id, PIA, approve=True, seen_digest=batch.digest)
        office.ended(batch)
        old = three.store.job(batch.id)
        assert old.state is JobState.SUPERSEDED
        assert old.failure is not None
        assert "Make tenant beta as recorded" in old.failure.what
        assert "no longer part of the plan" in old.failure.what
        assert "new in the plan" in old.failure.what
        assert "maxResources" in old.failure.what
        again = three.store.job(str(old.superseded_by))
        assert (again.state, again.plan.summary) == (
            JobState.AWAITING_APPROVAL,
            "Make as recorded 2 tenants: acme, gamma",
        )
        assert [limit_of(three, name) for name in ("acme", "beta", "gamma")] == [20, 3, 12]


def test_one_that_drifts_otherwise_when_its_turn_comes_is_not_touched(
    three: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was approved is what runs, tenant by tenant."""
    spoil(three, "acme", "beta")
    install, others = three.helm.upgrade_install, {"acme": "beta", "beta": "acme"}
    first: list[str] = []

    def upgrade_install(where: str, *args: Any, **named: Any) -> Release:
        if not first:
            first.append(where)
            spoil(three, others[where], limit=20)
        return install(where, *args, **named)

    monkeypatch.setattr(three.helm, "upgrade_install", upgrade_install)
    with opened(three, max_parallel_jobs=1) as office:
        batch = office.ended(stored(office.say(FIX)))
        assert batch.state is JobState.FAILED
        (mended,) = first
        assert batch.status(f"tenant-{mended}").state is StepState.DONE
        failure = batch.status(f"tenant-{others[mended]}").failure
        assert failure is not None
        assert f"{others[mended]} is not as it was when this was approved" in failure.what
        assert failure.next_action == "Leave this job, and ask for it again"
        assert (limit_of(three, mended), limit_of(three, others[mended])) == (3, 20)


def test_a_policy_on_one_of_them_counts_for_all(three: World) -> None:
    """Only for those that have drifted: a frozen tenant that is as recorded is in nobody's way."""
    freeze = load(
        "rules:\n- {name: freeze, commands: [tenant fix], subjects: [beta], effect: deny, reason: beta is frozen}\n"
        "- {name: rest, effect: allow}\n"
    )
    spoil(three, "acme")
    with opened(three, freeze) as office:
        assert office.ended(stored(office.say(FIX))).state is JobState.SUCCEEDED
        spoil(three, "acme", "beta")
        assert "beta: beta is frozen" in refused(office.say(FIX))


def test_a_tenant_with_a_job_of_its_own_is_in_the_way(three: World) -> None:
    """And so is another fix of all."""
    spoil(three, "acme", "beta")
    with opened(three, DEFAULT_POLICY) as office:
        busy = stored(office.say("tenant fix acme"))
        assert f"tenant acme is locked by job {busy.number}" in refused(office.say(FIX))
        office.service.withdraw(busy.id, DANA)
        first = stored(office.say(FIX))
        assert f"batch drift is locked by job {first.number}" in refused(office.say(FIX))


def test_a_tenant_that_cannot_be_planned_is_told_and_left_out(three: World) -> None:
    """It keeps the others from nothing."""
    spoil(three, "acme")
    three.cluster.namespaces["beta"]["clearml-chatops/tenant"] = "somebody"
    with opened(three) as office:
        answer = office.say(f"{FIX} --dry-run")
    assert isinstance(answer, DryRun)
    plan = answer.plan
    assert [step.id for step in plan.steps] == ["tenant-acme"]
    (left_out,) = [line for line in plan.warnings if "left out" in line]
    assert left_out.startswith("Tenant beta is left out: ")


def test_a_record_that_this_version_refuses_keeps_the_others_from_nothing(three: World) -> None:
    """It is told by name wherever all are looked at, each command on it says what mends it, and that does."""
    record = three.store.tenant("beta")
    assert record is not None
    three.store.put_tenant(record.model_copy(update={"request": {**record.request, "max_pods": 0}}))
    spoil(three, "acme", "beta")
    with opened(three) as office:
        answer = office.say(f"{FIX} --dry-run")
    assert isinstance(answer, DryRun)
    assert [step.id for step in answer.plan.steps] == ["tenant-acme"]
    assert [line for line in answer.plan.warnings if "tenant beta is none" in line]
    tenants = {one["tenant"]: one for one in cast("Any", three.report("tenant drift").data)["tenants"]}
    assert "max_pods: '0' is too small" in tenants["beta"]["drift"]["unknown"]
    assert tenants["acme"]["drift"] is True
    for command in ("tenant fix beta", "tenant resize beta --max-pods 4", "tenant suspend beta"):
        with pytest.raises(PermanentError, match="the record of tenant beta is none") as caught:
            three.answer(command)
        assert "/clearml tenant create beta" in caught.value.next_action
    with pytest.raises(PermanentError, match="the record of tenant beta is none"):
        three.ask("tenant export")
    three.make("tenant create beta --admin-email ana@beta.example --ports")
    assert limit_of(three, "beta") == 3
    assert "beta" in str(three.report("tenant export").data)


def test_without_any_record_it_is_refused(world: World) -> None:
    assert "no tenant is recorded" in world.refusal(FIX).reason
