"""Every GPU slice of a cluster: the product's command against kubectl-view-allocations, on the same API server.

The other is built once from crates.io at a pinned version, into the user's cache. Both are whole processes; where both
answer, the totals must be the same. ``BENCH_NODES`` sets the sizes (default 200; 500,1500,5000 is up to 40,000 GPUs).

Wall time is what people wait for; on a machine that does other things, too, processor time is the fairer figure, of the
command and of the API server meanwhile.
"""

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from bench import big_cluster
from bench.rows import Row
from sandbox.cache import cache_dir

VERSION = "3.1.0"
CRATE = "kubectl-view-allocations"
LONGEST_S = 1800


@dataclass(frozen=True)
class _Figures:
    """What one run took. Seconds; MiB."""

    wall: float
    command: float
    api_server: float
    memory: float


_NAMES = ("wall time", "processor time", "processor time of the API server", "peak memory")


def rows(runs: int) -> list[Row]:
    """Return wall time, processor time and peak memory of both, for each size."""
    sizes = os.environ.get("BENCH_NODES", "200").split(",")
    return [row for size in sizes for row in _of_size(int(size), runs)]


def _of_size(nodes: int, runs: int) -> list[Row]:
    theirs_path = _other()
    found_by_us: list[_Figures] = []
    found_by_them: list[_Figures] = []
    with big_cluster.cluster(nodes) as made, tempfile.TemporaryDirectory() as data_dir:
        print(f"    {nodes} nodes, {nodes * big_cluster.GPUS} GPUs, {nodes * big_cluster.PODS_A_NODE} pods", flush=True)
        ours = [sys.executable, "-m", "bot.cli", "capacity", "--json"]
        theirs = [str(theirs_path), "--resource-name", "mig", "--group-by", "resource", "--output", "csv"]
        theirs.append("--ignore-taints")  # it hides tainted nodes unless told not to: these have no kubelets
        our_settings = _settings(made.kubeconfig, Path(data_dir))
        their_settings = {**os.environ, "KUBECONFIG": str(made.kubeconfig)}
        for number in range(-1, runs):  # the first pair warms up
            ours_said, our_figures = _measured(ours, our_settings, made.api_server_pid)
            theirs_said, their_figures = _measured(theirs, their_settings, made.api_server_pid)
            if number >= 0:
                found_by_us.append(our_figures)
                found_by_them.append(their_figures)
        same = _same_totals(ours_said, theirs_said)
    print(
        f"    the same totals of {same} resources, allocatable and requested; load {os.getloadavg()[0]:.1f}", flush=True
    )
    what = f"capacity of {nodes * big_cluster.GPUS} GPUs, {nodes * big_cluster.PODS_A_NODE} pods"
    return [
        Row(
            what=f"{what}: {name}",
            ours=[astuple(one)[at] for one in found_by_us],
            theirs=[astuple(one)[at] for one in found_by_them],
            against=f"{CRATE} {VERSION}",
            unit="MiB" if name == "peak memory" else "s",
        )
        for at, name in enumerate(_NAMES)
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


def _measured(command: Sequence[str], environment: Mapping[str, str], api_server: int) -> tuple[str, _Figures]:
    """Return what the command printed, and what it took. Raises: RuntimeError."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaints, tempfile.NamedTemporaryFile() as told:
        launch = [sys.executable, "-I", "-S", "-c", _LAUNCHER, told.name, *command]
        before = _processor_s(api_server)
        code = subprocess.run(launch, env=dict(environment), stdout=out, stderr=complaints, check=False).returncode
        spent = _processor_s(api_server) - before
        if code:
            complaints.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {code}: {complaints.read(2000)!r}")
        out.seek(0)
        took, own, peak_kib = json.loads(told.read())
        return out.read().decode(), _Figures(float(took), float(own), spent, peak_kib / 1024)


def _processor_s(pid: int) -> float:
    """Return the seconds that the process has spent on processors so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


# A child's peak begins with what its parent holds when it starts it: so a small process starts it, not this one.
_LAUNCHER = """
import os, sys, time
began = time.monotonic()
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "w") as told:
    told.write(f"[{time.monotonic() - began}, {usage.ru_utime + usage.ru_stime}, {usage.ru_maxrss}]")
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
