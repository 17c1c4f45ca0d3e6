"""The running bot's own /metrics, over HTTP: what the composition root has wired up."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.request import urlopen

import pytest

from sandbox.bot_process import BotProcess
from sandbox.processes import free_ports
from sandbox.serving import LoopbackServer
from sandbox.slack.app import create_app
from sandbox.slack.manifest import load_manifest
from sandbox.slack.model import Person
from sandbox.slack.workspace import Workspace
from tests.integration.metrics_samples import SeriesKey, full_scrape, series, value_of

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9"
PATIENCE_S = 30
# What only a platform that can be read, or a step that has ended, brings.
NOT_YET = re.compile(r"clearml_chatops_(measure|runs_out_seconds|sample_age_seconds|step_duration_seconds_\w+)")

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def workspace() -> Iterator[tuple[Workspace, str]]:
    made = Workspace(
        manifest=load_manifest(ROOT / "manifest.yml"),
        people=[Person(id="U0000001", name="operator", real_name="Operator", email="operator@example.com")],
        channels=[],
        clock=time.time,
    )
    server = LoopbackServer(create_app(made))
    yield made, server.start()
    server.stop()
    made.stop()


def settings(folder: Path, slack_url: str, port: int) -> Mapping[str, str]:
    (folder / "kubeconfig").write_text("{apiVersion: v1, kind: Config, clusters: [], contexts: [], users: []}")
    return {
        "DATA_DIR": str(folder / "data"),
        "SLACK__BASE_URL": f"{slack_url}/api/",
        "ROLES": json.dumps({"viewer": ["U0000001"]}),
        **{f"CLEARML__{name}_URL": NOWHERE for name in ("API", "WEB", "FILES")},
        "CLEARML__ACCESS_KEY": "key",
        "CLEARML__SECRET_KEY": "secret",
        "AGENT__CHART__REFERENCE": "/nowhere",
        "REDIS__PASSWORD": "password",
        "PORTS__EXTERNAL_IP": "203.0.113.10",
        "CLUSTER__KUBECONFIG": str(folder / "kubeconfig"),
        "HEALTH__PORT": str(port),
    }


def test_the_running_bot_tells_all_of_it(workspace: tuple[Workspace, str], tmp_path: Path) -> None:
    """Each metric that alerts are held against; acks are timed; Slack's absence shows, and nothing else with it."""
    slack, url = workspace
    (port,) = free_ports(1)
    bot = BotProcess(slack, log=tmp_path / "bot.log", by_http=False)

    def scrape() -> Mapping[SeriesKey, float]:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return series(answer.read())

    bot.start(settings(tmp_path, url, port))
    try:
        slack.command("operator", "dm", "/clearml whoami")
        until(lambda: value_of(scrape(), "ack_seconds_count") == 1)
        until(lambda: value_of(scrape(), "inbox_undone") == 0)
        found = scrape()
        assert {check: value_of(found, "ready", check=check) for check in ("engine", "store", "slack")} == {
            "engine": 1,
            "store": 1,
            "slack": 1,
        }
        expected = {name for name, _ in series(full_scrape(tmp_path)) if not NOT_YET.fullmatch(name)}
        assert expected - {name for name, _ in found} == set()
        slack.plan_faults(api_error=50)
        slack.sockets.drop()
        until(lambda: value_of(scrape(), "ready", check="slack") == 0)
        assert value_of(scrape(), "ready", check="engine") == 1
    finally:
        bot.stop()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come to be so"
        time.sleep(0.1)
