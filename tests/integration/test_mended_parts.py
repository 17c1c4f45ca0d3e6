"""A chart that was mended after parts of a batch had failed: each of them asks again, and the batch waits for it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from commands.catalog import CATALOG
from commands.grammar import Invocation, build
from policies.loader import load
from policies.policy import Policy
from provisioning.jobs import waits
from provisioning.jobs.job import Job, JobState, StepState
from tests.integration.chart_samples import add_replica
from tests.integration.engine_samples import DANA, DEFAULT_POLICY, FREE_POLICY, PIA
from tests.integration.office import Office, helm_that_fails, opened, stored
from tests.integration.tenant_world import World

SPECS = "---\n".join(f"name: {name}\nadmin_email: ana@{name}.example\n" for name in ("acme", "beta", "gamma"))
CHANNEL = "C0000001"


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "LOOK_EVERY_S", 0.0)


def failed(office: Office, monkeypatch: pytest.MonkeyPatch, *names: str) -> tuple[Job, Callable[[], None]]:
    """Return a batch of which the agents of *names* could not be installed, and what mends helm and the chart."""
    mends = [helm_that_fails(office.world, monkeypatch, name) for name in names]
    invocation = build(CATALOG["tenant apply"], {"specs": SPECS})
    assert isinstance(invocation, Invocation)
    batch = stored(office.service.request(invocation, DANA, CHANNEL))
    if batch.state is JobState.AWAITING_APPROVAL:
        office.service.vote(batch.id, PIA, approve=True, seen_digest=batch.digest)
    batch = office.ended(batch)
    assert batch.state is JobState.FAILED

    def mend() -> None:
        for one in mends:
            one()

    return batch, mend


def retried(office: Office, job: Job) -> Job:
    answer = office.service.retry(job.id, DANA)
    assert isinstance(answer, Job), answer
    return office.ended(answer)


def decided(office: Office, part: Job, *, approve: bool) -> Job:
    answer = office.service.vote(part.id, PIA, approve=approve, seen_digest=part.digest, reason="no")
    assert isinstance(answer, Job), answer
    return office.ended(answer)


def swept(office: Office, batch: Job) -> Job:
    """Return the batch once it has heard of its parts."""
    office.service.sweep()
    return office.ended(batch)


def test_each_asks_on_its_card_and_the_batch_waits_for_all(
    bound: World, chart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is approved, one is denied and asks anew at the next Retry; those that are done are not touched."""
    with opened(bound, DEFAULT_POLICY) as office:
        batch, mend = failed(office, monkeypatch, "acme", "beta")
        add_replica(chart)
        mend()
        waiting = retried(office, batch)
        assert waiting.state is JobState.WAITING, waiting.failure
        acme, beta = office.part(batch, "acme"), office.part(batch, "beta")
        for part in (acme, beta):
            assert (part.state, part.votes) == (JobState.AWAITING_APPROVAL, ())
            assert part.place is not None
            assert (part.place.channel, part.approval is not None) == (CHANNEL, True)
            assert part.failure is not None
            assert "the chart renders otherwise Deployment/clearml-agent" in part.failure.what
            status = waiting.status(f"tenant-{part.plan.subject}")
            said = f"what differs of tenant {part.plan.subject} to be approved: job {part.number} asks for it"
            assert (status.state, status.note) == (StepState.WAITING, f"waits for {said}")
        agents = {name for name, release in bound.cluster.releases if release == "clearml-agent"}
        assert agents == {"gamma"}
        assert swept(office, batch).state is JobState.WAITING
        assert decided(office, acme, approve=True).state is JobState.SUCCEEDED
        assert swept(office, batch).state is JobState.WAITING, "the other one still asks"
        assert decided(office, beta, approve=False).state is JobState.FAILED
        ended = swept(office, batch)
        assert ended.state is JobState.FAILED
        assert [ended.status(f"tenant-{name}").state for name in ("acme", "beta", "gamma")] == [
            StepState.DONE,
            StepState.FAILED,
            StepState.DONE,
        ]
        assert ended.failure is not None
        assert "denied by @pia" in ended.failure.what
        assert retried(office, batch).state is JobState.WAITING
        again = office.part(batch, "beta")
        assert again.id == beta.id
        decided(office, again, approve=True)
        assert swept(office, batch).state is JobState.SUCCEEDED
        assert ("beta", "clearml-agent") in bound.cluster.releases


def test_one_that_failed_otherwise_does_not_end_the_asking(
    bound: World, chart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch fails once nothing waits any more."""
    with opened(bound, DEFAULT_POLICY) as office:
        batch, mend = failed(office, monkeypatch, "acme", "beta")
        add_replica(chart)
        mend()
        assert retried(office, batch).state is JobState.WAITING
        helm_that_fails(bound, monkeypatch, "acme")
        assert decided(office, office.part(batch, "acme"), approve=True).state is JobState.FAILED
        assert swept(office, batch).state is JobState.WAITING
        assert decided(office, office.part(batch, "beta"), approve=True).state is JobState.SUCCEEDED
        assert swept(office, batch).state is JobState.FAILED


def test_a_batch_that_is_cancelled_asks_for_nothing_any_more(
    bound: World, chart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its part has failed with what was approved, and can be rolled back."""
    with opened(bound, DEFAULT_POLICY) as office:
        batch, mend = failed(office, monkeypatch, "acme")
        add_replica(chart)
        mend()
        assert retried(office, batch).state is JobState.WAITING
        before = office.part(batch, "acme").approved_plan
        office.service.cancel(batch.id, DANA)
        assert office.ended(batch).state is JobState.FAILED
        part = office.part(batch, "acme")
        assert (part.state, part.plan) == (JobState.FAILED, before)


def test_after_a_restart_it_waits_on(bound: World, chart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(bound, DEFAULT_POLICY) as office:
        batch, mend = failed(office, monkeypatch, "acme")
        add_replica(chart)
        mend()
        assert retried(office, batch).state is JobState.WAITING
    with opened(bound, DEFAULT_POLICY) as office:
        assert swept(office, batch).state is JobState.WAITING
        decided(office, office.part(batch, "acme"), approve=True)
        assert swept(office, batch).state is JobState.SUCCEEDED


FROZEN = load(
    "rules:\n- {name: freeze, commands: [tenant create], subjects: [acme], effect: deny, reason: acme is frozen}\n"
    "- {name: rest, effect: allow}\n"
)


@pytest.mark.parametrize(("policy", "end"), [(FREE_POLICY, JobState.SUCCEEDED), (FROZEN, JobState.FAILED)])
def test_the_policy_of_this_moment_is_asked_as_it_was_for_the_file(
    bound: World, chart: Path, monkeypatch: pytest.MonkeyPatch, policy: Policy, end: JobState
) -> None:
    """Where nobody has to approve, the part goes on; what is denied by now, also for one tenant alone, does not."""
    with opened(bound, FREE_POLICY) as office:
        batch, mend = failed(office, monkeypatch, "acme")
    with opened(bound, policy) as office:
        add_replica(chart)
        mend()
        assert retried(office, batch).state is end
        installed = ("acme", "clearml-agent") in bound.cluster.releases
        assert installed is (end is JobState.SUCCEEDED)
