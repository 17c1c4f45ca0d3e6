"""How kubectl is called, and what its answers mean."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from provisioning.clients.kubectl import Kubectl
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


def test_a_diff_keeps_only_what_means_something(fake: FakeKubectl) -> None:
    """Headers, times, ids and line numbers are dropped; what is left is empty where nothing changes."""
    header = (
        "diff -u -N /tmp/LIVE-1/v1.ConfigMap.acme.x /tmp/MERGED-2/v1.ConfigMap.acme.x\n--- /tmp/a\t2026\n+++ /tmp/b\n"
    )
    body = '@@ -1,6 +1,6 @@\n data:\n-  a: "1"\n+  a: "2"\n metadata:\n-  generation: 1\n+  generation: 2\n+  uid: x\n'
    fake.answers(code=1, out=header + body)
    assert fake.client.diff([POLICY]) == '# v1.ConfigMap.acme.x\n@@\n data:\n-  a: "1"\n+  a: "2"\n metadata:'
    fake.answers(code=1, out=header + "@@ -1 +1 @@\n metadata:\n-  generation: 1\n+  generation: 2\n")
    assert fake.client.diff([POLICY]) == ""
    fake.answers(code=0)
    assert fake.client.diff([POLICY]) == ""


def test_a_diff_that_failed_is_no_difference(fake: FakeKubectl) -> None:
    """Exit code 1 means differences only where kubectl printed some; an error is raised as what it is."""
    fake.answers(code=1, err="error: etcdserver: request timed out")
    with pytest.raises(TemporaryError):
        fake.client.diff([POLICY])
    fake.answers(code=2, err="error: boom")
    with pytest.raises(PermanentError, match="boom"):
        fake.client.diff([POLICY])


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
    with pytest.raises(PermanentError, match="running nvidia-smi in acme/pod-0"):
        fake.client.exec("acme", "pod-0", None, ["nvidia-smi"])


@pytest.mark.parametrize(("namespace", "pod"), [("--x", "pod"), ("acme", "--stdin"), ("acme", "a/b"), ("", "pod")])
def test_names_cannot_be_flags(fake: FakeKubectl, namespace: str, pod: str) -> None:
    """A name that is none stops before kubectl is started."""
    with pytest.raises(PermanentError, match="is no"):
        fake.client.exec(namespace, pod, None, ["true"])
    assert not (fake.binary.parent / "call").exists()
