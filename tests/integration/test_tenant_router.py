"""A tenant's router: made with the tenant, kept by whatever changes it, one host for one tenant, gone with it."""

import copy

import pytest

from policies.approvals import Refusal
from provisioning.clients.cluster_objects import IngressHosts
from provisioning.errors import PermanentError
from provisioning.jobs import decisions
from provisioning.jobs.blast_radius import radius_of
from provisioning.jobs.job import JobState
from provisioning.reports import Facts
from tests.integration.tenant_world import ACME, Crash, World

ROUTER = ("acme", "clearml-ttr")
HOST = "acme.platform.example"
GLOBEX = "tenant create globex --admin-email bo@globex.example"
SETTINGS = {"router": {"chart": {"reference": "clearml-task-traffic-router"}, "signing_key": "a-signing-secret"}}
GATEWAY = {
    "router": {
        "chart": {"reference": "clearml-enterprise-app-gateway"},
        "generation": "app-gateway",
        "auth_cookie_name": "clearml_token",
    }
}


@pytest.fixture
def routed(world: World) -> World:
    world.settings = SETTINGS
    world.restart()
    return world


def host(world: World) -> str:
    return str(world.cluster.releases[ROUTER].values["ingress"]["hostName"])


def test_a_router_is_made_once_with_the_tenants_own_key_and_the_signing_secret(routed: World) -> None:
    """It is recorded with its host, so that nothing is left to do, for create and for fix."""
    routed.make(ACME)
    given, kept = routed.cluster.releases[ROUTER].values, routed.cluster.secrets["acme", "clearml-agent-credentials"]
    assert given["clearml"]["apiserverKey"] == kept["access_key"]
    assert given["clearml"]["apiserverSecret"] == kept["secret_key"]
    assert given["clearml"]["jwksKey"] == "a-signing-secret"
    assert routed.store.tenants()[0].request["router_host"] == HOST
    assert routed.plan(ACME).is_noop
    assert routed.plan("tenant fix acme").is_noop


def test_an_app_gateway_is_the_same_with_other_keys(world: World) -> None:
    """A setting says which."""
    world.settings = GATEWAY
    world.restart()
    world.make(f"{ACME} --router-host runs.platform.example")
    given = world.cluster.releases[ROUTER].values
    assert sorted(given["clearml"]) == ["apiKey", "apiSecret", "apiServerUrlReference", "authCookieName"]
    assert host(world) == "runs.platform.example"
    assert world.plan(ACME).is_noop


def test_the_host_survives_a_resize_and_another_default(routed: World) -> None:
    """People have links to it."""
    routed.make(f"{ACME} --router-host runs.platform.example")
    routed.make("tenant resize acme --max-pods 20")
    routed.settings = {"router": SETTINGS["router"] | {"domain": "apps.platform.example"}}
    routed.restart()
    assert routed.plan("tenant fix acme").is_noop
    assert host(routed) == "runs.platform.example"


def test_drift_of_a_router_is_seen_and_mended(routed: World) -> None:
    """A host that was changed by hand goes back; one that is gone comes back."""
    routed.make(ACME)
    routed.cluster.releases[ROUTER].values["ingress"]["hostName"] = "moved.platform.example"
    plan = routed.plan("tenant fix acme")
    assert plan.step("router").found.differences == {"ingress.hostName": ("moved.platform.example", HOST)}
    routed.make("tenant fix acme")
    assert host(routed) == HOST
    del routed.cluster.releases[ROUTER]
    routed.make("tenant fix acme")
    assert host(routed) == HOST


def test_a_tenant_without_a_router_stays_so(routed: World) -> None:
    """By its record."""
    routed.make(f"{ACME} --no-router")
    assert ROUTER not in routed.cluster.releases
    assert routed.plan("tenant fix acme").is_noop


def test_one_host_leads_to_one_place(routed: World) -> None:
    """Not another tenant's, planned or made, not a live Ingress's, not a release's, not the server's own."""

    def reason(name: str) -> str:
        return routed.refusal(f"{GLOBEX} --router-host {name}").reason

    job = routed.job(routed.plan(ACME))
    assert f"job {job.number}, which makes it for tenant acme" in reason(HOST)
    routed.run(job)
    assert reason(HOST) == f"host {HOST} is taken by tenant acme"
    routed.cluster.all_ingresses.append(IngressHosts(namespace="shop", name="web", hosts=("shop.platform.example",)))
    assert "Ingress web in namespace shop" in reason("shop.platform.example")
    routed.cluster.releases["old", "clearml-ttr"] = routed.cluster.releases[ROUTER]
    routed.cluster.releases[ROUTER].values["ingress"]["hostName"] = "by-hand.platform.example"
    assert "release clearml-ttr in namespace" in reason("by-hand.platform.example")
    assert "the ClearML server" in reason("app.platform.example")


def test_a_file_gives_one_host_to_one_tenant(routed: World) -> None:
    """Documents are held against each other before anything is planned."""
    both = "".join(
        f"---\nname: {name}\nadmin_email: ana@{name}.example\nrouter_host: one.platform.example\n"
        for name in ("acme", "globex")
    )
    answer = routed.planner.plan("tenant apply", {"specs": both})
    assert isinstance(answer, Refusal)
    assert "one.platform.example stands in document 1 already" in answer.reason


PRINTED = "".join(("ymLh1ok5k5xNUQfS944Xdx9xj", "f0wueokqKM2dMZfHuH9ayItG2"))  # by the guide


def test_a_public_signing_secret_is_refused(world: World) -> None:
    """Whoever read the guide could sign tokens of anybody."""
    world.settings = {"router": SETTINGS["router"] | {"signing_key": PRINTED}}
    world.restart()
    refused = world.refusal(ACME)
    assert "ROUTER__SIGNING_KEY" in refused.reason
    assert PRINTED not in refused.reason + refused.next_action


def test_the_servers_own_secret_is_read_where_it_lies(world: World) -> None:
    """So that the two are one. It must be there, and no public one."""
    where = "clearml/clearml-conf/secure_auth_token_secret"
    chart = {"reference": "clearml-task-traffic-router"}
    world.settings = {"router": {"chart": chart, "signing_key_secret": where}}
    world.restart()
    assert world.refusal(ACME).reason == f"the token-signing secret {where} is not there"
    world.cluster.secrets["clearml", "clearml-conf"] = {"secure_auth_token_secret": PRINTED}
    assert where in world.refusal(ACME).reason
    world.cluster.secrets["clearml", "clearml-conf"] = {"secure_auth_token_secret": "the-servers-own"}
    world.make(ACME)
    assert world.cluster.releases[ROUTER].values["clearml"]["jwksKey"] == "the-servers-own"


def test_roll_back_takes_the_router_away(routed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this job installed it."""
    job = routed.job(routed.plan(ACME))

    def fails(*_: object) -> None:
        raise PermanentError("recording the tenant: the disk is full")

    monkeypatch.setattr(routed.actions["tenant.spec"], "apply", fails)
    failed = routed.run(job)
    assert failed.state is JobState.FAILED
    assert ROUTER in routed.cluster.releases
    done = routed.run(routed.decide(failed, decisions.roll_back))
    assert done.state is JobState.ROLLED_BACK
    assert ROUTER not in routed.cluster.releases


def test_a_deleted_tenants_router_goes_before_its_agent(routed: World) -> None:
    """What routes to sessions goes first; then its host is free."""
    routed.state.server_version = (3, 30, 0)
    routed.make(ACME)
    plan = routed.plan("tenant delete acme --confirm acme")
    assert [step.id for step in plan.steps][:2] == ["uninstall_clearml-ttr", "uninstall_clearml-agent"]
    routed.run(routed.job(plan))
    assert ROUTER not in routed.cluster.releases
    routed.make(f"{GLOBEX} --router-host {HOST}")


def test_a_suspended_tenants_router_stands_still_too(routed: World) -> None:
    """Nothing is served for a tenant that is suspended; approvers are told; both come back with what they had."""
    routed.make(ACME)
    routed.cluster.scaled[ROUTER] = 2
    plan = routed.plan("tenant suspend acme")
    assert plan.step("scale").title == "Scale clearml-agent and clearml-ttr to zero"
    assert f"Links to what runs behind {HOST} end until it is resumed" in plan.warnings
    routed.run(routed.job(plan))
    assert (routed.cluster.scaled["acme", "clearml-agent"], routed.cluster.scaled[ROUTER]) == (0, 0)
    assert routed.plan("tenant fix acme").is_noop
    routed.make("tenant resume acme")
    assert (routed.cluster.scaled["acme", "clearml-agent"], routed.cluster.scaled[ROUTER]) == (1, 2)


def test_no_router_takes_the_router_of_a_tenant_away(routed: World) -> None:
    """The plan says so and counts it as destroying; its host is free for others, and nothing is left to do."""
    routed.make(ACME)
    plan = routed.plan(f"{ACME} --no-router")
    removal = plan.step("no_router")
    assert removal.destroys
    assert f"installed again at {HOST}" in removal.undo
    assert radius_of(plan).destroys == 1
    assert any("what is open through it end" in warning for warning in plan.warnings)
    assert routed.run(routed.job(plan)).state is JobState.SUCCEEDED
    assert ROUTER not in routed.cluster.releases
    assert "router_host" not in routed.store.tenants()[0].request
    assert routed.plan(f"{ACME} --no-router").is_noop
    assert routed.plan("tenant fix acme").is_noop
    routed.make("tenant rotate acme")
    routed.make(f"{GLOBEX} --router-host {HOST}")


def test_a_router_that_was_taken_away_is_brought_back(routed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rolled back, also where the process died behind helm: the same host, the same key."""
    routed.make(ACME)
    before = dict(routed.cluster.releases[ROUTER].values)
    job = routed.job(routed.plan(f"{ACME} --no-router"))
    routed.crash_after("no_router", monkeypatch)
    with pytest.raises(Crash):
        routed.run(job)
    monkeypatch.undo()
    assert ROUTER not in routed.cluster.releases
    routed.restart()

    def fails(*_: object) -> None:
        raise PermanentError("recording the tenant: the disk is full")

    monkeypatch.setattr(routed.actions["tenant.spec"], "apply", fails)
    failed = routed.run(routed.store.job(job.id))
    assert failed.state is JobState.FAILED
    assert routed.run(routed.decide(failed, decisions.roll_back)).state is JobState.ROLLED_BACK
    assert routed.cluster.releases[ROUTER].values == before
    assert routed.plan("tenant fix acme").is_noop


def test_a_router_that_nothing_is_known_of_is_not_left_silently(routed: World) -> None:
    """Without the settings nobody knows its release; one without a host is not ours."""
    routed.make(ACME)
    routed.settings = {}
    routed.restart()
    refused = routed.refusal(f"{ACME} --no-router")
    assert f"has a router at {HOST}, and no router is configured any more" in refused.reason
    assert "ROUTER__CHART__REFERENCE" in refused.next_action
    routed.settings = SETTINGS
    routed.restart()
    routed.make(f"{ACME} --no-router")
    routed.cluster.releases[ROUTER] = copy.deepcopy(routed.cluster.releases["acme", "clearml-agent"])
    assert "names no host" in routed.refusal(f"{ACME} --no-router").reason


def test_show_tells_of_agent_and_router(routed: World) -> None:
    """Suspended are both, or it says which; a suspended tenant has not drifted."""

    def shown() -> tuple[object, object]:
        report = routed.report("tenant show acme")
        (facts,) = (part for part in report.parts if isinstance(part, Facts))
        assert isinstance(report.data, dict)
        return dict(facts.items)["Suspended"], report.data["drift"]

    routed.make(ACME)
    assert shown() == ("no", False)
    routed.make("tenant suspend acme")
    assert shown() == ("yes", False)
    routed.cluster.scaled[ROUTER] = 1
    assert shown() == ("its agent is, its router runs", False)
    routed.make("tenant suspend acme")
    assert shown() == ("yes", False)
