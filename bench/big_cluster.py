"""A cluster of many GPU nodes and pods: a real API server with etcd, objects written straight into it."""

import random
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
WRITERS = 8
# what stands on the eight GPUs of a node: profile → instances
CUTS: tuple[dict[str, int], ...] = (
    {"3g.40gb": 8, "2g.20gb": 8, "1g.10gb": 8},
    {"7g.80gb": 4, "1g.10gb": 28},
    {"3g.40gb": 4, "2g.20gb": 12, "1g.10gb": 8},
    {"7g.80gb": 8},
)


@contextmanager
def cluster(nodes: int) -> Iterator[Path]:
    """Give the kubeconfig of an API server that holds so many nodes and ten times as many pods."""
    with tempfile.TemporaryDirectory(prefix="clearml-chatops-bench-") as folder:
        plane = ControlPlane(build.ensure(print), Path(folder), api_alone=True)
        plane.start()
        try:
            _fill(plane.kubeconfig, nodes)
            yield plane.kubeconfig
        finally:
            plane.stop()


def _fill(kubeconfig: Path, nodes: int) -> None:
    chosen = random.Random(7)  # noqa: S311 - the same cluster every time
    writer = _Writer(kubeconfig)
    names = [f"tenant-{number:02}" for number in range(NAMESPACES)]
    for name in names:
        writer.post("/api/v1/namespaces", {"metadata": {"name": name}})
        writer.post(f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})
    made: list[FakeNode] = []
    for number in range(nodes):
        slices = chosen.choice(CUTS)
        node = FakeNode(
            name=f"gpu-{number:04}", product="NVIDIA-H100-80GB-HBM3", memory_mib=81559, gpus=GPUS, slices=dict(slices)
        )
        made.append(node)
    pods: list[tuple[str, dict[str, Any]]] = []
    for node in made:
        instances = [profile for profile, count in node.slices.items() for _ in range(count)]
        held = chosen.sample(instances, min(PODS_A_NODE, len(instances)))
        held += [""] * (PODS_A_NODE - len(held))  # pods without a GPU, as every node has
        pods += [
            (chosen.choice(names), _pod(f"{node.name}-{at}", node.name, profile)) for at, profile in enumerate(held)
        ]
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda node: writer.post("/api/v1/nodes", manifest(node)), made))
        list(pool.map(lambda pod: writer.run(*pod), pods))


class _Writer:
    """Writes objects with the sandbox's own token."""

    def __init__(self, kubeconfig: Path) -> None:
        said = yaml.safe_load(kubeconfig.read_text())
        cluster, user = said["clusters"][0]["cluster"], said["users"][0]["user"]
        self._client = httpx.Client(
            base_url=cluster["server"],
            headers={"Authorization": f"Bearer {user['token']}"},
            verify=ssl.create_default_context(cafile=cluster["certificate-authority"]),
            timeout=60,
        )

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        self._client.post(path, json=body).raise_for_status()

    def run(self, namespace: str, pod: Mapping[str, Any]) -> None:
        """Create a pod that runs."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        self.post(path, pod)
        self._client.patch(
            f"{path}/{pod['metadata']['name']}/status",
            json={"status": {"phase": "Running"}},
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()


def _pod(name: str, node: str, profile: str) -> dict[str, Any]:
    limits = {f"nvidia.com/mig-{profile}": "1"} if profile else {}
    resources = {"requests": {"cpu": "4", "memory": "16Gi"}, "limits": limits}
    labels = {"app": "clearml-task", "clearml": "agent", "task": name}
    container = {"name": "task", "image": "train:1", "resources": resources}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"nodeName": node, "containers": [container]}}
