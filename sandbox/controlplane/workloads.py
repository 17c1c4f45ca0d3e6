"""What somebody runs on a node: a Deployment of one pod, with a disruption budget that forbids its eviction, or not."""

import json
from typing import Any

NAMESPACE = "default"


def work(node: str, *, guarded: bool) -> list[dict[str, Any]]:
    """Return ``work-NODE`` on the node; *guarded*: with the budget ``keep-NODE``, which wants its one pod."""
    name, labels = f"work-{node}", {"app": f"work-{node}"}
    pod = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "work", "image": "work:sandbox"}],
    }
    objects: list[dict[str, Any]] = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        }
    ]
    if guarded:
        objects.append(
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": {"name": f"keep-{node}", "namespace": NAMESPACE},
                "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
            }
        )
    return objects


def listed(objects: list[dict[str, Any]]) -> str:
    """Return the objects as one JSON document for ``kubectl apply``."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
