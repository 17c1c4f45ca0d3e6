"""Lists that are read in both encodings of the Kubernetes API: protobuf where it is spoken, else JSON.

The API server writes protobuf in a third of the time, in half the bytes. Whatever stands between it and the bot may
not speak it: then the list comes as pages of JSON, and is the same.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from provisioning.clients.cluster_pages import Get, pages
from provisioning.clients.cluster_protobuf import NotProtobufError, objects

Stream: TypeAlias = Callable[[str], AbstractContextManager[Iterable[bytes]]]  # path → the answer's body as it comes

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Reads:
    """How the API is read. ``stream`` asks for protobuf; it raises NotProtobufError where that is refused."""

    get: Get
    stream: Stream


@dataclass(frozen=True, kw_only=True)
class Listed(Generic[T]):
    """A list, and what is made of each object. None: it does not count."""

    path: str
    kind: str  # ``PodList``: of `cluster_schema`
    of_message: Callable[[Any], T | None]
    struct: type[Any]  # of `cluster_wire`
    of_struct: Callable[[Any], T | None]
    page_size: int | None = None  # of pages of JSON


def read(api: Reads, listed: Listed[T]) -> Iterator[T]:
    """Yield what counts of the list, in its order.

    Raises: what *api* raises; TemporaryError where the answer is no such list.
    """
    try:
        with api.stream(listed.path) as chunks:
            for one in objects(chunks, listed.kind, listed.path):
                if (found := listed.of_message(one)) is not None:
                    yield found
    except NotProtobufError:
        yield from _as_json(api, listed)


def _as_json(api: Reads, listed: Listed[T]) -> Iterator[T]:
    for item in pages(api.get, listed.path, listed.struct, page_size=listed.page_size):
        if (found := listed.of_struct(item)) is not None:
            yield found
