"""The sandbox's control plane is a real one: it schedules, runs, executes and refuses."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from provisioning import tools
from provisioning.configuration import Tools
from sandbox.controlplane.cluster import ControlPlane

pytestmark = pytest.mark.cluster


def _kubectl(kubeconfig: Path, *argv: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    kubectl = tools.locate(Tools())[1]
    return subprocess.run(
        [kubectl, "--kubeconfig", kubeconfig, *argv],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_nodes_become_ready_and_carry_mig_resources(kubeconfig: Path) -> None:
    """The GPU nodes are Ready and advertise the slices of the MIG layout under strategy mixed."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        nodes = json.loads(_kubectl(kubeconfig, "get", "nodes", "-o", "json").stdout)["items"]
        ready = {
            node["metadata"]["name"]: condition["status"]
            for node in nodes
            for condition in node["status"].get("conditions", [])
            if condition["type"] == "Ready"
        }
        if set(ready.values()) == {"True"} and len(ready) == 3:
            break
        time.sleep(0.2)
    assert ready == {"cpu-1": "True", "gpu-1": "True", "gpu-2": "True"}
    gpu = next(node for node in nodes if node["metadata"]["name"] == "gpu-1")
    assert gpu["status"]["allocatable"]["nvidia.com/mig-3g.40gb"] == "2"
    assert gpu["metadata"]["labels"]["nvidia.com/gpu.product"] == "NVIDIA-H100-80GB-HBM3"


def test_pods_run_and_exec_answers(kubeconfig: Path) -> None:
    """A Deployment becomes available, and exec into its pod runs a command."""
    assert _kubectl(kubeconfig, "create", "deployment", "probe", "--image=probe").returncode == 0
    try:
        rollout = _kubectl(kubeconfig, "rollout", "status", "deployment/probe", "--timeout=30s")
        assert rollout.returncode == 0, rollout.stderr
        assert _kubectl(kubeconfig, "exec", "deploy/probe", "--", "echo", "alive").stdout == "alive\n"
    finally:
        _kubectl(kubeconfig, "delete", "deployment", "probe")


def test_nodeports_are_unique_in_the_cluster(kubeconfig: Path) -> None:
    """The API server refuses a NodePort that another Service holds, as the port reports rely on."""
    first = _kubectl(kubeconfig, "create", "service", "nodeport", "one", "--tcp=80", "--node-port=31500")
    second = _kubectl(kubeconfig, "create", "service", "nodeport", "two", "--tcp=80", "--node-port=31500")
    _kubectl(kubeconfig, "delete", "service", "one")
    assert first.returncode == 0, first.stderr
    assert second.returncode != 0
    assert "provided port is already allocated" in second.stderr


def test_every_process_is_ours_and_named(control_plane: ControlPlane) -> None:
    """Five processes, each known by pid, so that they can be stopped by pid."""
    assert set(control_plane.pids) == {
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kwok",
    }
