"""How kubectl is called, and what its answers mean."""

import json
import sys
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from provisioning.clients.kubectl import Kubectl
from provisioning.clients.kubectl_diff import changes_of
from provisioning.clients.process import ChildProcesses
from provisioning.errors import PermanentError, TemporaryError

FAKE = """#!{python}
import json, os, sys
from pathlib import Path
here = Path({here!r})
(here / "call").write_text(json.dumps([sys.argv[1:], sys.stdin.read(), dict(os.environ)]))
answer = json.loads((here / "answer").read_text())
print(answer.get("out", ""), end="")
print(answer.get("err", ""), end="", file=sys.stderr)
sys.exit(answer.get("code", 0))
"""
POLICY = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny"}}


class FakeKubectl:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.binary = folder / "kubectl"
        self.binary.write_text(FAKE.format(python=sys.executable, here=str(folder)))
        self.binary.chmod(0o755)
        self.answers()
        self.client = Kubectl(
            self.binary, ChildProcesses(folder / "children"), kubeconfig=Path("/k/config"), context="--evil"
        )

    def answers(self, **answer: Any) -> None:
        (self._folder / "answer").write_text(json.dumps(answer))

    @property
    def call(self) -> tuple[list[str], str, dict[str, str]]:
        argv, stdin, env = json.loads((self._folder / "call").read_text())
        return argv, stdin, env


@pytest.fixture
def fake(tmp_path: Path) -> FakeKubectl:
    return FakeKubectl(tmp_path)


def test_manifests_go_through_stdin(fake: FakeKubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    """apply is server-side under our field manager; a context cannot become a flag; kuberc changes nothing."""
    monkeypatch.setenv("KUBECTL_EXTERNAL_DIFF", "rm -rf")
    fake.client.apply([POLICY], namespace="acme")
    argv, stdin, env = fake.call
    assert argv[:3] == ["apply", "--kubeconfig=/k/config", "--context=--evil"]
    assert {"--server-side", "--field-manager=clearml-chatops", "--namespace=acme", "--filename=-"} <= set(argv)
    assert json.loads(stdin) == {"apiVersion": "v1", "kind": "List", "items": [POLICY]}
    assert env["KUBERC"] == "off"
    assert "KUBECTL_EXTERNAL_DIFF" not in env


def printed(*files: tuple[str, str]) -> str:
    """Return what kubectl prints of these files, each (before, after)."""
    lines = []
    for before, after in files:
        lines += [
            "diff -U1000000 -N /tmp/LIVE-1/v1.ConfigMap.acme.x /tmp/MERGED-2/v1.ConfigMap.acme.x",
            *unified_diff(before.splitlines(), after.splitlines(), "/tmp/a", "/tmp/b", n=1_000_000, lineterm=""),
        ]
    return "\n".join(lines)


def config_map(name: str, data: dict[str, str], *, generation: int = 1) -> str:
    metadata = {"name": name, "generation": generation, "uid": f"uid-{generation}"}
    return yaml.safe_dump({"kind": "ConfigMap", "metadata": metadata, "data": data})


def test_a_comparison_keeps_only_what_means_something(fake: FakeKubectl) -> None:
    """Each object as it is and as it would be, without ids and counters; nothing where only those differ."""
    fake.answers(
        code=1,
        out=printed(
            (config_map("x", {"a": "1"}), config_map("x", {"a": "2"}, generation=2)),
            ("", config_map("new", {"a": "---\n+++\n@@ -1 +1 @@\ndiff -N x"})),
            (config_map("same", {}), config_map("same", {}, generation=2)),
        ),
    )
    new, changed = fake.client.changes([POLICY])
    assert (new.name, new.found, new.shall["data"]) == ("new", None, {"a": "---\n+++\n@@ -1 +1 @@\ndiff -N x"})
    assert changed.found == {"kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "1"}}
    assert changed.shall == {"kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "2"}}
    assert fake.call[2]["KUBECTL_EXTERNAL_DIFF"] == "diff -U1000000 -N"
    fake.answers(code=0)
    assert fake.client.changes([POLICY]) == ()
    assert fake.client.changes([]) == ()


@given(
    before=st.dictionaries(st.text("ab-+@ d", min_size=1), st.text("xy\n-+@ d"), max_size=4),
    after=st.dictionaries(st.text("ab-+@ d", min_size=1), st.text("xy\n-+@ d"), max_size=4),
)
def test_whatever_objects_hold_they_are_read_back(before: dict[str, str], after: dict[str, str]) -> None:
    """Lines that look like a diff's own marks are content."""
    seen = changes_of(printed((config_map("x", before), config_map("x", after))))
    assert [(one.found or {})["data"] for one in seen] == ([before] if before != after else [])
    assert [one.shall["data"] for one in seen] == ([after] if before != after else [])


def test_what_is_no_comparison_is_an_error(fake: FakeKubectl) -> None:
    """It must not pass for no difference."""
    for text in ("diff a b\n@@ -1 +1 @@\n+[", "diff a b\n@@ -1 +1 @@\n+kind: x", "diff a b\n@@ -1 +1 @@\n+- x"):
        fake.answers(code=1, out=text)
        with pytest.raises(PermanentError, match="no comparison of objects"):
            fake.client.changes([POLICY])


def test_a_comparison_that_failed_is_no_difference(fake: FakeKubectl) -> None:
    """Exit code 1 means differences only where kubectl printed some; an error is raised as what it is."""
    fake.answers(code=1, err="error: etcdserver: request timed out")
    with pytest.raises(TemporaryError):
        fake.client.changes([POLICY])
    fake.answers(code=2, err="error: boom")
    with pytest.raises(PermanentError, match="boom"):
        fake.client.changes([POLICY])


def test_the_commands_exit_code_comes_back(fake: FakeKubectl) -> None:
    """A command that failed in the container is an answer; a container that is not there is an error."""
    fake.answers(code=7, out="said", err="command terminated with exit code 7\n")
    completed = fake.client.exec("acme", "pod-0", "main", ["nvidia-smi", "-L"])
    assert (completed.returncode, completed.stdout) == (7, "said")
    argv, _, _ = fake.call
    assert argv[-5:] == ["--container=main", "pod-0", "--", "nvidia-smi", "-L"]
    kwoks = "error: Internal error occurred: error executing command in container: cmd wait: x: exit status 6\n"
    fake.answers(code=1, out="said", err=kwoks)
    assert fake.client.exec("acme", "pod-0", None, ["nvidia-smi"]).returncode == 6
    fake.answers(code=1, err='Error from server (NotFound): pods "pod-0" not found')
    with pytest.raises(TemporaryError, match="running nvidia-smi in acme/pod-0: the pod is gone"):
        fake.client.exec("acme", "pod-0", None, ["nvidia-smi"])


@pytest.mark.parametrize(("namespace", "pod"), [("--x", "pod"), ("acme", "--stdin"), ("acme", "a/b"), ("", "pod")])
def test_names_cannot_be_flags(fake: FakeKubectl, namespace: str, pod: str) -> None:
    """A name that is none stops before kubectl is started."""
    with pytest.raises(PermanentError, match="is no"):
        fake.client.exec(namespace, pod, None, ["true"])
    assert not (fake.binary.parent / "call").exists()
