"""The image as buildah builds it from the Dockerfile, and processes inside it as Kubernetes runs them.

No registry of images is needed: the Dockerfile's base is an argument, and Debian's own packages make one that is like
the official image, with Debian's Python. No daemon either: each step runs in a chroot. Needs root on Linux.
"""

import fcntl
import json
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.cache import cache_dir

ROOT = Path(__file__).parents[1]
SUITE = "bookworm"
BASE = f"localhost/python-of-debian:{SUITE}"
NAME = "localhost/clearml-chatops"
PACKAGES = "ca-certificates,python3,python3-venv,python-is-python3"
BUILD_S = 1500
# What Kubernetes does for readOnlyRootFilesystem, capabilities.drop, allowPrivilegeEscalation and the two volumes.
# What it starts gets no more than one uid, and ends with this shell.
_ENTER = """
set -e
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,ro,bind "$root"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind "$data" "$root/data"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec setpriv --no-new-privs chroot --userspec="$user" --groups= "$root" "$@"
"""


class BuildError(Exception):
    """A step of the build failed; the text has its last lines."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A built image, laid out in *root*. *config*: as the image says it (Env, User, Entrypoint, Healthcheck, …)."""

    root: Path
    config: Mapping[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        return dict(each.partition("=")[::2] for each in self.config["Env"])

    def command(self, words: Sequence[str], *, data: Path, environment: Mapping[str, str] | None = None) -> list[str]:
        """Return the argument list that runs *words* in the image: its user, a root that is read only, *data* as /data.

        Nothing of this process's environment goes in. The network is this machine's.
        """
        told = {"root": str(self.root), "data": str(data), "user": str(self.config["User"])}
        inside = {**self.environment, **(environment or {})}
        cd = f'cd {shlex.quote(self.config["WorkingDir"])} && exec "$@"'
        return [
            *("env", "-i", *(f"{name}={value}" for name, value in told.items()), f"PATH={os.environ['PATH']}"),
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, "enter"),
            *("env", "-i", *(f"{name}={value}" for name, value in inside.items())),
            *("sh", "-c", cd, "run", *words),
        ]

    def run(
        self, *words: str, data: Path, environment: Mapping[str, str] | None = None, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run *words* in the image until they end."""
        command = self.command(words, data=data, environment=environment)
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


@contextmanager
def built(folder: Path) -> Iterator[Image]:
    """Build the image, lay it out, and take the layout away again. Its layers stay in the cache for the next time.

    Raises: BuildError.
    """
    with _alone():
        yield from _built(folder)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait for other processes of the suite: the cache of layers is one for all, and prunes what it does not know."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _built(folder: Path) -> Iterator[Image]:
    if not _buildah(folder, "images", "--quiet", "--filter", f"reference={BASE}"):
        _make_base(folder)
    _build(folder, f"{NAME}:build", "--target", "build")
    tag = f"{NAME}:test"
    _build(folder, tag)
    with suppress(BuildError):  # buildah stumbles over layers that it has just pruned itself; the next time has them
        _buildah(folder, "rmi", "--prune", "--force")  # what no tag needs: layers of code that was
    config = json.loads(_buildah(folder, "inspect", "--type", "image", tag))["Docker"]["config"]
    container = _buildah(folder, "from", "--pull-never", tag)
    try:
        yield Image(root=Path(_buildah(folder, "mount", container)), config=config)
    finally:
        _buildah(folder, "rm", container)


def _build(folder: Path, tag: str, *more: str) -> None:
    certificates = "/etc/ssl/certs"  # a registry of packages behind a certificate of this machine's own
    options = [
        "--layers",
        "--pull-never",
        "--build-arg",
        f"PYTHON={BASE}",
        f"--volume={certificates}:{certificates}:ro",
    ]
    _buildah(folder, "bud", *options, "--tag", tag, *more, str(ROOT))


def _make_base(folder: Path) -> None:
    archive = folder / "base.tar"
    _run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(archive)])
    container = _buildah(folder, "from", "scratch")
    _buildah(folder, "add", container, str(archive), "/")
    _buildah(folder, "commit", "--rm", container, BASE)
    archive.unlink()


def _buildah(folder: Path, *words: str) -> str:
    kept = cache_dir() / "image"
    kept.mkdir(parents=True, exist_ok=True)
    return _run(["buildah", "--root", str(kept), "--runroot", str(folder / "run"), *words])


def _run(command: Sequence[str]) -> str:
    # Docker's format: the other one knows no HEALTHCHECK.
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "BUILDAH_FORMAT": "docker"}
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise BuildError(f"{shlex.join(command)[:300]} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout.strip()
