"""What a chart on this machine is made of: a folder, or a .tgz file."""

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from provisioning.errors import PermanentError

MOST_BYTES = 100 * 1024 * 1024  # helm's own limit of an unpacked chart
_DEEPEST = 4  # charts within charts within charts
_PACKED = (".tgz", ".tar.gz")
_TEMPLATES = (".yaml", ".yml", ".tpl", ".txt", ".json")
# Functions of templates that return something else at each call.
_ANEW = re.compile(
    rb"\{\{[^{}]*\b(?:rand(?:AlphaNum|Alpha|Numeric|Ascii|Bytes|Int)|shuffle|uuidv4|bcrypt|htpasswd|encryptAES|"
    rb"gen(?:PrivateKey|CA|CAWithKey|SelfSignedCert|SelfSignedCertWithKey|SignedCert|SignedCertWithKey))\b"
)
_OF_THE_MOMENT = re.compile(rb"\{\{[^{}]*\b(?:now|ago|unixEpoch)\b")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a .tgz file, or of a folder's files with their names, 64 hex digits.

    Raises: PermanentError.
    """
    whole = hashlib.sha256()
    try:
        if not path.is_dir():
            whole.update(path.read_bytes())
            return whole.hexdigest()
        for file in _files(path):
            name = file.relative_to(path).as_posix()
            whole.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    except OSError as problem:
        raise _unreadable(path, problem.strerror or str(problem)) from problem
    return whole.hexdigest()


class MadeAnew(NamedTuple):
    """What a chart's templates do that renders something else each time."""

    makes: bool  # a password, a certificate, an id
    tells_the_time: bool


STEADY = MadeAnew(makes=False, tells_the_time=False)


def is_made_anew(path: Path) -> MadeAnew:
    """Return what the chart's templates make anew at each rendering. Charts within it count, too.

    Raises: PermanentError.
    """
    makes, looks = False, False
    try:
        for text in _texts(path):
            makes = makes or _ANEW.search(text) is not None
            looks = looks or _OF_THE_MOMENT.search(text) is not None
    except (OSError, tarfile.TarError, EOFError) as problem:
        raise _unreadable(path, str(problem)) from problem
    return MadeAnew(makes, looks)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the folder's files in a stable order, through links, as helm does; a folder that holds itself once."""
    seen: set[str] = set()
    found: list[Path] = []
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        found += [Path(place, name) for name in names]
    yield from sorted(one for one in found if one.is_file())


def _texts(path: Path) -> Iterator[bytes]:
    if not path.is_dir():
        yield from _unpacked(path.read_bytes(), 0)
        return
    for file in _files(path):
        if file.name.endswith(_PACKED):
            yield from _unpacked(file.read_bytes(), 1)
        elif file.name.endswith(_TEMPLATES):
            yield file.read_bytes()


def _unpacked(packed: bytes, depth: int) -> Iterator[bytes]:
    if depth >= _DEEPEST:
        return
    left = MOST_BYTES
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        for member in archive:
            left -= member.size
            if left < 0:
                raise tarfile.TarError(f"larger than {MOST_BYTES >> 20} MiB")
            file = archive.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            if member.name.endswith(_PACKED):
                yield from _unpacked(file.read(), depth + 1)
            elif member.name.endswith(_TEMPLATES):
                yield file.read()


def _unreadable(path: Path, why: str) -> PermanentError:
    return PermanentError(f"reading chart {path}: {why}", next_action="correct the chart, or name another")
