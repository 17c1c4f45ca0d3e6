"""The bot's own chart, by the real helm on the real control plane, under Pod Security "restricted"."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel, SecretStr

from bot.settings import Settings
from provisioning import tools
from provisioning.configuration import Tools
from tests.cluster.monitoring_kinds import KINDS, crd_files
from tests.cluster.rendered_chart import CHART, ROOT, WATCHED, helm, rendered

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
ALERTS = "metrics.prometheusRule.alerts"
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
    "persistence": {"storageClassName": "fast", "accessMode": "ReadWriteOncePod"},
    "networkPolicy": {
        "httpFrom": [{"podSelector": {}}],
        "metricsFrom": [{"podSelector": {}}],
        "metricsFromNamespaces": ["monitoring"],
        "egress": [{"ports": [{"port": 443, "protocol": "TCP"}]}],
    },
    "metrics": {
        "serviceMonitor": {
            "enabled": True,
            "labels": {"release": "prometheus"},
            "interval": "30s",
            "scrapeTimeout": "10s",
            "relabelings": [{"action": "replace", "targetLabel": "cluster", "replacement": "eu"}],
            "metricRelabelings": [{"action": "drop", "sourceLabels": ["__name__"], "regex": "process_.*"}],
        },
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": True, "annotations": {"grafana_folder": "Platform"}},
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

Done: TypeAlias = subprocess.CompletedProcess[str]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


def kubectl(kubeconfig: Path, *words: str, given: str | None = None, fine: bool = True) -> Done:
    binary = tools.locate(Tools()).kubectl
    command = [str(binary), f"--kubeconfig={kubeconfig}", *words]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert not fine or done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def monitoring(kubeconfig: Path) -> Iterator[None]:
    """The Prometheus operator's kinds, as its own CRDs say."""
    files = [f"--filename={path}" for path in crd_files()]
    kubectl(kubeconfig, "apply", "--server-side", *files)
    crds = [f"crd/{kind}.monitoring.coreos.com" for kind in KINDS]
    kubectl(kubeconfig, "wait", "--for=condition=Established", "--timeout=30s", *crds)
    yield
    kubectl(kubeconfig, "delete", "--wait=false", *crds)


@pytest.fixture(scope="module")
def namespace(kubeconfig: Path) -> Iterator[str]:
    kubectl(
        kubeconfig,
        *("apply", "-f", "-"),
        given=json.dumps({"apiVersion": "v1", "kind": "List", "items": [RESTRICTED, VOLUME]}),
    )
    yield NAMESPACE
    kubectl(kubeconfig, "delete", "namespace/chatops-chart", "pv/chatops-chart", "--wait=false")


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


def test_a_mended_release_replaces_a_pod_that_never_came_up(kubeconfig: Path, namespace: str) -> None:
    """Kubernetes' default would wait for the broken pod, and no upgrade would help until somebody deletes it."""
    place = ("--namespace", namespace, f"--kubeconfig={kubeconfig}")
    install = ("upgrade", "--install", "bot", str(CHART), "--set", "existingSecret=tokens", *place)
    helm(*install, "--set", "nodeSelector.no=node", "--wait=false")
    phase = (
        "--namespace",
        namespace,
        "wait",
        "--for=jsonpath={.spec.nodeSelector.no}=node",
        "--timeout=30s",
        "pod/bot-0",
    )
    kubectl(kubeconfig, *phase)
    helm(*install, "--set", "nodeSelector=null", "--wait", "--timeout", "60s")


@pytest.mark.usefixtures("monitoring")
def test_what_watches_it_is_installed_whole(kubeconfig: Path, namespace: str, tmp_path: Path) -> None:
    """The API server drops fields that its CRDs do not know: what it holds is what was rendered. And it goes again."""
    values = tmp_path / "values.yaml"
    values.write_text(json.dumps({**WATCHED, "existingSecret": "tokens"}))
    place = ("--namespace", namespace, f"--kubeconfig={kubeconfig}")
    helm("upgrade", "--install", "bot", str(CHART), "-f", str(values), *place, "--wait", "--timeout", "90s")
    sent = yaml.safe_load_all(helm("get", "manifest", "bot", *place).stdout)
    own = {one["kind"]: one["spec"] for one in sent if one["apiVersion"].startswith("monitoring")}
    assert own.keys() == {"ServiceMonitor", "PrometheusRule"}
    for kind, spec in own.items():
        got = kubectl(kubeconfig, "--namespace", namespace, "get", kind, "bot", "--output=json")
        assert json.loads(got.stdout)["spec"] == spec
    service = json.loads(kubectl(kubeconfig, "--namespace", namespace, "get", "svc", "bot", "-o", "json").stdout)
    assert own["ServiceMonitor"]["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert own["ServiceMonitor"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert own["ServiceMonitor"]["namespaceSelector"]["matchNames"] == [namespace]
    helm("upgrade", "bot", str(CHART), "--set", "existingSecret=tokens", *place, "--wait", "--timeout", "90s")
    left = kubectl(kubeconfig, "--namespace", namespace, "get", "servicemonitors,prometheusrules", "--output=name")
    assert left.stdout == ""


def test_the_notes_say_what_is_left_to_do(kubeconfig: Path, namespace: str) -> None:
    """Only what is: in HTTP mode the ingress, and nothing of what was done before."""
    kubectl(kubeconfig, "--namespace", namespace, "create", "secret", "generic", "given")
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


@pytest.mark.usefixtures("monitoring")
def test_every_value_is_taken_by_the_api_server(kubeconfig: Path, namespace: str, tmp_path: Path) -> None:
    """All that can be switched on, at once: fields by the API's own schema, the pod under "restricted"."""
    values = tmp_path / "values.yaml"
    values.write_text(json.dumps(EVERYTHING))
    text = helm("template", "every", str(CHART), "--namespace", namespace, "-f", str(values)).stdout
    dry = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")
    done = kubectl(kubeconfig, "--namespace", namespace, *dry, given=text)
    assert "Warning" not in done.stderr
    for kind in ("poddisruptionbudget.policy", *(f"{kind[:-1]}.monitoring.coreos.com" for kind in KINDS)):
        assert f"{kind}/every created" in done.stdout
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
    assert spec["replicas"] == 1
    (container,) = spec["template"]["spec"]["containers"]
    names = {one["name"]: one for one in container["env"]}
    assert names["CLEARML_CHATOPS_ENGINE__EXECUTOR_ID"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_ids_are_the_images_unless_the_cluster_gives_them_out() -> None:
    """Large ids stay numbers; with null there is none, and the pod is still nobody's root."""
    for words, ids in (
        ([], {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001}),
        (
            [
                "--set",
                "podSecurityContext.runAsUser=1000770000,podSecurityContext.runAsGroup=null,podSecurityContext.fsGroup=null",
            ],
            {"runAsUser": 1000770000},
        ),
        (["--set-json", 'podSecurityContext={"runAsUser":null,"runAsGroup":null,"fsGroup":null}'], {}),
    ):
        (found,) = [one for one in rendered(*words) if one["kind"] == "StatefulSet"]
        assert found["spec"]["template"]["spec"]["securityContext"] == {
            "runAsNonRoot": True,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
            **ids,
        }


def test_in_maintenance_the_pod_waits_and_nothing_probes_it() -> None:
    """With the volume and the settings, so that `restore` finds no bot that holds the data folder."""
    (found,) = [one for one in rendered("--set", "maintenance=true") if one["kind"] == "StatefulSet"]
    (container,) = found["spec"]["template"]["spec"]["containers"]
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
    assert [rule["ports"][0]["port"] for rule in policy["spec"]["ingress"]] == ["metrics"]
    opened = rendered("--set", "networkPolicy.metricsFromNamespaces={monitoring,thanos}")
    (policy,) = [one for one in opened if one["kind"] == "NetworkPolicy"]
    (rule,) = policy["spec"]["ingress"]
    (peer,) = rule["from"]
    assert peer["namespaceSelector"]["matchExpressions"] == [
        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["monitoring", "thanos"]}
    ]
    assert [port["port"] for port in rule["ports"]] == ["metrics"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "existingSecret must name"),
        (["--set", "existingSecret=x", "--set", "replicas=2"], "replicas"),
        (["--set", "existingSecret=x", "--set", "image.digest=latest"], "digest"),
        (["--set", "existingSecret=x", "--set", "podSecurityContext.runAsUser=0"], "runAsUser"),
        (["--set", "existingSecret=x", "--set", "terminationGracePeriodSeconds=5"], "terminationGracePeriodSeconds"),
        (["--set", "existingSecret=x", "--set", "settings.slack.bot_token=xoxb-1"], "must hold no secret"),
        (["--set", "existingSecret=x", "--set", "metrics.serviceMonitor.enabled=true"], "networkPolicy.metricsFromN"),
        (["--set", "existingSecret=x", "--set", "metrics.serviceMonitor.interval=30"], "interval"),
        (["--set", "existingSecret=x", "--set", "metrics.prometheusRule.enabled=yes please"], "enabled"),
        (["--set", "existingSecret=x", "--set", f"{ALERTS}.ChatopsJobStuk.threshold=1"], "ChatopsJobStuk"),
        (["--set", "existingSecret=x", "--set-string", f"{ALERTS}.ChatopsJobStuck.threshold=1h"], "threshold"),
        (["--set", "existingSecret=x", "--set", f"{ALERTS}.ChatopsJobStuck.threshold=-1"], "threshold"),
        (["--set", "existingSecret=x", "--set", f"{ALERTS}.ChatopsStepsSlow.threshold=600"], "threshold"),
        (["--set", "existingSecret=x", "--set", f"{ALERTS}.ChatopsNotReady.for=soon"], "for"),
        (["--set", "existingSecret=x", "--set", f"{ALERTS}.ChatopsNotReady.threshold=1"], "threshold"),
        (["--set", "existingSecret=x", "--set-json", 'metrics.prometheusRule.selector="{job=\\"x\\"}"'], "selector"),
        (["--set", "existingSecret=x", "--set", "metrics.prometheusRule.runbookBaseUrl=a#b"], "runbookBaseUrl"),
        (["--set", "existingSecret=x", "--set", "networkPolicy.metricsFromNamespaces={Mon itoring}"], "metricsFromN"),
    ],
)
def test_what_would_not_work_is_refused(words: list[str], said: str) -> None:
    """Before anything is sent to the cluster, with what to do."""
    done = helm("template", "bot", str(CHART), *words, fine=False)
    assert done.returncode != 0
    assert said in done.stderr


def secrets_of(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield where a model's secrets stand; those of a table by the table's name and one of its keys."""
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        if get_origin(field.annotation) is dict and SecretStr in kinds:
            yield (*path, name, "any")
        elif SecretStr in kinds:
            yield (*path, name)
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from secrets_of(kind, (*path, name))


@pytest.mark.parametrize("path", sorted(set(secrets_of(Settings))), ids=".".join)
def test_no_secret_lands_in_the_configmap(path: tuple[str, ...]) -> None:
    """Whatever settings there are, and will be: the text names which one."""
    done = helm("template", "bot", str(CHART), f"--set=existingSecret=x,settings.{'.'.join(path)}=s3cret", fine=False)
    assert done.returncode != 0
    assert "must hold no secret" in done.stderr
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize(
    ("name", "kind"),
    [("serviceMonitor", "ServiceMonitor"), ("prometheusRule", "PrometheusRule"), ("dashboard", "ConfigMap")],
)
def test_each_of_what_watches_it_is_switched_by_itself(name: str, kind: str) -> None:
    """Off by default: the kinds are not in every cluster. One brings nothing of the others; none changes the rest."""
    without = rendered("--set", "networkPolicy.metricsFromNamespaces={monitoring}")
    words = (f"--set=metrics.{name}.enabled=true,metrics.{name}.namespace=grafana",)
    (added,) = [
        one
        for one in rendered("--set", "networkPolicy.metricsFromNamespaces={monitoring}", *words)
        if one not in without
    ]
    assert (added["kind"], added["metadata"]["namespace"]) == (kind, "grafana")
    assert not [one for one in without if one["apiVersion"].startswith("monitoring.coreos.com")]


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
