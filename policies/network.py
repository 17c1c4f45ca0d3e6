"""Who may talk to whom: the NetworkPolicies of tenants, the shared Redis, the server and billing. Pure.

All are Ingress policies: what a tenant's pods call (DNS, the API, Redis) is not limited here. A policy is only as
good as the cluster's network plugin enforces it.
"""

from collections.abc import Sequence
from typing import Any

TENANT_LABEL = "clearml-chatops/tenant"
MANAGED_BY = {"app.kubernetes.io/managed-by": "clearml-chatops"}
NAMESPACE_NAME = "kubernetes.io/metadata.name"
SESSION_PORT = 10_022  # where an interactive session's sshd listens, in its pod
# The agent numbers the pods of sessions by this label, and each session's Service selects one number by it.
# Source: clearml_agent.glue.k8s.K8sIntegration.DEFAULT_LIMIT_POD_LABEL, the agent chart's service-sessions.yaml.
SESSION_LABEL = "ai.allegro.agent.serial"
_TENANTS = {"namespaceSelector": {"matchExpressions": [{"key": TENANT_LABEL, "operator": "Exists"}]}}


def tenant_labels(tenant: str) -> dict[str, str]:
    """Return the labels of a tenant's namespace and of everything that we put into it."""
    return {**MANAGED_BY, TENANT_LABEL: tenant}


def tenant_policies(
    namespace: str, *, ingress_namespace: str, ports: bool, session_port: int = SESSION_PORT
) -> tuple[dict[str, Any], ...]:
    """Return a tenant's policies: deny by default, allow its own pods, the ingress controller → router, and,
    where it has *ports*, everybody → session pods.

    The ingress controller is named by its namespace: an ipBlock does not match in-cluster sources on every
    network plugin. It reaches all of the tenant's pods, as the router's labels differ from chart to chart. A
    NodePort's client may come from anywhere, its source may be a node: so no source is named.
    """
    policies = [
        _policy("default-deny-ingress", namespace, {}, []),
        _policy("allow-same-namespace", namespace, {}, [{"from": [{"podSelector": {}}]}]),
        _policy("allow-ingress-controller", namespace, {}, [{"from": [_namespace(ingress_namespace)]}]),
    ]
    if ports:
        sessions = {"matchExpressions": [{"key": SESSION_LABEL, "operator": "Exists"}]}
        policies.append(_policy("allow-session-ports", namespace, sessions, [{"ports": [_tcp(session_port)]}]))
    return tuple(policies)


def redis_policy(redis_namespace: str, *, port: int, clients: Sequence[str] = ()) -> dict[str, Any]:
    """Return the policy of the shared Redis: reachable from tenants' namespaces, and from those of *clients*.

    Its own pods reach each other on every port: replicas and sentinels have more than one.
    """
    rules: list[dict[str, Any]] = [
        {"from": [_TENANTS, *map(_namespace, clients)], "ports": [_tcp(port)]},
        {"from": [{"podSelector": {}}]},
    ]
    return _policy("allow-tenants-only", redis_namespace, {}, rules)


def server_policies(namespace: str, *, app_name: str, ingress_namespace: str) -> tuple[dict[str, Any], ...]:
    """Return the policies of the ClearML server: its databases are reached by its own pods alone; its API, web and
    file server (``app.kubernetes.io/name`` *app_name*) by everybody.

    Addresses alone do not match pods on every network plugin: the ingress controller, and the tenants whose routers
    call the API directly, are named by their namespaces too.
    """
    everybody = [{"ipBlock": {"cidr": cidr}} for cidr in ("0.0.0.0/0", "::/0")]
    front = {"matchLabels": {"app.kubernetes.io/name": app_name}}
    return (
        _policy("default-deny-ingress", namespace, {}, [{"from": [{"podSelector": {}}]}]),
        _policy(
            "allow-clearml-ingress", namespace, front, [{"from": [*everybody, _namespace(ingress_namespace), _TENANTS]}]
        ),
    )


def billing_policy(namespace: str, *, server_namespace: str) -> dict[str, Any]:
    """Return the policy of billing: reached by its own pods and by the server."""
    return _policy(
        "allow-clearml-ingress", namespace, {}, [{"from": [{"podSelector": {}}, _namespace(server_namespace)]}]
    )


def _namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: name}}}


def _tcp(port: int) -> dict[str, Any]:
    return {"protocol": "TCP", "port": port}


def _policy(name: str, namespace: str, pods: dict[str, Any], ingress: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(MANAGED_BY)},
        "spec": {"podSelector": pods, "policyTypes": ["Ingress"], "ingress": ingress},
    }
