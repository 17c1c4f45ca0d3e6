"""Who may reach the Redis that all tenants share: one policy, the same whoever's plan writes it. Pure."""

from typing import Any

from policies.network import redis_policy
from provisioning.configuration import Provisioning

BILLING_NAMESPACE = "clearml-billing"


def redis_clients(configuration: Provisioning) -> tuple[str, ...]:
    """Return the platform's own namespaces that may reach it, beside the tenants'."""
    return tuple(dict.fromkeys((configuration.server.namespace, BILLING_NAMESPACE)))


def redis_guard(configuration: Provisioning, namespace: str) -> dict[str, Any]:
    """Return the NetworkPolicy of the Redis in *namespace*."""
    return redis_policy(namespace, port=configuration.redis.port, clients=redis_clients(configuration))
