"""The real helm fetches from a repository that asks for a password, and runs what it fetched."""

import base64
import functools
import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from provisioning import tools
from provisioning.clients.helm import Helm
from provisioning.clients.process import ChildProcesses
from provisioning.configuration import Chart, Tools
from provisioning.errors import PermanentError, UnreachableError

pytestmark = pytest.mark.cluster

SOURCE = Path(__file__).parents[2] / "sandbox" / "charts" / "clearml-enterprise-agent"
USER, PASSWORD = "token-of-acme", "s3cret-of-acme"
NAME = "clearml-enterprise-agent"


class _Repository(http.server.SimpleHTTPRequestHandler):
    """Serves a folder to who knows the password, and counts what was asked for."""

    asked: list[str] = []

    def do_GET(self) -> None:
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        self.asked.append(self.path)
        if self.headers.get("Authorization") != f"Basic {expected}":
            self.send_error(401)
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "repository"
    helm = tools.locate(Tools()).helm
    subprocess.run([helm, "package", SOURCE, f"--destination={folder}"], check=True, capture_output=True)
    subprocess.run([helm, "repo", "index", folder], check=True, capture_output=True)
    _Repository.asked.clear()
    handler = functools.partial(_Repository, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def helm(tmp_path: Path) -> Helm:
    children = ChildProcesses(tmp_path / "children")
    return Helm(tools.locate(Tools()).helm, children, kubeconfig=None, context=None, home=tmp_path / "home")


def _chart(repo: str, *, password: str = PASSWORD, version: str = "1.0.0") -> Chart:
    return Chart(
        reference=f"allegroai-enterprise/{NAME}",
        repo=repo,
        version=version,
        username=USER,
        password=SecretStr(password),
    )


def test_a_private_chart_is_fetched_once(helm: Helm, repository: str, tmp_path: Path) -> None:
    """The password opens the repository, the exact version is downloaded once, and no file keeps the password."""
    chart = _chart(repository)
    assert helm.show_chart(chart)["version"] == "1.0.0"
    assert "agentk8sglue" in helm.show_values(chart)
    values = {"clearml": {"agentk8sglueKey": "a", "agentk8sglueSecret": "b"}}
    assert "kind: Deployment" in helm.template("acme", "agent", chart, values)
    assert _Repository.asked.count(f"/{NAME}-1.0.0.tgz") == 1
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert kept
    assert not any(PASSWORD.encode() in path.read_bytes() for path in kept)


def test_threads_fetch_a_chart_together(helm: Helm, repository: str) -> None:
    """Tenants in parallel that need the same chart cause one download."""
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(helm.show_chart(_chart(repository))["name"])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [NAME] * 4
    assert _Repository.asked.count(f"/{NAME}-1.0.0.tgz") == 1


def test_a_wrong_password_is_said_without_it(helm: Helm, repository: str, tmp_path: Path) -> None:
    """The refusal is permanent, quotes no password, and leaves nothing in the cache."""
    with pytest.raises(PermanentError, match="refused the credentials") as caught:
        helm.show_chart(_chart(repository, password="wrong-s3cret"))
    assert "wrong-s3cret" not in f"{caught.value}{caught.value.details}"
    assert list((tmp_path / "home" / "charts").iterdir()) == []


def test_a_version_that_is_not_there_is_permanent(helm: Helm, repository: str) -> None:
    """Asking again would not make it appear."""
    with pytest.raises(PermanentError, match=r"fetching chart allegroai-enterprise/clearml-enterprise-agent 9.9.9"):
        helm.show_chart(_chart(repository, version="9.9.9"))


@pytest.mark.parametrize(
    "chart",
    [
        Chart(reference="x/agent", repo="http://127.0.0.1:9/charts", version="1.0.0"),
        Chart(reference="oci://127.0.0.1:9/charts/agent", version="1.0.0", username="u", password=SecretStr("pw-1234")),
    ],
    ids=lambda chart: chart.reference,
)
def test_a_silent_repository_may_be_tried_again(helm: Helm, chart: Chart) -> None:
    """No answer is told apart from a refusal, for both kinds of repository."""
    with pytest.raises(UnreachableError, match="did not answer"):
        helm.show_chart(chart)
