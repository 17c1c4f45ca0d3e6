"""The real kubectl against a real control plane: apply, diff, delete, exec."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from provisioning import tools
from provisioning.clients.cluster import ClusterClient
from provisioning.clients.kubectl import Kubectl
from provisioning.clients.process import ChildProcesses
from provisioning.configuration import Tools
from provisioning.errors import PermanentError, TemporaryError, UnreachableError
from provisioning.steps.kubernetes_steps import fields_of

pytestmark = pytest.mark.cluster


@pytest.fixture
def kubectl(kubeconfig: Path, tmp_path: Path) -> Kubectl:
    binary = tools.locate(Tools()).kubectl
    return Kubectl(binary, ChildProcesses(tmp_path / "children"), kubeconfig=kubeconfig, context="sandbox")


def _policy(namespace: str, port: int = 10022) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "allow-sessions", "namespace": namespace},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": [{"port": port, "protocol": "TCP"}]}],
        },
    }


def _secret(value: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": value}}


def test_what_was_applied_no_longer_differs(kubectl: Kubectl, namespace: str) -> None:
    """The comparison names what apply would change, and is empty afterwards; apply is safe to repeat."""
    manifests = [_policy(namespace), _secret("one")]
    before = kubectl.changes(manifests, namespace=namespace)
    assert [(change.name, change.found) for change in before] == [("allow-sessions", None), ("s", None)]
    assert before[0].shall["spec"]["ingress"] == [{"ports": [{"port": 10022, "protocol": "TCP"}]}]
    kubectl.apply(manifests, namespace=namespace)
    kubectl.apply(manifests, namespace=namespace)
    assert kubectl.changes(manifests, namespace=namespace) == ()
    changed = kubectl.changes([_policy(namespace, 10023)], namespace=namespace)
    assert fields_of(changed) == {"allow-sessions.spec.ingress[0].ports[0].port": (10022, 10023)}


def test_a_comparison_is_the_same_each_time_and_hides_secrets(kubectl: Kubectl, namespace: str) -> None:
    """It can be part of a plan's digest: no times, paths, ids; the values of Secrets are masked."""
    manifests = [_policy(namespace), _secret("s3cret-one")]
    first = kubectl.changes(manifests, namespace=namespace)
    time.sleep(1.1)
    assert kubectl.changes(manifests, namespace=namespace) == first
    for volatile in ("uid", "creationTimestamp", "/tmp", "s3cret", "czNjcmV0"):
        assert volatile not in str(first)
    kubectl.apply(manifests, namespace=namespace)
    changed = kubectl.changes([_secret("s3cret-two")], namespace=namespace)
    assert changed
    assert "s3cret" not in str(changed)
    assert "czNjcmV0" not in str(changed)


def test_apply_takes_a_changed_field_back(kubectl: Kubectl, namespace: str) -> None:
    """What somebody else set is shown as a difference and taken over, not refused as a conflict."""
    foreign = _policy(namespace, 22)
    foreign["metadata"]["labels"] = {"theirs": "stays"}
    kubectl.apply([_policy(namespace)])
    kubectl._run(
        ["apply", "--server-side", "--field-manager=somebody", "--force-conflicts", "--filename=-"],
        stdin=json.dumps(foreign).encode(),
        doing="changing it",
    )
    assert fields_of(kubectl.changes([_policy(namespace)])) == {
        "allow-sessions.spec.ingress[0].ports[0].port": (22, 10022)
    }
    kubectl.apply([_policy(namespace)])
    assert kubectl.changes([_policy(namespace)]) == ()
    assert kubectl.changes([foreign])


def test_deleting_twice_is_fine(kubectl: Kubectl, namespace: str) -> None:
    """Objects are gone when delete returns; missing ones are no error."""
    kubectl.apply([_policy(namespace)])
    kubectl.delete([_policy(namespace)])
    assert [(one.name, one.found) for one in kubectl.changes([_policy(namespace)])] == [("allow-sessions", None)]
    kubectl.delete([_policy(namespace)])
    kubectl.delete([])
    kubectl.apply([])
    assert kubectl.changes([]) == ()


def test_exec_runs_in_the_pod(kubectl: Kubectl, cluster: ClusterClient, namespace: str) -> None:
    """What the command says comes back; its arguments are read by neither kubectl nor a shell."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe"},
        "spec": {"containers": [{"name": "main", "image": "probe"}]},
    }
    kubectl.apply([pod], namespace=namespace)
    deadline = time.monotonic() + 20
    while [p.phase for p in cluster.pods(namespace)] != ["Running"] and time.monotonic() < deadline:
        time.sleep(0.1)
    said = kubectl.exec(namespace, "probe", "main", ["echo", "--namespace=x", "$HOME; exit 3"])
    assert (said.returncode, said.stdout) == (0, "--namespace=x $HOME; exit 3\n")
    assert kubectl.exec(namespace, "probe", None, ["sh", "-c", "echo out; echo err >&2"]).stdout == "out\n"
    with pytest.raises(TemporaryError, match="the pod is gone"):
        kubectl.exec(namespace, "nobody", None, ["true"])


def test_the_apis_refusals_are_told_apart(kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    """An invalid object is permanent and says why; a silent server is not permanent."""
    with pytest.raises(PermanentError, match="NetworkPolicy allow-sessions") as caught:
        kubectl.apply([_policy(namespace, 99999)])
    assert "65535" in caught.value.details
    with pytest.raises(PermanentError, match="not found"):
        kubectl.apply([_policy("no-such-namespace")])
    broken = tmp_path / "kubeconfig"
    broken.write_text(
        "{apiVersion: v1, kind: Config, current-context: x, clusters: [{name: x, cluster: {server: 'http://127.0.0.1:9'}}],"
        " contexts: [{name: x, context: {cluster: x, user: x}}], users: [{name: x, user: {}}]}"
    )
    lost = Kubectl(kubectl._binary, kubectl._children, kubeconfig=broken, context=None)
    with pytest.raises(UnreachableError, match="did not answer"):
        lost.apply([_policy(namespace)])


def test_the_version_is_kubectls_own(kubectl: Kubectl) -> None:
    """It is asked without a cluster."""
    assert kubectl.version().startswith("v1.")
