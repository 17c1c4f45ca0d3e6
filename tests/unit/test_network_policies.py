"""NetworkPolicies do what they say: evaluated as a network plugin would, against pods and namespaces."""

from typing import Any

import pytest

from policies.network import TENANT_LABEL, redis_policy, tenant_labels, tenant_policies

Policy = dict[str, Any]
Pod = tuple[str, dict[str, str]]  # (namespace, labels)

NAMESPACES = {
    "acme": {**tenant_labels("acme"), "kubernetes.io/metadata.name": "acme"},
    "rival": {**tenant_labels("rival"), "kubernetes.io/metadata.name": "rival"},
    "ingress-nginx": {"kubernetes.io/metadata.name": "ingress-nginx"},
    "redis-shared": {"kubernetes.io/metadata.name": "redis-shared"},
    "clearml": {"kubernetes.io/metadata.name": "clearml"},
    "default": {"kubernetes.io/metadata.name": "default"},
}
AGENT: Pod = ("acme", {"app": "agent"})
RIVAL: Pod = ("rival", {"app": "agent"})
INGRESS: Pod = ("ingress-nginx", {"app": "controller"})
REDIS: Pod = ("redis-shared", {"app": "redis"})


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    exists = [one["key"] for one in selector.get("matchExpressions", []) if one["operator"] == "Exists"]
    return all(labels.get(key) == value for key, value in wanted) and all(key in labels for key in exists)


def _is_peer(peer: dict[str, Any], source: Pod | None, namespace: str) -> bool:
    if source is None:  # outside the cluster: only an ipBlock could name it
        return "ipBlock" in peer
    if "namespaceSelector" in peer:
        inside = _selects(peer["namespaceSelector"], NAMESPACES[source[0]])
    else:
        inside = source[0] == namespace
    return inside and _selects(peer.get("podSelector", {}), source[1])


def reaches(policies: tuple[Policy, ...], source: Pod | None, target: Pod, port: int) -> bool:
    """Return whether traffic passes: no policy selects the target, or a rule of one that does lets it in."""
    selecting = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == target[0] and _selects(policy["spec"]["podSelector"], target[1])
    ]
    rules = [(rule, policy["metadata"]["namespace"]) for policy in selecting for rule in policy["spec"]["ingress"]]
    return not selecting or any(
        (not rule.get("ports") or port in {one["port"] for one in rule["ports"]})
        and (not rule.get("from") or any(_is_peer(peer, source, namespace) for peer in rule["from"]))
        for rule, namespace in rules
    )


@pytest.mark.parametrize("ports", [True, False])
def test_a_tenant_is_closed_to_other_tenants(ports: bool) -> None:
    """Its own pods and the ingress controller get in; a rival's pods, other namespaces and the world do not."""
    policies = tenant_policies("acme", ingress_namespace="ingress-nginx", ports=ports)
    assert reaches(policies, ("acme", {}), AGENT, 8080)
    assert reaches(policies, INGRESS, AGENT, 8080)
    assert not reaches(policies, RIVAL, AGENT, 8080)
    assert not reaches(policies, ("default", {}), AGENT, 8080)
    assert not reaches(policies, None, AGENT, 8080)


def test_session_ports_are_open_to_the_world_only_where_the_tenant_has_ports() -> None:
    """A NodePort's client may be anybody; the session's port alone is opened to them."""
    with_ports = tenant_policies("acme", ingress_namespace="ingress-nginx", ports=True)
    without = tenant_policies("acme", ingress_namespace="ingress-nginx", ports=False)
    assert reaches(with_ports, None, AGENT, 10_022)
    assert not reaches(with_ports, None, AGENT, 22)
    assert not reaches(without, None, AGENT, 10_022)


def test_redis_is_for_tenants_and_the_server_only() -> None:
    policies = (redis_policy("redis-shared", port=6379),)
    assert reaches(policies, AGENT, REDIS, 6379)
    assert reaches(policies, ("clearml", {}), REDIS, 6379)
    assert not reaches(policies, AGENT, REDIS, 22)
    assert not reaches(policies, ("default", {}), REDIS, 6379)
    assert reaches(policies, REDIS, REDIS, 16_379)


def test_everything_is_in_its_namespace_and_labelled() -> None:
    """The guide's policy named no namespace; each of ours does, and says who made it."""
    for policy in (*tenant_policies("acme", ingress_namespace="i", ports=True), redis_policy("redis-shared", port=1)):
        assert policy["metadata"]["namespace"] in {"acme", "redis-shared"}
        assert policy["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "clearml-chatops"
    assert tenant_labels("acme")[TENANT_LABEL] == "acme"
