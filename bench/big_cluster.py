"""A cluster of many GPU nodes and pods: a real API server whose etcd is filled past it, in seconds.

Objects go into etcd as JSON, which the API server reads as it reads its own: 50,000 pods by way of the API, each with
its status, take half an hour on two cores. From then on they are objects like any others.
"""

import base64
import json
import random
import ssl
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import yaml

from sandbox.controlplane import build
from sandbox.controlplane.cluster import ControlPlane
from sandbox.controlplane.nodes import FakeNode, manifest

GPUS = 8
PODS_A_NODE = 10
NAMESPACES = 40
AT_ONCE = 100  # objects in one transaction: etcd takes 128
CREATED = "2026-11-01T08:00:00Z"
# what stands on the eight GPUs of a node: profile → instances
CUTS: tuple[dict[str, int], ...] = (
    {"3g.40gb": 8, "2g.20gb": 8, "1g.10gb": 8},
    {"7g.80gb": 4, "1g.10gb": 28},
    {"3g.40gb": 4, "2g.20gb": 12, "1g.10gb": 8},
    {"7g.80gb": 8},
)


@dataclass(frozen=True, kw_only=True)
class BigCluster:
    """An API server that holds many nodes and pods."""

    kubeconfig: Path
    api_server_pid: int


@contextmanager
def cluster(nodes: int) -> Iterator[BigCluster]:
    """Give an API server that holds so many nodes and ten times as many pods."""
    with tempfile.TemporaryDirectory(prefix="clearml-chatops-bench-") as folder:
        plane = ControlPlane(build.ensure(print), Path(folder), api_alone=True)
        try:
            plane.start()
            names = [f"tenant-{number:02}" for number in range(NAMESPACES)]
            _create_namespaces(plane.kubeconfig, names)
            _fill(plane.etcd_url, _objects(nodes, names))
            yield BigCluster(kubeconfig=plane.kubeconfig, api_server_pid=plane.pids["kube-apiserver"])
        finally:
            plane.stop()


def _create_namespaces(kubeconfig: Path, names: Iterable[str]) -> None:
    said = yaml.safe_load(kubeconfig.read_text())
    cluster, user = said["clusters"][0]["cluster"], said["users"][0]["user"]
    with httpx.Client(
        base_url=cluster["server"],
        headers={"Authorization": f"Bearer {user['token']}"},
        verify=ssl.create_default_context(cafile=cluster["certificate-authority"]),
        timeout=60,
    ) as client:
        for name in names:
            client.post("/api/v1/namespaces", json={"metadata": {"name": name}}).raise_for_status()


def _objects(nodes: int, names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield key and object of each node and its pods."""
    chosen = random.Random(7)  # noqa: S311 - the same cluster every time
    for number in range(nodes):
        slices = chosen.choice(CUTS)
        node = FakeNode(
            name=f"gpu-{number:04}", product="NVIDIA-H100-80GB-HBM3", memory_mib=81559, gpus=GPUS, slices=dict(slices)
        )
        shown = manifest(node)
        shown["status"]["conditions"] = [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]
        yield f"/registry/minions/{node.name}", shown
        instances = [profile for profile, count in slices.items() for _ in range(count)]
        held = chosen.sample(instances, min(PODS_A_NODE, len(instances)))
        held += [""] * (PODS_A_NODE - len(held))  # pods without a GPU, as every node has
        for at, profile in enumerate(held):
            namespace, name = chosen.choice(names), f"{node.name}-{at}"
            yield f"/registry/pods/{namespace}/{name}", _pod(namespace, name, node.name, profile)


def _fill(etcd_url: str, objects: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Put every object into etcd. Raises: httpx.HTTPError."""
    with httpx.Client(base_url=etcd_url, timeout=60) as client:
        left = iter(objects)
        while some := list(islice(left, AT_ONCE)):
            puts = [
                {"requestPut": {"key": _base64(key), "value": _base64(json.dumps(_lived_in(shown)))}}
                for key, shown in some
            ]
            client.post("/v3/kv/txn", json={"success": puts}).raise_for_status()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _lived_in(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object with what the API server gives each one that it creates."""
    about = shown["metadata"]
    given = {"uid": str(uuid.uuid5(uuid.NAMESPACE_URL, about["name"])), "creationTimestamp": CREATED}
    manager = {
        "manager": "kubelet",
        "operation": "Update",
        "apiVersion": "v1",
        "time": CREATED,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:status": {"f:conditions": {f'k:{{"type":"{kind}"}}': {".": {}} for kind in READY_KINDS}}},
    }
    return {**shown, "metadata": {**about, **given, "managedFields": [manager]}}


READY_KINDS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def _pod(namespace: str, name: str, node: str, profile: str) -> dict[str, Any]:
    limits = {f"nvidia.com/mig-{profile}": "1"} if profile else {}
    resources = {"requests": {"cpu": "4", "memory": "16Gi", **limits}, "limits": limits}
    labels = {"app": "clearml-task", "clearml": "agent", "task": name}
    ready = [{"type": kind, "status": "True", "lastTransitionTime": CREATED} for kind in READY_KINDS]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "nodeName": node,
            "serviceAccountName": "default",
            "containers": [{"name": "task", "image": "train:1", "resources": resources}],
        },
        "status": {"phase": "Running", "podIP": "10.0.0.1", "startTime": CREATED, "conditions": ready},
    }
