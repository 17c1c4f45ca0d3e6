"""What forms offer in their menus, from live data. Opening a form must not wait: a trigger lives three seconds."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from threading import Lock

from bot.slack.forms import Choices
from commands.spec import CommandSpec, choices_of

log = logging.getLogger(__name__)

PATIENCE_S = 1.0  # for an answer that is not known yet; after it the form has a text field instead
FRESH_S = 60.0


class Offers:
    """Asks each source at most once a minute, and offers its last answer meanwhile. Thread-safe.

    Args:
        sources: kind → how to ask: ``{"tenants": …, "nodes": …}``.
    """

    def __init__(self, sources: dict[str, Callable[[], Sequence[str]]]) -> None:
        self._sources = sources
        self._pool = ThreadPoolExecutor(max(1, len(sources)), thread_name_prefix="offers")
        self._lock = Lock()
        self._asked: dict[str, tuple[float, Future[Sequence[str]]]] = {}
        self._known: dict[str, Sequence[str]] = {}

    def of(self, spec: CommandSpec) -> Choices:
        """Return what the fields of *spec* can be chosen from; what cannot be had in time is left out."""
        kinds = {choices_of(field) for field in spec.args.model_fields.values()} & self._sources.keys()
        return {kind: names for kind in kinds if (names := self._names(kind))}

    def _names(self, kind: str) -> Sequence[str]:
        with self._lock:
            at, asked = self._asked.get(kind, (0.0, None))
            if asked is None or (asked.done() and time.monotonic() - at > FRESH_S):
                asked = self._pool.submit(self._sources[kind])
                self._asked[kind] = (time.monotonic(), asked)
        try:
            names = asked.result(0 if kind in self._known else PATIENCE_S)
        except NotYet:
            return self._known.get(kind, ())
        except Exception as error:  # noqa: BLE001 - a form without a menu is better than none
            log.warning("%s cannot be offered in forms: %s", kind, type(error).__name__)
            return self._known.get(kind, ())
        self._known[kind] = names
        return names
