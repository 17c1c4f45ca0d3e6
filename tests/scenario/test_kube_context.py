"""``--kube-context``: the sandbox on a cluster of the user's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import cli
from sandbox.controlplane import build
from sandbox.controlplane.cluster import ControlPlane

pytestmark = [pytest.mark.scenario, pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cluster that the sandbox has not started, in $KUBECONFIG."""
    cluster = ControlPlane(build.ensure(print), tmp_path / "cluster")
    cluster.start(print)
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    yield cluster.kubeconfig
    cluster.stop()


def test_the_main_job_runs_on_the_users_cluster(kubeconfig: Path) -> None:
    """The whole scenario holds there, and the cluster is left running."""
    scenario = Path(__file__).parent / "tenant_create.yaml"
    assert cli.run(scenario=[scenario], json_output=False, kube_context="sandbox", port=0, keep=False) == 0


def test_an_unknown_context_is_said_in_one_line(kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3, the context's name, and nothing half started."""
    scenario = Path(__file__).parent / "tenant_create.yaml"
    assert cli.run(scenario=[scenario], json_output=False, kube_context="nowhere", port=0, keep=False) == 3
    assert "nowhere" in capsys.readouterr().err
