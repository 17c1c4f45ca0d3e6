"""`ports` and `tenant create` look at the same world and agree on it."""

from typing import Any

from policies.approvals import Refusal
from provisioning.clients.cluster_objects import HostPorts, ServicePorts
from provisioning.clients.helm import Release
from provisioning.clients.helm_storage import StoredRelease
from tests.fakes import FakeRelease
from tests.integration.tenant_world import ACME, World

BETA = "tenant create beta --admin-email bo@beta.example"


def service(namespace: str, name: str, *ports: int) -> ServicePorts:
    return ServicePorts(namespace=namespace, name=name, type="NodePort", node_ports=ports, health_check_node_port=None)


def by_hand(world: World, namespace: str, start: int, *, status: str = "deployed") -> None:
    sessions = {"portModeEnabled": True, "startingPort": start, "maxServices": 10}
    release = Release("clearml-agent", namespace, 1, status, "clearml-enterprise-agent", "1.0.0", "")
    world.cluster.releases[namespace, "clearml-agent"] = FakeRelease(release, {"agentk8sglue": {"sessions": sessions}})


def data(world: World, text: str = "ports") -> dict[str, Any]:
    found = world.report(text).data
    assert isinstance(found, dict)
    return found


def kinds(world: World) -> set[tuple[str, str]]:
    return {(str(one["kind"]), str(one["ports"])) for one in data(world)["findings"]}


def test_what_the_report_calls_free_is_what_a_tenant_gets(world: World) -> None:
    """With leases, failed releases of strangers, Services and host ports in the way."""
    world.make(f"{BETA} --ports")
    by_hand(world, "byhand", 30_120, status="failed")
    world.cluster.all_services.append(service("web", "front", 30_145))
    world.cluster.all_host_ports.append(
        HostPorts(namespace="mon", pod="exporter", node="n1", ports=(30_155,), host_network=True)
    )
    free = data(world)["next_free"]
    world.make(f"{ACME} --ports")
    (lease,) = (one for one in world.store.leases() if one.tenant == "acme")
    assert (lease.ports.start, lease.ports.last) == (free["first"], free["last"]) == (30_160, 30_170)


def test_the_whole_story_of_one_range(world: World) -> None:
    """Leased and waiting, installed without its Services, whole, and with a stranger inside."""
    job = world.job(world.plan(f"{ACME} --ports"))
    assert kinds(world) == {("dynamic band", "30101-30110")}
    assert world.run(job).state.value == "succeeded"
    assert ("declared, not live", "30101-30110") in kinds(world)
    for number in range(1, 11):
        world.cluster.all_services.append(service("acme", f"clearml-session-{number}", 30_100 + number))
    assert kinds(world) == set()
    assert data(world)["ranges"] == [
        {
            "tenant": "acme",
            "first": 30_100,
            "last": 30_110,
            "services": 10,
            "live": 10,
            "foreign": 0,
            "waits": False,
            "declared_by": ["lease of job-1", "release acme/clearml-agent (deployed)"],
        }
    ]
    world.cluster.all_services[4] = service("web", "thief", 30_105)
    assert ("foreign claimant", "30105") in kinds(world)
    assert "Problems" in str(world.report("ports --tenant acme").parts)


def test_a_release_that_cannot_be_read_is_said_to_who_approves(world: World) -> None:
    """Nobody takes it for one that declares nothing."""
    world.cluster.unreadable.append(
        StoredRelease(
            namespace="odd", name="x", revision=2, status="deployed", chart="", values={}, defaults={}, problem="broken"
        )
    )
    said = "elease odd/x revision 2 could not be read (broken): whether it declares ports is not known"
    assert any(said in warning for warning in world.plan(f"{ACME} --ports").warnings)
    assert not any("odd/x" in warning for warning in world.plan(ACME).warnings)
    assert any(said in str(one["text"]) for one in data(world)["findings"])


def test_the_range_of_the_api_server_bounds_the_pool(world: World) -> None:
    """Read from its pod, or as configured, which wins; else Kubernetes' own, which is said to be assumed."""
    assert data(world)["node_port_range"]["source"] == "assumed"
    world.cluster.api_range = (30_000, 30_149)
    found = data(world)
    assert (found["node_port_range"]["source"], found["free_ports"], found["room"]) == ("read", 50, 2)
    world.settings["ports"] = {"external_ip": "203.0.113.10", "node_port_range": "30000-30199"}
    world.restart()
    assert data(world)["node_port_range"] == {"first": 30_000, "last": 30_199, "source": "configured"}


def test_a_tenant_without_ports_is_refused_with_the_next_action(world: World) -> None:
    world.make(ACME)
    answer = world.ask("ports --tenant acme")
    assert isinstance(answer, Refusal)
    assert "--ports" in answer.next_action
