"""What the kernel knows of other processes: enough to never mistake a recycled pid for an old child.

Linux reads /proc; elsewhere (a developer's macOS) ``ps`` answers, and marks cannot be searched for.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_STATE, _PARENT, _START_TIME = 0, 1, 19  # fields of /proc/PID/stat after the name, which may hold spaces


def start_time(pid: int) -> str | None:
    """Return when the kernel started *pid*, as an opaque text, or None where it is gone or a zombie.

    Together with the boot, pid and start time name one process for ever.
    """
    if not _PROC.joinpath("self").exists():
        answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return answer.stdout.strip() or None
    fields = _stat(pid)
    if not fields or fields[_STATE] in "ZX":
        return None
    return f"{fields[_START_TIME]}@{_boot()}"


def parent(pid: int) -> int | None:
    """Return the parent of *pid*, or None where either is gone or unknown."""
    fields = _stat(pid)
    return int(fields[_PARENT]) if fields else None


def marked(entry: str) -> Iterator[int]:
    """Yield every process of this user that was started with *entry* (``NAME=value``) in its environment."""
    wanted = entry.encode()
    for folder in _PROC.glob("[0-9]*"):
        pid = int(folder.name)
        if pid == os.getpid():
            continue
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:  # somebody else's, or gone while we looked
            continue
        if wanted in environment.split(b"\0") and start_time(pid) is not None:
            yield pid


def _stat(pid: int) -> list[str]:
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
