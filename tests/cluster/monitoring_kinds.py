"""The Prometheus operator's own CRDs, out of its Go module: pinned, checked by go.sum, cached by Go."""

import json
import os
import subprocess
from pathlib import Path

from sandbox.controlplane import build

MODULE = Path(__file__).parents[1] / "data" / "monitoring"
KINDS = ("servicemonitors", "prometheusrules")


def crd_files() -> list[Path]:
    """Return the files of the CRDs that the chart uses. Raises: ControlPlaneUnavailable where there is no Go."""
    go = build.find_go(lambda _line: None, build.CONTROL_PLANE)
    name = "github.com/prometheus-operator/prometheus-operator"
    env = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    got = subprocess.run(
        [str(go), "mod", "download", "-json", name],
        cwd=MODULE,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert got.returncode == 0, f"{got.stdout}{got.stderr}: let Go reach a module proxy"
    folder = Path(json.loads(got.stdout)["Dir"]) / "example" / "prometheus-operator-crd"
    return [folder / f"monitoring.coreos.com_{kind}.yaml" for kind in KINDS]
