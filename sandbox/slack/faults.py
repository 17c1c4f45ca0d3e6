"""Faults on demand: what Slack does on a bad day. Each is counted down, then all is well again."""

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sandbox.slack.model import SandboxError


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What is still to go wrong. Counts of calls or of deliveries."""

    rate_limit: int = 0  # API calls answered with 429
    retry_after_s: int = 1
    api_error: int = 0  # API calls answered with 500, nothing done
    lost_answer: int = 0  # API calls that do their work, then answer 500
    slow: int = 0  # API calls answered after slow_s
    slow_s: float = 2.0
    drop: int = 0  # deliveries that never reach the app
    duplicate: int = 0  # deliveries sent twice, as the same envelope
    lost_ack: int = 0  # deliveries whose ack Slack does not hear


class Faults:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned = Planned()

    @property
    def planned(self) -> Planned:
        return self._planned

    def plan(self, **changes: Any) -> Planned:
        """Replace the named fields of ``Planned``. Raises: SandboxError for an unknown or negative one."""
        for name, value in changes.items():
            if name not in Planned.__dataclass_fields__:
                raise SandboxError(f"no such fault: {name}; known: {', '.join(Planned.__dataclass_fields__)}")
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 10_000:
                raise SandboxError(f"{name}: must be a number from 0 to 10000, not {value!r}")
        with self._lock:
            whole = {name: v if name.endswith("_s") else int(v) for name, v in changes.items()}
            self._planned = replace(self._planned, **whole)
            return self._planned

    def clear(self) -> None:
        with self._lock:
            self._planned = Planned()

    def take(self, name: str) -> bool:
        """Return whether fault *name* strikes now, and count it down."""
        with self._lock:
            left = int(getattr(self._planned, name))
            if left <= 0:
                return False
            self._planned = replace(self._planned, **{name: left - 1})
            return True

    def as_json(self) -> Mapping[str, Any]:
        return asdict(self._planned)
