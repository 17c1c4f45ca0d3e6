"""`tenant import` and `tenant export`: a tenant that was made by hand with the guide becomes one like others."""

import pytest

from commands.tenants import TenantCreate
from policies.approvals import Refusal
from provisioning.clients.helm_releases import Release
from provisioning.fleet import spec_files
from provisioning.jobs.job import JobState
from provisioning.plan import Presence
from tests.fakes import FakeRelease
from tests.integration.tenant_world import ACME, World

IMPORT = "tenant import acme --admin-email ana@acme.example"


def fraction(share: str, resource: str = "", pods: int = 10) -> dict[str, object]:
    limits = {"limits": {resource: 1, "clear.ml/fraction-1": share}}
    template = {"labels": {"required-resources": share, "billing-monitored": "true"}}
    return {
        "templateOverrides": template | ({"resources": limits} if resource else {}),
        "queueSettings": {"maxPods": pods},
    }


def by_hand(world: World, *, ports: bool = True, release: str = "clearml-agent") -> None:
    """Make acme as the guide does, with its own values."""
    company = world.state.add_company("acme")
    user = world.state.create_user(name="Ana", company=company, email="ana@acme.example", role="admin", internal=False)
    world.state.companies_by_id[company].domains = ["acme.example"]
    for queue in ("default", "gpu-fraction-0_50", "old-queue"):
        world.state.create_queue(company, queue)
    key = world.state.create_credentials(user, "", None)
    world.cluster.namespaces["acme"] = {"team": "x"}
    values = {
        "imageCredentials": {"password": "docker"},
        "clearml": {"agentk8sglueKey": key.access_key, "agentk8sglueSecret": key.secret_key},
        "agentk8sglue": {
            "monitoredResources": {"maxResources": 6},
            "queues": {
                "default": fraction("0.5"),
                "gpu-fraction-1_00": fraction("1", "nvidia.com/mig-7g.40gb"),
                "gpu-fraction-0_50": fraction("0.5", "nvidia.com/mig-3g.20gb"),
                "special": fraction("0.5"),
            },
            "sessions": {"portModeEnabled": ports, "agentID": "acme", "startingPort": 31010, "maxServices": 10},
        },
    }
    installed = Release(release, "acme", 2, "deployed", "clearml-enterprise-agent", "1.0.0", "")
    world.cluster.releases["acme", release] = FakeRelease(installed, values)


def test_a_tenant_made_by_hand_is_recorded_as_its_agent_says(world: World) -> None:
    """Company, namespace's label, ports, spec: and nothing else of it changes."""
    by_hand(world)
    values = dict(world.cluster.releases["acme", "clearml-agent"].values)
    plan = world.plan(IMPORT)
    assert {step.id for step in plan.steps if not step.is_noop} == {"namespace", "spec"}
    assert plan.step("namespace").found.presence is Presence.DIFFERS
    assert world.run(world.job(plan)).state is JobState.SUCCEEDED
    record = world.store.tenant("acme")
    assert record is not None
    spec = TenantCreate.model_validate(record.request)
    assert (spec.queues, spec.max_pods, str(spec.max_resources)) == (("1", "0.5"), 10, "6")
    assert (spec.domains, spec.admin_name, spec.ports, spec.port_start) == (("acme.example",), "Ana", True, 31010)
    assert world.cluster.namespaces["acme"] == {
        "team": "x",
        "clearml-chatops/tenant": "acme",
        "app.kubernetes.io/managed-by": "clearml-chatops",
    }
    assert [(lease.tenant, str(lease.ports), lease.expires_at) for lease in world.store.leases()] == [
        ("acme", "31010-31020", None)
    ]
    assert world.cluster.releases["acme", "clearml-agent"].values == values
    assert ("acme", "clearml-agent-credentials") not in world.cluster.secrets


def test_the_plan_says_what_differs(world: World) -> None:
    """What no spec can say, what is missing, what a fix would change; no secrets."""
    by_hand(world)
    plan = world.plan(IMPORT)
    told = "\n".join(plan.warnings)
    assert "Queue special of the release is not one that this bot makes" in told
    assert "NetworkPolicies are missing: default-deny-ingress" in told
    assert "Queues stay in ClearML and are not recorded: old-queue" in told
    assert "values of the agent are not as this bot sets them" in told
    assert "The agent's key is not kept" in told
    assert not [secret for secret in world.state.every_secret() if secret in plan.model_dump_json()]


def test_an_imported_tenant_is_fixed_and_then_like_others(world: World) -> None:
    """Drift shows the way, a fix goes it: afterwards there is nothing to do."""
    by_hand(world)
    world.make(IMPORT)
    data = world.report("tenant drift acme").data
    assert isinstance(data, dict)
    assert data["drift"] is True
    assert world.run(world.job(world.plan("tenant fix acme"))).state is JobState.SUCCEEDED
    assert world.plan("tenant fix acme").is_noop
    assert [str(lease.ports) for lease in world.store.leases()] == ["31010-31020"]
    assert len(world.company("acme")["users"]) == 1


def test_its_ports_are_nobody_elses(world: World) -> None:
    """A tenant that asks for a part of them afterwards is refused, and one that already has it stops the import."""
    by_hand(world)
    world.make(IMPORT)
    answer = world.refusal("tenant create beta --admin-email bo@beta.example --ports --port-start 31020")
    assert "31010-31020" in answer.reason


def test_it_is_recorded_once(world: World) -> None:
    """And says what is for those that are."""
    by_hand(world)
    world.make(IMPORT)
    answer = world.refusal(IMPORT)
    assert answer.reason == "tenant acme is recorded already"
    assert "tenant drift acme" in answer.next_action


def no_company(world: World) -> None:
    world.state.companies_by_id[world.company("acme")["id"]].name = "acme-inc"


def no_namespace(world: World) -> None:
    del world.cluster.namespaces["acme"]


def anothers_namespace(world: World) -> None:
    world.cluster.namespaces["acme"]["clearml-chatops/tenant"] = "beta"


def no_agent(world: World) -> None:
    world.cluster.releases.clear()


def broken_agent(world: World) -> None:
    found = world.cluster.releases["acme", "clearml-agent"]
    failed = Release("clearml-agent", "acme", 2, "failed", "clearml-enterprise-agent", "1.0.0", "")
    world.cluster.releases["acme", "clearml-agent"] = FakeRelease(failed, found.values)


def other_name(world: World) -> None:
    world.cluster.releases.clear()
    installed = Release("agent", "acme", 2, "deployed", "clearml-enterprise-agent", "1.0.0", "")
    world.cluster.releases["acme", "agent"] = FakeRelease(installed, {})


def impossible_pods(world: World) -> None:
    glue = world.cluster.releases["acme", "clearml-agent"].values["agentk8sglue"]
    for queue in glue["queues"].values():
        queue["queueSettings"]["maxPods"] = 5000


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (no_company, "ClearML has no company acme"),
        (no_namespace, "there is no namespace acme"),
        (anothers_namespace, "namespace acme says that it is tenant beta's"),
        (no_agent, "namespace acme must have one agent's release to read the spec from; it has none"),
        (broken_agent, "release acme/clearml-agent is failed"),
        (other_name, "the agent's release is called agent, and this bot's are clearml-agent"),
        (impossible_pods, "max_pods: '5000' is too large"),
    ],
)
def test_what_is_no_tenant_is_refused(world: World, spoil: object, reason: str) -> None:
    """With the reason, and nothing recorded."""
    by_hand(world)
    spoil(world)  # type: ignore[operator]  # one of the functions above
    answer = world.refusal(IMPORT)
    assert reason in answer.reason
    assert answer.next_action
    assert world.store.tenant("acme") is None


@pytest.mark.parametrize(
    ("email", "reason"),
    [("nobody@acme.example", "ClearML knows no user"), ("bo@beta.example", "is a user of another company")],
)
def test_the_admin_must_be_one_of_its_users(world: World, email: str, reason: str) -> None:
    """ClearML shows a company to its users only."""
    by_hand(world)
    world.make("tenant create beta --admin-email bo@beta.example")
    assert reason in world.refusal(f"tenant import acme --admin-email {email}").reason


def test_specs_are_exported_without_secrets(world: World) -> None:
    """All of them or some, as a file that is read back the same."""
    world.make(f"{ACME} --ports --max-resources 8")
    world.make("tenant create beta --admin-email bo@beta.example --queues none")
    report = world.report("tenant export")
    assert [spec.name for spec in spec_files.read(report.document)] == ["acme", "beta"]
    assert report.attachments[0].content.decode() == report.document
    (beta,) = spec_files.read(world.report("tenant export beta").document)
    assert beta.queues == "none"
    assert not [secret for secret in world.state.every_secret() if secret in report.document]
    record = world.store.tenant("acme")
    assert record is not None
    assert spec_files.read(report.document)[0] == TenantCreate.model_validate(record.request)


def test_what_is_not_recorded_is_not_exported(world: World) -> None:
    """By name, and where there is nothing at all."""
    empty, unknown = world.ask("tenant export"), world.ask("tenant export nobody")
    assert isinstance(empty, Refusal)
    assert isinstance(unknown, Refusal)
    assert unknown.reason == "nothing is recorded of nobody"
