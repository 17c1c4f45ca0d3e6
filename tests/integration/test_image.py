"""The Dockerfile: linted, built step by step without a daemon, and run as Kubernetes runs it.

The base is Debian's own packages under the name that the Dockerfile takes as an argument; everything after FROM is
what the official image gets, too.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from sandbox.processes import Child, free_ports
from sandbox.serving import LoopbackServer
from sandbox.slack.app import create_app
from sandbox.slack.manifest import load_manifest
from sandbox.slack.model import Person
from sandbox.slack.workspace import Workspace
from tests.image_build import ROOT, Image, built

pytestmark = pytest.mark.timeout(2400)  # a base and every layer, from nothing; half a minute where they are cached
image_test = pytest.mark.image
UID = 10001
PATIENCE_S = 60.0


def test_the_linter_finds_nothing() -> None:
    """hadolint, with shellcheck's rules for each RUN."""
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    with built(tmp_path_factory.mktemp("image")) as found:
        yield found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The volume, as Kubernetes gives it to the pod's group."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    os.chown(folder, UID, UID)
    return folder


@image_test
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("clearml-chatops --version", "clearml-chatops "),
        ("clearml-chatops tools path", "/usr/local/bin/helm"),
        ("helm version --short", "v4."),
        ("kubectl version --client", "Client Version: v1."),
        ("clearml-chatops config policy", "# The default policy"),
        ("clearml-chatops capacity fits --model H100-80GB", "1g.10gb"),
        ("python -m pip check", "No broken requirements found"),
    ],
)
def test_what_people_run_in_it_runs(image: Image, data: Path, words: str, said: str) -> None:
    """Without a network, a home folder of its own or a root that can be written to."""
    done = image.run(*words.split(), data=data)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


@image_test
def test_it_is_nobody_in_particular(image: Image, data: Path) -> None:
    """A user by number, no capabilities, nothing to write to but the volume and /tmp, no way to become root."""
    assert image.config["User"] == f"{UID}:{UID}"
    assert image.run("id", "-u", data=data).stdout == f"{UID}\n"
    status = image.run("cat", "/proc/self/status", data=data).stdout
    assert "CapEff:\t0000000000000000" in status
    for path, can in (("/x", False), ("/opt/clearml-chatops/x", False), ("/tmp/x", True), ("/data/x", True)):
        done = image.run("touch", path, data=data)
        assert (done.returncode == 0) is can, (path, done.stderr)
    ours = image.run("find", "/opt", "/usr/local/bin", "-perm", "/6022", "-not", "-type", "l", data=data)
    assert (ours.returncode, ours.stdout) == (0, "")


@image_test
def test_what_is_missing_is_said_with_the_next_action(image: Image, data: Path) -> None:
    """A pod without its Secret: one line each, exit code 3, and no traceback."""
    for command in ("doctor", "serve"):
        done = image.run("clearml-chatops", command, data=data)
        assert done.returncode == 3
        assert "next: set these in the environment" in done.stderr
        assert "Traceback" not in done.stderr


@image_test
def test_the_doctor_tells_of_each_thing_that_it_cannot_reach(image: Image, data: Path) -> None:
    """Settings that are whole, and nothing that answers."""
    done = image.run("clearml-chatops", "doctor", data=data, environment=settings("http://127.0.0.1:9"))
    assert done.returncode == 1, done.stderr
    for thing in ("helm", "kubectl", "ClearML"):
        assert thing in done.stdout
    assert "Traceback" not in done.stderr


def settings(clearml_url: str) -> dict[str, str]:
    told = {
        "CLEARML__API_URL": clearml_url,
        "CLEARML__WEB_URL": clearml_url,
        "CLEARML__FILES_URL": clearml_url,
        "CLEARML__ACCESS_KEY": "key",
        "CLEARML__SECRET_KEY": "secret",
        "AGENT__CHART__REFERENCE": "/nowhere",
        "ROLES": '{"viewer": ["U0000001"]}',
        "PORTS__EXTERNAL_IP": "203.0.113.10",
        "REDIS__PASSWORD": "password",
        "CLUSTER__KUBECONFIG": "/data/kubeconfig",
    }
    return {f"CLEARML_CHATOPS_{name}": value for name, value in told.items()}


@pytest.fixture
def slack() -> Iterator[tuple[Workspace, Mapping[str, str]]]:
    """A workspace, and what the bot is told to reach it."""
    workspace = Workspace(
        manifest=load_manifest(ROOT / "manifest.yml"),
        people=[Person(id="U0000001", name="operator", real_name="Operator", email="operator@example.com")],
        channels=[],
        groups=[],
        clock=time.time,
    )
    server = LoopbackServer(create_app(workspace, token="page"))
    url = server.start()
    told = {
        "SLACK__BASE_URL": f"{url}/api/",
        "SLACK__BOT_TOKEN": workspace.bot_token,
        "SLACK__APP_TOKEN": workspace.app_token,
    }
    yield workspace, {f"CLEARML_CHATOPS_{name}": value for name, value in told.items()}
    server.stop()


@image_test
def test_the_bot_serves_in_it_and_the_healthcheck_tells(
    image: Image, data: Path, tmp_path: Path, slack: tuple[Workspace, Mapping[str, str]]
) -> None:
    """Unhealthy before it listens, healthy once Slack's socket stands; SIGTERM ends the image's command with 0."""
    workspace, told = slack
    (data / "kubeconfig").write_text("{apiVersion: v1, kind: Config, clusters: [], contexts: [], users: []}")
    port = {"CLEARML_CHATOPS_HEALTH__PORT": str(free_ports(1)[0])}
    environment = {**settings("http://127.0.0.1:9"), **told, **port}
    kind, *check = image.config["Healthcheck"]["Test"]
    assert kind == "CMD"

    def is_healthy() -> bool:
        return image.run(*check, data=data, environment=port).returncode == 0

    assert not is_healthy()
    command = image.command([*image.config["Entrypoint"], *image.config["Cmd"]], data=data, environment=environment)
    log = tmp_path / "bot.log"
    bot = Child("bot", command, log=log)
    try:
        wait_for(lambda: workspace.connected or bot.returncode is not None)
        assert workspace.connected, bot.last_lines(20)
        wait_for(is_healthy)
        workspace.command("operator", "dm", "/clearml whoami")
        wait_for(lambda: bool(workspace.visible("operator", "dm")))
        assert "You are" in workspace.visible("operator", "dm")[-1]["plain"]
    finally:
        bot.stop(grace_s=30)
    assert bot.returncode == 0, bot.last_lines(20)
    assert (data / "chatops.db").stat().st_uid == UID
    assert "Traceback" not in log.read_text()


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "nothing happened for a minute"
        time.sleep(0.2)
