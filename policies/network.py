"""Who may talk to whom: the NetworkPolicies of a tenant and of the shared Redis. Pure.

All are Ingress policies: what a tenant's pods call (DNS, the API, Redis) is not limited here. A policy is only as
good as the cluster's network plugin enforces it.
"""

from typing import Any

TENANT_LABEL = "clearml-chatops/tenant"
MANAGED_BY = {"app.kubernetes.io/managed-by": "clearml-chatops"}
NAMESPACE_NAME = "kubernetes.io/metadata.name"
SESSION_PORT = 10_022  # where an interactive session's sshd listens, in its pod


def tenant_labels(tenant: str) -> dict[str, str]:
    """Return the labels of a tenant's namespace and of everything that we put into it."""
    return {**MANAGED_BY, TENANT_LABEL: tenant}


def tenant_policies(
    namespace: str, *, ingress_namespace: str, ports: bool, session_port: int = SESSION_PORT
) -> tuple[dict[str, Any], ...]:
    """Return a tenant's policies: deny by default, allow its own pods, the ingress controller → router, and,
    where it has *ports*, everybody → session pods.

    The ingress controller is named by its namespace: an ipBlock does not match in-cluster sources on every
    network plugin. A NodePort's client may come from anywhere, its source may be a node: so no source is named.
    """
    policies = [
        _policy("default-deny-ingress", namespace, {}, []),
        _policy("allow-same-namespace", namespace, {}, [{"from": [{"podSelector": {}}]}]),
        _policy(
            "allow-ingress-controller",
            namespace,
            {},
            [{"from": [{"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: ingress_namespace}}}]}],
        ),
    ]
    if ports:
        policies.append(
            _policy("allow-session-ports", namespace, {}, [{"ports": [{"protocol": "TCP", "port": session_port}]}])
        )
    return tuple(policies)


def redis_policy(
    redis_namespace: str, *, port: int, clients: tuple[str, ...] = ("clearml", "clearml-billing")
) -> dict[str, Any]:
    """Return the policy of the shared Redis: reachable from tenants' namespaces and from *clients* only."""
    sources: list[dict[str, Any]] = [
        {"podSelector": {}},
        {"namespaceSelector": {"matchExpressions": [{"key": TENANT_LABEL, "operator": "Exists"}]}},
        *({"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: client}}} for client in clients),
    ]
    rules: list[dict[str, Any]] = [
        {"from": sources, "ports": [{"protocol": "TCP", "port": port}]},
        {"from": [{"podSelector": {}}]},
    ]
    return _policy("allow-tenants-only", redis_namespace, {}, rules)


def _policy(name: str, namespace: str, pod_labels: dict[str, str], ingress: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(MANAGED_BY)},
        "spec": {
            "podSelector": {"matchLabels": pod_labels} if pod_labels else {},
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        },
    }
