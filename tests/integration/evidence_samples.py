"""A trail with signed checkpoints, for tests that try to forge it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from provisioning.configuration import AuditTrail
from provisioning.evidence import formats, verifier
from provisioning.evidence.checkpoints import Checkpoints
from provisioning.evidence.keys import Keyring
from provisioning.evidence.trail import Event
from provisioning.evidence.verifier import Verdict
from provisioning.store import Store
from tests.integration.store_samples import TurnedClock, open_store

TENANTS = ("acme", "globex", "initech")


class Trail:
    """A store, its keys and its checkpoints, in a folder."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.clock = TurnedClock()
        self.store: Store = open_store(folder, self.clock)
        self.settings = AuditTrail(**{"checkpoint_rows": 5, "checkpoint_s": 60, **settings})
        self.keyring = Keyring(self.settings, folder)
        self.signed = self.with_keys(self.keyring)

    def with_keys(self, keyring: Keyring) -> Checkpoints:
        rows, seconds = self.settings.checkpoint_rows, self.settings.checkpoint_s
        return Checkpoints(self.store, keyring, self.clock, every_rows=rows, every_s=seconds)

    @property
    def path(self) -> Path:
        return self.store.path

    @property
    def public(self) -> str:
        return self.keyring.current().public

    def write(self, count: int, **fields: Any) -> None:
        """Append rows, a second apart, of the three tenants in turn."""
        for number in range(count):
            event = {"action": "test.done", "actor": "UANA", "subject": TENANTS[number % 3], **fields}
            self.store.record(Event(**event, detail={"number": number, "text": "ü🙂"}))
            self.clock.turn(seconds=1)

    def verify(self, *keys: str, head: str | None = None) -> Verdict:
        return verifier.verify(self.path, head, keys)

    def found(self, *keys: str) -> list[tuple[int, str]]:
        """What `verify` finds: row and kind."""
        return [(problem.seq, problem.kind) for problem in self.verify(*keys).problems]


@contextmanager
def forging(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as somebody has it who may write it and has no key: without triggers."""
    raw = sqlite3.connect(path, isolation_level=None)
    raw.row_factory = sqlite3.Row
    for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        raw.execute(f'DROP TRIGGER "{name}"')
    yield raw
    raw.close()


def chain_anew(raw: sqlite3.Connection) -> None:
    """Make every hash anew, so that the chain alone is whole again."""
    before = formats.GENESIS
    for row in [dict(row) for row in raw.execute("SELECT * FROM audit ORDER BY seq")]:
        row["prev"] = before
        before = formats.row_hash(row)
        raw.execute("UPDATE audit SET prev = ?, hash = ? WHERE seq = ?", [row["prev"], before, row["seq"]])
