"""The bot's own chart, by the real helm on the real control plane, under Pod Security "restricted"."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from provisioning import tools
from provisioning.configuration import Tools

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "clearml-chatops"
NAMESPACE = "chatops-chart"
VOLUME = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": {"name": "chatops-chart"},
    "spec": {
        "capacity": {"storage": "5Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/nowhere"},
        "claimRef": {"namespace": NAMESPACE, "name": "data-bot-0"},
    },
}
RESTRICTED = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


def helm(*words: str, fine: bool = True) -> subprocess.CompletedProcess[str]:
    binary = tools.locate(Tools()).helm
    done = subprocess.run([str(binary), *words], capture_output=True, text=True, timeout=120, check=False)
    assert not fine or done.returncode == 0, done.stderr
    return done


def rendered(*words: str) -> list[dict[str, object]]:
    text = helm("template", "bot", str(CHART), "--set", "existingSecret=tokens", *words).stdout
    return [document for document in yaml.safe_load_all(text) if document]


@pytest.fixture
def namespace(kubeconfig: Path) -> Iterator[str]:
    kubectl = [str(tools.locate(Tools()).kubectl), f"--kubeconfig={kubeconfig}"]
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": [RESTRICTED, VOLUME]})
    subprocess.run([*kubectl, "apply", "-f", "-"], input=items, text=True, check=True, capture_output=True, timeout=60)
    yield NAMESPACE
    delete = ["delete", "namespace/chatops-chart", "pv/chatops-chart", "--wait=false"]
    subprocess.run([*kubectl, *delete], check=True, capture_output=True, timeout=60)


def test_it_installs_and_its_pod_runs_under_restricted(kubeconfig: Path, namespace: str) -> None:
    """helm waits for the StatefulSet; admission takes the pod without a warning."""
    done = helm(
        *("upgrade", "--install", "bot", str(CHART), "--namespace", namespace, f"--kubeconfig={kubeconfig}"),
        *("--set", "existingSecret=tokens", "--wait", "--timeout", "90s"),
    )
    assert "PodSecurity" not in done.stderr
    assert "bot-0" in done.stdout


def test_one_replica_with_its_own_name_as_executor() -> None:
    """Two bots on one store would run live work twice; a job goes on where the executor's id comes back."""
    (stateful_set,) = [one for one in rendered() if one["kind"] == "StatefulSet"]
    spec = stateful_set["spec"]
    assert isinstance(spec, dict)
    assert spec["replicas"] == 1
    (container,) = spec["template"]["spec"]["containers"]
    names = {one["name"]: one for one in container["env"]}
    assert names["CLEARML_CHATOPS_ENGINE__EXECUTOR_ID"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_nothing_reaches_the_pod_unless_it_is_said() -> None:
    """The default policy has no ingress rule; one `from` opens one port."""
    (policy,) = [one for one in rendered() if one["kind"] == "NetworkPolicy"]
    assert policy["spec"] == {
        "podSelector": {
            "matchLabels": {"app.kubernetes.io/name": "clearml-chatops", "app.kubernetes.io/instance": "bot"}
        },
        "policyTypes": ["Ingress"],
        "ingress": [],
    }
    opened = rendered("--set-json", 'networkPolicy.metricsFrom=[{"podSelector": {}}]')
    (policy,) = [one for one in opened if one["kind"] == "NetworkPolicy"]
    assert isinstance(policy["spec"], dict)
    assert [rule["ports"][0]["port"] for rule in policy["spec"]["ingress"]] == ["metrics"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "existingSecret must name"),
        (["--set", "existingSecret=x", "--set", "replicas=2"], "replicas"),
        (["--set", "existingSecret=x", "--set", "settings.slack.bot_token=xoxb-1"], "must hold no secret"),
    ],
)
def test_what_would_not_work_is_refused(words: list[str], said: str) -> None:
    """Before anything is sent to the cluster, with what to do."""
    done = helm("template", "bot", str(CHART), *words, fine=False)
    assert done.returncode != 0
    assert said in done.stderr


def test_the_image_has_what_the_dockerfile_copies() -> None:
    """Every COPY source exists and .dockerignore lets it in; the last stage runs as a number that is not root."""
    text = (ROOT / "Dockerfile").read_text()
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = [word for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE) for word in line.split()[:-1]]
    assert set(sources) == let_in
    assert all((ROOT / source).exists() for source in sources)
    users = re.findall(r"^USER (\d+):\d+$", text.rpartition("\nFROM ")[2], re.MULTILINE)
    assert users
    assert int(users[-1]) > 0
