"""A chart that was mended after a failure: Retry asks again for it, on the same job, and nothing else runs."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from policies.loader import load
from policies.policy import Policy
from provisioning.jobs.job import Job, JobState, StepState
from provisioning.service import JobService
from tests.integration.chart_samples import add_replica
from tests.integration.engine_samples import DANA, DEFAULT_POLICY, FREE_POLICY, OLAF, PIA
from tests.integration.office import Office, helm_that_fails, opened, refused, stored
from tests.integration.tenant_world import ACME, World


def failed(office: Office, monkeypatch: pytest.MonkeyPatch) -> tuple[Job, Callable[[], None]]:
    """Return a job whose agent could not be installed, and what mends helm."""
    mend = helm_that_fails(office.world, monkeypatch, "acme")
    job = stored(office.say(ACME))
    if job.state is JobState.AWAITING_APPROVAL:
        office.service.vote(job.id, PIA, approve=True, seen_digest=job.digest)
    job = office.ended(job)
    assert job.state is JobState.FAILED
    assert job.status("agent").state is StepState.FAILED
    return job, mend


def retried(office: Office, job: Job) -> Job:
    answer = office.service.retry(job.id, DANA)
    assert isinstance(answer, Job), answer
    return office.ended(answer)


def actions(world: World, job: Job) -> list[str]:
    return [row["action"] for row in world.store.audit_rows(job=job.id, limit=1000)]


def test_it_asks_again_with_the_difference_and_runs_once_approved(
    bound: World, chart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same job: what is done stays done, and votes for what was approved before do not count."""
    with opened(bound, DEFAULT_POLICY) as office:
        job, mend = failed(office, monkeypatch)
        add_replica(chart)
        mend()
        asking = retried(office, job)
        assert (asking.id, asking.state, asking.votes) == (job.id, JobState.AWAITING_APPROVAL, ())
        assert asking.failure is not None
        assert "the chart's content is another: sha256 " in asking.failure.what
        assert "the chart renders otherwise Deployment/clearml-agent" in asking.failure.what
        assert asking.plan.step("company").is_noop
        assert not asking.plan.step("agent").is_noop
        assert bound.cluster.releases == {}
        stale = office.service.vote(job.id, PIA, approve=True, seen_digest=job.digest)
        assert "no longer the one that you saw" in refused(stale)
        assert "tenant acme is locked by job 1" in refused(office.say(ACME))
        office.service.vote(job.id, PIA, approve=True, seen_digest=asking.digest)
        assert office.ended(asking).state is JobState.SUCCEEDED
        assert ("acme", "clearml-agent") in bound.cluster.releases
        assert bound.store.job(job.id).approved_plan is None
        assert "job.asked_again" in actions(bound, job)
        assert bound.plan("tenant fix acme").is_noop


def deny(service: JobService, job: Job, _world: World) -> None:
    service.vote(job.id, PIA, approve=False, seen_digest=job.digest, reason="no")


def withdraw(service: JobService, job: Job, _world: World) -> None:
    service.withdraw(job.id, DANA)


def cancel(service: JobService, job: Job, _world: World) -> None:
    service.cancel(job.id, OLAF)


def expire(service: JobService, job: Job, world: World) -> None:
    world.clock.turn(days=30)
    service.sweep()


@pytest.mark.parametrize("end", [deny, withdraw, cancel, expire])
def test_where_it_is_not_approved_the_job_has_failed_as_before(
    bound: World,
    chart: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[JobService, Job, World], None],
) -> None:
    """Retry runs nothing that nobody approved, but asks anew; what was done can still be rolled back."""
    with opened(bound, DEFAULT_POLICY) as office:
        job, mend = failed(office, monkeypatch)
        add_replica(chart)
        mend()
        end(office.service, retried(office, job), bound)
        again = bound.store.job(job.id)
        assert (again.state, again.digest) == (JobState.FAILED, job.digest)
        assert again.failure is not None
        assert again.failure.what.startswith("what differs from the approved plan: ")
        assert retried(office, again).state is JobState.AWAITING_APPROVAL
        assert bound.cluster.releases == {}
        end(office.service, bound.store.job(job.id), bound)
        office.service.roll_back(job.id, DANA)
        assert office.ended(job).state is JobState.ROLLED_BACK
        assert "acme" not in bound.cluster.namespaces


def test_where_the_policy_asks_nobody_it_goes_on(bound: World, chart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the audit trail says with what."""
    with opened(bound, FREE_POLICY) as office:
        job, mend = failed(office, monkeypatch)
        add_replica(chart)
        mend()
        assert retried(office, job).state is JobState.SUCCEEDED
        assert "job.plan_changed" in actions(bound, job)


def test_what_the_policy_denies_by_now_does_not_run(bound: World, chart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(bound, FREE_POLICY) as office:
        job, mend = failed(office, monkeypatch)
    frozen = load(
        "rules:\n- {name: freeze, commands: [tenant create], effect: deny, reason: frozen}\n"
        "- {name: rest, effect: allow}\n"
    )
    with opened(bound, frozen) as office:
        add_replica(chart)
        mend()
        again = retried(office, job)
        assert again.state is JobState.FAILED
        assert again.failure is not None
        assert "frozen" in again.failure.what
        assert bound.cluster.releases == {}


def test_with_the_approved_chart_back_it_just_goes_on(
    bound: World, chart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = chart / "templates" / "deployment.yaml"
    before = template.read_text()
    with opened(bound, DEFAULT_POLICY) as office:
        job, mend = failed(office, monkeypatch)
        add_replica(chart)
        template.write_text(before)
        mend()
        assert retried(office, job).state is JobState.SUCCEEDED


def test_another_version_is_no_mended_chart(bound: World, chart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was planned with the other: the job is to be rolled back and asked for again."""
    with opened(bound, DEFAULT_POLICY) as office:
        job, mend = failed(office, monkeypatch)
        described = yaml.safe_load((chart / "Chart.yaml").read_text())
        (chart / "Chart.yaml").write_text(yaml.safe_dump(described | {"version": "9.9.9"}))
        mend()
        again = retried(office, job)
        assert again.state is JobState.FAILED
        assert again.failure is not None
        assert "is not what was approved" in again.failure.what
        assert "Roll back and ask again with the new one" in again.failure.next_action


@pytest.mark.parametrize("policy", [DEFAULT_POLICY, FREE_POLICY])
def test_a_beginning_that_is_repeated_asks_once(
    bound: World, chart: Path, monkeypatch: pytest.MonkeyPatch, policy: Policy
) -> None:
    """A crash may have it called again."""
    with opened(bound, policy) as office:
        job, mend = failed(office, monkeypatch)
        add_replica(chart)
        mend()
        after = retried(office, job)
        assert office.engine.runner.begin(job.id, job.attempt + 1)["ok"] is False
        assert bound.store.job(job.id) == after
