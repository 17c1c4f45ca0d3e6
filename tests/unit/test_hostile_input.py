"""Whatever people type, and whatever stands in a payload, stays a value: no flag, template, query or markup."""

import inspect
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes import client as kubernetes_client
from pydantic import TypeAdapter, ValidationError

from bot.settings import Settings
from commands import grammar
from commands.catalog import CATALOG
from commands.grammar import Invocation
from commands.spec import Risk, is_switch
from provisioning.clients.cluster import ClusterClient
from provisioning.clients.cluster_nodes import ClusterNodes
from provisioning.clients.helm import Helm
from provisioning.clients.kubectl import Kubectl
from provisioning.clients.process import ChildProcesses
from provisioning.configuration import Chart, Cluster
from provisioning.errors import PermanentError

HOSTILE = (
    "--kubeconfig=/etc/passwd",
    "-n",
    "--post-renderer=/bin/sh",
    "acme --set a=b",
    "acme;id",
    "$(id)",
    "`id`",
    "${HOME}",
    "{{ .Values.secret }}",
    "{{- include \"x\" . -}}",
    "../../etc/passwd",
    "acme/../kube-system",
    "acme\nkind: Secret",
    "acme\x00",
    "acme\u202eemca",
    "acme%2f..",
    "acme?watch=true#",
    "' OR 1=1 --",
    "<!channel>",
    "<https://evil.example|click>",
    "http://169.254.169.254/latest/meta-data/",
    "*" * 300,
    "",
)  # fmt: skip

# What is text for people, shown and searched, and never part of an argument list, a template or a URL.
FREE_TEXT = {("audit", "actor"), ("audit", "command")}
FREE_NAMES = {"text", "note", "reason", "why", "specs"}
DANGEROUS = frozenset("{}$`;|<>\\\n\r\x00\"'\u202e")


@pytest.mark.parametrize("name", sorted(name for name, spec in CATALOG.items()))
def test_no_argument_takes_what_could_be_a_flag_or_a_template(name: str) -> None:
    """Each field of each command: refused, or changed into something harmless."""
    spec = CATALOG[name]
    for field_name, field in spec.args.model_fields.items():
        if is_switch(field) or (name, field_name) in FREE_TEXT or field_name in FREE_NAMES:
            continue
        annotated: Any = Annotated[field.annotation, field]
        adapter: TypeAdapter[Any] = TypeAdapter(annotated)
        for hostile in HOSTILE:
            for given_as in (hostile, (hostile,)):
                try:
                    taken = adapter.validate_python(given_as)
                except ValidationError:
                    continue
                texts = taken if isinstance(taken, tuple) else (taken,)
                for text in (text for text in texts if isinstance(text, str)):
                    assert not DANGEROUS & set(text), (field_name, text)
                    assert not text.startswith(("-", "/", ".")), (field_name, text)


@given(st.sampled_from([spec for spec in CATALOG.values() if spec.risk is not Risk.READ]), st.text(max_size=400))
def test_a_whole_command_of_anything_is_answered(spec: object, text: str) -> None:
    """Never an exception, and what is understood says again what was meant."""
    answer = grammar.parse(f"{getattr(spec, 'name', '')} {text}")
    if isinstance(answer, Invocation):
        assert isinstance(grammar.parse(answer.text), Invocation)


def test_a_huge_command_is_answered_at_once() -> None:
    began = time.monotonic()
    for text in ("a" * 10_000_000, "tenant create " + "--domain x " * 100_000, "'" * 1_000_000, "<" * 1_000_000):
        assert not isinstance(grammar.parse(text), Invocation)
    assert time.monotonic() - began < 20


class NoChild(ChildProcesses):
    """Starts nothing."""

    def run(self, argv: Any, **_: Any) -> Any:
        pytest.fail(f"a process was started: {argv}")


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, object]:
    """The clients of the cluster, none of which may reach it."""
    children = NoChild(tmp_path / "children")
    kubeconfig = tmp_path / "kubeconfig"
    monkeypatch.setattr("provisioning.clients.helm_command.HelmCommand.is_helm_4", True)
    monkeypatch.setattr("kubernetes.client.ApiClient.call_api", lambda *_, **__: pytest.fail("the API was called"))
    cluster = ClusterClient(Cluster(kubeconfig=kubeconfig))
    monkeypatch.setattr(cluster, "_api", kubernetes_client.ApiClient)
    nodes = ClusterNodes(Cluster(kubeconfig=kubeconfig))
    monkeypatch.setattr(nodes, "_connected", kubernetes_client.ApiClient())
    return {
        "nodes": nodes,
        "helm": Helm(Path("/bin/helm"), children, kubeconfig=kubeconfig, context=None, home=tmp_path / "helm"),
        "kubectl": Kubectl(Path("/bin/kubectl"), children, kubeconfig=kubeconfig, context=None),
        "cluster": cluster,
    }


NAMES = {"namespace": "acme", "name": "clearml-agent", "pod": "pod-0", "release": "clearml-agent", "node": "node-1"}
OTHERS: Mapping[str, Any] = {
    "chart": Chart(reference=str(Path(__file__).parent)),
    "values": {},
    "timeout_s": 1.0,
    "revision": 1,
    "labels": {"a": "b"},
    "unschedulable": True,
    "key": "a",
    "value": "b",
    "data": {"a": "b"},
    "container": None,
    "argv": ["true"],
    "manifests": [{"kind": "Namespace", "metadata": {"name": "x"}}],
}


CLIENTS: Mapping[str, type] = {"helm": Helm, "kubectl": Kubectl, "cluster": ClusterClient, "nodes": ClusterNodes}


def _calls() -> Iterator[tuple[str, str, str]]:
    """Every method of every client, with each of its arguments that is a name."""
    for client, kind in CLIENTS.items():
        for method, function in inspect.getmembers(kind, inspect.isfunction):
            if not method.startswith("_"):
                for parameter, one in inspect.signature(function).parameters.items():
                    if parameter in NAMES and "str" in str(one.annotation):
                        yield client, method, parameter


@pytest.mark.parametrize(("client", "method", "parameter"), sorted(_calls()))
def test_no_name_becomes_a_flag_or_a_path(
    clients: Mapping[str, object], client: str, method: str, parameter: str
) -> None:
    """Refused before a process is started or the API is asked; methods that come later are tried too."""
    call: Callable[..., Any] = getattr(clients[client], method)
    wanted = inspect.signature(call).parameters
    for hostile in HOSTILE:
        arguments = {
            name: hostile if name == parameter else {**NAMES, **OTHERS}.get(name)
            for name, one in wanted.items()
            if name == parameter or one.default is inspect.Parameter.empty
        }
        with pytest.raises(PermanentError, match=r"is no .* name"):
            call(**arguments)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)),
        "clearml: !!python/object/apply:os.system [id]\n",
        "[" * 5000,
        "a: " * 5000,
        "\x00",
    ],
    ids=["bomb", "object", "deep list", "deep mapping", "nul"],
)
def test_hostile_settings_are_refused_quickly(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is run, nothing grows, and the answer is an error and not a crash."""
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    monkeypatch.setenv("CLEARML_CHATOPS_CONFIG_FILE", str(file))
    began = time.monotonic()
    with pytest.raises((PermanentError, ValidationError)) as caught:
        Settings()
    assert time.monotonic() - began < 20
    assert len(str(caught.value)) < 20_000
