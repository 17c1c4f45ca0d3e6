"""Nodes and their cards on the real control plane: cordons, labels, evictions under budgets, nvidia-smi by exec."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioning import tools
from provisioning.clients.cluster import ClusterClient
from provisioning.clients.cluster_nodes import ClusterNodes, NodePod
from provisioning.clients.cluster_review import ClusterReview, Right
from provisioning.clients.kubectl import Kubectl
from provisioning.clients.nvidia_smi import NvidiaSmi
from provisioning.clients.process import ChildProcesses
from provisioning.configuration import Cluster, Tools
from provisioning.errors import PermanentError, TemporaryError
from provisioning.gpu_modes import Verdict
from sandbox.controlplane import workloads
from sandbox.controlplane.cluster import ControlPlane

pytestmark = pytest.mark.cluster

NODE = "gpu-2"


@pytest.fixture
def nodes(kubeconfig: Path) -> Iterator[ClusterNodes]:
    made = ClusterNodes(Cluster(kubeconfig=kubeconfig))
    yield made
    made.cordon(NODE, unschedulable=False)


@pytest.fixture
def kubectl(kubeconfig: Path, tmp_path: Path) -> Kubectl:
    binary = tools.locate(Tools()).kubectl
    return Kubectl(binary, ChildProcesses(tmp_path / "children"), kubeconfig=kubeconfig, context="sandbox")


@pytest.fixture
def smi(kubeconfig: Path, kubectl: Kubectl) -> NvidiaSmi:
    made = NvidiaSmi(ClusterClient(Cluster(kubeconfig=kubeconfig)), kubectl, namespace="gpu-operator")
    eventually(lambda: NODE in made.plugins())
    return made


def eventually(holds: Callable[[], bool], timeout_s: float = 20) -> None:
    until = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_cordon_and_label_are_read_back(nodes: ClusterNodes) -> None:
    eventually(lambda: bool((found := nodes.node(NODE)) and found.ready and found.boot_id))
    nodes.cordon(NODE, unschedulable=True)
    nodes.label(NODE, "example.com/part", "mig")
    found = nodes.node(NODE)
    assert found is not None
    assert (found.unschedulable, found.labels["example.com/part"]) == (True, "mig")
    nodes.cordon(NODE, unschedulable=False)
    nodes.label(NODE, "example.com/part", None)
    found = nodes.node(NODE)
    assert found is not None
    assert (found.unschedulable, found.labels.get("example.com/part")) == (False, None)
    assert nodes.node("no-such-node") is None
    with pytest.raises(PermanentError, match="cordoning node no-such-node"):
        nodes.cordon("no-such-node", unschedulable=True)


def test_a_budget_forbids_an_eviction_in_its_own_words(nodes: ClusterNodes, kubectl: Kubectl) -> None:
    """The device plugin's pod stays, as a DaemonSet's; the guarded one is named with what holds it."""
    objects = workloads.work(NODE, guarded=True)

    def work() -> NodePod | None:
        return next((pod for pod in nodes.pods(NODE) if pod.name.startswith("work-") and not pod.leaving), None)

    kubectl.apply(objects)
    try:
        eventually(lambda: work() is not None)
        pod = work()
        assert pod is not None
        eventually(lambda: "keep-gpu-2 needs 1 healthy pods and has 1 currently" in (nodes.evict(pod) or ""))
        assert {one.stays for one in nodes.pods(NODE) if one.namespace == "gpu-operator"} == {"DaemonSet"}
        kubectl.delete([one for one in objects if one["kind"] == "PodDisruptionBudget"])
        eventually(lambda: nodes.evict(pod) is None)
        eventually(lambda: pod.uid not in {one.uid for one in nodes.pods(NODE)})
        assert nodes.evict(pod) is None  # it is gone: another of that name would not be touched
    finally:
        kubectl.delete(objects)


def test_the_cards_of_a_node_answer_by_exec(smi: NvidiaSmi, control_plane: ControlPlane) -> None:
    """What is in the node's file is what is read, through the API server, kwok and the program."""
    assert {gpu.verdict for gpu in smi.modes(NODE)} == {Verdict.ENABLED}
    assert [(one.profile, one.start) for one in smi.instances(NODE) if one.gpu == 2] == [("3g.40gb", 0), ("3g.40gb", 4)]
    said = smi.set_mode(NODE, 2, enabled=False)
    assert "In use by another client" in said
    assert control_plane.gpus.modes(NODE)[2] == "Enabled, Enabled"
    with pytest.raises(TemporaryError, match="no device plugin's pod runs there"):
        smi.modes("cpu-1")


def test_what_a_preflight_asks_is_answered(kubeconfig: Path) -> None:
    review = ClusterReview(Cluster(kubeconfig=kubeconfig))
    version, now = review.version_and_time()
    assert version.startswith("v1.")
    assert now is not None
    assert abs(now.timestamp() - time.time()) < 5
    assert {"policy/v1", "apps/v1"} <= review.api_versions()
    assert review.may(Right(verb="create", resource="pods", subresource="eviction"))
    assert review.storage_classes() == {}
    assert review.ingress_classes() == ()
