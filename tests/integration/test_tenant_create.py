"""`tenant create` from command to finished tenant: real store, runner, planner and ClearML client, the stand-in
ClearML server over HTTP, and strict stand-ins for cluster, helm and kubectl."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from provisioning.clients.clearml_errors import ClearMLError
from provisioning.clients.cluster_objects import ServicePorts
from provisioning.clients.helm_releases import Release
from provisioning.errors import TemporaryError, UnreachableError
from provisioning.jobs import decisions
from provisioning.jobs.job import Job, JobState
from provisioning.plan import Plan, Presence
from sandbox.clearml.state import ClearMLState
from tests.fakes import FakeRelease
from tests.integration.tenant_world import ACME, SECRETS, Crash, World


def test_a_tenant_is_made_with_everything_that_it_needs(world: World) -> None:
    """Company, admin, domain, key, namespace, isolation, agent, queues: each is really there."""
    world.make(ACME)
    company = world.company("acme")
    assert [(user["email"], user["role"], user["keys"]) for user in company["users"]] == [
        ("ana@acme.example", "admin", 1)
    ]
    assert company["domains"] == ["acme.example"]
    assert company["queues"] == ["default", "gpu-fraction-0_25", "gpu-fraction-0_50", "gpu-fraction-1_00"]
    assert world.cluster.namespaces["acme"]["clearml-chatops/tenant"] == "acme"
    assert ("acme", "default-deny-ingress") in world.cluster.policies
    assert any(namespace == "redis-shared" for namespace, _ in world.cluster.policies)
    (values,) = world.helm.installs
    key = world.cluster.secrets["acme", "clearml-agent-credentials"]
    assert (values["clearml"]["agentk8sglueKey"], values["clearml"]["agentk8sglueSecret"]) == tuple(key.values())
    assert values["imageCredentials"]["password"] == SECRETS["image"]


def test_a_finished_tenant_has_nothing_to_do(world: World) -> None:
    """Every step finds its work done, also for another process; nothing is written."""
    world.make(ACME)
    world.cluster.writes.clear()
    world.restart()
    plan = world.plan(ACME)
    assert plan.is_noop, [(step.id, step.found) for step in plan.steps if not step.is_noop]
    assert world.cluster.writes == []


def test_planning_changes_nothing_and_is_repeatable(world: World) -> None:
    """The same world gives the same digest, from the stored plan alone."""
    plan = world.plan(f"{ACME} --ports")
    assert world.cluster.writes == []
    assert [one["name"] for one in world.state.companies()] == ["clearml"]
    again = world.planner.replan(Plan.model_validate_json(plan.model_dump_json()))
    assert isinstance(again, Plan)
    assert again.digest == plan.digest


def test_no_secret_leaves_its_place(world: World) -> None:
    """Not in plans, not in jobs, not in the audit trail, though the release drifted in a secret."""
    world.make(ACME)
    world.cluster.releases["acme", "clearml-agent"].values["clearml"]["agentk8sglueSecret"] = "typed-by-hand"
    plan = world.plan(ACME)
    assert plan.step("agent").found.differences == {"clearml.agentk8sglueSecret": ("•••", "•••")}
    job = world.run(world.job(plan))
    told = plan.model_dump_json() + job.model_dump_json() + str(world.store.audit_rows())
    secrets = [*world.state.every_secret(), *SECRETS.values(), "typed-by-hand"]
    secrets += world.cluster.secrets["acme", "clearml-agent-credentials"].values()
    assert not [secret for secret in secrets if secret in told]


def test_drift_is_repaired_where_it_is_and_nowhere_else(world: World) -> None:
    """A revoked key, a removed policy, a lost queue: those steps act, the others are skipped."""
    world.make(ACME)
    del world.cluster.policies["acme", "default-deny-ingress"]
    world.state.companies_by_id[world.company("acme")["id"]].queues.pop("default")
    plan = world.plan(ACME)
    assert {step.id for step in plan.steps if not step.is_noop} == {"policies", "queues"}
    assert world.run(world.job(plan)).state is JobState.SUCCEEDED
    assert world.plan(ACME).is_noop


# -- ports ----------------------------------------------------------------------------------------------------


def test_tenants_get_ranges_that_do_not_overlap_and_keep_them(world: World) -> None:
    """By lease, by live Services and by releases that this bot did not make."""
    world.cluster.all_services.append(
        ServicePorts(namespace="web", name="front", type="NodePort", node_ports=(30105,), health_check_node_port=30117)
    )
    sessions = {"portModeEnabled": True, "startingPort": 30120, "maxServices": 10}
    world.cluster.releases["byhand", "clearml-agent"] = FakeRelease(
        Release("clearml-agent", "byhand", 1, "deployed", "clearml-enterprise-agent", "1.0.0", ""),
        {"agentk8sglue": {"sessions": sessions}},
    )
    world.make(f"{ACME} --ports")
    assert [(lease.tenant, str(lease.ports)) for lease in world.store.leases()] == [("acme", "30140-30150")]
    world.make("tenant create beta --admin-email bo@beta.example --ports")
    assert [str(lease.ports) for lease in world.store.leases()] == ["30140-30150", "30160-30170"]
    world.cluster.all_services.append(
        ServicePorts(
            namespace="acme",
            name="clearml-session-1",
            type="NodePort",
            node_ports=(30141,),
            health_check_node_port=None,
        )
    )
    assert world.plan(f"{ACME} --ports").is_noop


def test_a_leased_range_stays_while_the_job_waits(world: World) -> None:
    """Planning again after others became free or came: the digest does not change."""
    world.job(world.plan("tenant create beta --admin-email bo@beta.example --ports"))
    plan = world.plan(f"{ACME} --ports")
    world.job(plan)
    world.store.release_leases("beta")
    again = world.planner.replan(plan)
    assert isinstance(again, Plan)
    assert again.digest == plan.digest


def test_ports_of_another_tenant_are_refused_by_name(world: World) -> None:
    """With who holds them."""
    world.make("tenant create beta --admin-email bo@beta.example --ports --port-start 31010")
    answer = world.refusal(f"{ACME} --ports --port-start 31020")
    assert answer.reason == "ports 31020-31030 are not free: tenant beta holds 31010-31020"


# -- whose is what --------------------------------------------------------------------------------------------


def test_a_company_made_by_hand_is_not_taken_over(world: World) -> None:
    """Until an admin says that it is this tenant's, by its namespace."""
    world.state.add_company("acme")
    assert "not by this bot" in world.refusal(ACME).reason
    world.cluster.namespaces["acme"] = {"clearml-chatops/tenant": "acme"}
    assert world.plan(ACME).step("company").found.presence is Presence.PRESENT


def test_email_and_domain_of_another_tenant_are_refused(world: World) -> None:
    """Read from the other companies, as their own users."""
    world.make("tenant create beta --admin-email bo@beta.example --domain beta.example --domain shared.example")
    world.restart()
    assert "user of company beta" in world.refusal("tenant create acme --admin-email Bo@beta.example").reason
    answer = world.refusal(f"{ACME} --domain shared.example")
    assert answer.reason == "domain shared.example is whitelisted for company beta already"


def test_another_tenant_in_the_making_changes_no_digest(world: World) -> None:
    """A company of ours whose admin is not there yet is no stranger: approvals of others stay valid."""
    world.make("tenant create gamma --admin-email g@gamma.example")
    before = world.plan(ACME)
    other = world.job(world.plan("tenant create beta --admin-email bo@beta.example"))
    world.runner.begin(other.id, 1)
    world.runner.run_step(other.id, "company", 1)
    assert world.plan(ACME).digest == before.digest


def test_strange_companies_are_said(world: World) -> None:
    """The server's own company cannot be read by way of a user of ours: the approver is told."""
    assert any("this bot did not make cannot be read" in warning for warning in world.plan(ACME).warnings)


# -- faults ---------------------------------------------------------------------------------------------------


def test_an_unreachable_clearml_passes_through(world: World) -> None:
    """As an error with a next action, not as a plan on half of the facts."""
    world.settings["clearml"] = world.configuration.clearml.model_copy(update={"api_url": "http://127.0.0.1:1"})
    world.restart()
    with pytest.raises(UnreachableError) as raised:
        world.plan(ACME)
    assert raised.value.next_action


def test_wrong_credentials_say_which_setting(world: World) -> None:
    """401/22 is permanent and names the setting."""
    bad = world.configuration.clearml.model_copy(update={"secret_key": SecretStr("wrong")})
    world.settings["clearml"] = bad
    world.restart()
    with pytest.raises(ClearMLError, match="CLEARML_CHATOPS_CLEARML__ACCESS_KEY"):
        world.plan(ACME)


def fail_install(world: World, monkeypatch: pytest.MonkeyPatch, text: str) -> Job:
    """Run *text* into a helm that times out."""

    def refuse(*_args: Any, **_named: Any) -> Release:
        raise TemporaryError("installing acme/clearml-agent: timed out waiting", delay_s=0)

    job = world.job(world.plan(text))
    with monkeypatch.context() as patch:
        patch.setattr(world.helm, "upgrade_install", refuse)
        failed = world.run(job)
    assert failed.state is JobState.FAILED
    assert failed.status("agent").failure is not None
    return failed


def test_a_failed_install_is_retried_from_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done stays done; the key is not made again."""
    failed = fail_install(world, monkeypatch, ACME)
    key = dict(world.cluster.secrets["acme", "clearml-agent-credentials"])
    assert world.run(world.decide(failed, decisions.retry)).state is JobState.SUCCEEDED
    assert world.cluster.secrets["acme", "clearml-agent-credentials"] == key
    assert world.plan(ACME).is_noop


def test_a_tenant_that_is_rolled_back_leaves_only_its_company(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address, domain, namespace and ports are free again, and the same command takes the company up."""
    failed = fail_install(world, monkeypatch, f"{ACME} --ports")
    back = world.run(world.decide(failed, decisions.roll_back))
    assert back.state is JobState.ROLLED_BACK, back.failure
    company = world.company("acme")
    assert (company["users"], company["domains"]) == ([], [])
    assert "acme" not in world.cluster.namespaces
    assert ("redis-shared", "allow-tenants-only") in world.cluster.policies
    assert world.store.leases() == ()
    world.make("tenant create beta --admin-email ana@acme.example")
    world.make("tenant create acme --admin-email bo@acme2.example")
    assert world.company("acme")["id"] == company["id"]


def crashing(world: World, monkeypatch: pytest.MonkeyPatch, at: int) -> list[str]:
    """Let the process die right after its write number *at* was carried out. Returns what was written."""
    written: list[str] = []

    def count(what: str) -> None:
        written.append(what)
        if len(written) == at:
            raise Crash(what)

    change, write = world.clearml._change, world.cluster.write

    def change_and_die(doing: str, endpoint: str, *args: Any, **named: Any) -> dict[str, Any]:
        data = change(doing, endpoint, *args, **named)
        if endpoint.partition(".")[2].split("_")[0] in {"create", "set", "revoke", "delete"}:
            count(endpoint)
        return data

    monkeypatch.setattr(world.clearml, "_change", change_and_die)

    def write_and_die(what: str) -> None:
        write(what)
        if what.startswith("secret "):  # before it: the key exists, the Secret does not
            count(what)

    monkeypatch.setattr(world.cluster, "write", write_and_die)
    return written


def test_a_crash_after_any_write_is_healed_by_running_again(
    tmp_path: Path, url: str, state: ClearMLState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after each write in turn, another process carries the same job to the same end, with no orphans."""
    number = 0
    while True:
        number += 1
        name = f"tenant{number:02}"
        folder = tmp_path / name
        folder.mkdir()
        world = World(folder, url, state)
        job = world.job(world.plan(f"tenant create {name} --admin-email ana@{name}.example"))
        with monkeypatch.context() as patch:
            written = crashing(world, patch, number)
            try:
                assert world.run(job).state is JobState.SUCCEEDED
            except Crash:
                crashed = True
            else:
                crashed = False
        world.restart()
        if crashed:
            done = world.run(world.store.job(job.id))
            assert done.state is JobState.SUCCEEDED, (written, done.failure, [step.failure for step in done.steps])
        company = world.company(name)
        assert [user["email"] for user in company["users"]] == [f"ana@{name}.example"], written
        assert [user["keys"] for user in company["users"]] == [1], written
        assert world.plan(f"tenant create {name} --admin-email ana@{name}.example").is_noop
        world.clearml.close()
        world.store.close()
        if not crashed:
            break
    assert number > 8  # company, user, key, Secret, domains, four queues
