"""After a whole run, no secret is anywhere but where it belongs: the settings, the cluster's Secrets, one modal."""

import base64
import json
import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from provisioning import tools
from provisioning.configuration import Tools
from sandbox.cast import DEFAULT_CAST
from sandbox.scenario.model import load
from sandbox.scenario.runner import Happening, Runner
from sandbox.slack.state import State
from sandbox.world import World

SCENARIO = Path(__file__).parent / "tenant_create.yaml"
SAMPLE_S = 0.01

pytestmark = [pytest.mark.scenario, pytest.mark.cluster, pytest.mark.timeout(400)]


class Postings:
    """Everything that was ever posted to the workspace, each version of it: who could see it, what it said."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.messages: set[str] = set()
        self.modals: dict[str, set[str]] = {}  # person id → every content of every window that was theirs
        state.on_change(self._note)

    def _note(self) -> None:
        for message in (one for channel in self._state.messages.values() for one in channel):
            self.messages.add(json.dumps([message.text, message.blocks], ensure_ascii=False))
        for home in self._state.homes.values():
            self.messages.add(json.dumps(home.view, ensure_ascii=False))
        for person, stack in self._state.modals.items():
            self.modals.setdefault(person, set()).update(json.dumps(one.view, ensure_ascii=False) for one in stack)


@contextmanager
def sampled_processes() -> Iterator[set[bytes]]:
    """Collect the arguments of every process of this machine, as anybody with a shell on it could."""
    seen: set[bytes] = set()
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(SAMPLE_S):
            for name in os.listdir("/proc"):  # noqa: PTH208 - the quickest: helm lives for a tenth of a second
                if name.isdigit():
                    try:
                        seen.add(Path("/proc", name, "cmdline").read_bytes())
                    except OSError:
                        continue

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield seen
    finally:
        stop.set()
        sampler.join()


def _forms(secret: str) -> set[bytes]:
    """How the secret may have been written down."""
    raw = secret.encode()
    forms = {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), raw.hex()}
    for before in range(3):
        for altchars in (b"+/", b"-_"):
            encoded = base64.b64encode(b"\0" * before + raw, altchars).decode()
            forms.add(encoded[-(-8 * before // 6) : 8 * (before + len(raw)) // 6])
    return {form.encode() for form in forms}


def _cells(path: Path) -> bytes:
    """Every value of every table, since a file cuts long ones up into pages."""
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as connection:
        connection.text_factory = bytes
        tables = [row[0].decode() for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        cells = [cell for table in tables for row in connection.execute(f'SELECT * FROM "{table}"') for cell in row]
    connection.close()
    return b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)


def _helm_says(world: World) -> str:
    """What an operator who looks at the release sees."""
    helm, _ = tools.locate(Tools())
    where = ["--namespace", "acme", "--kubeconfig", str(world.kubeconfig)]
    commands = (["status", "clearml-agent"], ["history", "clearml-agent"], ["get", "notes", "clearml-agent"], ["list"])
    return "\n".join(
        subprocess.run([helm, *words, *where], capture_output=True, text=True, check=True, timeout=60).stdout
        for words in commands
    )


def test_no_secret_is_anywhere_but_where_it_belongs(tmp_path: Path) -> None:
    """Grep everything that a whole run leaves behind, shows or says, for every secret in every form."""
    scenario = load(SCENARIO)
    happenings: list[Happening] = []
    world = World(tmp_path / "world", cast=DEFAULT_CAST, progress=lambda _line: None)
    with sampled_processes() as arguments:
        try:
            world.start()
            postings = Postings(world.workspace.state)
            outcome = Runner(world, scenario, happenings.append).play()
            assert outcome.ok, [one for one in happenings if one.kind == "broken"]
            helm_says = _helm_says(world)
        finally:
            world.stop()

    # -- what is searched for
    settings = {
        name.removeprefix("CLEARML_CHATOPS_"): value
        for name, value in world.bot.environment(world.bot_settings()).items()
        if name.startswith("CLEARML_CHATOPS_")
    }
    secrets = {
        **{f"ClearML key {number}": secret for number, secret in enumerate(world.clearml.every_secret())},
        **{
            name: settings[name]
            for name in (
                "SLACK__BOT_TOKEN",
                "SLACK__APP_TOKEN",
                "SLACK__SIGNING_SECRET",
                "CLEARML__SECRET_KEY",
                "REDIS__PASSWORD",
                "AGENT__IMAGE_PASSWORD",
            )
        },
    }
    assert len(world.clearml.every_secret()) >= 3, "the system's, the agent's and the admin's"
    shown = [text for texts in postings.modals.values() for text in texts if "Secret key" in text]
    assert len(shown) == 1, "the credentials were shown once"
    revealed = [name for name, secret in secrets.items() if secret in shown[0]]
    assert len(revealed) == 1, "and the modal holds one secret alone"
    requester = world.workspace.state.person("operator").id
    assert [person for person, texts in postings.modals.items() if shown[0] in texts] == [requester]

    # -- where
    files = [path for path in (tmp_path / "world" / "data").rglob("*") if path.is_file()]
    places = {str(path.relative_to(tmp_path)): path.read_bytes() for path in [*files, tmp_path / "world" / "bot.log"]}
    places |= {f"cells of {path.name}": _cells(path) for path in files if path.suffix == ".db"}
    places |= {
        "messages and Home": "\n".join(postings.messages).encode(),
        "modals": "\n".join(text for texts in postings.modals.values() for text in texts - {shown[0]}).encode(),
        "the transcript": "\n".join(one.text for one in happenings).encode(),
        "arguments of processes": b"\n".join(arguments),
        "what helm says": helm_says.encode(),
    }
    assert any("chatops.db" in place for place in places)
    assert sum("cells of" in place for place in places) >= 2, "the store's and the engine's"
    assert b"job.succeeded" in places["cells of chatops.db"]
    assert len(postings.messages) > 5
    assert any(b"\0upgrade\0" in line for line in arguments), "the sampler saw helm at work"
    assert "deployed" in helm_says

    found = [
        f"{name} in {place}"
        for name, secret in secrets.items()
        for place, content in places.items()
        if any(form in content for form in _forms(secret))
    ]
    assert not found
