"""The real helm against a real control plane: install, upgrade, roll back, survive kill -9."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioning import tools
from provisioning.clients import process_table
from provisioning.clients.cluster import ClusterClient
from provisioning.clients.helm import Helm
from provisioning.clients.process import ChildCancelledError, ChildProcesses
from provisioning.configuration import Chart, Tools
from provisioning.errors import ChatopsError, PermanentError, TemporaryError, UnreachableError
from tests.older_helm import HELM_3_16, HELM_3_17, OlderHelm, older_helm

pytestmark = pytest.mark.cluster

AGENT = Chart(reference=str(Path(__file__).parents[2] / "sandbox" / "charts" / "clearml-enterprise-agent"))
RELEASE = "clearml-agent"
SECRET = "s3cret-never-shown"

# A chart whose Deployment becomes ready only where it asks for no more CPU than there is.
PATIENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: patient}
spec:
  selector: {matchLabels: {app: patient}}
  template:
    metadata: {labels: {app: patient}}
    spec:
      containers:
        - {name: patient, image: patient, resources: {requests: {cpu: {{ .Values.cpu | quote }}}}}
---
apiVersion: v1
kind: Secret
metadata: {name: patient, labels: {told: {{ .Values.told | default "nothing" | quote }}}}
stringData: {password: {{ .Values.password | quote }}}
{{- if .Values.held }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: held, finalizers: [tests.example.com/held]}
{{- end }}
"""


@pytest.fixture
def children(tmp_path: Path) -> ChildProcesses:
    return ChildProcesses(tmp_path / "children")


@pytest.fixture
def helm(kubeconfig: Path, children: ChildProcesses, tmp_path: Path) -> Helm:
    binary = tools.locate(Tools()).helm
    return Helm(binary, children, kubeconfig=kubeconfig, context="sandbox", home=tmp_path / "helm")


@pytest.fixture
def patient(tmp_path: Path) -> Chart:
    folder = tmp_path / "patient"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: patient\nversion: 0.1.0-rc.1\n")
    (folder / "templates" / "all.yaml").write_text(PATIENT)
    (folder / "values.yaml").write_text("cpu: 1m\ntold: ''\npassword: ''\nheld: false\n")
    return Chart(reference=str(folder))


def _agent_values(**sessions: Any) -> dict[str, Any]:
    return {
        "imageCredentials": {"password": "image-token-1"},
        "clearml": {"agentk8sglueKey": "ACCESS", "agentk8sglueSecret": SECRET},
        "agentk8sglue": {
            "extraEnvs": [{"name": "CLEARML_AGENT_REDIS_PASSWORD", "value": "redis-pass-1"}],
            "image": {"tag": "1.24-1.8.1rc99-159"},
            "monitoredResources": {
                "maxResources": 3,
                "minResourcesFieldName": "metadata|labels|required-resources",
                "maxResourcesFieldName": "metadata|labels|required-resources",
            },
            "apiServerUrlReference": "https://api.example.com",
            "fileServerUrlReference": "https://files.example.com",
            "webServerUrlReference": "https://app.example.com",
            "defaultContainerImage": "python:3.9",
            "debugMode": True,
            "createQueues": True,
            "queues": {
                "gpu-fraction-0_50": {
                    "templateOverrides": {
                        "labels": {"required-resources": "0.5", "billing-monitored": "true"},
                        "resources": {"limits": {"nvidia.com/mig-3g.40gb": 1, "clear.ml/fraction-1": "0.5"}},
                    },
                    "queueSettings": {"maxPods": 10},
                }
            },
            "sessions": {"portModeEnabled": False, "agentID": "acme", **sessions},
        },
    }


def test_the_agent_is_installed_and_read_back(helm: Helm, cluster: ClusterClient, namespace: str) -> None:
    """The guide's values are accepted; the release, its values and its pod are there; again is an upgrade."""
    assert helm.release(namespace, RELEASE) is None
    first = helm.upgrade_install(namespace, RELEASE, AGENT, _agent_values(), timeout_s=60)
    assert (first.status, first.revision, first.chart) == ("deployed", 1, "clearml-enterprise-agent")
    assert helm.upgrade_install(namespace, RELEASE, AGENT, _agent_values(), timeout_s=60).revision == 2
    assert helm.values(namespace, RELEASE) == _agent_values()
    assert [release.name for release in helm.releases(namespace)] == [RELEASE]
    assert namespace in {release.namespace for release in helm.releases()}
    secret = cluster.secret(namespace, f"{RELEASE}-api-access")
    assert secret is not None
    assert secret["CLEARML_API_SECRET_KEY"].get_secret_value() == SECRET
    assert "Running" in {pod.phase for pod in cluster.pods(namespace)}
    helm.uninstall(namespace, RELEASE, timeout_s=60)
    assert helm.release(namespace, RELEASE) is None
    helm.uninstall(namespace, RELEASE, timeout_s=60)


def test_ports_mode_takes_the_ports_after_the_first(helm: Helm, cluster: ClusterClient, namespace: str) -> None:
    """Services clearml-session-1..N hold startingPort + 1 … + N; a port that is taken fails, naming ports."""
    ports = {"portModeEnabled": True, "externalIP": "203.0.113.7", "startingPort": 31700, "maxServices": 3}
    helm.upgrade_install(namespace, RELEASE, AGENT, _agent_values(**ports), timeout_s=60)
    held = {item.name: item.node_ports for item in cluster.services() if item.namespace == namespace}
    assert held == {f"clearml-session-{i}": (31700 + i,) for i in (1, 2, 3)}
    other = f"{namespace}-b"
    cluster.ensure_namespace(other, {})
    try:
        with pytest.raises(PermanentError, match="a port is taken by another Service") as caught:
            helm.upgrade_install(other, RELEASE, AGENT, _agent_values(**ports | {"startingPort": 31702}), timeout_s=60)
    finally:
        with contextlib.suppress(TemporaryError):
            cluster.delete_namespace(other, timeout_s=0)
    assert SECRET not in caught.value.details


@pytest.mark.parametrize(
    ("sessions", "says"),
    [
        ({"portModeEnabled": True, "externalIP": "0.0.0.0", "startingPort": 31800}, "externalIP is 0.0.0.0"),
        ({"portModeEnabled": True, "externalIP": "10.0.0.1", "startingPort": 32760}, "32761 to 32770"),
        ({"portModeEnabled": True, "externalIP": "10.0.0.1", "agentID": ""}, "agentID is needed"),
        ({"startingPorts": 31010}, "refuses its values"),
        ({"agentID": "not a label"}, "refuses its values"),
    ],
)
def test_the_chart_refuses_what_it_does_not_know(
    helm: Helm, namespace: str, sessions: dict[str, Any], says: str
) -> None:
    """Unknown keys and placeholders fail before anything is installed, without quoting a secret."""
    with pytest.raises(PermanentError) as caught:
        helm.upgrade_install(namespace, RELEASE, AGENT, _agent_values(**sessions), timeout_s=30)
    assert says in str(caught.value)
    assert SECRET not in f"{caught.value}{caught.value.details}"
    assert helm.release(namespace, RELEASE) is None


def test_charts_are_read_and_rendered(helm: Helm, namespace: str) -> None:
    """Default values, Chart.yaml and the rendered manifests come back without a cluster."""
    assert helm.show_chart(AGENT)["name"] == "clearml-enterprise-agent"
    assert set(helm.show_values(AGENT)) == {"imageCredentials", "clearml", "agentk8sglue"}
    manifests = [one for one in yaml.safe_load_all(helm.template(namespace, RELEASE, AGENT, _agent_values())) if one]
    queues = next(one for one in manifests if one["kind"] == "ConfigMap")["data"]
    pod = yaml.safe_load(queues["gpu-fraction-0_50.yaml"])
    assert pod["maxPods"] == 10
    limits = pod["podTemplate"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"nvidia.com/mig-3g.40gb": 1, "clear.ml/fraction-1": "0.5"}


def test_a_failed_upgrade_is_rolled_back(helm: Helm, namespace: str, patient: Chart) -> None:
    """What does not become ready in time goes back to the last good revision; a failed install leaves nothing."""
    unready = {"cpu": "100000", "password": SECRET}
    with pytest.raises(PermanentError, match="did not become ready in time"):
        helm.upgrade_install(namespace, "patient", patient, unready, timeout_s=4)
    assert helm.release(namespace, "patient") is None
    helm.upgrade_install(namespace, "patient", patient, {"cpu": "1m", "password": SECRET}, timeout_s=30)
    with pytest.raises(PermanentError, match="did not become ready in time"):
        helm.upgrade_install(namespace, "patient", patient, unready, timeout_s=4)
    release = helm.release(namespace, "patient")
    assert release is not None
    assert (release.status, release.revision) == ("deployed", 3)
    assert helm.values(namespace, "patient")["cpu"] == "1m"


def test_the_clusters_refusal_does_not_quote_secrets(helm: Helm, namespace: str, patient: Chart) -> None:
    """The API server quotes an invalid value; where that is a secret, it is concealed."""
    values = {"cpu": "1m", "password": SECRET, "told": f"{SECRET} !"}
    with pytest.raises(PermanentError, match="is invalid") as caught:
        helm.upgrade_install(namespace, "patient", patient, values, timeout_s=10)
    assert SECRET not in f"{caught.value}{caught.value.details}"


def test_a_cancel_ends_helm_and_leaves_a_usable_release(
    helm: Helm, namespace: str, patient: Chart, children: ChildProcesses
) -> None:
    """A cancelled upgrade ends soon, and the next one works."""
    helm.upgrade_install(namespace, "patient", patient, {"cpu": "1m"}, timeout_s=30)
    began = time.monotonic()
    with pytest.raises(ChildCancelledError):
        helm.upgrade_install(
            namespace,
            "patient",
            patient,
            {"cpu": "100000"},
            timeout_s=60,
            cancelled=lambda: time.monotonic() > began + 1,
        )
    assert time.monotonic() - began < 20
    assert children.owners(f"helm release {namespace}/patient") == ()
    helm.recover(namespace, "patient")
    assert helm.upgrade_install(namespace, "patient", patient, {"cpu": "2m"}, timeout_s=30).status == "deployed"


def _killed_while_pending(helm: Helm, children: ChildProcesses, namespace: str, work: Callable[[], object]) -> str:
    """Run *work* and kill -9 its helm once the release is pending; return the status that stays."""
    subject = f"helm release {namespace}/patient"

    def kill() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            release = helm.release(namespace, "patient")
            if release is not None and release.is_pending and (found := children.owners(subject)):
                os.kill(found[0][0], signal.SIGKILL)
                return
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(TemporaryError, match="killed by signal 9"):
        work()
    killer.join()
    release = helm.release(namespace, "patient")
    assert release is not None
    return release.status


def test_a_release_left_pending_by_kill_9_is_recovered(
    helm: Helm, children: ChildProcesses, cluster: ClusterClient, namespace: str, patient: Chart
) -> None:
    """helm dies mid-install, then mid-upgrade: helm itself refuses to go on; recover makes it go on."""

    def slow() -> object:
        return helm.upgrade_install(namespace, "patient", patient, {"cpu": "100000"}, timeout_s=60)

    def good() -> str:
        return helm.upgrade_install(namespace, "patient", patient, {"cpu": "1m"}, timeout_s=30).status

    assert _killed_while_pending(helm, children, namespace, slow) == "pending-install"
    with pytest.raises(TemporaryError, match="another helm operation"):
        good()
    assert helm.recover(namespace, "patient") == f"{namespace}/patient was left pending-install: removed it"
    assert helm.release(namespace, "patient") is None
    assert cluster.secret(namespace, "patient") is None
    assert good() == "deployed"

    assert _killed_while_pending(helm, children, namespace, slow) == "pending-upgrade"
    with pytest.raises(TemporaryError, match="another helm operation"):
        good()
    said = helm.recover(namespace, "patient")
    assert said == f"{namespace}/patient was left pending-upgrade: rolled back to revision 1"
    assert helm.values(namespace, "patient")["cpu"] == "1m"
    assert helm.recover(namespace, "patient") is None
    assert good() == "deployed"


def test_an_uninstall_that_died_is_finished(
    helm: Helm, children: ChildProcesses, kubeconfig: Path, namespace: str, patient: Chart
) -> None:
    """kill -9 while helm waits for an object to go leaves the release uninstalling; recover ends it."""
    helm.upgrade_install(namespace, "patient", patient, {"held": True}, timeout_s=30)
    status = _killed_while_pending(
        helm, children, namespace, lambda: helm.uninstall(namespace, "patient", timeout_s=60)
    )
    assert status == "uninstalling"
    release_it = ["patch", "configmap", "held", "--type=merge", '--patch={"metadata":{"finalizers":null}}']
    kubectl = [str(tools.locate(Tools()).kubectl), f"--kubeconfig={kubeconfig}", f"--namespace={namespace}"]
    subprocess.run([*kubectl, *release_it], check=True, capture_output=True)
    assert helm.recover(namespace, "patient") == f"{namespace}/patient was left uninstalling: removed it"
    assert helm.release(namespace, "patient") is None
    assert helm.upgrade_install(namespace, "patient", patient, {"cpu": "1m"}, timeout_s=30).status == "deployed"


BOT = """
import sys
from pathlib import Path
from provisioning.clients.helm import Helm
from provisioning.clients.process import ChildProcesses
from provisioning.configuration import Chart
helm, kubeconfig, folder, namespace, chart = sys.argv[1:]
children = ChildProcesses(Path(folder) / "children")
home = Path(folder) / "helm"
client = Helm(Path(helm), children, kubeconfig=Path(kubeconfig), context=None, home=home)
client.upgrade_install(namespace, "patient", Chart(reference=chart), {"cpu": "100000"}, timeout_s=120)
"""


def test_after_kill_9_of_the_bot_the_next_one_takes_over(
    helm: Helm, children: ChildProcesses, kubeconfig: Path, namespace: str, patient: Chart, tmp_path: Path
) -> None:
    """The dead bot's helm lives on and holds the release; the next bot ends it, recovers and installs."""
    arguments = [str(tools.locate(Tools()).helm), str(kubeconfig), str(tmp_path), namespace, patient.reference]
    bot = subprocess.Popen([sys.executable, "-c", BOT, *arguments])
    subject = f"helm release {namespace}/patient"
    try:
        deadline = time.monotonic() + 30
        while (release := helm.release(namespace, "patient")) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert release is not None
        ((pid, _),) = children.owners(subject)
    finally:
        bot.kill()
        bot.wait()
    assert process_table.start_time(pid) is not None, "helm outlives its bot"
    with pytest.raises(TemporaryError, match="helm is at work"):
        helm.recover(namespace, "patient")
    assert children.reap_orphans() == [f"killed {subject} (pid {pid}) of a dead bot"]
    assert process_table.start_time(pid) is None
    assert helm.recover(namespace, "patient") is not None
    assert helm.upgrade_install(namespace, "patient", patient, {"cpu": "1m"}, timeout_s=30).status == "deployed"


def test_no_argument_of_a_living_helm_holds_a_secret(
    helm: Helm, children: ChildProcesses, namespace: str, patient: Chart
) -> None:
    """While helm works, neither its command line nor its environment shows a value."""
    if not Path("/proc/self").exists():
        pytest.skip("needs /proc")
    seen: list[bytes] = []
    subject = f"helm release {namespace}/patient"

    def look() -> bool:
        for pid, _ in children.owners(subject):
            folder = Path("/proc") / str(pid)
            seen.append((folder / "cmdline").read_bytes() + (folder / "environ").read_bytes())
        return len(seen) > 3

    with pytest.raises(ChildCancelledError):
        helm.upgrade_install(
            namespace, "patient", patient, {"cpu": "100000", "password": SECRET}, timeout_s=30, cancelled=look
        )
    assert any(b"upgrade" in text for text in seen)
    assert not any(SECRET.encode() in text for text in seen)


@pytest.mark.parametrize(
    ("pattern", "replacement", "error", "says"),
    [
        (r"127\.0\.0\.1:\d+", "127.0.0.1:9", UnreachableError, "did not answer"),
        (r"token: \w+", "token: wrong", PermanentError, "refused the credentials"),
        (r"current-context: \w+", "current-context: gone", PermanentError, "kubeconfig"),
    ],
)
def test_an_unusable_cluster_is_told_apart(
    kubeconfig: Path,
    children: ChildProcesses,
    tmp_path: Path,
    pattern: str,
    replacement: str,
    error: type[ChatopsError],
    says: str,
) -> None:
    """No answer may be tried again; wrong credentials or contexts may not."""
    broken = tmp_path / "kubeconfig"
    broken.write_text(re.sub(pattern, replacement, kubeconfig.read_text()))
    helm = Helm(tools.locate(Tools()).helm, children, kubeconfig=broken, context=None, home=tmp_path / "helm")
    with pytest.raises(error, match=says):
        helm.releases()


@pytest.mark.parametrize("older", [HELM_3_16, HELM_3_17], ids=["3.16", "3.17"])
def test_helm_3_installs_compares_upgrades_goes_back_and_uninstalls(
    kubeconfig: Path, children: ChildProcesses, tmp_path: Path, namespace: str, patient: Chart, older: OlderHelm
) -> None:
    """What people have on PATH: the whole life of a release, with the flags and the words of helm 3."""
    binary = older_helm(older)
    helm = Helm(binary, children, kubeconfig=kubeconfig, context="sandbox", home=tmp_path / "helm")
    assert helm.version().startswith("v3.")
    values = {"cpu": "1m", "told": "one", "password": SECRET}
    assert helm.upgrade_install(namespace, "patient", patient, values, timeout_s=60).revision == 1
    more = values | {"told": "two"}
    rendered = helm.render_upgrade(namespace, "patient", patient, more)
    assert 'told: "two"' in rendered
    assert 'told: "one"' in helm.manifest(namespace, "patient")
    assert helm.upgrade_install(namespace, "patient", patient, more, timeout_s=60).revision == 2
    is_now, was_shown = (
        list(filter(None, yaml.safe_load_all(text))) for text in (helm.manifest(namespace, "patient"), rendered)
    )
    assert is_now == was_shown
    with pytest.raises(PermanentError, match="did not become ready in time") as caught:
        helm.upgrade_install(namespace, "patient", patient, more | {"cpu": "9000"}, timeout_s=6)
    assert SECRET not in f"{caught.value}{caught.value.details}"
    release = helm.release(namespace, "patient")
    assert release is not None
    assert (release.status, release.chart_version) == ("deployed", "0.1.0-rc.1")
    assert helm.values(namespace, "patient")["cpu"] == "1m"
    helm.roll_back(namespace, "patient", 1, timeout_s=30)
    assert helm.values(namespace, "patient")["told"] == "one"
    assert [one.name for one in helm.releases(namespace)] == ["patient"]
    for _ in range(2):
        helm.uninstall(namespace, "patient", timeout_s=60)
    assert helm.release(namespace, "patient") is None
