"""Lists of the Kubernetes API read page by page as plain JSON: of 50,000 objects few fields are wanted, and the
client's models cost a hundred times their memory."""

import json
from collections.abc import Callable, Iterator
from typing import Any

TIMEOUTS = (5.0, 60.0)  # to connect, to read, in seconds
PAGE_SIZE = 500


def pages(ask: Callable[..., Any], *arguments: str, page_size: int | None = None, **more: Any) -> Iterator[Any]:
    """Yield every item of a list call of the client (``list_node``), one page in memory at a time."""
    token: str | None = None
    while True:
        answer = ask(
            *arguments,
            limit=page_size or PAGE_SIZE,
            _continue=token,
            _request_timeout=TIMEOUTS,
            _preload_content=False,
            **more,
        )
        page = json.loads(answer.data)
        yield from page.get("items") or ()
        token = (page.get("metadata") or {}).get("continue")
        if not token:
            return
