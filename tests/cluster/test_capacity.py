"""`capacity` against a real API server, a real scheduler, and cards that answer `nvidia-smi` by exec."""

import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from commands.capacity import CapacityArgs
from policies.approvals import Actor, Refusal
from provisioning import tools
from provisioning.clients.cluster import ClusterClient
from provisioning.clients.kubectl import Kubectl
from provisioning.clients.nvidia_smi import NvidiaSmi
from provisioning.clients.process import ChildProcesses
from provisioning.configuration import Cluster, Tools
from provisioning.queries.base import Asked
from provisioning.queries.capacity import CapacityQuery
from provisioning.reports import Report
from sandbox.controlplane.cluster import ControlPlane
from sandbox.gpus.device_plugin import NAMESPACE
from tests.integration.store_samples import open_store

pytestmark = pytest.mark.cluster

ASKED = Asked(actor=Actor(id="U1", name="viewer", roles=frozenset({"viewer"})), now=datetime.now(UTC), channel=None)


@pytest.fixture(scope="module")
def query(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> CapacityQuery:
    folder = tmp_path_factory.mktemp("capacity")
    cluster = ClusterClient(Cluster(kubeconfig=control_plane.kubeconfig))
    kubectl = Kubectl(
        tools.locate(Tools()).kubectl,
        ChildProcesses(folder / "children"),
        kubeconfig=control_plane.kubeconfig,
        context=None,
    )
    deadline = time.monotonic() + 60
    smi = NvidiaSmi(cluster, kubectl, namespace=NAMESPACE)
    while len(smi.plugins()) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    return CapacityQuery(cluster, open_store(folder), lambda: smi)


@pytest.fixture
def pods(control_plane: ControlPlane) -> Iterator[str]:
    """Two pods that hold a slice each and one that nothing can hold, in a namespace of their own."""
    name = f"capacity-{uuid.uuid4().hex[:6]}"
    kubectl = [str(tools.locate(Tools()).kubectl), f"--kubeconfig={control_plane.kubeconfig}"]

    def run(*words: str, stdin: str = "") -> None:
        subprocess.run([*kubectl, *words], input=stdin.encode(), check=True, capture_output=True, timeout=60)

    run("create", "namespace", name)
    wanted = {"holds-1": "3g.40gb", "holds-2": "1g.10gb", "waits": "4g.40gb"}
    items = [pod(name, each, profile) for each, profile in wanted.items()]
    deadline = time.monotonic() + 30
    while True:  # the namespace's service account is made a moment later
        try:
            run("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        except subprocess.CalledProcessError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
        else:
            break
    yield name
    run("delete", "namespace", name, "--wait=false")


def pod(namespace: str, name: str, profile: str) -> dict[str, Any]:
    resources = {"limits": {f"nvidia.com/mig-{profile}": "1"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [{"name": "train", "image": "train:1", "resources": resources}]},
    }


def answered(query: CapacityQuery, **words: Any) -> Report:
    found = query.answer(CapacityArgs(**words), ASKED)
    assert not isinstance(found, Refusal), found
    return found


def settled(query: CapacityQuery, namespace: str) -> dict[str, Any]:
    """Return the report's data once the scheduler has seen to all three pods."""
    deadline = time.monotonic() + 60
    while True:
        data: Any = answered(query).data
        mine = [one for one in data["tenants"] if one["namespace"] == namespace]
        waiting = [one for one in data["pending"] if one["namespace"] == namespace]
        if mine and sum(mine[0]["slices"].values()) == 2 and waiting and waiting[0]["reason"]:
            return dict(data)
        assert time.monotonic() < deadline, data
        time.sleep(0.3)


def test_who_holds_and_who_waits_as_the_scheduler_has_it(query: CapacityQuery, pods: str) -> None:
    """Slices by namespace, ready one less for each, and the scheduler's own reason for the one that waits."""
    data = settled(query, pods)
    (mine,) = (one for one in data["tenants"] if one["namespace"] == pods)
    assert mine["slices"] == {"1g.10gb": 1, "3g.40gb": 1}
    (waiting,) = (one for one in data["pending"] if one["namespace"] == pods)
    assert (waiting["pod"], waiting["requests"]) == ("waits", {"nvidia.com/mig-4g.40gb": 1})
    assert "Insufficient nvidia.com/mig-4g.40gb" in waiting["reason"]
    (h100,) = (one for one in data["models"] if one["model"] == "H100-80GB/H800")
    by_name = {one["profile"]: one for one in h100["profiles"]}
    assert by_name["3g.40gb"]["ready"] == by_name["3g.40gb"]["exist"] - by_name["3g.40gb"]["used"] == 3


def test_a_probe_reads_where_instances_stand(query: CapacityQuery) -> None:
    """By exec in the device plugins' pods; what was a range is one number."""
    told: list[str] = []
    found = query.answer(CapacityArgs(probe=True), replace(ASKED, tell=told.append))
    assert isinstance(found, Report)
    data: Any = found.data
    assert (data["exact"], data["read_nodes"], data["findings"]) == (True, 2, [])
    assert told == ["1 of 2 nodes read", "2 of 2 nodes read"]
    for node in data["nodes"]:
        placed = [one["profile"] for layout in node["layouts"].values() for one in layout]
        assert {name: placed.count(name) for name in placed} == node["exist"]
    for profile in data["models"][0]["profiles"]:
        assert profile["creatable"][0] == profile["creatable"][1]


def test_a_node_whose_cards_cannot_be_read_is_named(query: CapacityQuery, control_plane: ControlPlane) -> None:
    """The others are read all the same."""
    file = control_plane.gpus.file("gpu-2")
    away = file.with_suffix(".away")
    file.rename(away)
    try:
        data: Any = answered(query, probe=True).data
    finally:
        away.rename(file)
    assert (data["exact"], data["read_nodes"]) == (False, 1)
    assert [finding for finding in data["findings"] if finding.startswith("gpu-2: ")]
