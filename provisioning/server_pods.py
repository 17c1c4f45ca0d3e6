"""Which of the ClearML server's pods to work in."""

from provisioning.clients.interfaces import ClusterReads


def running_pod(cluster: ClusterReads, namespace: str, prefix: str) -> str | None:
    """Return a running pod of the Deployment or StatefulSet called *prefix*; None where there is none."""
    names = sorted(
        pod.name
        for pod in cluster.pods(namespace)
        if pod.phase == "Running" and (pod.name == prefix or pod.name.startswith(f"{prefix}-"))
    )
    return names[0] if names else None
