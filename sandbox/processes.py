"""Long-running children of the sandbox: each in its own session, logged to a file, stopped by pid."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def free_ports(count: int) -> list[int]:
    """Return *count* different free TCP ports of 127.0.0.1."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports


# Waits for its end of a pipe to close, which it does with this process, however that dies; then ends the group $0.
_LAST_WILL = 'read _; kill -s TERM -- "-$0" && sleep "$1" && kill -s KILL -- "-$0"'
WILL_GRACE_S = 5


class Child:
    """One process. ``stop`` ends its whole process group, and so does the end of this process, even by ``kill -9``."""

    def __init__(
        self, name: str, argv: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                start_new_session=True,
            )
        self._will = subprocess.Popen(
            ["/bin/sh", "-c", _LAST_WILL, str(self._process.pid), str(WILL_GRACE_S)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Return how it ended, or None while it runs."""
        return self._process.poll()

    def last_lines(self, count: int = 5) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def kill(self) -> None:
        """``kill -9`` the process alone, as a crash would: what it started lives on."""
        os.kill(self.pid, signal.SIGKILL)
        self._process.wait()
        self._revoke_will()

    def stop(self, grace_s: float = 10.0) -> None:
        """Ask the group to end, then insist. Safe to call again."""
        self._signal_group(signal.SIGTERM)
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._signal_group(signal.SIGKILL)
            self._process.wait()
        self._revoke_will()

    def _revoke_will(self) -> None:
        self._will.kill()
        self._will.wait()
        if self._will.stdin is not None:
            self._will.stdin.close()

    def _signal_group(self, number: signal.Signals) -> None:
        if self._process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def orphans_of(marker: str, *, parent: int) -> list[str]:
    """Return the processes whose environment names *marker* and that descend from nobody but init or a stranger.

    *parent* is the process whose children are no orphans. Linux only; elsewhere none are found.
    """
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        state, parent_pid = fields[0], int(fields[1])
        is_ours = marker.encode() in environment and int(folder.name) != parent
        if state != "Z" and is_ours and parent_pid != parent:
            found.append(f"{folder.name}: {command[:200]}")
    return found
