"""One call of the Web API: its arguments, and what every method needs to answer it."""

import base64
import binascii
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

from sandbox.slack.model import JSON, ApiError
from sandbox.slack.state import State
from sandbox.slack.workspace import Workspace

T = TypeVar("T")
Caller: TypeAlias = Literal["bot", "app", "both", "anyone"]  # by which token
_TRUE = {True, "1", "true", "True"}


@dataclass(frozen=True)
class Call:
    """Arguments as the app sent them: strings from a form, anything from JSON."""

    workspace: Workspace
    arguments: Mapping[str, Any]
    base_url: str  # "http://127.0.0.1:4321"

    @property
    def state(self) -> State:
        return self.workspace.state

    def require(self, *names: str) -> None:
        """Raises: ApiError (invalid_arguments), naming what is missing."""
        missing = [name for name in names if self.arguments.get(name) in (None, "")]
        if missing:
            raise ApiError(
                "invalid_arguments",
                messages=tuple(f"missing required field: {name} [json-pointer:/{name}]" for name in missing),
            )

    def text(self, name: str) -> str:
        """Return a required argument as text. Raises: ApiError."""
        self.require(name)
        return str(self.arguments[name])

    def flag(self, name: str) -> bool:
        value = self.arguments.get(name)
        return not isinstance(value, list | dict) and value in _TRUE

    def need_scope(self, scope: str) -> None:
        """Raises: ApiError (missing_scope)."""
        provided = self.state.manifest.scopes
        if scope not in provided:
            raise ApiError("missing_scope", needed=scope, provided=",".join(sorted(provided)))

    def admit_post(self, channel_id: str) -> None:
        """Count a message to the channel. Raises: ApiError (ratelimited)."""
        if wait_s := self.workspace.rate_limits.admit_post(channel_id, time.monotonic()):
            raise ApiError("ratelimited", status=429, retry_after_s=wait_s)

    def page(self, items: Sequence[T], *, default: int, most: int = 1000) -> tuple[list[T], JSON]:
        """Return one page of *items* by ``limit`` and ``cursor``, and the answer's metadata."""
        try:
            limit = int(self.arguments.get("limit") or default)
            cursor = str(self.arguments.get("cursor") or "")
            start = int(base64.b64decode(cursor, validate=True).removeprefix(b"next:")) if cursor else 0
        except (ValueError, TypeError, binascii.Error):
            raise ApiError("invalid_cursor") from None
        if not 0 < limit <= most:
            raise ApiError("invalid_limit")
        end = start + limit
        following = base64.b64encode(b"next:%d" % end).decode() if end < len(items) else ""
        return list(items[start:end]), {"next_cursor": following}


@dataclass(frozen=True, kw_only=True)
class Method:
    """How one method is called. ``takes_json``: whether Slack reads a JSON body for it."""

    run: Callable[[Call], JSON]
    scope: str | None = None
    caller: Caller = "bot"
    takes_json: bool = False
