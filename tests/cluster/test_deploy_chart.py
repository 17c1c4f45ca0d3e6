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

DIGEST = f"sha256:{'0' * 64}"
EVERYTHING = {
    "image": {
        "repository": "registry.example.com/chatops",
        "tag": "1",
        "digest": DIGEST,
        "pullSecrets": [{"name": "r"}],
    },
    "settings": {"slack": {"mode": "http"}, "roles": {"admin": ["U1"]}},
    "existingSecret": "tokens",
    "policy": "version: 1\nrules: []\n",
    "persistence": {"storageClassName": "fast"},
    "networkPolicy": {
        "httpFrom": [{"podSelector": {}}],
        "metricsFrom": [{"podSelector": {}}],
        "egress": [{"ports": [{"port": 443, "protocol": "TCP"}]}],
    },
    "podDisruptionBudget": {"enabled": True},
    "rbac": {
        "platform": True,
        "nodes": True,
        "router": True,
        "chartRules": [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list"]}],
    },
    "serviceAccount": {"name": "given", "annotations": {"example.com/identity": "bot"}},
    "nodeSelector": {"role": "infra"},
    "tolerations": [{"key": "infra", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "system-cluster-critical",
    "podAnnotations": {"example.com/team": "platform"},
    "podLabels": {"team": "platform"},
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}],
    "extraVolumes": [{"name": "charts", "configMap": {"name": "charts"}}],
    "extraVolumeMounts": [{"name": "charts", "mountPath": "/charts", "readOnly": True}],
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


@pytest.fixture(scope="module")
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
    assert "exec bot-0 -- clearml-chatops doctor" in done.stdout
    assert "The Secret tokens is not there yet" in done.stdout
    assert "Nobody has a role yet" in done.stdout


def test_the_notes_say_what_is_left_to_do(kubeconfig: Path, namespace: str) -> None:
    """Only what is: in HTTP mode the ingress, and nothing of what was done before."""
    kubectl = [str(tools.locate(Tools()).kubectl), f"--kubeconfig={kubeconfig}", "--namespace", namespace]
    subprocess.run([*kubectl, "create", "secret", "generic", "given"], check=True, capture_output=True, timeout=60)
    done = helm(
        *("install", "notes", str(CHART), "--namespace", namespace, f"--kubeconfig={kubeconfig}", "--dry-run=server"),
        *("--set", "existingSecret=given", "--set", "settings.slack.mode=http"),
        *("--set", "settings.roles.admin[0]=U1", "--set", "rbac.nodes=true"),
        *("--set-json", 'networkPolicy.metricsFrom=[{"podSelector": {}}]'),
    )
    said = done.stdout.partition("NOTES:")[2]
    assert "port 3000 of Service notes, and\n   name that ingress in networkPolicy.httpFrom" in said
    assert "Rights: tenants, nodes." in said
    for absent in ("is not there yet", "Nobody has a role", "Prometheus", "cluster-admin"):
        assert absent not in said


def test_every_value_is_taken_by_the_api_server(kubeconfig: Path, namespace: str, tmp_path: Path) -> None:
    """All that can be switched on, at once: fields by the API's own schema, the pod under "restricted"."""
    values = tmp_path / "values.yaml"
    values.write_text(json.dumps(EVERYTHING))
    text = helm("template", "every", str(CHART), "--namespace", namespace, "-f", str(values)).stdout
    kubectl = [str(tools.locate(Tools()).kubectl), f"--kubeconfig={kubeconfig}", "--namespace", namespace]
    done = subprocess.run(
        [*kubectl, "apply", "--dry-run=server", "--validate=strict", "-f", "-"],
        input=text,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert "poddisruptionbudget.policy/every created" in done.stdout
    for said in (
        f'image: "registry.example.com/chatops:1@{DIGEST}"',
        "HTTPS_PROXY",
        "mountPath: /charts",
        "policyTypes: [Ingress, Egress]",
        "priorityClassName: system-cluster-critical",
        "team: platform",
    ):
        assert said in text


def test_the_linter_finds_nothing(tmp_path: Path) -> None:
    """helm lint, as strict as it is, with nothing and with everything switched on."""
    values = tmp_path / "values.yaml"
    values.write_text(json.dumps(EVERYTHING))
    for words in (["--set", "existingSecret=x"], ["-f", str(values)]):
        done = helm("lint", "--strict", str(CHART), *words)
        assert "0 chart(s) failed" in done.stdout
        assert "[WARNING]" not in done.stdout


def test_values_and_their_schema_name_the_same() -> None:
    """A value without a schema is not checked, one without a default is not known; each group is explained."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    assert schema["properties"].keys() - {"global"} == values.keys()
    for name, shape in schema["properties"].items():
        if "properties" in shape and shape.get("additionalProperties") is False and name != "resources":
            assert shape["properties"].keys() == values[name].keys(), name
    explained, unexplained = False, []
    for line in text.splitlines():
        explained = line.startswith("#") or (explained and bool(line))
        if re.match(r"\w", line) and not (explained or f"{line}\n  #" in text):
            unexplained.append(line)
    assert unexplained == []


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


def test_in_maintenance_the_pod_waits_and_nothing_probes_it() -> None:
    """With the volume and the settings, so that `restore` finds no bot that holds the data folder."""
    (found,) = [one for one in rendered("--set", "maintenance=true") if one["kind"] == "StatefulSet"]
    (container,) = found["spec"]["template"]["spec"]["containers"]  # type: ignore[index]
    assert container["command"][0] == "sh"
    assert not [name for name in container if name.endswith("Probe")]
    assert {mount["name"] for mount in container["volumeMounts"]} >= {"data", "settings"}


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
        (["--set", "existingSecret=x", "--set", "image.digest=latest"], "digest"),
        (["--set", "existingSecret=x", "--set", "terminationGracePeriodSeconds=5"], "terminationGracePeriodSeconds"),
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
