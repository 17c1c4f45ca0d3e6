"""Every GPU slice of a cluster: the product's command against kubectl-view-allocations, on the same API server.

The other is built once from crates.io at a pinned version, into the user's cache. Both are whole processes; where both
answer, the totals must be the same. ``BENCH_NODES`` sets the size (default 200; 5000 is 40,000 GPUs and takes minutes
to fill).
"""

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import big_cluster
from bench.rows import Row
from sandbox.cache import cache_dir

VERSION = "3.1.0"
CRATE = "kubectl-view-allocations"
LONGEST_S = 1800


def rows(runs: int) -> list[Row]:
    """Return wall time and peak memory of both."""
    theirs_path = _other()
    nodes = int(os.environ.get("BENCH_NODES", "200"))
    figures: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
    with big_cluster.cluster(nodes) as kubeconfig, tempfile.TemporaryDirectory() as data_dir:
        print(f"    {nodes} nodes, {nodes * big_cluster.GPUS} GPUs, {nodes * big_cluster.PODS_A_NODE} pods", flush=True)
        ours = [sys.executable, "-m", "bot.cli", "capacity", "--json"]
        theirs = [str(theirs_path), "--resource-name", "mig", "--group-by", "resource", "--output", "csv"]
        theirs.append("--ignore-taints")  # it hides tainted nodes unless told not to: these have no kubelets
        for number in range(-1, runs):  # the first pair warms up
            ours_said, *ours_took = _measured(ours, _settings(kubeconfig, Path(data_dir)))
            theirs_said, *theirs_took = _measured(theirs, {**os.environ, "KUBECONFIG": str(kubeconfig)})
            if number >= 0:
                figures["ours"].append((ours_took[0], ours_took[1]))
                figures["theirs"].append((theirs_took[0], theirs_took[1]))
        same = _same_totals(ours_said, theirs_said)
    print(f"    the same totals of {same} resources, allocatable and requested", flush=True)
    against = f"{CRATE} {VERSION}"
    what = f"capacity of {nodes * big_cluster.GPUS} GPUs, {nodes * big_cluster.PODS_A_NODE} pods"
    return [
        Row(
            what=f"{what}: {name}",
            ours=[one[at] for one in figures["ours"]],
            theirs=[one[at] for one in figures["theirs"]],
            against=against,
            unit=unit,
        )
        for at, (name, unit) in enumerate((("wall time", "s"), ("peak memory", "MiB")))
    ]


def _other() -> Path:
    """Return the other's binary, built once."""
    root = cache_dir() / f"{CRATE}-{VERSION}"
    binary = root / "bin" / CRATE
    if not binary.exists():
        print(f"    building {CRATE} {VERSION} once, into {root}", flush=True)
        command = ["cargo", "install", "--quiet", "--locked", CRATE, "--version", VERSION, "--root", str(root)]
        subprocess.run(command, check=True, timeout=LONGEST_S)
    return binary


def _settings(kubeconfig: Path, data_dir: Path) -> dict[str, str]:
    """Return an environment in which everybody may read; ClearML and Slack are not asked."""
    policy = data_dir / "policy.yaml"
    policy.write_text("version: 1\nrules: [{name: bench, effect: allow}]\n")
    ours = {
        "DATA_DIR": str(data_dir),
        "POLICY_FILE": str(policy),
        "CLUSTER__KUBECONFIG": str(kubeconfig),
        "CLEARML__API_URL": "http://127.0.0.1:9",
        "CLEARML__WEB_URL": "http://127.0.0.1:9",
        "CLEARML__FILES_URL": "http://127.0.0.1:9",
        "CLEARML__ACCESS_KEY": "BENCHACCESSKEY",
        "CLEARML__SECRET_KEY": os.urandom(24).hex(),
        "AGENT__CHART__REFERENCE": str(data_dir),
        "REDIS__PASSWORD": os.urandom(24).hex(),
    }
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "XDG_CACHE_HOME") if name in os.environ}
    return kept | {f"CLEARML_CHATOPS_{name}": value for name, value in ours.items()}


def _measured(command: Sequence[str], environment: Mapping[str, str]) -> tuple[str, float, float]:
    """Return what the command printed, its seconds, and its peak memory in MiB. Raises: RuntimeError."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaints, tempfile.NamedTemporaryFile() as told:
        launch = [sys.executable, "-I", "-S", "-c", _LAUNCHER, told.name, *command]
        code = subprocess.run(launch, env=dict(environment), stdout=out, stderr=complaints, check=False).returncode
        if code:
            complaints.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {code}: {complaints.read(2000)!r}")
        out.seek(0)
        took, peak_kib = json.loads(told.read())
        return out.read().decode(), float(took), peak_kib / 1024


# A child's peak begins with what its parent holds when it starts it: so a small process starts it, not this one.
_LAUNCHER = """
import os, sys, time
began = time.monotonic()
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "w") as told:
    told.write(f"[{time.monotonic() - began}, {usage.ru_maxrss}]")
sys.exit(os.waitstatus_to_exitcode(status))
"""


def _same_totals(ours: str, theirs: str) -> int:
    """Return how many resources both count alike. Raises: RuntimeError where one differs."""
    counted = {
        f"nvidia.com/mig-{one['profile']}": (one["exist"], one["used"])
        for model in json.loads(ours)["models"]
        for one in model["profiles"]
        if one["exist"]
    }
    found = {}
    for row in csv.DictReader(io.StringIO(theirs), skipinitialspace=True):
        if row["Kind"] == "resource" and row["resource"].startswith("nvidia.com/mig-"):
            found[row["resource"]] = (round(float(row["Allocatable"])), round(float(row["Requested"] or 0)))
    if counted != found:
        raise RuntimeError(f"the totals differ: {counted} and {found}")
    return len(found)
