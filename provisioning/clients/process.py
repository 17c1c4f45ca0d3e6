"""Runs helm and kubectl: argument lists, each in a process group of its own, killed on cancel.

A child finds its whole input ready before it starts (an unnamed file in memory), so a bot that dies between
starting helm and feeding it cannot make helm act on half a values file.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from provisioning.clients.child_records import ChildRecords
from provisioning.errors import PermanentError, TemporaryError

POLL_S = 0.1  # how soon a cancel is seen
GRACE_S = 10.0  # between TERM and KILL; helm uses it to store where it stopped
OUTPUT_LIMIT = 64 * 1024 * 1024  # bytes of stdout and of stderr; more is a fault, not an answer

# What children must not inherit: our own settings hold secrets, and the tools' own variables change what
# they do behind our back (HELM_DEBUG prints values, HELM_KUBECONTEXT picks another cluster).
_WITHHELD = ("CLEARML_CHATOPS_", "HELM_", "KUBECTL_", "KUBERC")


class ChildTimedOutError(TemporaryError):
    """The child was killed because it ran longer than it may."""


class ChildCancelledError(PermanentError):
    """The child was killed because its job was cancelled or the bot is going down."""


@dataclass(frozen=True)
class Completed:
    """How a child ended. ``returncode`` is negative where a signal ended it. Texts are decoded UTF-8."""

    returncode: int
    stdout: str
    stderr: str


def inherited_environment() -> dict[str, str]:
    """Return this process's environment without our own settings and the tools' own variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_WITHHELD)}


class ChildProcesses:
    """Every child of one bot. Thread-safe.

    Args:
        run_dir: where living children are recorded; one bot's own, kept across restarts.
        grace_s: how long a child may take to end by itself once it is asked to, in seconds.
    """

    def __init__(self, run_dir: Path, *, grace_s: float = GRACE_S) -> None:
        self._records = ChildRecords(run_dir)
        self._grace_s = grace_s
        self._stopping = threading.Event()

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float,
        cancelled: Callable[[], bool] = lambda: False,
        subject: str = "",
    ) -> Completed:
        """Run *argv* to its end and return how it ended, whatever the exit code.

        Args:
            argv: program and arguments, never a shell line. Secrets do not belong here.
            stdin: the whole input; None is an empty one.
            env: the child's environment; None is `inherited_environment`.
            timeout_s: when its group is killed, in seconds.
            cancelled: asked every 0.1 s; True kills the group.
            subject: what it works on, for `owners`.

        Raises: ChildTimedOutError, ChildCancelledError, PermanentError where the program cannot be started.
        """
        child = _Child(name=Path(argv[0]).name, timeout_s=timeout_s)
        environment = {**(inherited_environment() if env is None else env), **self._records.mark}

        def stopped() -> bool:
            return self._stopping.is_set() or cancelled()

        if stopped():
            raise child.cancelled()
        with _input_file(stdin) as source:
            try:
                process = subprocess.Popen(
                    [str(part) for part in argv],
                    stdin=source,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=environment,
                    start_new_session=True,
                )
            except (OSError, ValueError) as problem:
                raise PermanentError(
                    f"starting {child.name}: {_reason(problem)}",
                    next_action="run `clearml-chatops tools install`, or set the binary's path",
                ) from problem
        with process, self._records.kept(process.pid, subject):
            try:
                child.follow(process, stopped)
            finally:
                _end_group(process, self._grace_s)
        return child.completed(process.returncode)

    def owners(self, subject: str) -> tuple[tuple[int, int], ...]:
        """Return pid and owner of each living child that works on *subject*: the bot's pid, which may be dead."""
        return self._records.living(subject)

    def reap_orphans(self) -> list[str]:
        """Kill the groups that a dead bot left behind; return a line about each. Call once, at start."""
        return self._records.reap_orphans()

    def stop_all(self) -> None:
        """Make every running and every later `run` end as cancelled: the bot is going down."""
        self._stopping.set()


@dataclass(kw_only=True)
class _Child:
    """What one child printed so far, and the words for how it may end badly."""

    name: str
    timeout_s: float
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)

    def follow(self, process: subprocess.Popen[bytes], stopped: Callable[[], bool]) -> None:
        """Collect its output until it has ended. Raises where it must be ended."""
        deadline = time.monotonic() + self.timeout_s
        with selectors.DefaultSelector() as selector:
            for pipe, buffer in ((process.stdout, self.out), (process.stderr, self.err)):
                if pipe is not None:
                    selector.register(pipe, selectors.EVENT_READ, buffer)
            # The pipes may outlive the child where something that it started holds them.
            while selector.get_map() or not _has_ended(process):
                if selector.get_map():
                    self._collect(selector)
                else:
                    time.sleep(POLL_S / 10)
                if _has_ended(process):
                    if self._collect(selector) == 0:
                        return
                elif stopped():
                    raise self.cancelled()
                elif time.monotonic() > deadline:
                    raise self.timed_out()

    def _collect(self, selector: selectors.BaseSelector) -> int:
        """Read what there is, waiting briefly for it, and return how many pipes had something to say."""
        events = selector.select(POLL_S) if selector.get_map() else []
        for key, _ in events:
            chunk = os.read(key.fd, 65536)
            key.data.extend(chunk)
            if not chunk:
                selector.unregister(key.fileobj)
            if len(key.data) > OUTPUT_LIMIT:
                raise PermanentError(
                    f"reading what {self.name} prints: more than {OUTPUT_LIMIT >> 20} MiB",
                    next_action="find out what it says so much of, as with --dry-run on the command line",
                )
        return len(events)

    def completed(self, returncode: int) -> Completed:
        return Completed(returncode, self.out.decode(errors="replace"), self.err.decode(errors="replace"))

    def cancelled(self) -> ChildCancelledError:
        return ChildCancelledError(
            f"{self.name} was stopped because its job was cancelled", next_action="Retry, or Roll back"
        )

    def timed_out(self) -> ChildTimedOutError:
        last = self.err[-4096:].decode(errors="replace").splitlines()[-10:]
        return ChildTimedOutError(
            f"{self.name} did not finish in {self.timeout_s:.0f} s and was stopped",
            next_action="look at the details, then Retry",
            details="\n".join(last),
        )


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Look without reaping, so that the pid still names this child and its group when the group is killed."""
    if process.returncode is not None:
        return True
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end_group(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """End the whole group: politely while its leader lives, then for certain."""
    if not _has_ended(process):
        _signal_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while not _has_ended(process) and time.monotonic() < deadline:
            time.sleep(POLL_S / 10)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


@contextmanager
def _input_file(content: bytes | None) -> Iterator[IO[bytes] | int]:
    """Give *content* as a file that has no name and, on Linux, never reaches a disk."""
    if content is None:
        yield subprocess.DEVNULL
        return
    in_memory = hasattr(os, "memfd_create")
    with os.fdopen(os.memfd_create("input"), "w+b") if in_memory else tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        file.seek(0)
        yield file


def _reason(problem: OSError | ValueError) -> str:
    return (problem.strerror or str(problem)) if isinstance(problem, OSError) else "an argument holds a NUL"
