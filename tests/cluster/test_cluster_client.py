"""The Kubernetes client against a real API server."""

import re
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from provisioning.clients import cluster_pages
from provisioning.clients.cluster import ClusterClient
from provisioning.clients.cluster_access import NotFoundError
from provisioning.configuration import Cluster
from provisioning.errors import PermanentError, TemporaryError, UnreachableError

pytestmark = pytest.mark.cluster


def test_the_server_answers_with_its_version(cluster: ClusterClient) -> None:
    """ping is a version, not a bare yes."""
    assert re.fullmatch(r"v1\.\d+\.\d+.*", cluster.ping())


def test_namespaces_are_ensured(cluster: ClusterClient, namespace: str) -> None:
    """Ensuring keeps other labels, adds ours, and is safe to repeat; absence is None."""
    cluster.ensure_namespace(namespace, {"more": "labels"}, at_birth={"born": "again"})
    cluster.ensure_namespace(namespace, {"more": "labels"})
    found = cluster.namespace(namespace)
    assert found is not None
    assert found["phase"] == "Active"
    assert found["labels"]["clearml-chatops/tenant"] == namespace
    assert found["labels"]["more"] == "labels"
    assert "born" not in found["labels"], "it was there already"
    assert cluster.namespace("no-such-namespace") is None


def test_a_namespace_being_deleted_is_not_used(cluster: ClusterClient, namespace: str) -> None:
    """Deleting waits until it is gone; while it goes, ensuring it is a temporary error."""
    cluster.put_secret(namespace, "s", {"a": "b"}, {})
    with pytest.raises(TemporaryError, match="not gone after 0 s"):
        cluster.delete_namespace(namespace, timeout_s=0)
    with pytest.raises(TemporaryError, match="is being deleted"):
        cluster.ensure_namespace(namespace, {})
    cluster.delete_namespace(namespace, timeout_s=60)
    assert cluster.namespace(namespace) is None
    cluster.delete_namespace(namespace)


def test_secrets_come_and_go(cluster: ClusterClient, namespace: str) -> None:
    """A Secret holds exactly what was put, as SecretStr; putting replaces; deleting twice is fine."""
    assert cluster.secret(namespace, "keys") is None
    cluster.put_secret(namespace, "keys", {"access_key": "A", "secret_key": "ü"}, {"app": "x"})
    assert cluster.secret(namespace, "keys") == {"access_key": SecretStr("A"), "secret_key": SecretStr("ü")}
    cluster.put_secret(namespace, "keys", {"access_key": "B"}, {})
    assert cluster.secret(namespace, "keys") == {"access_key": SecretStr("B")}
    cluster.delete_secret(namespace, "keys")
    cluster.delete_secret(namespace, "keys")
    assert cluster.secret(namespace, "keys") is None
    with pytest.raises(NotFoundError):
        cluster.put_secret("no-such-namespace", "keys", {}, {})


def test_nodes_services_and_pods_are_read(cluster: ClusterClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels and MIG resources of nodes come through, and lists also in pages of one."""
    nodes = cluster.nodes()
    gpu = next(node for node in nodes if node.name == "gpu-1")
    assert gpu.labels["nvidia.com/gpu.product"].startswith("NVIDIA")
    assert any(name.startswith("nvidia.com/mig-") for name in gpu.allocatable)
    assert not gpu.unschedulable
    monkeypatch.setattr(cluster_pages, "PAGE_SIZE", 1)
    assert len(cluster.all_namespaces()) > 1
    assert ("default", "kubernetes") in {(item.namespace, item.name) for item in cluster.services()}
    assert cluster.pods("default") == tuple(pod for pod in cluster.pods() if pod.namespace == "default")


def test_threads_share_one_client(kubeconfig: Path) -> None:
    """The first use connects once, whichever thread it is; all get answers."""
    client = ClusterClient(Cluster(kubeconfig=kubeconfig))
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(client.ping())) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 16
    assert len(set(answers)) == 1


@pytest.mark.parametrize(
    ("pattern", "replacement", "error", "says"),
    [
        (r"127\.0\.0\.1:\d+", "127.0.0.1:9", UnreachableError, "did not answer"),
        (r"token: \w+", "token: wrong", PermanentError, "401, the cluster refused the credentials"),
        (r"current-context: \w+", "current-context: gone", PermanentError, "configuration"),
        (r"certificate-authority: .*", "tls-server-name: kubernetes", PermanentError, "certificate was refused"),
    ],
)
def test_an_unusable_cluster_is_told_apart(
    kubeconfig: Path, tmp_path: Path, pattern: str, replacement: str, error: type[Exception], says: str
) -> None:
    """No answer may be tried again; wrong credentials, contexts and certificates may not."""
    broken = tmp_path / "kubeconfig"
    broken.write_text(re.sub(pattern, replacement, kubeconfig.read_text()))
    with pytest.raises(error, match=says):
        ClusterClient(Cluster(kubeconfig=broken)).ping()


def test_kubeconfig_and_context_are_honoured(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the setting, $KUBECONFIG decides; a context that is not there is an error."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    assert ClusterClient(Cluster()).ping().startswith("v1.")
    assert ClusterClient(Cluster(context="sandbox")).ping().startswith("v1.")
    with pytest.raises(PermanentError, match="configuration"):
        ClusterClient(Cluster(context="another")).ping()
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")
    with pytest.raises(PermanentError, match="configuration"):
        ClusterClient(Cluster()).ping()


@pytest.mark.parametrize("name", ["../secrets", "Acme", "", "a/b", "-x"])
def test_names_do_not_reach_into_paths(cluster: ClusterClient, name: str) -> None:
    """What is no name is refused before it becomes part of an address."""
    with pytest.raises(PermanentError, match="is no"):
        cluster.namespace(name)
    with pytest.raises(PermanentError, match="is no"):
        cluster.secret("default", name)
