"""`tenant resize`: what it changes, what it refuses, how it is undone, and what a crash leaves behind."""

from dataclasses import replace

import pytest

from provisioning.clients.cluster_objects import ServicePorts
from provisioning.errors import PermanentError
from provisioning.jobs import decisions
from provisioning.jobs.job import JobState
from provisioning.plan import Plan, Presence
from provisioning.port_ranges import PortRange
from tests.integration.tenant_world import ACME, Crash, World


def leases(world: World) -> list[tuple[str, bool]]:
    """Return each lease, and whether it holds for good."""
    return [(str(one.ports), one.expires_at is None) for one in world.store.leases()]


def test_limits_and_queues_change_and_are_recorded(world: World) -> None:
    """The agent gets the merged values; what was not said stays; the record says all of it."""
    world.make(f"{ACME} --max-pods 7")
    plan = world.plan("tenant resize acme --max-resources 8 --queues 1,0.125")
    assert plan.summary == ("Resize tenant acme: at most 8 GPUs; queues default, gpu-fraction-1_00, gpu-fraction-0_125")
    assert plan.step("agent").found.differences["agentk8sglue.monitoredResources.maxResources"] == (3, 8)
    assert plan.step("spec").found.differences == {
        "max_resources": (None, "8"),
        "queues": (None, ["1", "0.125"]),
    }
    assert world.run(world.job(plan)).state is JobState.SUCCEEDED
    glue = world.helm.installs[-1]["agentk8sglue"]
    assert glue["monitoredResources"]["maxResources"] == 8
    assert {queue["queueSettings"]["maxPods"] for queue in glue["queues"].values()} == {7}
    assert "gpu-fraction-0_125" in world.company("acme")["queues"]
    record = world.store.tenants()[0].request
    assert (record["max_resources"], record["max_pods"]) == ("8", 7)


def test_after_a_resize_the_tenant_has_nothing_to_do(world: World) -> None:
    """Neither for the same resize, nor for `tenant create` from the record, also in another process."""
    world.make(f"{ACME} --ports")
    world.make("tenant resize acme --max-pods 20 --max-services 5 --max-users 30")
    world.restart()
    assert world.plan("tenant resize acme --max-pods 20 --max-services 5 --max-users 30").is_noop
    again = world.planner.plan("tenant create", world.store.tenants()[0].request)
    assert isinstance(again, Plan)
    assert again.is_noop, [step for step in again.steps if not step.is_noop]


def test_a_queue_that_goes_is_named(world: World) -> None:
    """Its tasks would wait for ever."""
    world.make(ACME)
    plan = world.plan("tenant resize acme --queues 1")
    assert any(one.startswith("Queue gpu-fraction-0_50 stays in ClearML") for one in plan.warnings)


def test_users_and_apps_go_to_the_company(world: World) -> None:
    """No call tells them: what is recorded counts as set."""
    world.make(ACME)
    world.make("tenant resize acme --max-users 20 --max-apps 4")
    company = world.state.companies_by_id[world.company("acme")["id"]]
    assert company.settings == {"allowed_users": 20, "max_running_apps": 4}
    plan = world.plan("tenant resize acme --max-users 25")
    assert plan.step("limits").found.differences == {"allowed_users": (20, 25)}


# -- ports ----------------------------------------------------------------------------------------------------


def test_more_sessions_grow_in_place_where_they_fit(world: World) -> None:
    """Until the job has succeeded both envelopes are the tenant's; then only the new one."""
    world.make(f"{ACME} --ports")
    job = world.job(world.plan("tenant resize acme --max-services 20"))
    assert leases(world) == [("30100-30110", True), ("30100-30120", False)]
    assert world.run(job).state is JobState.SUCCEEDED
    assert leases(world) == [("30100-30120", True)]


def test_more_sessions_move_to_a_range_apart_from_the_old_one(world: World) -> None:
    """helm moves Services one by one: none may take what another still has."""
    world.make(f"{ACME} --ports")
    world.make("tenant create beta --admin-email bo@beta.example --ports")
    world.cluster.all_services.append(
        ServicePorts(namespace="web", name="front", type="NodePort", node_ports=(30115,), health_check_node_port=None)
    )
    plan = world.plan("tenant resize acme --max-services 20")
    assert plan.step("agent").inputs["port_range"] == {"start": 30140, "size": 20}
    assert any("lose their ports: 30101-30110 become 30141-30160" in one for one in plan.warnings)
    world.run(world.job(plan))
    assert leases(world) == [("30120-30130", True), ("30140-30160", True)]


def test_a_range_that_overlaps_the_present_one_is_refused(world: World) -> None:
    """Asked for by number, with another start."""
    world.make(f"{ACME} --ports")
    said = world.refusal("tenant resize acme --port-start 30105").reason
    assert said.startswith("ports 30105-30115 are not free: its own sessions at present")


def test_ports_are_taken_away_and_given_again(world: World) -> None:
    """With the policy that lets sessions in, and the lease."""
    world.make(f"{ACME} --ports")
    assert ("acme", "allow-session-ports") in world.cluster.policies
    plan = world.plan("tenant resize acme --no-ports")
    assert plan.step("policies").found.detail == "to be removed: allow-session-ports"
    world.run(world.job(plan))
    assert ("acme", "allow-session-ports") not in world.cluster.policies
    assert leases(world) == []
    assert "ports" in world.store.tenants()[0].request
    world.make("tenant resize acme --ports --port-start 30200")
    assert leases(world) == [("30200-30210", True)]
    assert ("acme", "allow-session-ports") in world.cluster.policies


def test_planned_again_after_the_lease_the_plan_is_the_same(world: World) -> None:
    """The job's own lease must not void its approval."""
    world.make(f"{ACME} --ports")
    world.make("tenant create beta --admin-email bo@beta.example --ports")
    plan = world.plan("tenant resize acme --max-services 40")
    world.job(plan)
    again = world.planner.replan(plan)
    assert isinstance(again, Plan)
    assert again.digest == plan.digest


# -- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tenant resize nobody --max-pods 3", "there is no tenant nobody"),
        ("tenant resize acme --max-services 3", "no session ports that --max-services could count"),
        ("tenant resize acme --queues 0.3", "no MIG profile is 0.3"),
    ],
)
def test_what_cannot_be_is_refused(world: World, text: str, said: str) -> None:
    world.make(ACME)
    assert said in world.refusal(text).reason


def test_another_chart_version_is_no_resize(world: World) -> None:
    """Value changes and version changes stay apart."""
    world.make(ACME)
    world.helm.chart_version = "1.1.0"
    refused = world.refusal("tenant resize acme --max-pods 3")
    assert "runs chart clearml-enterprise-agent 1.0.0" in refused.reason
    assert refused.next_action.startswith("run /clearml tenant upgrade acme first")


def test_a_tenant_that_lost_its_place_is_sent_to_create(world: World) -> None:
    """A namespace, a release, a company: each is named."""
    world.make(ACME)
    release = world.cluster.releases.pop(("acme", "clearml-agent"))
    assert (
        "release clearml-agent of tenant acme is not installed"
        in world.refusal("tenant resize acme --max-pods 3").reason
    )
    world.cluster.releases["acme", "clearml-agent"] = release
    labels = world.cluster.namespaces.pop("acme")
    assert "namespace acme is not there" in world.refusal("tenant resize acme --max-pods 3").reason
    world.cluster.namespaces["acme"] = labels
    world.state.companies_by_id.pop(world.company("acme")["id"])
    assert "ClearML has no company of that name" in world.refusal("tenant resize acme --max-pods 3").reason


# -- undo and crashes -----------------------------------------------------------------------------------------


def test_a_failed_resize_is_rolled_back_whole(world: World) -> None:
    """Values, policies, limits, leases and the record are as before; new queues stay."""
    world.make(f"{ACME} --max-users 5")
    before = (world.helm.values("acme", "clearml-agent"), world.store.tenants()[0].request)
    world.cluster.fail_next_write = None
    job = world.job(world.plan("tenant resize acme --ports --max-users 9 --queues 1"))
    world.helm.fail_next_install = PermanentError("helm: the pods never became ready")
    failed = world.run(job)
    assert failed.state is JobState.FAILED
    assert ("acme", "allow-session-ports") in world.cluster.policies
    back = world.run(world.decide(failed, decisions.roll_back))
    assert back.state is JobState.ROLLED_BACK, back.failure
    assert (world.helm.values("acme", "clearml-agent"), world.store.tenants()[0].request) == before
    assert ("acme", "allow-session-ports") not in world.cluster.policies
    assert leases(world) == []
    company = world.state.companies_by_id[world.company("acme")["id"]]
    assert company.settings["allowed_users"] == 5


def test_a_resize_that_was_carried_out_goes_back_to_the_old_revision(world: World) -> None:
    """helm's own history holds the old chart and values."""
    world.make(ACME)
    job = world.make("tenant resize acme --max-pods 20")
    failed = job.model_copy(update={"state": JobState.FAILED})
    world.store.update_job(job.id, lambda _job: world.as_change(failed))
    back = world.run(world.decide(failed, decisions.roll_back))
    assert back.state is JobState.ROLLED_BACK, back.failure
    found = world.cluster.releases["acme", "clearml-agent"]
    assert found.release.revision == 3
    assert found.values["agentk8sglue"]["queues"]["default"]["queueSettings"]["maxPods"] == 10
    assert "max_pods" not in world.store.tenants()[0].request


@pytest.mark.parametrize("step_id", ["policies", "queues", "agent", "limits", "spec"])
def test_a_crash_at_any_step_is_gone_on_from(world: World, step_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies right after the step has done its work; another goes on, and all of it is so once."""
    world.make(ACME)
    job = world.job(world.plan("tenant resize acme --ports --max-users 9 --queues 1,0.125"))
    world.crash_after(step_id, monkeypatch)
    with pytest.raises(Crash):
        world.run(job)
    monkeypatch.undo()
    world.restart()
    begun = job.plan.waves()
    for step in (step for wave in begun for step in wave):
        assert world.runner.run_step(job.id, step.id, 1)["ok"]
    assert world.runner.finish(job.id, 1)["ok"]
    assert world.plan("tenant resize acme --ports --max-users 9 --queues 1,0.125").is_noop
    assert leases(world) == [("30100-30110", True)]
    assert len(world.helm.installs) == 2


def test_a_release_that_changed_meanwhile_voids_the_approval(world: World) -> None:
    """Somebody ran helm by hand between the approval and the run: other differences, another revision."""
    world.make(ACME)
    plan = world.plan("tenant resize acme --max-pods 20")
    found = world.cluster.releases["acme", "clearml-agent"]
    found.release = replace(found.release, revision=2)
    again = world.planner.replan(plan)
    assert isinstance(again, Plan)
    assert again.digest != plan.digest


def test_a_range_of_the_same_size_and_start_stays(world: World) -> None:
    """Nothing moves where nothing was asked to."""
    world.make(f"{ACME} --ports --port-start 30200")
    world.make("tenant resize acme --max-pods 20")
    assert [one.ports for one in world.store.leases()] == [PortRange(30200, 10)]
    assert world.plan("tenant resize acme --max-pods 20").step("agent").found.presence is Presence.PRESENT


def test_where_the_agents_keys_are_gone_the_way_out_is_told_and_works(world: World) -> None:
    """No step of a resize makes them, so that no Retry would."""
    world.make(ACME)
    world.cluster.secrets.pop(("acme", "clearml-agent-credentials"))
    failed = world.run(world.job(world.plan("tenant resize acme --max-resources 5")))
    assert failed.state is JobState.FAILED
    assert failed.failure is not None
    assert "acme/clearml-agent-credentials/access_key: it is not there" in failed.failure.what
    assert "tenant fix acme makes the agent's keys again" in failed.failure.next_action
    world.decide(failed, decisions.leave)
    world.make("tenant fix acme")
    world.make("tenant resize acme --max-resources 5")
