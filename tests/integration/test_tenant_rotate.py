"""`tenant rotate`: the old key is valid until the new one is proven, whatever fails or dies in between."""

import copy
import itertools
from dataclasses import replace
from typing import Any

import pytest

from provisioning.errors import PermanentError
from provisioning.jobs import decisions
from provisioning.jobs.blast_radius import radius_of
from provisioning.jobs.job import JobState
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
    assert tenant.run(tenant.decide(failed, decisions.roll_back)).state is JobState.ROLLED_BACK
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


def test_revoking_counts_as_destroying(tenant: World) -> None:
    """A policy that asks for more where steps destroy sees it."""
    plan = tenant.plan(ROTATE)
    assert [step.id for step in plan.steps if step.destroys] == ["old_key"]
    assert radius_of(plan).destroys == 1


def test_whoever_waits_for_no_worker_has_the_pods_for_proof(tenant: World) -> None:
    """The plan says so; revoked is then behind helm, which waits until they are ready, and behind nothing else."""
    old = given(tenant)
    plan = tenant.plan(f"{ROTATE} --no-wait-worker")
    assert plan.warnings[0].startswith("No worker is waited for, as asked")
    assert [(step.id, step.needs) for step in plan.steps][1:] == [("agent", ("new_key",)), ("old_key", ("agent",))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tenant.helm, "upgrade_install", not_ready)
        failed = tenant.run(tenant.job(plan))
    assert failed.state is JobState.FAILED
    assert old in live(tenant)
    tenant.state.agents.clear()
    assert tenant.run(tenant.decide(failed, decisions.retry)).state is JobState.SUCCEEDED
    assert live(tenant) == {given(tenant)} != {old}


def not_ready(*_: object, **__: object) -> None:
    raise PermanentError("upgrading clearml-agent: its pods did not become ready")


def left(world: World) -> str:
    """Leave a rotation whose worker did not come back. Return the old key."""
    old = given(world)
    plan = world.plan(ROTATE)
    agent = world.state.agents.pop("acme")
    failed = world.run(world.job(plan))
    assert failed.state is JobState.FAILED
    failure = failed.status("worker").failure
    assert failure is not None
    assert "the old key is still valid" in failure.what
    assert "Retry waits again, Roll back gives the agent its old key" in failure.next_action
    world.decide(failed, decisions.leave)
    world.state.agents["acme"] = agent
    return old


def test_a_rotation_that_was_left_is_gone_on_with(tenant: World) -> None:
    """With the new key that it made: none is made once more, and the old one is revoked only now."""
    old = left(tenant)
    new = given(tenant)
    assert live(tenant) == {old, new}
    plan = tenant.plan(ROTATE)
    assert "go on with the new key of a rotation that was left" in plan.summary
    assert [step.id for step in plan.steps if step.is_noop] == ["new_key", "agent"]
    tenant.run(tenant.job(plan))
    assert live(tenant) == {new} == {given(tenant)}
    assert set(tenant.cluster.secrets[SECRET]) == {"access_key", "secret_key"}


def test_dying_behind_the_revoke_is_tidied_up(tenant: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old key is revoked and its pair still in the Secret: going on takes it out, and no other key goes."""
    left(tenant)
    job = tenant.job(tenant.plan(ROTATE))
    monkeypatch.setattr(tenant.cluster, "put_secret", dies)
    with pytest.raises(Crash):
        tenant.run(job)
    monkeypatch.undo()
    assert live(tenant) == {given(tenant)}
    assert "previous_access_key" in tenant.cluster.secrets[SECRET]
    tenant.restart()
    assert tenant.runner.run_step(job.id, "old_key", 1)["ok"]
    assert live(tenant) == {given(tenant)}
    assert set(tenant.cluster.secrets[SECRET]) == {"access_key", "secret_key"}


def test_dying_between_making_a_key_and_keeping_it_leaves_no_key_behind(
    tenant: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its secret died with the process, so another is made; with the old one, that one is revoked too."""
    old = given(tenant)
    job = tenant.job(tenant.plan(ROTATE))
    monkeypatch.setattr(tenant.cluster, "put_secret", dies)
    with pytest.raises(Crash):
        tenant.run(job)
    monkeypatch.undo()
    assert len(live(tenant)) == 2
    assert tenant.cluster.secrets[SECRET]["access_key"] == old == given(tenant)
    tenant.restart()
    for one in ("new_key", "agent", "worker", "old_key"):
        assert tenant.runner.run_step(job.id, one, 1)["ok"]
    assert live(tenant) == {given(tenant)} != {old}


def dies(*_: object, **__: object) -> None:
    raise Crash


ROUTER = ("acme", "clearml-ttr")
ROUTERS = {
    "task-traffic-router": {"chart": {"reference": "clearml-task-traffic-router"}, "signing_key": "a-signing-secret"},
    "app-gateway": {
        "chart": {"reference": "clearml-enterprise-app-gateway"},
        "generation": "app-gateway",
        "auth_cookie_name": "clearml_token",
    },
}


def routed(world: World, generation: str = "task-traffic-router") -> World:
    """Give the tenant a router."""
    world.settings |= {"router": ROUTERS[generation]}
    world.restart()
    world.make(ACME)
    return world


def routers(world: World) -> str:
    clearml = world.cluster.releases[ROUTER].values["clearml"]
    return str(clearml.get("apiserverKey") or clearml["apiKey"])


@pytest.mark.parametrize("generation", list(ROUTERS))
def test_a_router_gets_the_new_key_before_the_old_one_goes(tenant: World, generation: str) -> None:
    """Once a worker has used it: until then the router is not touched."""
    old = routers(routed(tenant, generation))
    plan = tenant.plan(ROTATE)
    assert [(step.id, step.needs) for step in plan.steps] == [
        ("new_key", ()),
        ("agent", ("new_key",)),
        ("worker", ("agent",)),
        ("router", ("worker",)),
        ("old_key", ("router",)),
    ]
    done = tenant.run(tenant.job(plan))
    assert done.state is JobState.SUCCEEDED
    assert live(tenant) == {routers(tenant)} == {given(tenant)} != {old}
    assert tenant.plan("tenant fix acme").is_noop


def test_a_router_that_does_not_become_ready_costs_nothing(tenant: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old key is valid; rolled back, agent and router have it again, and the new one is revoked."""
    old = routers(routed(tenant))
    plan = tenant.plan(ROTATE)
    upgrade = tenant.helm.upgrade_install

    def breaks(namespace: str, name: str, *rest: Any, **words: Any) -> Any:
        if name == ROUTER[1]:
            not_ready()
        return upgrade(namespace, name, *rest, **words)

    monkeypatch.setattr(tenant.helm, "upgrade_install", breaks)
    failed = tenant.run(tenant.job(plan))
    assert failed.state is JobState.FAILED
    assert old in live(tenant)
    assert tenant.run(tenant.decide(failed, decisions.roll_back)).state is JobState.ROLLED_BACK
    assert live(tenant) == {old} == {routers(tenant)} == {given(tenant)}


def test_a_router_that_cannot_be_given_the_key_alone_is_refused(tenant: World) -> None:
    """It is gone, of another chart, or its settings are: what would stop it is said before a key is made."""
    release = routed(tenant).cluster.releases.pop(ROUTER)
    assert "is not installed" in tenant.refusal(ROTATE).reason
    release.release = replace(release.release, chart_version="0.9.0")
    tenant.cluster.releases[ROUTER] = release
    refused = tenant.refusal(ROTATE)
    assert "two changes at once" in refused.reason
    assert "tenant fix acme" in refused.next_action
    del tenant.settings["router"]
    tenant.restart()
    assert "no router is configured any more" in tenant.refusal(ROTATE).reason


def test_whatever_else_holds_the_key_is_seen(tenant: World) -> None:
    """A release by hand, of which the bot knows nothing but its values, would stop as well."""
    by_hand = copy.deepcopy(tenant.cluster.releases[AGENT])
    by_hand.release = replace(by_hand.release, name="by-hand")
    tenant.cluster.releases["acme", "by-hand"] = by_hand
    assert "release by-hand in namespace acme uses the same key" in tenant.refusal(ROTATE).reason
    by_hand.values = {"key": "one of its own"}
    tenant.make(ROTATE)
