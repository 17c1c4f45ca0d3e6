"""What forms offer in their menus, from live data. Opening a form must not wait: a trigger lives three seconds."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from threading import Lock
from typing import TypeAlias

from bot.slack.forms import Choices
from commands.spec import CommandSpec, choices_of
from provisioning.capacity.profiles import COUNT_LABEL, GpuModel, identify
from provisioning.clients.cluster_objects import Node
from provisioning.store import Store

log = logging.getLogger(__name__)

Source: TypeAlias = Callable[[], Sequence[str]]

PATIENCE_S = 1.0  # for an answer that is not known yet; after it the form has a text field instead
FRESH_S = 60.0


def sources(store: Store, nodes: Callable[[], Iterable[Node]]) -> dict[str, Source]:
    """Return how to ask for what there is: recorded tenants, nodes with GPUs, the MIG profiles that these can have."""

    def with_gpus() -> list[Node]:
        return [node for node in nodes() if COUNT_LABEL in node.labels]

    def profiles() -> list[str]:
        known = [gpu for node in with_gpus() if isinstance(gpu := identify(node.labels), GpuModel)]
        return sorted({profile.name for gpu in known for profile in gpu.profiles})

    return {
        "tenants": lambda: [tenant.name for tenant in store.tenants()],
        "nodes": lambda: [node.name for node in with_gpus()],
        "profiles": profiles,
    }


class Offers:
    """Asks each source at most once a minute, and offers its last answer meanwhile. Thread-safe.

    Args:
        sources: kind → how to ask: ``{"tenants": …, "nodes": …}``.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self._pool = ThreadPoolExecutor(max(1, len(sources)), thread_name_prefix="offers")
        self._lock = Lock()
        self._asked: dict[str, tuple[float, Future[Sequence[str]]]] = {}
        self._known: dict[str, Sequence[str]] = {}

    def of(self, spec: CommandSpec) -> Choices:
        """Return what the fields of *spec* can be chosen from; what cannot be had in time is left out."""
        kinds = {choices_of(field) for field in spec.args.model_fields.values()} & self._sources.keys()
        until = time.monotonic() + PATIENCE_S  # for all of them: they are asked at the same time
        asked = {kind: self._ask(kind) for kind in sorted(kinds)}
        return {kind: names for kind, answer in asked.items() if (names := self._names(kind, answer, until))}

    def _ask(self, kind: str) -> "Future[Sequence[str]]":
        with self._lock:
            at, asked = self._asked.get(kind, (0.0, None))
            if asked is None or (asked.done() and time.monotonic() - at > FRESH_S):
                asked = self._pool.submit(self._sources[kind])
                self._asked[kind] = (time.monotonic(), asked)
        return asked

    def _names(self, kind: str, asked: "Future[Sequence[str]]", until: float) -> Sequence[str]:
        try:
            names = asked.result(0 if kind in self._known else max(0.0, until - time.monotonic()))
        except NotYet:
            return self._known.get(kind, ())
        except Exception as error:  # noqa: BLE001 - a form without a menu is better than none
            log.warning("%s cannot be offered in forms: %s", kind, type(error).__name__)
            return self._known.get(kind, ())
        self._known[kind] = names
        return names
