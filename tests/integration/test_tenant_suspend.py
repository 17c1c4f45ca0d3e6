"""`tenant suspend` and `tenant resume`: to zero and back, again and again, with what stands in the way."""

from dataclasses import replace

import pytest

from provisioning.jobs import decisions
from provisioning.jobs.job import JobState
from provisioning.plan import Plan
from tests.integration.tenant_world import ACME, Crash, World

AGENT = ("acme", "clearml-agent")


def replicas(world: World) -> int:
    return world.cluster.scaled.get(AGENT, 1)


def test_a_tenant_is_suspended_and_resumed_with_its_own_number_of_pods(world: World) -> None:
    """What it had is remembered in the cluster; both are idempotent; nothing else changes."""
    world.make(ACME)
    world.cluster.scaled[AGENT] = 3
    plan = world.plan("tenant suspend acme")
    assert plan.step("scale").found.differences == {"clearml-agent.replicas": (3, 0)}
    world.run(world.job(plan))
    assert replicas(world) == 0
    assert world.plan("tenant suspend acme").is_noop
    world.restart()
    world.make("tenant resume acme")
    assert replicas(world) == 3
    assert world.cluster.scaled_before == {}
    assert world.plan("tenant resume acme").is_noop
    assert len(world.helm.installs) == 1


def test_a_suspended_tenant_has_not_drifted(world: World) -> None:
    """Its release and its record are as they were."""
    world.make(ACME)
    world.make("tenant suspend acme")
    plan = world.planner.plan("tenant create", world.store.tenants()[0].request)
    assert isinstance(plan, Plan)
    assert plan.is_noop


def test_a_suspended_tenant_is_not_resized(world: World) -> None:
    """Its agent would not come up to prove the change. Who may sign in can still be changed."""
    world.make(ACME)
    world.make("tenant suspend acme")
    refused = world.refusal("tenant resize acme --max-pods 20")
    assert refused.next_action == "run /clearml tenant resume acme first"
    world.make("tenant domains add acme labs.example")


@pytest.mark.parametrize("command", ["suspend", "resume"])
def test_what_is_not_there_is_refused(world: World, command: str) -> None:
    """A tenant, a release."""
    assert "there is no tenant acme" in world.refusal(f"tenant {command} acme").reason
    world.make(ACME)
    del world.cluster.releases[AGENT]
    assert "is not installed" in world.refusal(f"tenant {command} acme").reason


def test_it_is_rolled_back(world: World) -> None:
    world.make(ACME)
    job = world.make("tenant suspend acme")
    failed = job.model_copy(update={"state": JobState.FAILED})
    world.store.update_job(job.id, lambda _job: world.as_change(failed))
    assert world.run(world.decide(failed, decisions.roll_back)).state is JobState.ROLLED_BACK
    assert replicas(world) == 1


def test_a_crash_in_between_forgets_no_number(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scaled, and nobody heard of it: going on finds it done, and what it had is still known."""
    world.make(ACME)
    world.cluster.scaled[AGENT] = 2
    job = world.job(world.plan("tenant suspend acme"))
    world.crash_after("scale", monkeypatch)
    with pytest.raises(Crash):
        world.run(job)
    monkeypatch.undo()
    world.restart()
    assert world.runner.run_step(job.id, "scale", 1)["ok"]
    assert world.runner.finish(job.id, 1)["ok"]
    world.make("tenant resume acme")
    assert replicas(world) == 2


def test_an_agent_that_was_scaled_by_hand_voids_the_approval(world: World) -> None:
    """Another number is another plan."""
    world.make(ACME)
    plan = world.plan("tenant suspend acme")
    world.cluster.scaled[AGENT] = 5
    again = world.planner.replan(plan)
    assert isinstance(again, Plan)
    assert again.digest != plan.digest


def test_pods_of_other_tenants_stay(world: World) -> None:
    world.make(ACME)
    world.make("tenant create beta --admin-email bo@beta.example")
    found = world.cluster.releases["beta", "clearml-agent"]
    found.release = replace(found.release)
    world.make("tenant suspend acme")
    assert world.cluster.scaled == {AGENT: 0}
