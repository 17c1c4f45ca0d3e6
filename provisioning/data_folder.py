"""Whose the data folder is: one process's at a time, by a lock that dies with it."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from provisioning.errors import PermanentError

LOCK_FILE = "engine.lock"


@contextlib.contextmanager
def locked(data_dir: Path, *, doing: str) -> Iterator[None]:
    """Keep every engine off the data folder meanwhile. Raises: PermanentError where one runs."""
    with lock(data_dir, doing):
        yield


def lock(data_dir: Path, doing: str = "starting the engine") -> IO[str]:
    """Return the open, locked file: closing it gives the lock back. Raises: PermanentError, naming the holder.

    The kernel lets go of the lock when the process dies, however it dies; children do not inherit it.
    """
    file = (data_dir / LOCK_FILE).open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise PermanentError(
            f"{doing}: process {holder} already runs on {data_dir}",
            next_action="stop it first, or give this one another CLEARML_CHATOPS_DATA_DIR",
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
