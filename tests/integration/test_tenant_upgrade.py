"""`tenant upgrade`: another version of the agent's chart with the same values, what it refuses, how it goes back."""

from dataclasses import replace

import pytest

from provisioning.errors import PermanentError
from provisioning.jobs import decisions
from provisioning.jobs.job import JobState
from provisioning.plan import Plan
from provisioning.port_ranges import PortRange
from tests.integration.tenant_world import ACME, SECRETS, Crash, World

AGENT = ("acme", "clearml-agent")
UPGRADE = "tenant upgrade acme --chart-version 1.1.0"


def with_versions(world: World, configured: str = "1.0.0") -> World:
    """Configure a chart of which every version is to be had."""
    chart = {"reference": "/charts/agent-{version}.tgz", "version": configured}
    world.settings = {"agent": {"chart": chart, "image_password": SECRETS["image"]}}
    world.restart()
    return world


def version(world: World) -> str:
    return world.cluster.releases[AGENT].release.chart_version


@pytest.fixture
def acme(world: World) -> World:
    """A tenant with ports on chart 1.0.0; 1.1.0 renders one more field."""
    with_versions(world).make(f"{ACME} --ports")
    world.helm.templates["1.1.0"] = {"graceS": 30}
    return world


def test_the_version_changes_and_the_values_stay(acme: World) -> None:
    """Those that the release has, by whomever they were set. Ports stay the tenant's."""
    given = acme.cluster.releases[AGENT].values
    given["agentk8sglue"]["debugMode"] = True  # by hand
    before = dict(given)
    acme.make(UPGRADE)
    assert version(acme) == "1.1.0"
    assert acme.helm.values(*AGENT) == before
    assert [one.ports for one in acme.store.leases()] == [PortRange(30100, 10)]


def test_the_plan_shows_what_is_rendered_otherwise(acme: World) -> None:
    """Field by field. Of secrets only that they stay."""
    plan = acme.plan(UPGRADE)
    assert plan.summary == "Upgrade tenant acme: chart clearml-enterprise-agent 1.0.0 → 1.1.0, values stay"
    found = plan.step("agent").found
    assert found.differences == {
        "chart version": ("1.0.0", "1.1.0"),
        "Deployment/clearml-agent.spec.graceS": (None, 30),
    }
    assert "the values stay; 1.1.0 renders 2 objects, sha256" in found.detail
    assert plan.step("agent").undo == "helm goes back to revision 1"
    for secret in SECRETS.values():
        assert secret not in plan.model_dump_json()


def test_a_chart_that_changes_under_its_version_voids_the_approval(acme: World) -> None:
    """In what is shown, and also in what a version label or a hidden secret alone would tell."""
    plan = acme.plan(UPGRADE)
    same = acme.planner.replan(plan)
    assert isinstance(same, Plan)
    assert same.digest == plan.digest
    acme.helm.templates["1.1.0"] = {"graceS": 45}
    changed = acme.planner.replan(plan)
    assert isinstance(changed, Plan)
    assert changed.digest != plan.digest


def test_a_release_that_changed_meanwhile_voids_the_approval(acme: World) -> None:
    plan = acme.plan(UPGRADE)
    found = acme.cluster.releases[AGENT]
    found.release = replace(found.release, revision=2)
    again = acme.planner.replan(plan)
    assert isinstance(again, Plan)
    assert again.digest != plan.digest


def test_a_tenant_stays_on_its_version(acme: World) -> None:
    """Neither the record, nor `tenant fix`, nor a resize takes it back; nor does another configured version."""
    acme.make(UPGRADE)
    assert acme.store.tenants()[0].request["chart_version"] == "1.1.0"
    assert acme.plan(UPGRADE).is_noop
    with_versions(acme, configured="1.2.0")
    assert acme.plan("tenant fix acme").is_noop
    acme.make("tenant resize acme --max-pods 20")
    assert version(acme) == "1.1.0"


def test_the_configured_version_is_the_default(acme: World) -> None:
    """And it is recorded."""
    assert acme.plan("tenant upgrade acme").is_noop
    assert "chart_version" not in acme.store.tenants()[0].request
    with_versions(acme, configured="1.1.0")
    acme.make("tenant upgrade acme")
    assert (version(acme), acme.store.tenants()[0].request["chart_version"]) == ("1.1.0", "1.1.0")


def test_a_tenant_is_held_on_the_version_that_it_has(acme: World) -> None:
    """Said by name: then the next configured one is not for it. helm has nothing to do."""
    plan = acme.plan("tenant upgrade acme --chart-version 1.0.0")
    assert [step.id for step in plan.steps if not step.is_noop] == ["spec"]
    acme.run(acme.job(plan))
    with_versions(acme, configured="1.1.0")
    assert acme.plan("tenant fix acme").is_noop
    assert len(acme.helm.installs) == 1


@pytest.mark.parametrize(
    ("has", "shall", "is_older"),
    [
        ("1.10.0", "1.9.0", True),
        ("1.1.0", "1.1.0-rc.1", True),
        ("1.1.0-rc.10", "1.1.0-rc.9", True),
        ("1.1.0-rc.1", "1.1.0", False),
        ("1.9.0", "1.10.0", False),
    ],
)
def test_an_older_version_must_be_meant(acme: World, has: str, shall: str, is_older: bool) -> None:
    """As SemVer orders them."""
    acme.make(f"tenant upgrade acme --chart-version {has}")
    if is_older:
        refused = acme.refusal(f"tenant upgrade acme --chart-version {shall}")
        assert refused.next_action.startswith("say --allow-downgrade")
    plan = acme.plan(f"tenant upgrade acme --chart-version {shall} --allow-downgrade")
    assert bool(plan.warnings) is is_older


def test_keys_that_the_new_chart_does_not_know_are_refused(acme: World) -> None:
    """helm would ignore them."""
    acme.helm.chart_values = {
        **acme.helm.chart_values,
        "agentk8sglue": {
            key: value for key, value in acme.helm.chart_values["agentk8sglue"].items() if key != "createQueues"
        },
    }
    assert "1.1.0 knows no agentk8sglue.createQueues" in acme.refusal(UPGRADE).reason


def test_what_cannot_be_is_refused(acme: World) -> None:
    """No such tenant, a suspended one, a release that is half of a change."""
    assert "there is no tenant nobody" in acme.refusal("tenant upgrade nobody").reason
    found = acme.cluster.releases[AGENT]
    found.release = replace(found.release, status="failed")
    assert "is failed, not deployed" in acme.refusal(UPGRADE).reason
    found.release = replace(found.release, status="deployed")
    acme.make("tenant suspend acme")
    assert "is suspended" in acme.refusal(UPGRADE).reason


def test_a_folder_has_but_its_own_version(world: World) -> None:
    """Another is refused, for an upgrade as for a new tenant."""
    world.make(ACME)
    refused = world.refusal(UPGRADE)
    assert "is 1.0.0: there is no version 1.1.0" in refused.reason
    assert (
        "no version 1.1.0" in world.refusal("tenant create b-b --admin-email b@b.example --chart-version 1.1.0").reason
    )


def test_a_failed_upgrade_is_rolled_back(acme: World) -> None:
    """Version and record are as before."""
    before = acme.store.tenants()[0].request
    job = acme.job(acme.plan(UPGRADE))
    acme.helm.fail_next_install = PermanentError("helm: the pods never became ready")
    failed = acme.run(job)
    assert failed.state is JobState.FAILED
    back = acme.run(acme.decide(failed, decisions.roll_back))
    assert back.state is JobState.ROLLED_BACK, back.failure
    assert (version(acme), acme.store.tenants()[0].request) == ("1.0.0", before)


def test_an_upgrade_that_was_carried_out_goes_back(acme: World) -> None:
    """By helm's own history."""
    job = acme.make(UPGRADE)
    failed = job.model_copy(update={"state": JobState.FAILED})
    acme.store.update_job(job.id, lambda _job: acme.as_change(failed))
    back = acme.run(acme.decide(failed, decisions.roll_back))
    assert back.state is JobState.ROLLED_BACK, back.failure
    assert version(acme) == "1.0.0"
    assert "chart_version" not in acme.store.tenants()[0].request


@pytest.mark.parametrize("step_id", ["agent", "spec"])
def test_a_crash_is_gone_on_from(acme: World, step_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process goes on, and helm upgrades once."""
    job = acme.job(acme.plan(UPGRADE))
    acme.crash_after(step_id, monkeypatch)
    with pytest.raises(Crash):
        acme.run(job)
    monkeypatch.undo()
    acme.restart()
    for step in job.plan.steps:
        assert acme.runner.run_step(job.id, step.id, 1)["ok"]
    assert acme.runner.finish(job.id, 1)["ok"]
    assert acme.plan(UPGRADE).is_noop
    assert len(acme.helm.installs) == 2
