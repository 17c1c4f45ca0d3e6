"""Signed checkpoints of the audit trail: what is signed and how it is checked stands in `verifier`."""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlite_utils import Database

from provisioning.clock import Clock
from provisioning.evidence.formats import GENESIS, Checkpoint, root_of
from provisioning.evidence.keys import Keyring
from provisioning.store import Store, checkpoints

log = logging.getLogger(__name__)


class Checkpoints:
    """Makes them when enough rows or time have passed. Thread-safe, and safe beside other processes.

    Args:
        every_rows: sign when so many rows are not signed yet.
        every_s: sign when a row has waited for so many seconds.
    """

    def __init__(self, store: Store, keyring: Keyring, clock: Clock, *, every_rows: int, every_s: float) -> None:
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._every_rows = every_rows
        self._every_s = every_s

    def check_key(self) -> None:
        """Read the key, or make it. Raises: PermanentError where it cannot be used."""
        self._keyring.current()

    def tick(self) -> Checkpoint | None:
        """Make a checkpoint if one is due. Raises: PermanentError where the key cannot be read."""
        with self._store.reading() as db:
            waiting = checkpoints.unsigned(db)
        if not waiting:
            return None
        age = self._clock.now() - datetime.fromisoformat(waiting[0]["at"])
        # Below zero the clock was ahead, nobody knows how long ago.
        may_wait = timedelta() <= age < timedelta(seconds=self._every_s) and len(waiting) < self._every_rows
        return None if may_wait else self.make()

    def make(self) -> Checkpoint | None:
        """Sign all rows that are not signed yet; None where there are none. Raises: PermanentError."""
        with self._store.writing() as transaction:
            waiting = checkpoints.unsigned(transaction.db)
            return self._sign(transaction.db, waiting) if waiting else None

    def newest(self) -> Checkpoint | None:
        """Return the last one made."""
        with self._store.reading() as db:
            return checkpoints.newest(db)

    def _sign(self, db: Database, rows: Sequence[Mapping[str, Any]]) -> Checkpoint:
        before = checkpoints.newest(db)
        signer = self._keyring.current()
        previous = None
        if before is not None and before.key != signer.public:
            previous = self._keyring.previous()
            if previous is None or previous.public != before.key:
                log.error("the audit's key changed and the one before it is not there: nothing vouches for the new one")
                previous = None
        body = {
            "v": 1,
            "number": before.number + 1 if before else 1,
            "at": self._clock.now().isoformat(timespec="milliseconds"),
            "first": rows[0]["seq"],
            "last": rows[-1]["seq"],
            "head": rows[-1]["hash"],
            "root": root_of([row["hash"] for row in rows]),
            "prev": before.digest if before else GENESIS,
            "key": signer.public,
            "previous_key": previous.public if previous else None,
        }
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        record = {
            "number": body["number"],
            "last": body["last"],
            "body": text,
            "signature": signer.sign(text),
            "previous_signature": previous.sign(text) if previous else None,
        }
        checkpoints.insert(db, record)
        return Checkpoint.read(record)
