"""`tenant rotate`: the old key is valid until the new one is proven, whatever fails or dies in between."""

import itertools

import pytest

from provisioning import job_decisions
from provisioning.jobs import JobState
from tests.integration.tenant_world import ACME, Crash, World

AGENT, SECRET = ("acme", "clearml-agent"), ("acme", "clearml-agent-credentials")
ROTATE = "tenant rotate acme"


@pytest.fixture
def tenant(world: World) -> World:
    """A tenant whose agent reports in with the key that helm gave it; waits are short."""
    world.settings = {"agent": {"chart": {"reference": "agent"}, "timeout_s": 1}}
    world.restart()
    ticks = itertools.count(1_000_000)
    world.state.clock = lambda: float(next(ticks))
    world.make(ACME)
    world.state.agents["acme"] = lambda: given(world)
    return world


def given(world: World) -> str:
    return str(world.cluster.releases[AGENT].values["clearml"]["agentk8sglueKey"])


def live(world: World) -> set[str]:
    return {
        key.access_key
        for user in world.state.users.values()
        if user.company in companies(world)
        for key in user.credentials
    }


def companies(world: World) -> set[str]:
    return {world.company("acme")["id"]}


def test_the_key_is_another_one_and_the_old_one_is_gone(tenant: World) -> None:
    """Plan and job hold neither key."""
    old = given(tenant)
    job = tenant.make(ROTATE)
    new = given(tenant)
    assert new != old
    assert live(tenant) == {new}
    assert set(tenant.cluster.secrets[SECRET]) == {"access_key", "secret_key"}
    assert not [key for key in (old, new, *tenant.state.every_secret()) if key in job.model_dump_json()]


def test_a_worker_that_does_not_come_back_costs_nothing(tenant: World) -> None:
    """The job fails with both keys valid; rolled back, the agent has its old key and the new one is revoked."""
    old = given(tenant)
    plan = tenant.plan(ROTATE)
    tenant.state.agents.clear()
    failed = tenant.run(tenant.job(plan))
    assert failed.state is JobState.FAILED
    assert old in live(tenant)
    assert tenant.run(tenant.decide(failed, job_decisions.roll_back)).state is JobState.ROLLED_BACK
    assert live(tenant) == {old} == {given(tenant)}
    assert tenant.cluster.secrets[SECRET]["access_key"] == old


def test_without_a_worker_the_plan_says_so(tenant: World) -> None:
    tenant.state.agents.clear()
    plan = tenant.plan(ROTATE)
    assert "none is waited for" in plan.warnings[0]
    assert [step.id for step in plan.steps] == ["new_key", "agent", "old_key"]


@pytest.mark.parametrize("step", ["new_key", "agent", "worker", "old_key"])
def test_a_crash_after_any_step_loses_no_key(tenant: World, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Done, and nobody heard of it: going on ends with one key, the agent's."""
    old = given(tenant)
    job = tenant.job(tenant.plan(ROTATE))
    tenant.crash_after(step, monkeypatch)
    with pytest.raises(Crash):
        tenant.run(job)
    monkeypatch.undo()
    assert (old in live(tenant)) == (step != "old_key")
    tenant.restart()
    for one in ("new_key", "agent", "worker", "old_key"):
        assert tenant.runner.run_step(job.id, one, 1)["ok"]
    assert tenant.runner.finish(job.id, 1)["ok"]
    assert live(tenant) == {given(tenant)} != {old}


def test_what_cannot_be_rotated_is_refused(tenant: World) -> None:
    """No tenant, a suspended one, one without a key."""
    assert "there is no tenant beta" in tenant.refusal("tenant rotate beta").reason
    tenant.make("tenant suspend acme")
    assert tenant.refusal(ROTATE).next_action == "run /clearml tenant resume acme first"
    tenant.make("tenant resume acme")
    del tenant.cluster.secrets[SECRET]
    assert "holds no valid key" in tenant.refusal(ROTATE).reason


def test_a_tenant_with_a_router_is_not_rotated(tenant: World) -> None:
    """Its router has the same key: revoking it would stop the router."""
    record = tenant.store.tenant("acme")
    assert record is not None
    routed = record.model_copy(update={"request": record.request | {"router_host": "acme.apps.platform.example"}})
    tenant.store.put_tenant(routed)
    refused = tenant.refusal(ROTATE)
    assert "router" in refused.reason
