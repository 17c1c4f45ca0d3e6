"""What is told, or taken, only once: remembered by key, for as long as it could come again, and across restarts."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provisioning.store.store import Store


class Seen:
    """The keys of one store. Thread-safe."""

    def __init__(self, store: "Store") -> None:
        self._store = store

    def before(self, key: str, ttl_s: float = 3600.0) -> bool:
        """Return whether *key* was given before and is remembered; if not, remember it for *ttl_s*."""
        now = self._store.clock.now().timestamp()
        with self._store.writing() as transaction:
            # The column holds when a key may be forgotten: each caller has its own time.
            transaction.db.table("deliveries").delete_where("at < ?", [now])
            row = [key, now + ttl_s]
            return transaction.db.execute("INSERT OR IGNORE INTO deliveries (key, at) VALUES (?, ?)", row).rowcount == 0

    def knows(self, key: str) -> bool:
        """Return whether *key* was given before and is remembered."""
        now = self._store.clock.now().timestamp()
        with self._store.reading() as db:
            return db.execute("SELECT 1 FROM deliveries WHERE key = ? AND at >= ?", [key, now]).fetchone() is not None
