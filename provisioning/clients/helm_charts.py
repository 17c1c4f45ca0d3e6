"""Fetches a chart once, by exact version, and hands helm the local file. Credentials stay in 0600 files.

An exact version never changes, so what was approved is what runs, tenants in parallel do not download again,
and no later helm call needs the repository or its password. A registry's tag may be moved all the same: where
the reference names a digest (``oci://…@sha256:…``, helm 3.17 and newer), that is what is fetched.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml

from provisioning import chart_yaml
from provisioning.clients.concealment import Concealment
from provisioning.clients.process import Completed
from provisioning.clients.tool_errors import cluster_error
from provisioning.configuration import Chart
from provisioning.errors import PermanentError

DOWNLOAD_TIMEOUT_S = 180.0

_VERSION = re.compile(r"v?[0-9][0-9A-Za-z.+-]*")
_OCI = re.compile(r"oci://[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+(@sha256:[0-9a-f]{64})?", re.I)
_THIS_MACHINE = re.compile(r"oci://(localhost|127(\.\d{1,3}){3})(:\d+)?/", re.I)
_NAMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")
_ALIAS = "source"

PLACEHOLDER = "{version}"  # in the path of a folder or file: one chart in many versions


class RunHelm(Protocol):
    def __call__(
        self,
        arguments: Sequence[str],
        *,
        doing: str,
        timeout_s: float = ...,
        conceal: Callable[[str], str] = ...,
    ) -> Completed:
        """Run helm with *arguments*. Raises: ChatopsError."""


class ChartCache:
    """The fetched charts, one folder a (reference, repo, version, user). Thread-safe."""

    def __init__(self, folder: Path, run_helm: RunHelm, check_digests: Callable[[], None]) -> None:
        self._folder = folder
        self._run_helm = run_helm
        self._check_digests = check_digests
        self._lock = threading.Lock()

    def path(self, chart: Chart) -> Path:
        """Return where *chart* lies on this machine, fetching it first if needed.

        Raises: PermanentError where the reference cannot be one, or is refused; UnreachableError.
        """
        if PLACEHOLDER in chart.reference:
            return _versioned(chart)
        local = Path(chart.reference).expanduser()
        if chart.repo is None and not chart.reference.startswith("oci://") and local.exists():
            return local.absolute()
        self._check(chart)
        folder = self._folder / _key(chart)
        if not _file_in(folder):
            with self._lock:  # the second of two tenants finds what the first has fetched
                if not _file_in(folder):
                    if "@" in chart.reference:
                        self._check_digests()
                    self._fetch(chart, folder)
        found = _file_in(folder)
        if found is None:
            raise PermanentError(f"fetching {chart.reference}: helm left no file", next_action="Retry")
        return found

    def _check(self, chart: Chart) -> None:
        if chart.reference.startswith("oci://"):
            shape, wanted = _OCI, "oci://host/path/name"
        elif chart.repo is not None:
            shape, wanted = _NAMED, "the chart's name, as the repo lists it"
            if not chart.repo.startswith(("https://", "http://")):
                raise PermanentError(f"chart repo {chart.repo[:80]!r} is no address", next_action="use https://…")
        else:
            raise PermanentError(
                f"chart {chart.reference[:80]!r} is no file or folder here and has no repo",
                next_action="set the chart's repo, or use oci://…, a folder or a .tgz file",
            )
        if shape.fullmatch(chart.reference) is None:
            raise PermanentError(f"chart {chart.reference[:80]!r} is malformed", next_action=f"use {wanted}")
        if chart.version is None or _VERSION.fullmatch(chart.version) is None:
            raise PermanentError(
                f"chart {chart.reference} has no exact version",
                next_action="set the chart's version: what is approved must be what runs",
            )

    def _fetch(self, chart: Chart, folder: Path) -> None:
        """Download into a folder beside the final one and rename it: a half-made one is never used."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        work = Path(tempfile.mkdtemp(prefix="fetching-", dir=self._folder))  # mkdtemp makes it 0700
        try:
            (work / "chart").mkdir()
            conceal = Concealment({"password": chart.password, "username_token": chart.username})
            flags = [
                f"--repository-config={work / 'repositories.yaml'}",
                f"--repository-cache={work / 'cache'}",
                f"--registry-config={work / 'registry.json'}",
            ]
            doing = f"fetching chart {chart.reference} {chart.version}"
            which = [f"--version={chart.version}"]
            if chart.reference.startswith("oci://"):
                source = chart.reference
                if "@" in source:  # helm heeds no version beside a digest: it is looked at below
                    which = []
                if _THIS_MACHINE.match(source):  # as docker does: what leaves the machine goes by TLS alone
                    which.append("--plain-http")
                _write_private(work / "registry.json", json.dumps(_registry(chart)))
            else:
                source = f"{_ALIAS}/{chart.reference.rsplit('/', 1)[-1]}"
                _write_private(work / "repositories.yaml", json.dumps(_repositories(chart)))
                updated = self._run_helm(
                    ["repo", "update", _ALIAS, *flags],
                    doing=doing,
                    timeout_s=DOWNLOAD_TIMEOUT_S,
                    conceal=conceal,
                )
                if not (work / "cache" / f"{_ALIAS}-index.yaml").exists():
                    # helm 3 calls an update that failed a success
                    raise cluster_error(doing, Completed(1, conceal(updated.stdout), conceal(updated.stderr)))
            self._run_helm(
                ["pull", source, *which, f"--destination={work / 'chart'}", *flags],
                doing=doing,
                timeout_s=DOWNLOAD_TIMEOUT_S,
                conceal=conceal,
            )
            if "@" in source:
                self._check_version(chart, work / "chart", doing)
            shutil.rmtree(folder, ignore_errors=True)
            (work / "chart").rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _check_version(self, chart: Chart, folder: Path, doing: str) -> None:
        """Raise PermanentError where what was fetched by its digest is of another version."""
        shown = self._run_helm(["show", "chart", str(_file_in(folder))], doing=doing)
        found = parse_shown(shown.stdout, chart.reference).get("version")
        if found != chart.version:
            raise PermanentError(
                f"{doing}: its digest is that of version {found}",
                next_action="correct the chart's version, or its digest",
            )


def parse_shown(text: str, reference: str) -> dict[str, Any]:
    """Return the mapping in what ``helm show`` printed. Raises: PermanentError."""
    try:
        found = chart_yaml.load(text)
    except yaml.YAMLError as problem:
        raise PermanentError(
            f"reading chart {reference}: its YAML is unusable: {str(problem)[:300]}",
            next_action="ask whoever made the chart, or name another",
        ) from None
    if not isinstance(found, dict | None):
        raise PermanentError(
            f"reading chart {reference}: it holds no mapping of names to values",
            next_action="ask whoever made the chart, or name another",
        )
    return found or {}


def _versioned(chart: Chart) -> Path:
    """Return the folder or file of the chart's version. Raises: PermanentError."""
    if chart.version is None or _VERSION.fullmatch(chart.version) is None:
        raise PermanentError(
            f"chart {chart.reference} has no exact version", next_action="set the chart's version: its path needs one"
        )
    path = Path(chart.reference.replace(PLACEHOLDER, chart.version)).expanduser()
    if chart.repo is not None or chart.reference.startswith("oci://"):
        raise PermanentError(
            f"chart {chart.reference[:80]!r} is malformed",
            next_action="leave {version} out: repositories and registries are asked for the chart's version",
        )
    if not path.exists():
        raise PermanentError(
            f"there is no chart {chart.reference} in version {chart.version}",
            next_action="name a version that is there, or put the chart there",
        )
    return path.absolute()


def _file_in(folder: Path) -> Path | None:
    return next(folder.glob("*.tgz"), None)


def _key(chart: Chart) -> str:
    # The user is part of it: what one user's password opened is not handed to another.
    password = chart.password.get_secret_value() if chart.password else ""
    parts = [chart.reference, chart.repo, chart.version, chart.username, password]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _repositories(chart: Chart) -> dict[str, object]:
    entry = {
        "name": _ALIAS,
        "url": chart.repo,
        "username": chart.username or "",
        "password": chart.password.get_secret_value() if chart.password else "",
        "pass_credentials_all": False,
    }
    return {"apiVersion": "", "repositories": [entry]}


def _registry(chart: Chart) -> dict[str, object]:
    if chart.username is None or chart.password is None:
        return {"auths": {}}
    pair = f"{chart.username}:{chart.password.get_secret_value()}"
    host = chart.reference.removeprefix("oci://").split("/", 1)[0]
    return {"auths": {host: {"auth": base64.b64encode(pair.encode()).decode()}}}


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
