"""`tenant delete`: in the guide's order, on old servers and new ones; what it refuses; what a crash leaves behind."""

from typing import Any

import pytest

from commands.grammar import UsageError, parse
from provisioning.clients.cluster_objects import Pod
from provisioning.clients.process import Completed
from provisioning.jobs import decisions
from provisioning.jobs.job import JobState
from provisioning.plan import Plan
from provisioning.steps.removal_steps import checked_id
from tests.integration.tenant_world import ACME, Crash, World

DELETE = "tenant delete acme --confirm acme"


def pod(namespace: str, name: str, *, owner: str = "", phase: str = "Running") -> Pod:
    return Pod(
        namespace=namespace, name=name, phase=phase, node="gpu-1", labels={}, requests={}, host_ports=(), owner=owner
    )


@pytest.fixture(autouse=True)
def _server(world: World) -> None:
    """The server's pods run, and their jobs do what the real ones do."""
    world.cluster.all_pods += [
        pod("clearml", "clearml-clearml-enterprise-apiserver-5d9f-x2x", owner="ReplicaSet"),
        pod("clearml", "clearml-clearml-enterprise-fileserver-77c-abc", owner="ReplicaSet"),
    ]
    world.cluster.answer_exec = lambda argv: _job(world, argv)


def _job(world: World, argv: list[str]) -> Completed:
    if "jobs.management.delete_company_data_from_mongo" in argv:
        company = argv[argv.index("--id") + 1]
        world.state.companies_by_id.pop(company, None)
        for user in [user.id for user in world.state.users.values() if user.company == company]:
            del world.state.users[user]
    return Completed(0, "done\n", "")


def execs(world: World) -> list[str]:
    return [write.partition(": ")[2] for write in world.cluster.writes if write.startswith("exec ")]


def assert_gone(world: World) -> None:
    """Nothing is left but the audit trail and the jobs."""
    assert "acme" not in world.cluster.namespaces
    assert not [key for key in world.cluster.releases if key[0] == "acme"]
    assert not [one for one in world.state.companies() if one["name"] == "acme" and one["active"]]
    assert (world.store.tenants(), world.store.leases()) == ((), ())
    assert world.store.audit_rows(subject="acme")
    assert "there is no tenant acme" in world.refusal(DELETE).reason


def test_everything_goes_in_the_guides_order_by_the_servers_own_jobs(world: World) -> None:
    """Releases, namespace, MongoDB, ElasticSearch, files, record: each with the company's own id."""
    world.make(f"{ACME} --ports")
    company = world.company("acme")["id"]
    plan = world.plan(DELETE)
    assert [step.id for step in plan.steps] == ["uninstall_clearml-agent", "namespace", "company", "data", "forget"]
    assert not any(step.undo for step in plan.steps)
    world.cluster.writes.clear()
    assert world.run(world.job(plan)).state is JobState.SUCCEEDED
    assert [write.split(" ")[0] for write in world.cluster.writes] == ["uninstall", "delete", "exec", "exec", "exec"]
    python = "env PYTHONPATH=../trains-server-repo python3 -m jobs.management."
    assert execs(world) == [
        f"{python}delete_company_data_from_mongo --id {company} --name acme --delete-user",
        f"{python}cleanup_deleted_companies --ids {company} --delete-company",
        f"rm -rf -- /mnt/fileserver/{company}",
    ]
    assert_gone(world)


def test_a_new_server_deletes_the_tenant_itself(world: World) -> None:
    """From 3.30 on, found out by asking; nothing is done inside its pods."""
    world.state.server_version = (3, 30, 0)
    world.make(ACME)
    world.cluster.all_pods.clear()
    plan = world.plan(DELETE)
    assert [step.id for step in plan.steps] == ["uninstall_clearml-agent", "namespace", "company", "forget"]
    assert world.run(world.job(plan)).state is JobState.SUCCEEDED
    assert_gone(world)


def test_other_tenants_stay(world: World) -> None:
    """Their company, namespace, ports and record."""
    world.make(f"{ACME} --ports")
    world.make("tenant create beta --admin-email bo@beta.example --ports")
    world.make(DELETE)
    assert [lease.tenant for lease in world.store.leases()] == ["beta"]
    assert [record.name for record in world.store.tenants()] == ["beta"]
    assert world.plan("tenant create beta --admin-email bo@beta.example --ports").is_noop


def test_a_tenant_of_that_name_can_be_made_again(world: World) -> None:
    world.make(ACME)
    world.make(DELETE)
    world.make(ACME)
    assert world.plan(ACME).is_noop


def test_what_a_failed_creation_left_can_be_deleted(world: World) -> None:
    """Without a record: its namespace and its job say whose it is."""
    job = world.job(world.plan(ACME))
    begun = world.runner.begin(job.id, 1)
    for step_id in (step_id for wave in begun["waves"][:2] for step_id in wave):
        world.runner.run_step(job.id, step_id, 1)
    assert world.store.tenants() == ()
    world.make(DELETE)
    assert_gone(world)


@pytest.mark.parametrize(("version", "force"), [((3, 21, 6), False), ((3, 30, 0), False), ((3, 30, 0), True)])
def test_a_tenant_at_work_is_deleted_by_force_alone(world: World, version: tuple[int, ...], force: bool) -> None:
    """Pods that no controller looks after are tasks; a new server also says what runs."""
    world.state.server_version = version
    world.make(ACME)
    world.cluster.all_pods += [
        pod("acme", "clearml-agent-7d-x", owner="ReplicaSet"),
        pod("acme", "done", phase="Succeeded"),
    ]
    world.plan(DELETE)
    world.cluster.all_pods.append(pod("acme", "clearml-id-1234"))
    if version >= (3, 30):
        world.state.companies_by_id[world.company("acme")["id"]].running.append("train")
    said = world.refusal(DELETE)
    assert said.reason.startswith("tenant acme is at work: clearml-id-1234")
    assert "--force" in said.next_action
    if force:
        plan = world.plan(f"{DELETE} --force")
        assert any("clearml-id-1234" in warning for warning in plan.warnings)
        assert world.run(world.job(plan)).state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("labels", "said"),
    [({}, "does not say that it is this tenant's"), ({"clearml-chatops/tenant": "beta"}, "does not say")],
)
def test_a_namespace_that_is_not_the_tenants_stays(world: World, labels: dict[str, str], said: str) -> None:
    """Whatever is recorded."""
    world.make(ACME)
    world.cluster.namespaces["acme"] = labels
    assert said in world.refusal(DELETE).reason


def test_a_namespace_that_changed_hands_meanwhile_stays(world: World) -> None:
    """The step looks once more before it deletes."""
    world.make(ACME)
    job = world.job(world.plan(DELETE))
    world.runner.begin(job.id, 1)
    assert world.runner.run_step(job.id, "uninstall_clearml-agent", 1)["ok"]
    world.cluster.namespaces["acme"] = {"clearml-chatops/tenant": "beta"}
    assert not world.runner.run_step(job.id, "namespace", 1)["ok"]
    assert "acme" in world.cluster.namespaces


def test_a_company_that_is_not_ours_stays(world: World) -> None:
    world.state.add_company("acme")
    assert "was not made by this bot" in world.refusal(DELETE).reason


@pytest.mark.parametrize("name", ["kube-system", "clearml", "redis-shared", "ingress-nginx"])
def test_the_platform_is_never_deleted(world: World, name: str) -> None:
    assert "is reserved" in world.refusal(f"tenant delete {name} --confirm {name}").reason


def test_without_the_servers_pods_an_old_server_is_not_half_deleted(world: World) -> None:
    """It is said before anything is touched."""
    world.make(ACME)
    world.cluster.all_pods.clear()
    assert "SERVER__NAMESPACE" in world.refusal(DELETE).next_action


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tenant delete acme", "--confirm is missing"),
        ("tenant delete acme --confirm acne", "type the name of the tenant to delete, acme"),
    ],
)
def test_the_name_must_be_typed_twice(text: str, said: str) -> None:
    """Without it, Slack opens the form that asks for it."""
    found = parse(text)
    assert isinstance(found, UsageError)
    assert said in found.message


@pytest.mark.parametrize("bad", ["", ".", "..", "/", "a", "a b c d e f g h", "../../../etc", "x" * 65, "id\n12345678"])
def test_no_path_or_argument_is_made_of_what_is_no_id(bad: str) -> None:
    """Above all not of an empty one."""
    with pytest.raises(ValueError, match="is no company id"):
        checked_id(bad)


def test_a_job_that_fails_in_the_server_says_its_last_words(world: World) -> None:
    """And can be tried again; rolling back says that nothing comes back."""
    world.make(ACME)
    world.cluster.answer_exec = lambda _argv: Completed(2, "", "pymongo.errors: no primary\n")
    failed = world.run(world.job(world.plan(DELETE)))
    assert failed.state is JobState.FAILED
    assert failed.failure is not None
    assert failed.failure.details == "pymongo.errors: no primary"
    back = world.run(world.decide(failed, decisions.roll_back))
    assert back.state is JobState.FAILED
    assert back.failure is not None
    assert "does not come back" in back.failure.what
    world.cluster.answer_exec = lambda argv: _job(world, argv)
    assert world.run(world.decide(back, decisions.retry)).state is JobState.SUCCEEDED
    assert_gone(world)


@pytest.mark.parametrize("step_id", ["uninstall_clearml-agent", "namespace", "company", "data", "forget"])
def test_a_crash_at_any_step_is_gone_on_from(world: World, step_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies right after the step has done its work; another goes on to the end."""
    world.make(f"{ACME} --ports")
    job = world.job(world.plan(DELETE))
    world.crash_after(step_id, monkeypatch)
    with pytest.raises(Crash):
        world.run(job)
    monkeypatch.undo()
    world.restart()
    for step in job.plan.steps:
        assert world.runner.run_step(job.id, step.id, 1)["ok"]
    assert world.runner.finish(job.id, 1)["ok"]
    assert_gone(world)


def test_a_task_that_began_meanwhile_voids_the_approval(world: World) -> None:
    """Planned again before it begins, the job is refused."""
    world.make(ACME)
    plan = world.plan(DELETE)
    world.cluster.all_pods.append(pod("acme", "clearml-id-1234"))
    assert not isinstance(world.planner.replan(plan), Plan)


def test_what_a_plan_of_the_same_world_says_is_the_same(world: World) -> None:
    """Also after it was stored."""
    world.make(ACME)
    plan = world.plan(DELETE)
    again: Any = world.planner.replan(Plan.model_validate_json(plan.model_dump_json()))
    assert again.digest == plan.digest
