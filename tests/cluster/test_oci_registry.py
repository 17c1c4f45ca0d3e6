"""The real helm, a real OCI registry behind basic auth, a real cluster: charts are pulled, by digest too, and run.

A gate stands before the registry. While helm waits for an answer it looks at what every process shows to others.
"""

import base64
import contextlib
import json
import os
import re
import select
import socket
import subprocess
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import SecretStr

from commands.platform import Component
from provisioning import tools
from provisioning.clients.clearml import ClearML
from provisioning.clients.cluster import ClusterClient
from provisioning.clients.helm import Helm
from provisioning.clients.process import ChildProcesses
from provisioning.configuration import Chart, Cluster, Tools
from provisioning.errors import PermanentError
from provisioning.facts.platform import PlatformFactsGatherer
from provisioning.known_users import KnownUsers
from provisioning.operations.platform_releases import chart_input
from provisioning.sources import GivenSources
from sandbox.controlplane import build
from tests.integration.store_samples import open_store
from tests.older_helm import HELM_3_16, HELM_3_17, older_helm
from tests.unit.platform_samples import configuration

pytestmark = pytest.mark.cluster

HERE = Path(__file__).parent
CHARTS = HERE.parents[1] / "sandbox" / "charts"
REGISTRY = build.Build(
    folder="registry",
    what="an OCI registry for tests",
    takes="half a minute on two cores",
    modules=HERE,
    targets=(build.Target(name="registry", module="registry", package="."),),
)
USER, PASSWORD = "token-of-acme", "s3cret-of-acme"
HTPASSWD = f"{USER}:$2b$04$abcdefghijklmnopqrstuuSar7SLixnGqR6IXY3xmKYSKevKocAX6\n"  # of PASSWORD
VALUES = {"architecture": "standalone", "auth": {"password": SecretStr("the-redis-password")}}


@dataclass
class Gate:
    """Hands connections on to the registry, and keeps what processes showed while each was made."""

    upstream: tuple[str, int]
    shown: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        pumps: list[threading.Thread] = []
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                break
            self.shown.append(_shown_by_helm())
            pumps.append(threading.Thread(target=_pump, args=(client, socket.create_connection(self.upstream))))
            pumps[-1].start()
        for pump in pumps:
            pump.join()


def _shown_by_helm() -> bytes:
    """Return the arguments and environments of every helm, as other users' tools read them."""
    found = b""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            arguments = (process / "cmdline").read_bytes()
            if arguments.partition(b"\0")[0].endswith(b"/helm"):
                found += arguments + (process / "environ").read_bytes()
    return found


def _pump(client: socket.socket, registry: socket.socket) -> None:
    others = {client: registry, registry: client}
    with client, registry, contextlib.suppress(OSError):
        while True:
            for readable in select.select([client, registry], [], [])[0]:
                piece = readable.recv(65536)
                if not piece:
                    return
                others[readable].sendall(piece)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Start it, with nothing in it. Where it cannot be built: a failure in CI, a skip that says why elsewhere."""
    try:
        binary = build.ensure(build=REGISTRY) / "registry"
    except build.ControlPlaneUnavailable as problem:
        if os.environ.get("CI"):
            pytest.fail(str(problem))
        pytest.skip(str(problem))
    folder = tmp_path_factory.mktemp("registry")
    (folder / "htpasswd").write_text(HTPASSWD)
    settings = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"inmemory": {}},
        "http": {"addr": "127.0.0.1:0", "secret": uuid.uuid4().hex},
        "auth": {"htpasswd": {"realm": "charts", "path": str(folder / "htpasswd")}},
    }
    (folder / "config.yaml").write_text(json.dumps(settings))
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([binary, folder / "config.yaml"], stdout=subprocess.PIPE, stderr=log, text=True)
    assert server.stdout is not None
    host, _, port = server.stdout.readline().strip().rpartition(":")
    gate = Gate((host, int(port)))
    yield gate
    gate.close()
    server.terminate()
    server.wait(10)
    server.stdout.close()


@pytest.fixture(scope="module")
def digest(registry: Gate, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Push a chart as its maker does, and return the digest that helm prints."""
    folder = tmp_path_factory.mktemp("maker")
    helm = tools.locate(Tools()).helm
    home = {f"HELM_{one}_HOME": str(folder / one) for one in ("CACHE", "CONFIG", "DATA")}

    def run(*arguments: str | Path, stdin: str = "") -> str:
        environment = {"PATH": os.environ["PATH"], **home}
        command = [helm, *arguments]
        done = subprocess.run(command, input=stdin, env=environment, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    run("package", CHARTS / "redis", f"--destination={folder}")
    login = ["registry", "login", registry.address, "--plain-http", f"--username={USER}", "--password-stdin"]
    run(*login, stdin=PASSWORD)
    said = run("push", folder / "redis-17.8.3.tgz", f"oci://{registry.address}/charts", "--plain-http")
    registry.shown.clear()
    found = re.search(r"sha256:[0-9a-f]{64}", said)
    assert found, said
    return found.group()


@pytest.fixture
def helm(kubeconfig: Path, tmp_path: Path) -> Helm:
    return _helm(tools.locate(Tools()).helm, kubeconfig, tmp_path)


def _helm(binary: Path, kubeconfig: Path, folder: Path) -> Helm:
    children = ChildProcesses(folder / "children")
    return Helm(binary, children, kubeconfig=kubeconfig, context="sandbox", home=folder / "home")


def _chart(registry: Gate, *, password: str = PASSWORD, version: str = "17.8.3", at: str = "") -> Chart:
    reference = f"oci://{registry.address}/charts/redis{at}"
    return Chart(reference=reference, version=version, username=USER, password=SecretStr(password))


@pytest.mark.parametrize("by_digest", [False, True], ids=["tag", "digest"])
def test_a_chart_of_a_registry_is_installed_and_no_process_shows_the_password(
    helm: Helm, registry: Gate, digest: str, namespace: str, tmp_path: Path, by_digest: bool
) -> None:
    """helm is caught while it asks the registry: the password is in no argument, no variable, and no file after it."""
    chart = _chart(registry, at=f"@{digest}" if by_digest else "")
    registry.shown.clear()
    release = helm.upgrade_install(namespace, "redis", chart, VALUES, timeout_s=60)
    assert (release.status, release.chart, release.chart_version) == ("deployed", "redis", "17.8.3")
    assert any(b"pull" in one and f"oci://{registry.address}".encode() in one for one in registry.shown)
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    for secret in (PASSWORD.encode(), base64.b64encode(f"{USER}:{PASSWORD}".encode())):
        assert not any(secret in one for one in (*registry.shown, *kept))
    asked = len(registry.shown)
    assert helm.show_values(chart)["auth"]["enabled"] is True
    assert len(registry.shown) == asked, "an exact version is fetched once"


def test_helm_3_pulls_by_digest_from_3_17_on_and_is_refused_before(
    registry: Gate, digest: str, kubeconfig: Path, tmp_path: Path
) -> None:
    """The real binaries of both sides of it. What the older one said of the registry would not tell why."""
    chart = _chart(registry, at=f"@{digest}")
    assert _helm(older_helm(HELM_3_17), kubeconfig, tmp_path / "new").show_chart(chart)["version"] == "17.8.3"
    older = _helm(older_helm(HELM_3_16), kubeconfig, tmp_path / "old")
    registry.shown.clear()
    with pytest.raises(PermanentError, match=r"is helm 3\.16, and charts are pulled by their digest from 3\.17 on"):
        older.show_chart(chart)
    assert registry.shown == []
    assert older.show_chart(_chart(registry))["version"] == "17.8.3"
    with pytest.raises(PermanentError, match="the registry has no such chart"):
        older.show_chart(_chart(registry, version="9.9.9"))


@pytest.mark.parametrize(
    ("changes", "said", "next_action"),
    [
        ({"password": "wrong-s3cret"}, "refused the credentials", "check the credentials"),
        ({"version": "9.9.9"}, "the registry has no such chart", "name, version and digest"),
        ({"at": f"@sha256:{'0' * 64}"}, "the registry has no such chart", "name, version and digest"),
    ],
    ids=["password", "version", "digest"],
)
def test_what_the_registry_refuses_is_said_with_what_to_do(
    helm: Helm, registry: Gate, digest: str, tmp_path: Path, changes: dict[str, str], said: str, next_action: str
) -> None:
    with pytest.raises(PermanentError, match=said) as caught:
        helm.show_chart(_chart(registry, **changes))
    assert next_action in caught.value.next_action
    assert "wrong-s3cret" not in f"{caught.value}{caught.value.details}"
    assert list((tmp_path / "home" / "charts").iterdir()) == []


def test_a_registry_that_asks_for_credentials_that_are_not_set(helm: Helm, registry: Gate, digest: str) -> None:
    chart = _chart(registry).model_copy(update={"username": None, "password": None})
    with pytest.raises(PermanentError, match="refused the credentials"):
        helm.show_chart(chart)


def test_a_digest_of_another_version_is_refused(helm: Helm, registry: Gate, digest: str, tmp_path: Path) -> None:
    """helm itself would not look: what is shown in a plan must be what is fetched."""
    with pytest.raises(PermanentError, match=r"its digest is that of version 17\.8\.3") as caught:
        helm.show_chart(_chart(registry, version="17.9.0", at=f"@{digest}"))
    assert "correct" in caught.value.next_action
    assert list((tmp_path / "home" / "charts").iterdir()) == []


@pytest.mark.parametrize("password", [PASSWORD, "wrong-s3cret"], ids=["right", "wrong"])
def test_the_platform_spec_names_a_registry_and_where_its_password_lies(
    helm: Helm, registry: Gate, digest: str, kubeconfig: Path, tmp_path: Path, password: str
) -> None:
    """What the plan holds of it is the name of the secret; one that is wrong is a trouble of its component alone."""
    spec = tmp_path / "platform.yaml"
    spec.write_text(
        "base_domain: gpu.example.com\n"
        "repositories:\n"
        f"  ours: {{url: 'oci://{registry.address}/charts', username: {{setting: platform.secrets.user}},"
        " password: {setting: platform.secrets.token}}\n"
        f"redis:\n  chart: {{repository: ours, name: redis, version: 17.8.3, digest: '{digest}'}}\n"
    )
    settings = configuration(platform={"file": str(spec), "secrets": {"user": USER, "token": password}})
    cluster = ClusterClient(Cluster(kubeconfig=kubeconfig))
    with contextlib.closing(open_store(tmp_path)) as store:
        clearml = ClearML(settings.clearml, known_users=KnownUsers(store))
        sources = GivenSources(configuration=settings, clearml=clearml, cluster=cluster, helm=helm, store=store)
        gatherer = PlatformFactsGatherer("platform install", sources)
        facts, troubles = gatherer.look(None)
    if password != PASSWORD:
        assert facts.charts == {}
        assert "refused the credentials" in str(troubles[Component.REDIS])
        return
    assert troubles == {}
    chart = facts.charts[Component.REDIS]
    assert (chart.name, chart.version) == ("redis", "17.8.3")
    planned = json.dumps(chart_input(facts.spec, Component.REDIS))
    assert f"@{digest}" in planned
    assert "platform.secrets.token" in planned
    assert PASSWORD not in planned
