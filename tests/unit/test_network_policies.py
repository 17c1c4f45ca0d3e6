"""NetworkPolicies do what they say: evaluated as a network plugin would, against pods and namespaces."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from policies.network import (
    SESSION_LABEL,
    TENANT_LABEL,
    billing_policy,
    redis_policy,
    server_policies,
    tenant_labels,
    tenant_policies,
)

Manifest = Mapping[str, Any]

NAMESPACES = {
    "acme": {**tenant_labels("acme"), "kubernetes.io/metadata.name": "acme"},
    "rival": {**tenant_labels("rival"), "kubernetes.io/metadata.name": "rival"},
    **{
        name: {"kubernetes.io/metadata.name": name}
        for name in ("ingress-nginx", "redis-shared", "clearml", "clearml-billing", "kube-system", "default")
    },
}


@dataclass(frozen=True)
class Pod:
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = "10.42.0.7"


@dataclass(frozen=True)
class Outside:
    """A client that is no pod: somebody on the internet, or a node on whose behalf a NodePort speaks."""

    address: str


AGENT = Pod("acme", {"app.kubernetes.io/name": "clearml-agent"})
ROUTER = Pod("acme", {"app.kubernetes.io/name": "clearml-task-traffic-router"})
SESSION = Pod("acme", {SESSION_LABEL: "pod-3", "clearml-agent-id": "acme"})
RIVAL = Pod("rival", {"app.kubernetes.io/name": "clearml-agent"})
CONTROLLER = Pod("ingress-nginx", {"app.kubernetes.io/name": "ingress-nginx"})
REDIS = Pod("redis-shared", {"app.kubernetes.io/name": "redis"})
INTERNET = Outside("203.0.113.9")
NODE = Outside("192.168.0.11")


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    for one in selector.get("matchExpressions", []):
        key, values = one["key"], one.get("values", [])
        holds = {
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
        }[one["operator"]]
        if not holds:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def _in_block(block: Mapping[str, Any], address: str) -> bool:
    inside = ip_address(address) in ip_network(block["cidr"])
    return inside and not any(ip_address(address) in ip_network(cidr) for cidr in block.get("except", []))


def _is_peer(peer: Manifest, source: Pod | Outside, namespace: str, *, blocks_match_pods: bool) -> bool:
    if "ipBlock" in peer:
        return (isinstance(source, Outside) or blocks_match_pods) and _in_block(peer["ipBlock"], source.address)
    if isinstance(source, Outside):
        return False
    if "namespaceSelector" in peer:
        if not _selects(peer["namespaceSelector"], NAMESPACES[source.namespace]):
            return False
    elif source.namespace != namespace:
        return False
    return _selects(peer.get("podSelector", {}), source.labels)


def _is_port(wanted: Manifest, port: int, protocol: str) -> bool:
    if wanted.get("protocol", "TCP") != protocol:
        return False
    return "port" not in wanted or wanted["port"] <= port <= wanted.get("endPort", wanted["port"])


def reaches(
    policies: Iterable[Manifest],
    source: Pod | Outside,
    target: Pod,
    port: int,
    *,
    protocol: str = "TCP",
    blocks_match_pods: bool = True,  # some network plugins do not match an ipBlock against pods
) -> bool:
    """Return whether traffic passes: no policy selects the target, or a rule of one that does lets it in."""
    selecting = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == target.namespace
        and _selects(policy["spec"]["podSelector"], target.labels)
    ]
    return not selecting or any(
        (not rule.get("ports") or any(_is_port(one, port, protocol) for one in rule["ports"]))
        and (
            not rule.get("from")
            or any(
                _is_peer(peer, source, policy["metadata"]["namespace"], blocks_match_pods=blocks_match_pods)
                for peer in rule["from"]
            )
        )
        for policy in selecting
        for rule in policy["spec"].get("ingress", [])
    )


def _tenant(*, ports: bool) -> tuple[dict[str, Any], ...]:
    return tenant_policies("acme", ingress_namespace="ingress-nginx", ports=ports)


def test_the_guides_policies_fail_as_known() -> None:
    """The evaluator shows what is wrong with the guide's: they cut off the router, the sessions and, with a plugin
    that matches no ipBlock against pods, the API server."""
    same_namespace_only = {
        "metadata": {"namespace": "acme"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]},
    }
    assert not reaches([same_namespace_only], CONTROLLER, ROUTER, 8080)
    assert not reaches([same_namespace_only], INTERNET, SESSION, 10_022)
    from_anywhere = {
        "metadata": {"namespace": "clearml"},
        "spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]},
    }
    assert reaches([from_anywhere], CONTROLLER, Pod("clearml"), 8008)
    assert not reaches([from_anywhere], CONTROLLER, Pod("clearml"), 8008, blocks_match_pods=False)


@pytest.mark.parametrize("ports", [True, False])
@pytest.mark.parametrize("target", [AGENT, ROUTER, SESSION])
@pytest.mark.parametrize("port", [22, 80, 8080, 10_021, 10_023])
def test_a_tenant_is_closed_to_everybody_else(*, ports: bool, target: Pod, port: int) -> None:
    """A rival's pods, other namespaces, nodes and the internet do not get in, whichever labels they put on."""
    policies = _tenant(ports=ports)
    strangers: list[Pod | Outside] = [
        RIVAL,
        Pod("rival", target.labels),
        *(Pod(name) for name in NAMESPACES if name not in {"acme", "ingress-nginx"}),
        INTERNET,
        NODE,
    ]
    for stranger in strangers:
        assert not reaches(policies, stranger, target, port), stranger


@pytest.mark.parametrize("ports", [True, False])
@pytest.mark.parametrize("blocks_match_pods", [True, False])
def test_a_tenants_own_pods_and_the_ingress_controller_get_in(*, ports: bool, blocks_match_pods: bool) -> None:
    """On every network plugin: no ipBlock is needed for either."""
    policies = _tenant(ports=ports)
    for source in (AGENT, Pod("acme"), CONTROLLER):
        assert reaches(policies, source, ROUTER, 8080, blocks_match_pods=blocks_match_pods)


@pytest.mark.parametrize("client", [INTERNET, NODE, Pod("default")])
def test_a_session_is_open_to_the_world_where_the_tenant_has_ports(client: Pod | Outside) -> None:
    """A NodePort's client may be anybody, or a node in their place; the session's sshd alone is opened to them."""
    assert reaches(_tenant(ports=True), client, SESSION, 10_022)
    assert not reaches(_tenant(ports=True), client, SESSION, 10_022, protocol="UDP")
    assert not reaches(_tenant(ports=True), client, SESSION, 22)
    assert not reaches(_tenant(ports=False), client, SESSION, 10_022)


@pytest.mark.parametrize("target", [AGENT, ROUTER, Pod("acme")])
def test_pods_that_are_no_session_stay_closed(target: Pod) -> None:
    """The agent holds the tenant's credentials: no port of it is opened by way of the sessions."""
    assert not reaches(_tenant(ports=True), INTERNET, target, 10_022)


def test_the_sessions_port_can_be_another_one() -> None:
    policies = tenant_policies("acme", ingress_namespace="ingress-nginx", ports=True, session_port=2222)
    assert reaches(policies, INTERNET, SESSION, 2222)
    assert not reaches(policies, INTERNET, SESSION, 10_022)


def test_redis_is_for_tenants_only() -> None:
    """Its port for tenants' namespaces, every port among its own pods, nothing for anybody else."""
    policies = (redis_policy("redis-shared", port=6379),)
    assert reaches(policies, AGENT, REDIS, 6379)
    assert reaches(policies, RIVAL, REDIS, 6379)
    assert reaches(policies, REDIS, REDIS, 16_379)
    assert not reaches(policies, AGENT, REDIS, 22)
    others = [name for name, labels in NAMESPACES.items() if TENANT_LABEL not in labels and name != REDIS.namespace]
    strangers: list[Pod | Outside] = [*map(Pod, others), INTERNET, NODE]
    for stranger in strangers:
        assert not reaches(policies, stranger, REDIS, 6379), stranger


def test_redis_has_other_clients_only_by_name() -> None:
    policies = (redis_policy("redis-shared", port=6379, clients=("clearml",)),)
    assert reaches(policies, Pod("clearml"), REDIS, 6379)
    assert not reaches(policies, Pod("clearml"), REDIS, 22)
    assert not reaches(policies, Pod("clearml-billing"), REDIS, 6379)


@pytest.mark.parametrize("ports", [True, False])
def test_manifests_are_whole(*, ports: bool) -> None:
    """The guide's policy named no namespace; each of ours does, says who made it, and limits no egress."""
    policies = (*_tenant(ports=ports), redis_policy("redis-shared", port=6379))
    assert len({(one["metadata"]["namespace"], one["metadata"]["name"]) for one in policies}) == len(policies)
    for policy in policies:
        assert (policy["apiVersion"], policy["kind"]) == ("networking.k8s.io/v1", "NetworkPolicy")
        assert policy["metadata"]["namespace"] in {"acme", "redis-shared"}
        assert policy["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "clearml-chatops"}
        assert policy["spec"]["policyTypes"] == ["Ingress"]


API = Pod("clearml", {"app.kubernetes.io/name": "clearml-clearml-enterprise", "app": "apiserver"})
DATABASE = Pod("clearml", {"app.kubernetes.io/name": "mongodb"})
KAFKA = Pod("clearml-billing", {"app.kubernetes.io/name": "clearml-billing-kafka"})


@pytest.mark.parametrize("blocks_match_pods", [True, False])
def test_the_server_is_reached_from_outside_and_its_databases_are_not(blocks_match_pods: bool) -> None:
    """Whether or not the network plugin matches addresses against pods."""
    policies = server_policies("clearml", app_name="clearml-clearml-enterprise", ingress_namespace="ingress-nginx")
    for source in (INTERNET, NODE, CONTROLLER, ROUTER, AGENT, DATABASE):
        assert reaches(policies, source, API, 8008, blocks_match_pods=blocks_match_pods), source
    assert reaches(policies, API, DATABASE, 27_017)
    for source in (INTERNET, NODE, CONTROLLER, ROUTER, AGENT):
        assert not reaches(policies, source, DATABASE, 27_017, blocks_match_pods=blocks_match_pods), source


def test_billing_is_reached_by_the_server_alone() -> None:
    """Tenants could else write their own bills."""
    policies = [billing_policy("clearml-billing", server_namespace="clearml")]
    assert reaches(policies, API, KAFKA, 9092)
    assert reaches(policies, KAFKA, KAFKA, 9092)
    for source in (INTERNET, CONTROLLER, AGENT, ROUTER):
        assert not reaches(policies, source, KAFKA, 9092), source
