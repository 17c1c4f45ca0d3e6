"""A tenant's record: written last, read again, taken back, forgotten."""

import pytest

from provisioning.errors import PermanentError
from provisioning.jobs import decisions
from provisioning.jobs.job import Job, JobState, StepState
from provisioning.plan import Plan, Presence
from provisioning.steps.base import StepRun
from provisioning.steps.spec_steps import ForgetSpec
from provisioning.store import Change
from tests.integration.tenant_world import ACME, World


def spec_of(world: World) -> dict[str, object]:
    record = world.store.tenant("acme")
    assert record is not None
    return dict(record.request)


def _as(job: Job) -> Change:
    return Change(job=job)


def test_the_spec_that_was_asked_for_is_recorded_with_the_ids(world: World) -> None:
    """What was said, not what is default; and who the company and its admin are."""
    job = world.make(f"{ACME} --max-resources 8")
    record = world.store.tenant("acme")
    assert record is not None
    assert record.request == {
        "name": "acme",
        "admin_email": "ana@acme.example",
        "admin_name": "Ana",
        "domains": ["acme.example"],
        "max_resources": "8",
    }
    company = world.company("acme")
    assert record.outputs == {
        "company": {"id": company["id"]},
        "admin_user": {"id": job.status("admin_user").outputs["id"]},
    }
    assert record.job == job.id


def test_from_the_record_alone_the_tenant_is_planned_again(world: World) -> None:
    """In another process; nothing has drifted, so nothing is to be done."""
    world.make(f"{ACME} --ports --queues 1,0.5")
    world.restart()
    plan = world.planner.plan("tenant create", world.store.tenants()[0].request)
    assert isinstance(plan, Plan)
    assert plan.is_noop


def test_another_spec_is_shown_field_by_field_and_recorded(world: World) -> None:
    """Also where the world is so already: a release that was changed by hand is adopted by recording it."""
    world.make(ACME)
    plan = world.plan(f"{ACME} --max-pods 20")
    found = plan.step("spec").found
    assert (found.presence, found.differences) == (Presence.DIFFERS, {"max_pods": (None, 20)})
    world.run(world.job(plan))
    assert spec_of(world)["max_pods"] == 20


def test_a_job_that_is_rolled_back_leaves_the_record_as_it_was(world: World) -> None:
    """The record is written last, so it is taken back first."""
    world.make(ACME)
    before = spec_of(world)
    job = world.job(world.plan(f"{ACME} --max-pods 20"))
    world.run(job)
    failed = world.store.job(job.id).model_copy(update={"state": JobState.FAILED})
    world.store.update_job(job.id, lambda _job: _as(failed))
    assert spec_of(world) != before
    world.run(world.decide(failed, decisions.roll_back))
    assert spec_of(world) == before
    assert world.store.job(job.id).status("spec").state is StepState.UNDONE


def test_a_tenant_that_is_rolled_back_is_not_recorded(world: World) -> None:
    """A first spec has nothing before it."""
    job = world.make(ACME)
    failed = job.model_copy(update={"state": JobState.FAILED})
    world.store.update_job(job.id, lambda _job: _as(failed))
    world.run(world.decide(failed, decisions.roll_back))
    assert world.store.tenants() == ()


def test_forgetting_is_idempotent_and_is_not_undone(world: World) -> None:
    """Deleting a tenant ends with it."""
    world.make(ACME)
    action, inputs = ForgetSpec(world.store), {"tenant": "acme"}
    run = StepRun(job_id="job-9", step_id="forget", attempt=1, timeout_s=5)
    assert action.observe(inputs).presence is Presence.DIFFERS
    for _ in range(2):
        action.apply(inputs, run)
    assert action.observe(inputs).presence is Presence.PRESENT
    with pytest.raises(PermanentError, match="does not come back"):
        action.undo(inputs, {}, run)
