"""`tenant list` and `tenant show`: what they say of tenants that were really made, and of what cannot be read."""

from typing import Any

import pytest

from policies.approvals import Refusal
from provisioning.clients.cluster_objects import Pod, ServicePorts
from provisioning.clients.helm_releases import Release
from provisioning.errors import PermanentError, UnreachableError
from tests.fakes import FakeRelease
from tests.integration.tenant_world import ACME, World


def come_alive(world: World, tenant: str) -> None:
    """Let the tenant's agent report in, as the real one does with its key."""
    key = world.cluster.secrets[tenant, "clearml-agent-credentials"]["access_key"]
    assert world.state.see_worker(key, f"{tenant}:agent", ["default"])


def listed(world: World, text: str) -> list[dict[str, Any]]:
    data = world.report(text).data
    assert isinstance(data, dict)
    return list(data["tenants"])  # type: ignore[arg-type]  # our own JSON


def shown(world: World, tenant: str = "acme") -> dict[str, Any]:
    data = world.report(f"tenant show {tenant}").data
    assert isinstance(data, dict)
    return data


def busy_pod(tenant: str, share: str = "0.5") -> Pod:
    return Pod(
        namespace=tenant,
        name=f"clearml-id-{share}",
        phase="Running",
        node="gpu-1",
        labels={"required-resources": share},
        requests={"nvidia.com/mig-3g.40gb": 1},
        host_ports=(),
    )


def test_everything_of_a_tenant_is_shown(world: World) -> None:
    """Company, users, keys, domains, queues, releases, workers, ports, slices, policies, drift."""
    world.make(f"{ACME} --ports")
    come_alive(world, "acme")
    world.cluster.all_pods.append(busy_pod("acme"))
    world.cluster.all_services.append(
        ServicePorts(
            namespace="acme",
            name="clearml-session-1",
            type="NodePort",
            node_ports=(30101,),
            health_check_node_port=None,
        )
    )
    key = world.cluster.secrets["acme", "clearml-agent-credentials"]["access_key"]
    found = shown(world)
    assert found["status"] == "ready"
    assert found["company"] == {"id": world.company("acme")["id"], "name": "acme"}
    assert [(user["email"], user["role"]) for user in found["users"]] == [("ana@acme.example", "admin")]
    assert [(one["access_key"], one["label"]) for one in found["keys"]] == [(key, "clearml-chatops: agent")]
    assert found["domains"] == ["acme.example"]
    assert found["queues"] == ["default", "gpu-fraction-0_25", "gpu-fraction-0_50", "gpu-fraction-1_00"]
    assert [(one["name"], one["chart_version"], one["status"]) for one in found["releases"]] == [
        ("clearml-agent", "1.0.0", "deployed")
    ]
    assert found["workers"] == ["acme:agent"]
    assert (found["gpus"], found["max_resources"], found["slices"]) == (0.5, 3.0, {"3g.40gb": 1})
    assert (found["lease"], found["node_ports"]) == ({"start": 30100, "size": 10}, [30101])
    assert found["network_policies"] == [
        "default-deny-ingress",
        "allow-same-namespace",
        "allow-ingress-controller",
        "allow-session-ports",
    ]
    assert (found["suspended"], found["drift"], found["recorded_by"]) == (False, False, "job-1")


def test_no_secret_is_shown(world: World) -> None:
    """Neither of keys nor of the release's values."""
    world.make(ACME)
    report = world.report("tenant show acme")
    told = str(report.parts) + str(report.data)
    assert not [secret for secret in world.state.every_secret() if secret in told]


def test_the_key_is_as_old_as_the_job_that_made_it(world: World) -> None:
    """ClearML does not tell."""
    world.make(ACME)
    world.clock.turn(days=40)
    assert "40 days ago" in str(world.report("tenant show acme").parts)


def test_drift_is_told(world: World) -> None:
    """By planning the record again."""
    world.make(ACME)
    del world.cluster.policies["acme", "default-deny-ingress"]
    assert shown(world)["drift"] is True
    assert "tenant fix acme mends it" in str(world.report("tenant show acme").parts)


def test_what_cannot_be_read_is_unknown_and_the_rest_is_shown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """ClearML is down: helm and the cluster still answer."""
    world.make(ACME)

    def refuse(*_args: object, **_named: object) -> None:
        raise UnreachableError("listing companies: ClearML did not answer")

    monkeypatch.setattr(world.clearml, "companies", refuse)
    found = shown(world)
    reason = {"unknown": "listing companies: ClearML did not answer"}
    assert found["status"] == "unknown"
    assert [found[name] for name in ("company", "users", "keys", "domains", "queues", "workers")] == [reason] * 6
    assert found["releases"][0]["status"] == "deployed"
    told = str(world.report("tenant show acme").parts)
    assert told.count("ClearML did not answer") == 1, "one reason is said once"


def test_another_user_is_asked_where_the_known_one_is_gone(world: World) -> None:
    """The admin that we made was deleted by hand: it is said, not guessed."""
    world.make(ACME)
    (admin,) = (user for user in world.state.users.values() if user.email == "ana@acme.example")
    del world.state.users[admin.id]
    assert admin.id in shown(world)["users"]["unknown"]


def test_nowhere_is_refused(world: World) -> None:
    """With where to look."""
    answer = world.ask("tenant show nobody")
    assert isinstance(answer, Refusal)
    assert "there is no tenant nobody" in answer.reason


def test_tenants_are_listed_with_those_made_by_hand(world: World) -> None:
    """Status, GPUs in use of the limit, workers, users."""
    world.make(ACME)
    world.make("tenant create beta --admin-email bo@beta.example --max-resources 8")
    come_alive(world, "acme")
    world.cluster.all_pods += [busy_pod("beta"), busy_pod("beta", "0.25")]
    world.cluster.namespaces["byhand"] = {}
    world.cluster.releases["byhand", "agent"] = FakeRelease(
        Release("agent", "byhand", 1, "deployed", "clearml-enterprise-agent", "1.0.0", ""), {}
    )
    told = [(one["name"], one["status"], one["gpus"], one["max_resources"]) for one in listed(world, "tenant list")]
    assert told == [("acme", "ready", 0.0, 3.0), ("beta", "silent", 0.75, 8.0), ("byhand", "unmanaged", 0.0, None)]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("", ["acme", "beta", "gamma"]),
        ("--sort gpus", ["gamma", "acme", "beta"]),
        ("--sort workers", ["beta", "acme", "gamma"]),
        ("--sort status", ["acme", "gamma", "beta"]),
        ("--status ready", ["beta"]),
        ("--per-page 2", ["acme", "beta"]),
        ("--per-page 2 --page 2", ["gamma"]),
    ],
)
def test_the_list_is_sorted_filtered_and_cut(world: World, words: str, names: list[str]) -> None:
    """Numbers largest first; the page counts after filter and order."""
    for name in ("acme", "beta", "gamma"):
        world.make(f"tenant create {name} --admin-email ana@{name}.example")
    come_alive(world, "beta")
    world.cluster.all_pods.append(busy_pod("gamma"))
    assert [one["name"] for one in listed(world, f"tenant list {words}")] == names


def test_a_page_that_is_not_there_is_refused(world: World) -> None:
    """With the last one."""
    answer = world.ask("tenant list --page 2")
    assert isinstance(answer, Refusal)
    assert answer.next_action == "ask for --page 1 or less"


def test_only_the_page_is_asked_about(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One listing of each kind; ClearML's companies only for those that are shown; no helm for each."""
    for name in ("acme", "beta", "gamma"):
        world.make(f"tenant create {name} --admin-email ana@{name}.example")
    asked: list[object] = []
    releases = world.helm.releases

    def list_releases() -> tuple[Release, ...]:
        asked.append("every release")
        return releases()

    monkeypatch.setattr(world.helm, "releases", list_releases)
    monkeypatch.setattr(world.helm, "values", lambda *key: asked.append(key))
    world.state.calls.clear()
    listed(world, "tenant list --per-page 1")
    assert asked == ["every release"]
    assert sorted(call["endpoint"] for call in world.state.calls) == [
        "system.get_companies",
        "users.get_all_ex",
        "workers.get_all",
    ]


def test_a_listing_that_fails_is_said_at_each_tenant(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is no reason to answer nothing."""
    world.make(ACME)

    def refuse() -> None:
        raise PermanentError("listing pods of all namespaces: 403 forbidden")

    monkeypatch.setattr(world.cluster, "pods", refuse)
    (acme,) = listed(world, "tenant list")
    assert acme["gpus"] == {"unknown": "listing pods of all namespaces: 403 forbidden"}
