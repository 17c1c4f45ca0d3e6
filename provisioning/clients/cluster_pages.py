"""Lists of the Kubernetes API, page by page, straight from JSON into the few fields that are wanted.

Of 50,000 objects the client's models would cost a hundred times the memory and most of the time.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeAlias, TypeVar

import msgspec

from provisioning.clients.cluster_wire import ListMeta
from provisioning.errors import TemporaryError

PAGE_SIZE = 500
DETAIL_CHARS = 500

Get: TypeAlias = Callable[[str, Mapping[str, str]], bytes]  # path, query → the answer's body

T = TypeVar("T")


class _Page(msgspec.Struct, Generic[T]):
    metadata: ListMeta
    items: list[T] | None = None


def pages(get: Get, path: str, kind: type[T], *, page_size: int | None = None, **query: str) -> Iterator[T]:
    """Yield every object of the list at *path* as *kind*. The next page is fetched meanwhile: two in memory at most.

    Args:
        kind: a struct of `cluster_wire`, or dict. What it does not name is skipped unread.
        query: ``fieldSelector``, ``labelSelector``.

    Raises: what *get* raises; TemporaryError where the answer is no such list.
    """
    decoder: msgspec.json.Decoder[_Page[T]] = msgspec.json.Decoder(_Page[kind])  # type: ignore[valid-type]  # a type made at run time
    asked = {"limit": str(page_size or PAGE_SIZE), **query}
    with ThreadPoolExecutor(1, thread_name_prefix="cluster-pages") as ahead:
        body = get(path, asked)
        while True:
            page = _decoded(decoder, body, path)
            token = page.metadata.token
            coming = ahead.submit(get, path, {**asked, "continue": token}) if token else None
            yield from page.items or ()
            if coming is None:
                return
            del page
            body = coming.result()


def decoded(body: bytes, kind: type[T], what: str) -> T:
    """Return one object out of its JSON. Raises: TemporaryError where it is none; *what* says in whose place."""
    return _decoded(msgspec.json.Decoder(kind), body, what)


def _decoded(decoder: "msgspec.json.Decoder[T]", body: bytes, what: str) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise TemporaryError(
            f"reading {what}: the cluster's answer is something else",
            next_action="check that nothing stands between the bot and the API server, then Retry",
            details=str(problem)[:DETAIL_CHARS],
        ) from problem
