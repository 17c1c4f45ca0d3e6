"""The durable inbox: a delivery is committed, then acked, then worked off; after a crash it is worked off once more.

What changes a job commits together with the note that the delivery is done (``Deliveries.within``), so a delivery that
is found undone had no effect yet, and has one effect in all.
"""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from datetime import timedelta
from threading import Lock
from typing import Any

from bot.slack.deliveries import Parcel
from policies.approvals import Refusal
from provisioning.clock import Clock
from provisioning.evidence.trail import Event
from provisioning.store import Allowance, Deliveries, Delivery, Store

log = logging.getLogger(__name__)

FRESH = timedelta(minutes=10)  # older than this, people have clicked again or changed their minds
DRAIN_S = 10.0

Handler = Callable[[Delivery], None]


class Inbox:
    """Thread-safe.

    Args:
        handlers: kind → what works a delivery off. Errors for people are theirs to tell.
        too_late: tells a person that what they did before a restart was not done.
        allowance: how much one person may ask for.
        workers: threads for clicks, and as many for what may plan for long: neither waits for the other.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        handlers: Mapping[str, Handler],
        allowance: Allowance,
        too_late: Handler,
        slow: frozenset[str],
        workers: int,
    ) -> None:
        self._store = store
        self._deliveries = Deliveries(store)
        self._clock = clock
        self._allowance = allowance
        self._handlers = handlers
        self._too_late = too_late
        self._slow = slow
        self._pools = {
            is_slow: ThreadPoolExecutor(workers, thread_name_prefix="slow" if is_slow else "quick")
            for is_slow in (True, False)
        }
        self._lock = Lock()
        self._under_way: set[Future[None]] = set()
        self._stopping = False

    def take(
        self,
        parcel: Parcel,
        *,
        ack: Callable[[], Any],
        refuse: Callable[[Refusal], Any] | None = None,
        is_slow: bool = True,
    ) -> None:
        """Commit, ack, then have it worked off. What was taken before is acked, and that is all.

        With *refuse* it counts as a request: one too many is acked by *refuse*, and nothing of it is kept. What is not
        *is_slow*, of a kind that is, goes with the clicks.
        Raises: sqlite3.OperationalError where it cannot be committed: then it is not acked, and Slack says so.
        """
        delivery = Delivery(key=parcel.key, kind=parcel.kind, body=dict(parcel.body), received_at=self._clock.now())
        with self._store.writing():  # counted and kept together: the same one again is not counted again
            counts = refuse is not None and not self._deliveries.knows(parcel.key)
            refused = self._allowance.take(str(parcel.body["user"])) if counts else None
            is_new = refused is None and self._deliveries.accept(delivery)
        if refuse is not None and refused is not None:
            refuse(refused)
            return
        ack()
        if is_new:
            self._submit(delivery, is_slow=is_slow)

    def replay(self) -> None:
        """Work off what a crash has left. Call once, before anything is taken, with the data folder locked."""
        for delivery in self._deliveries.undone():
            age = self._clock.now() - delivery.received_at
            if age <= FRESH and delivery.kind in self._handlers:
                log.warning("working off %s %s, acked %.0f s ago", delivery.kind, delivery.key, age.total_seconds())
                self._submit(delivery)
            else:
                self._give_up(delivery)

    def stop(self) -> None:
        """Let what is under way come to an end. What has not begun is left to the next start."""
        with self._lock:
            self._stopping = True
            under_way = set(self._under_way)
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        wait_for([future for future in under_way if not future.cancelled()], timeout=DRAIN_S)

    def _submit(self, delivery: Delivery, *, is_slow: bool = True) -> None:
        with self._lock:
            if self._stopping:  # committed: the next start works it off
                return
            future = self._pools[is_slow and delivery.kind in self._slow].submit(self._work, delivery)
            self._under_way.add(future)
        future.add_done_callback(self._forget)

    def _forget(self, future: "Future[None]") -> None:
        with self._lock:
            self._under_way.discard(future)

    def _work(self, delivery: Delivery) -> None:
        try:
            with self._deliveries.within(delivery.key):
                self._handlers[delivery.kind](delivery)
        except Exception:
            # The fence has told the person, or Slack cannot be reached at all: doing it again would not help them.
            log.exception("%s %s came to no end", delivery.kind, delivery.key)
        self._deliveries.finish(delivery.key)

    def _give_up(self, delivery: Delivery) -> None:
        """It is too old to be done as if nothing had happened: say so, in the audit trail and to the person."""
        user = str(delivery.body.get("user", ""))
        detail = {"kind": delivery.kind, "received_at": delivery.received_at.isoformat()}
        self._store.record(Event(action="delivery.too_late", actor=user, outcome="dropped", detail=detail))
        try:
            self._too_late(delivery)
        except Exception:
            log.exception("the person could not be told that %s came too late", delivery.key)
        self._deliveries.finish(delivery.key)
