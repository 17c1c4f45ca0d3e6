"""The device plugin's pods on the sandbox's GPU nodes, as the GPU operator leaves them."""

import zlib
from collections.abc import Iterable
from typing import Any

NAMESPACE = "gpu-operator"
DAEMON_SET = "nvidia-device-plugin-daemonset"
CONTAINER = "nvidia-device-plugin"
_LABELS = {"app": DAEMON_SET}
_SPEC: dict[str, Any] = {
    "containers": [
        {"name": CONTAINER, "image": "device-plugin:sandbox", "securityContext": {"privileged": True}},
    ],
    "tolerations": [{"operator": "Exists"}],
    "nodeSelector": {"nvidia.com/gpu.present": "true"},
    "terminationGracePeriodSeconds": 0,
}


def pod_name(node: str) -> str:
    """Return the pod's name: a DaemonSet's, with five letters that are the same at every start."""
    number = zlib.crc32(node.encode())
    letters = "bcdfghjklmnpqrstvwxz2456789"
    return f"{DAEMON_SET}-{''.join(letters[number // len(letters) ** place % len(letters)] for place in range(5))}"


def objects(nodes: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return what to POST, in order: path and body.

    The pods come first, and the DaemonSet takes them for its own: so each node's pod has a name that kwok's
    exec can be told beforehand.
    """
    found: list[tuple[str, dict[str, Any]]] = [
        ("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        (
            f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts",
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}},
        ),
    ]
    found += [
        (
            f"/api/v1/namespaces/{NAMESPACE}/pods",
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": pod_name(node), "labels": _LABELS},
                "spec": {**_SPEC, "nodeName": node},
            },
        )
        for node in nodes
    ]
    daemon_set = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": DAEMON_SET, "labels": _LABELS},
        "spec": {
            "selector": {"matchLabels": _LABELS},
            "updateStrategy": {"type": "OnDelete"},  # the pods that it took over stay
            "template": {"metadata": {"labels": _LABELS}, "spec": _SPEC},
        },
    }
    return [*found, (f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets", daemon_set)]
