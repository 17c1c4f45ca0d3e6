"""ClearML's GUI applications: fetch the archive, check it, unpack it, run the upload script that lies in it.

The script is ClearML's own code, run as it is: the archive's SHA-256 is in the plan that was approved.
"""

import hashlib
import json
import re
import shutil
import stat
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import httpx
from pydantic import SecretStr

from provisioning.clients.concealment import Concealment
from provisioning.clients.process import ChildProcesses, Completed, inherited_environment
from provisioning.errors import PermanentError, TemporaryError, UnreachableError

MOST_ARCHIVE_BYTES = 512 * 1024 * 1024
MOST_UNPACKED_BYTES = 2 * 1024 * 1024 * 1024
MOST_ENTRIES = 50_000
MOST_RATIO = 200  # unpacked to packed, of one entry: text compresses 20-fold, bombs 1000-fold
CHUNK = 1024 * 1024
DOWNLOAD_TIMEOUT_S = 60.0  # without a byte
HELP_TIMEOUT_S = 60.0
DETAIL_LINES = 12

# Runs the script with arguments that it reads from standard input: a secret never stands in the arguments that
# every user of the machine can list.
_LAUNCHER = (
    "import json, os, runpy, sys\n"
    "given = json.load(sys.stdin)\n"
    "os.chdir(given['folder'])\n"
    "sys.path[0] = os.path.dirname(given['script'])\n"
    "sys.argv = [given['script'], *given['arguments']]\n"
    "runpy.run_path(given['script'], run_name='__main__')\n"
)


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One upload. *host*, *key* and *secret* are the API server's."""

    sha256: str
    script: str
    folder: str
    host: str
    key: SecretStr
    secret: SecretStr
    python: str | None = None


class Applications:
    """Uploads archives of applications. Thread-safe. Raises: PermanentError, TemporaryError, UnreachableError.

    Args:
        transport: of tests, in place of the network.
    """

    def __init__(self, children: ChildProcesses, *, transport: httpx.BaseTransport | None = None) -> None:
        self._children = children
        self._transport = transport

    def upload(
        self,
        archive: Path | SecretStr,
        wanted: Upload,
        *,
        timeout_s: float,
        cancelled: Callable[[], bool],
        note: Callable[[str], None],
    ) -> str:
        """Upload what *archive* (a file, or an address) holds, and return the script's last line."""
        with _work_folder() as work:
            if isinstance(archive, Path):
                local = archive
            else:
                note("downloading the archive")
                local = work / "archive.zip"
                self._download(archive, local)
            check(local, wanted.sha256)
            unpacked = work / "unpacked"
            note("unpacking the archive")
            unpack(local, unpacked)
            note("running the upload script")
            return self._run(unpacked, wanted, work, timeout_s=timeout_s, cancelled=cancelled)

    def _download(self, address: SecretStr, target: Path) -> None:
        """Raises: PermanentError, UnreachableError; their texts hold no address, which may be a secret."""
        doing = "downloading the applications"
        size = 0
        try:
            with (
                httpx.Client(
                    transport=self._transport, follow_redirects=True, timeout=DOWNLOAD_TIMEOUT_S, max_redirects=5
                ) as client,
                client.stream("GET", address.get_secret_value()) as answer,
                target.open("wb") as file,
            ):
                if answer.status_code != 200:
                    raise _refused(doing, answer.status_code)
                for chunk in answer.iter_bytes(CHUNK):
                    size += len(chunk)
                    if size > MOST_ARCHIVE_BYTES:
                        raise PermanentError(
                            f"{doing}: more than {MOST_ARCHIVE_BYTES >> 20} MiB", next_action="check the address"
                        )
                    file.write(chunk)
        except (httpx.TransportError, httpx.TooManyRedirects, httpx.InvalidURL) as problem:
            raise UnreachableError(
                f"{doing}: no answer ({type(problem).__name__})",
                next_action="check the spec's address, then Retry",
            ) from None

    def _run(
        self, unpacked: Path, wanted: Upload, work: Path, *, timeout_s: float, cancelled: Callable[[], bool]
    ) -> str:
        script = _found(unpacked, wanted.script, is_folder=False)
        folder = _found(unpacked, wanted.folder, is_folder=True)
        arguments = self._arguments(script, folder, wanted, work)
        completed = self._launch(script, arguments, wanted, work, timeout_s=timeout_s, cancelled=cancelled)
        said = "\n".join(f"{completed.stdout}\n{completed.stderr}".strip().splitlines()[-DETAIL_LINES:])
        conceal = Concealment({"key": wanted.key, "secret": wanted.secret})
        if completed.returncode != 0:
            raise PermanentError(
                f"uploading the applications: {wanted.script} ended with {completed.returncode}",
                next_action="look at the details, then Retry",
                details=conceal(said),
            )
        return conceal(completed.stdout.strip().splitlines()[-1])[:200] if completed.stdout.strip() else ""

    def _arguments(self, script: Path, folder: Path, wanted: Upload, work: Path) -> list[str]:
        """Return the script's arguments, of the generation that its own help names."""
        asked = self._launch(script, ["--help"], wanted, work, timeout_s=HELP_TIMEOUT_S, cancelled=lambda: False)
        known = frozenset(re.findall(r"(?<![\w-])--[a-z][a-z-]*", asked.stdout + asked.stderr))
        key, secret = wanted.key.get_secret_value(), wanted.secret.get_secret_value()
        if {"--key", "--secret"} <= known:
            command = ["--command", "upload"] if "--command" in known else []
            return ["--host", wanted.host, "--key", key, "--secret", secret, *command, "--dir", str(folder), "-ml"]
        if {"--user", "--password"} <= known:
            return ["--host", wanted.host, "--user", key, "--password", secret, "--dir", str(folder), "-ml"]
        raise PermanentError(
            f"{wanted.script} takes neither --key and --secret nor --user and --password",
            next_action="check that the archive is ClearML's, and its script's name in the spec",
            details="\n".join((asked.stdout or asked.stderr).splitlines()[:DETAIL_LINES]),
        )

    def _launch(
        self,
        script: Path,
        arguments: list[str],
        wanted: Upload,
        work: Path,
        *,
        timeout_s: float,
        cancelled: Callable[[], bool],
    ) -> Completed:
        given = {"script": str(script), "folder": str(script.parent), "arguments": arguments}
        return self._children.run(
            [wanted.python or sys.executable, "-c", _LAUNCHER],
            stdin=json.dumps(given).encode(),
            env={**inherited_environment(), "HOME": str(work), "PYTHONDONTWRITEBYTECODE": "1"},
            timeout_s=timeout_s,
            cancelled=cancelled,
            subject="uploading applications",
        )


def check(archive: Path, sha256: str) -> None:
    """Raises: PermanentError where *archive* is not there, is too large, or is another one."""
    digest, size = hashlib.sha256(), 0
    try:
        with archive.open("rb") as file:
            while chunk := file.read(CHUNK):
                size += len(chunk)
                if size > MOST_ARCHIVE_BYTES:
                    raise PermanentError(
                        f"the archive {archive.name} is larger than {MOST_ARCHIVE_BYTES >> 20} MiB",
                        next_action="check the file in the spec",
                    )
                digest.update(chunk)
    except OSError as problem:
        raise PermanentError(
            f"reading the archive {archive}: {problem.strerror}", next_action="check the file in the spec"
        ) from problem
    if digest.hexdigest() != sha256:
        raise PermanentError(
            f"the archive's SHA-256 is {digest.hexdigest()}, and the spec says {sha256}",
            next_action="find out which one is right, and correct the spec",
        )


def unpack(archive: Path, target: Path) -> None:
    """Unpack the zip into the new folder *target*: nothing beside it, no links, no more than it may be.

    Sizes are counted as they are unpacked: what an entry says of itself is not believed.
    Raises: PermanentError.
    """
    target.mkdir(mode=0o700)
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            if len(entries) > MOST_ENTRIES:
                raise _hostile(f"{len(entries)} entries")
            left = MOST_UNPACKED_BYTES
            for entry in entries:
                path = target / _inside(entry)
                if entry.is_dir():
                    path.mkdir(parents=True, exist_ok=True)
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                left -= _unpack_entry(opened, entry, path, left)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError) as problem:
        raise PermanentError(
            f"unpacking the archive: {problem}", next_action="check that it is a whole, unencrypted zip"
        ) from problem


def _unpack_entry(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, left: int) -> int:
    most = min(left, max(entry.compress_size, 1024) * MOST_RATIO)
    written = 0
    with opened.open(entry) as source, path.open("xb") as file:
        while chunk := source.read(CHUNK):
            written += len(chunk)
            if written > most:
                raise _hostile(f"{entry.filename[:80]!r} grows out of all proportion")
            file.write(chunk)
    return written


def _inside(entry: zipfile.ZipInfo) -> PurePosixPath:
    """Return the entry's path. Raises: PermanentError where it leads elsewhere, or is no plain file or folder."""
    name = entry.filename
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name or not path.parts:
        raise _hostile(f"the entry {name[:80]!r} leads out of the archive")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise _hostile(f"the entry {name[:80]!r} is a link or a device")
    return path


def _hostile(what: str) -> PermanentError:
    return PermanentError(
        f"the archive is refused: {what}", next_action="ask ClearML for another one, and correct its SHA-256"
    )


def _found(unpacked: Path, name: str, *, is_folder: bool) -> Path:
    """Return the one file or folder called *name*, the highest where there are several. Raises: PermanentError."""
    found = sorted(
        (path for path in unpacked.rglob(name) if path.is_dir() is is_folder), key=lambda path: len(path.parts)
    )
    if not found:
        raise PermanentError(
            f"the archive holds no {'folder' if is_folder else 'file'} {name}",
            next_action="correct applications.script or applications.folder in the spec",
        )
    return found[0]


def _refused(doing: str, status: int) -> PermanentError | TemporaryError:
    if status >= 500 or status == 429:
        return TemporaryError(f"{doing}: {status}", next_action="Retry")
    return PermanentError(f"{doing}: {status}", next_action="check the address in the spec, which may have expired")


@contextmanager
def _work_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="clearml-applications-"))  # 0700
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
