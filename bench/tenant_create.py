"""One tenant: the product's job against the guide's steps as a shell script, on the same cluster and server."""

import json
import os
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench.rows import Row
from provisioning import tools
from provisioning.configuration import Tools
from sandbox.by_hand import guide_values
from sandbox.cast import DEFAULT_CAST
from sandbox.world import CHARTS, World

SCRIPT = Path(__file__).parent / "tenant_create.sh"
ALLOW_ALL = {"version": 1, "rules": [{"name": "bench", "effect": "allow"}]}
LOOK_S = 0.01
SLICES: dict[str, tuple[str, str | None]] = {  # the guide's queues, with this cluster's profiles
    "default": ("0.5", None),
    "gpu-fraction-1_00": ("1", "7g.80gb"),
    "gpu-fraction-0_50": ("0.5", "3g.40gb"),
    "gpu-fraction-0_25": ("0.25", "2g.20gb"),
}
NO_SESSIONS = {"portModeEnabled": False}
LONGEST_S = 300.0


@contextmanager
def world() -> Iterator[World]:
    """A sandbox in which every command runs at once."""
    with tempfile.TemporaryDirectory(prefix="clearml-chatops-bench-") as folder:
        made = World(Path(folder) / "world", cast=DEFAULT_CAST, progress=print, policy=ALLOW_ALL)
        try:
            made.start()
            yield made
        finally:
            made.stop()


def rows(runs: int) -> list[Row]:
    """Return the job alone, and from the command to the end, against the script."""
    job: list[float] = []
    whole: list[float] = []
    script: list[float] = []
    with world() as made:
        for number in range(-1, runs):  # the first pair warms up
            took = by_script(made, f"script-{number + 1}")
            asked, ran = by_product(made, f"product-{number + 1}")
            if number >= 0:
                script.append(took)
                whole.append(asked)
                job.append(ran)
    against = "bench/tenant_create.sh"
    return [
        Row(what="tenant create: the job", ours=job, theirs=script, against=against),
        Row(what="tenant create: from the command to the end", ours=whole, theirs=script, against=against),
    ]


def by_product(made: World, name: str) -> tuple[float, float]:
    """Return the seconds from the command, and from the moment that the job was queued, to its success."""
    began = time.monotonic()
    made.workspace.command(
        "operator", "#platform-ops", f"/clearml tenant create {name} --admin-email ana@{name}.example"
    )
    queued = 0.0
    with closing(sqlite3.connect(f"file:{made.database}?mode=ro", uri=True)) as db:
        while time.monotonic() - began < LONGEST_S:
            found = db.execute("SELECT state FROM jobs WHERE subject = ?", [name]).fetchone()
            if found is not None:
                queued = queued or time.monotonic()
                if found[0] == "succeeded":
                    ended = time.monotonic()
                    return ended - began, ended - queued
                if found[0] not in {"queued", "running"}:
                    raise RuntimeError(f"job of {name}: {found[0]}")
            time.sleep(LOOK_S)
    raise RuntimeError(f"job of {name}: no end within {LONGEST_S:.0f} s")


def by_script(made: World, name: str) -> float:
    """Return the seconds that the script takes for the same tenant."""
    environment = os.environ | script_environment(made, name)
    began = time.monotonic()
    subprocess.run(
        [str(SCRIPT), name, f"ana@{name}.example", f"{name}.example"],
        env=environment,
        check=True,
        capture_output=True,
        timeout=LONGEST_S,
    )
    return time.monotonic() - began


def script_environment(made: World, name: str) -> dict[str, str]:
    """Return what the script is told by its environment; its values are written to a file called *name*."""
    helm, kubectl = tools.locate(Tools())
    values = made.folder / f"{name}.json"
    values.write_text(json.dumps(guide_values(made.clearml_url, slices=SLICES, sessions=NO_SESSIONS)))
    return {
        "API_URL": made.clearml_url,
        "API_KEY": made.clearml.system_key,
        "API_SECRET": made.clearml.system_secret,
        "KUBECONFIG": str(made.kubeconfig),
        "HELM": str(helm),
        "KUBECTL": str(kubectl),
        "CHART": str(CHARTS / "clearml-enterprise-agent"),
        "VALUES": str(values),
    }
