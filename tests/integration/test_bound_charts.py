"""What is approved is what runs: charts and the platform's spec that change between the plan and its approval.

helm itself renders here; only releases are a stand-in's.
"""

from pathlib import Path

import pytest

from provisioning.configuration import Chart
from provisioning.jobs.job import Job, JobState
from provisioning.plan import Plan, Presence
from provisioning.plan_differences import differences
from sandbox.platform import SandboxPlatform
from tests.integration.chart_samples import add_replica
from tests.integration.tenant_world import ACME, SECRETS, World

INSTALL = "platform install redis --generate-secrets"


def superseded(world: World, job: Job) -> str:
    """Begin the approved job, and return why it does not run."""
    assert world.runner.begin(job.id, job.attempt)["ok"] is False
    ended = world.store.job(job.id)
    assert ended.state in {JobState.SUPERSEDED, JobState.FAILED}
    assert ended.failure is not None
    return ended.failure.what


def test_what_a_new_tenants_chart_renders_is_in_its_plan(bound: World) -> None:
    """By object, without a secret, though the agent's key is not there yet; planned again it is the same."""
    plan = bound.plan(ACME)
    found = plan.step("agent").found
    assert found.presence is Presence.ABSENT
    assert found.detail.startswith(f"renders {len(found.renders)} objects, sha256 ")
    assert "Deployment/clearml-agent" in found.renders
    assert bound.planner.replan(plan) == plan
    for secret in SECRETS.values():
        assert secret not in plan.model_dump_json()


def test_a_chart_edited_after_the_approval_does_not_run(bound: World, chart: Path) -> None:
    """The job ends and names the chart's content and the object; nothing was made. Asked again, the new one runs."""
    job = bound.job(bound.plan(ACME))
    add_replica(chart)
    said = superseded(bound, job)
    assert "the chart's content is another: sha256 " in said
    assert "the chart renders otherwise Deployment/clearml-agent" in said
    assert bound.cluster.releases == {}
    bound.make(ACME)


def test_a_readme_alone_is_another_chart_that_renders_the_same(bound: World, chart: Path) -> None:
    plan = bound.plan(ACME)
    (chart / "README.md").write_text("other words")
    again = bound.planner.replan(plan)
    assert isinstance(again, Plan)
    (line,) = differences(plan, again)
    assert "the chart's content is another" in line
    assert "renders" not in line


def test_a_chart_edited_while_the_job_runs_is_not_installed(bound: World, chart: Path) -> None:
    """It is looked at once more right before helm gets it: the step fails, and says so."""
    job = bound.job(bound.plan(ACME))
    begun = bound.runner.begin(job.id, job.attempt)
    assert begun["ok"]
    add_replica(chart)
    for step_id in (one for wave in begun["waves"] for one in wave):
        if not bound.runner.run_step(job.id, step_id, job.attempt)["ok"]:
            break
    bound.runner.finish(job.id, job.attempt)
    ended = bound.store.job(job.id)
    assert ended.state is JobState.FAILED
    assert ended.failure is not None
    assert "clearml-enterprise-agent 1.0.0 is not what was approved: its sha256 was " in ended.failure.what
    assert bound.cluster.releases == {}


def test_where_a_chart_cannot_be_rendered_yet_the_plan_says_so(bound: World, chart: Path) -> None:
    """A chart that looks into a secret takes no name for it. Its content and its values are bound all the same."""
    (chart / "templates" / "picky.yaml").write_text(
        '{{ if contains "<" .Values.clearml.agentk8sglueSecret }}{{ fail "what a key" }}{{ end }}\n'
    )
    plan = bound.plan(ACME)
    found = plan.step("agent").found
    assert found.renders == {}
    assert found.detail.startswith("what it renders shows only when it runs (")
    assert "what a key" in found.detail
    assert plan.step("agent").inputs["chart_sha256"] == bound.helm.chart_sha256(Chart(reference=str(chart)))
    assert bound.planner.replan(plan) == plan


@pytest.fixture
def platform(bound: World, tmp_path: Path) -> SandboxPlatform:
    made = SandboxPlatform(tmp_path / "platform")
    made.lay_out()
    bound.settings = {
        **bound.settings,
        "platform": {"file": str(made.spec), "secrets": {"billing_registry": "a-billing-token"}},
    }
    bound.restart()
    return made


def test_every_chart_of_the_platform_is_rendered_before_it_runs(bound: World, platform: SandboxPlatform) -> None:
    plan = bound.plan("platform install --generate-secrets")
    releases = [step for step in plan.steps if step.kind == "helm.release"]
    assert len(releases) == 5
    assert all(step.found.renders for step in releases), [step.found.detail for step in releases]
    assert bound.planner.replan(plan) == plan


def test_a_platform_chart_edited_after_the_approval_does_not_run(bound: World, platform: SandboxPlatform) -> None:
    job = bound.job(bound.plan(INSTALL))
    platform.break_chart("redis")
    said = superseded(bound, job)
    assert "Install redis (redis 17.8.3)" in said
    assert "the chart renders also Deployment/" in said
    assert bound.cluster.releases == {}


def test_a_platform_spec_edited_after_the_approval_voids_it(bound: World, platform: SandboxPlatform) -> None:
    """The plan keeps no copy of the spec: it is read again, and the value that is another is named."""
    job = bound.job(bound.plan(INSTALL))
    platform.set("redis.architecture=replication")
    said = superseded(bound, job)
    assert "would now be made with another values.architecture" in said
    assert bound.cluster.releases == {}
