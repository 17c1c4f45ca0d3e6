"""Who runs for us right now, written down so that a bot can clean up after a predecessor that died."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from provisioning.clients import process_table

MARK = "CLEARML_CHATOPS_RUN_DIR"  # in every child's environment, inherited by what it starts


@dataclass(frozen=True, kw_only=True)
class ChildRecord:
    """One living child. Holds no arguments and no environment."""

    pid: int
    started: str  # process_table.start_time
    subject: str  # what it works on: "helm release acme/clearml-agent"
    owner: int  # the bot's pid
    owner_started: str

    @property
    def is_alive(self) -> bool:
        return process_table.start_time(self.pid) == self.started

    @property
    def is_orphaned(self) -> bool:
        return process_table.start_time(self.owner) != self.owner_started


class ChildRecords:
    """The records in *run_dir*, which is one bot's own and outlives its restarts."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir.absolute()

    @property
    def mark(self) -> dict[str, str]:
        """Return what a child's environment carries so that it is known even without its record."""
        return {MARK: str(self.run_dir)}

    @contextmanager
    def kept(self, pid: int, subject: str) -> Iterator[None]:
        """Keep a record of the child *pid* for as long as the block runs."""
        record = ChildRecord(
            pid=pid,
            started=process_table.start_time(pid) or "",
            subject=subject,
            owner=os.getpid(),
            owner_started=process_table.start_time(os.getpid()) or "",
        )
        path = self.run_dir / f"{pid}.json"
        try:
            for folder in (self.run_dir.parent, self.run_dir):  # the mode is of the last folder alone
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps(asdict(record)))
            partial.replace(path)
            yield
        finally:
            path.unlink(missing_ok=True)

    def living(self, subject: str) -> tuple[tuple[int, int], ...]:
        """Return pid and owner of the living children that work on *subject*, of this bot and of others."""
        records = (record for _, record in self._all())
        return tuple((one.pid, one.owner) for one in records if one.subject == subject and one.is_alive)

    def reap_orphans(self) -> list[str]:
        """Kill what a dead bot left behind and return a line about each, for the log.

        Killed are processes whose pid and start time match a record, or whose environment carries this
        folder's mark (what a child itself started, or a child whose bot died before it wrote the record), and
        whose bot is dead: never a recycled pid, never a living bot's child.
        """
        lines: list[str] = []
        for path, record in list(self._all()):
            if not record.is_orphaned:
                continue
            if record.is_alive:
                _kill(record.pid)
                lines.append(f"killed {record.subject or 'a child'} (pid {record.pid}) of a dead bot")
            path.unlink(missing_ok=True)
        owned = {record.pid for _, record in self._all()}
        for pid in process_table.marked(f"{MARK}={self.run_dir}"):
            if not _belongs_to_living_bot(pid, owned):
                _kill(pid)
                lines.append(f"killed an unrecorded child (pid {pid}) of a dead bot")
        return lines

    def _all(self) -> Iterator[tuple[Path, ChildRecord]]:
        for path in sorted(self.run_dir.glob("*.json")):
            try:
                yield path, ChildRecord(**json.loads(path.read_text()))
            except (OSError, ValueError, TypeError):  # gone while we looked, or not ours
                continue


def _belongs_to_living_bot(pid: int, owned: set[int]) -> bool:
    with contextlib.suppress(OSError):
        if os.getpgid(pid) in owned:
            return True
    ancestor = process_table.parent(pid)
    while ancestor is not None and ancestor > 1:
        if ancestor in owned or ancestor == os.getpid():
            return True
        ancestor = process_table.parent(ancestor)
    return False


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while process_table.start_time(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
