"""A failed job that is left, or cannot be taken back: what stays, what the next command says, how it goes on."""

import pytest

from provisioning.clients.process import Completed
from provisioning.errors import PermanentError
from provisioning.jobs import decisions
from provisioning.jobs.job import Job, JobState, StepState
from tests.integration.tenant_world import ACME, World
from tests.integration.test_tenant_delete import DELETE, _job, assert_gone, pod

PORTS = f"{ACME} --ports"


@pytest.fixture(autouse=True)
def _server(world: World) -> None:
    """The server's pods run, and their jobs do what the real ones do."""
    world.cluster.all_pods += [
        pod("clearml", f"clearml-clearml-enterprise-{part}-5d9f-x2x", owner="ReplicaSet")
        for part in ("apiserver", "fileserver")
    ]
    world.cluster.answer_exec = lambda argv: _job(world, argv)


def failed(world: World, text: str) -> Job:
    job = world.run(world.job(world.plan(text)))
    assert job.state is JobState.FAILED
    return job


def states(job: Job) -> dict[str, StepState]:
    return {status.step_id: status.state for status in job.steps}


def refuses(*_: object, **__: object) -> None:
    raise PermanentError("helm: forbidden", next_action="look")


def test_what_a_left_creation_made_stays_and_the_next_one_goes_on_from_it(world: World) -> None:
    """Company, user, namespace and ports stay; nothing is recorded; the same command makes only the rest."""
    world.helm.fail_next_install = PermanentError("no such image", next_action="look")
    job = failed(world, PORTS)
    assert "tenant acme is locked by job 1 (@ana), which has failed" in decisions.busy(job).reason
    assert "job leave 1" in decisions.busy(job).next_action
    left = world.decide(job, decisions.leave)
    assert left.state is JobState.CANCELLED
    assert left.failure is not None
    assert left.failure.what == "Install agent clearml-agent (clearml-enterprise-agent 1.0.0): no such image"
    assert "stays: Create company acme, Create namespace acme" in left.failure.next_action
    company, ports = world.company("acme")["id"], [lease.ports for lease in world.store.leases()]
    assert "acme" in world.cluster.namespaces
    assert world.store.tenants() == ()
    assert "nothing is recorded of tenant acme" in world.refusal("tenant fix acme").reason
    again = world.plan(PORTS)
    assert again.step("company").is_noop
    assert again.step("namespace").is_noop
    assert not again.step("agent").is_noop
    assert world.run(world.job(again)).state is JobState.SUCCEEDED
    assert world.company("acme")["id"] == company
    assert [lease.ports for lease in world.store.leases()] == ports
    assert world.plan("tenant fix acme").is_noop


def test_what_a_left_creation_made_can_be_deleted_instead(world: World) -> None:
    world.helm.fail_next_install = PermanentError("no such image", next_action="look")
    world.decide(failed(world, PORTS), decisions.leave)
    world.make(DELETE)
    assert_gone(world)


def test_a_left_deletion_is_gone_on_with_by_the_same_command(world: World) -> None:
    """The record stays until all is gone: it says what is still to be deleted."""
    world.make(PORTS)
    world.cluster.answer_exec = lambda _argv: Completed(2, "", "pymongo.errors: no primary\n")
    world.decide(failed(world, DELETE), decisions.leave)
    assert [record.name for record in world.store.tenants()] == ["acme"]
    assert [lease.tenant for lease in world.store.leases()] == ["acme"]
    world.cluster.answer_exec = lambda argv: _job(world, argv)
    plan = world.plan(DELETE)
    assert [step.id for step in plan.steps] == ["company", "data", "forget"]
    assert world.run(world.job(plan)).state is JobState.SUCCEEDED
    assert_gone(world)


def test_a_deletion_that_took_nothing_is_rolled_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """helm was refused before it did anything: the tenant is as it was."""
    world.make(PORTS)
    monkeypatch.setattr(world.helm, "uninstall", refuses)
    job = failed(world, DELETE)
    back = world.run(world.decide(job, decisions.roll_back))
    assert back.state is JobState.ROLLED_BACK
    assert world.plan("tenant fix acme").is_noop
    assert [lease.tenant for lease in world.store.leases()] == ["acme"]


def test_a_deletion_whose_namespace_stays_says_what_came_back_and_what_did_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The namespace was not taken, the release was: it is said, and after Leave the agent is installed again."""
    world.make(PORTS)
    monkeypatch.setattr(world.cluster, "delete_namespace", refuses)
    job = failed(world, DELETE)
    back = world.run(world.decide(job, decisions.roll_back))
    assert back.state is JobState.FAILED
    assert back.failure is not None
    assert "acme/clearml-agent was uninstalled, and undoing does not bring it back" in back.failure.what
    assert "tenant fix" in back.failure.next_action
    assert states(back)["namespace"] is StepState.UNDONE
    assert states(back)["uninstall_clearml-agent"] is StepState.FAILED
    left = world.decide(back, decisions.leave)
    assert left.state is JobState.CANCELLED
    assert [step.id for step in world.plan("tenant fix acme").steps if not step.is_noop] == ["agent"]
    world.make("tenant fix acme")
    assert world.plan("tenant fix acme").is_noop


def test_an_uninstall_that_died_half_way_is_not_called_rolled_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """helm had taken the release when it failed."""
    world.make(PORTS)
    uninstall = world.helm.uninstall

    def dies(*words: str, **more: float) -> None:
        uninstall(*words, **more)  # type: ignore[arg-type]  # as the step calls it
        refuses()

    monkeypatch.setattr(world.helm, "uninstall", dies)
    back = world.run(world.decide(failed(world, DELETE), decisions.roll_back))
    assert back.state is JobState.FAILED
    monkeypatch.undo()
    assert world.run(world.decide(back, decisions.retry)).state is JobState.SUCCEEDED
    assert_gone(world)


def test_a_namespace_on_its_way_out_does_not_come_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes had accepted the deletion."""
    world.make(ACME)

    def half(name: str, timeout_s: float) -> None:
        world.cluster.terminating.add(name)
        refuses(timeout_s)

    monkeypatch.setattr(world.cluster, "delete_namespace", half)
    back = world.run(world.decide(failed(world, DELETE), decisions.roll_back))
    assert back.state is JobState.FAILED
    assert states(back)["namespace"] is StepState.FAILED
