"""Ports on the real control plane: Services, pods, helm's own Secrets."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from provisioning import tools
from provisioning.clients import cluster_pages
from provisioning.clients.cluster import ClusterClient
from provisioning.clients.helm import Helm
from provisioning.clients.process import ChildProcesses
from provisioning.configuration import Chart, Tools
from provisioning.errors import ChatopsError
from provisioning.port_ranges import PortRange
from provisioning.ports.claims import declared_by

pytestmark = pytest.mark.cluster


def create(kubeconfig: Path, manifest: Mapping[str, Any]) -> None:
    kubectl = tools.locate(Tools()).kubectl
    subprocess.run(
        [str(kubectl), "--kubeconfig", str(kubeconfig), "create", "-f", "-"],
        input=json.dumps(manifest).encode(),
        check=True,
        capture_output=True,
        timeout=60,
    )


def pod(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def test_ports_of_services_and_pods_are_read(
    cluster: ClusterClient, kubeconfig: Path, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A LoadBalancer's node port and health check port, a hostPort, a pod on its node's network; page by page."""
    monkeypatch.setattr(cluster_pages, "PAGE_SIZE", 1)
    ports = [{"port": 80, "nodePort": 31_731}]
    create(
        kubeconfig,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "lb", "namespace": namespace},
            "spec": {
                "type": "LoadBalancer",
                "externalTrafficPolicy": "Local",
                "healthCheckNodePort": 31_732,
                "ports": ports,
            },
        },
    )
    image = {"name": "c", "image": "example.com/c:1"}
    create(
        kubeconfig, pod(namespace, "host-port", containers=[{**image, "ports": [{"containerPort": 1, "hostPort": 9}]}])
    )
    on_host = {**image, "ports": [{"containerPort": 31_733}]}
    create(kubeconfig, pod(namespace, "on-host", hostNetwork=True, containers=[on_host]))
    create(kubeconfig, pod(namespace, "silent", hostNetwork=True, containers=[image]))
    create(kubeconfig, pod(namespace, "plain", containers=[{**image, "ports": [{"containerPort": 31_734}]}]))
    found = [one for one in cluster.services() if one.namespace == namespace]
    assert [(one.type, one.node_ports, one.health_check_node_port) for one in found] == [
        ("LoadBalancer", (31_731,), 31_732)
    ]
    taken = {one.pod: (one.ports, one.host_network) for one in cluster.host_ports() if one.namespace == namespace}
    assert taken == {"host-port": ((9,), False), "on-host": ((31_733,), True), "silent": ((), True)}


def test_the_api_servers_range_is_read_from_its_pod(cluster: ClusterClient, kubeconfig: Path) -> None:
    """As kubeadm runs it; where no such pod is to be seen, nobody guesses."""
    assert cluster.node_port_range() is None
    command = ["kube-apiserver", "--advertise-address=10.0.0.1", "--service-node-port-range=20000-22767"]
    manifest = pod("kube-system", "kube-apiserver-cp", containers=[{"name": "a", "image": "a:1", "command": command}])
    manifest["metadata"]["labels"] = {"component": "kube-apiserver"}
    create(kubeconfig, manifest)
    try:
        assert cluster.node_port_range() == (20_000, 22_767)
    finally:
        kubectl = tools.locate(Tools()).kubectl
        where = ["--kubeconfig", str(kubeconfig), "-n", "kube-system"]
        delete = [str(kubectl), *where, "delete", "pod", "kube-apiserver-cp", "--grace-period=0", "--force"]
        subprocess.run(delete, check=True, capture_output=True, timeout=60)


def test_what_the_real_helm_wrote_is_read(
    cluster: ClusterClient, kubeconfig: Path, namespace: str, tmp_path: Path
) -> None:
    """Installed twice and failed once: the deployed revision and the failed one after it, each with its ports."""
    chart_dir = tmp_path / "sessions"
    (chart_dir / "templates").mkdir(parents=True)
    (chart_dir / "Chart.yaml").write_text("apiVersion: v2\nname: sessions\nversion: 1.0.0\n")
    (chart_dir / "values.yaml").write_text("sessions: {portModeEnabled: false, startingPort: 31600, maxServices: 4}\n")
    (chart_dir / "templates" / "map.yaml").write_text(
        "{{ if .Values.broken }}{{ required .Values.broken nil }}{{ end }}\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Values.name | default `ok` }}}\n"
    )
    helm = Helm(
        tools.locate(Tools()).helm,
        ChildProcesses(tmp_path / "children"),
        kubeconfig=kubeconfig,
        context=None,
        home=tmp_path / "helm",
    )
    chart = Chart(reference=str(chart_dir))

    def upgrade(values: dict[str, Any]) -> None:
        helm.upgrade_install(namespace, "s", chart, values, timeout_s=30)

    upgrade({"sessions": {"portModeEnabled": False}})
    upgrade({"sessions": {"portModeEnabled": True}, "secret": "s3cret"})
    with pytest.raises(ChatopsError):
        upgrade({"sessions": {"portModeEnabled": True, "startingPort": 31_650}, "name": "Not A Name"})
    found = [one for one in cluster.stored_releases() if one.namespace == namespace]
    assert {one.status for one in found} <= {"deployed", "failed"}
    assert not any(one.problem for one in found)
    ranges = {declared_by(one.values, one.defaults) for one in found}
    assert PortRange(31_600, 4) in ranges
    assert "s3cret" not in str([one.values for one in found])
