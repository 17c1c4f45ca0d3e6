"""Lists of the Kubernetes API as protobuf, read while the API server still writes them.

One answer holds the whole list: the server takes it from its watch cache and encodes it object by object; here it
becomes objects a chunk at a time, so that neither holds it as a whole. Pages, by contrast, are served from etcd where
the list has not changed since the last compaction (docs/adr/0017).
"""

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError

from provisioning.clients.cluster_schema import message
from provisioning.errors import TemporaryError

MAGIC = b"k8s\x00"
LONGEST = 64 * 2**20  # of one object, in bytes: etcd takes 1.5 MiB
_TYPE, _RAW = 0x0A, 0x12  # fields 1 and 2 of runtime.Unknown, both with a length
_LONGEST_NUMBER = 10  # bytes
_LENGTH = 2  # the wire type of what has one, as all fields of lists have


class NotProtobufError(Exception):
    """Whoever answered speaks something else. Raised before the first object is."""


def objects(chunks: Iterable[bytes], kind: str, what: str) -> Iterator[Any]:
    """Yield the objects of a list out of its encoding, as messages of `cluster_schema`.

    Args:
        chunks: the answer's body, cut anywhere.
        kind: ``PodList``.
        what: in whose place it stands, for people: the path.

    Raises: NotProtobufError; TemporaryError where the answer is no such list, or not all of one.
    """
    try:
        yield from _objects(_Body(chunks), kind)
    except (EOFError, ValueError, DecodeError) as problem:
        raise TemporaryError(
            f"reading {what}: the cluster's answer is something else, or ended early",
            next_action="check that nothing stands between the bot and the API server, then Retry",
            details=str(problem),
        ) from problem


class _Body:
    """The answer so far."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self.held = bytearray()

    def more(self) -> None:
        """Wait for another chunk. Raises: EOFError."""
        chunk = next(self._chunks, None)
        if chunk is None:
            raise EOFError("it ended early")
        self.held += chunk

    def take(self, count: int) -> bytes:
        """Return the next *count* bytes."""
        while len(self.held) < count:
            self.more()
        taken = bytes(self.held[:count])
        del self.held[:count]
        return taken

    def take_number(self) -> int:
        while (found := _number(self.held, 0)) is None:
            self.more()
        number, end = found
        del self.held[:end]
        return number

    def drain(self) -> None:
        """Read what is left: the connection can be used again."""
        for _ in self._chunks:
            pass


def _objects(body: _Body, kind: str) -> Iterator[Any]:
    _open(body, kind)
    left = body.take_number()  # of the list, in bytes
    parsed = message(kind)
    while left:
        if not body.held:
            body.more()
        end = _whole_fields(body.held, min(left, len(body.held)))
        if not end:
            body.more()
            continue
        page = parsed.FromString(body.take(end))
        left -= end
        if page.metadata.token:
            raise ValueError("it is a page, and the whole list was asked for")
        yield from page.items
    body.drain()


def _open(body: _Body, kind: str) -> None:
    """Read up to the list's length. Raises: NotProtobufError."""
    try:
        begins = body.take(len(MAGIC))
    except EOFError:
        begins = b""
    if begins != MAGIC:
        raise NotProtobufError
    tag = body.take_number()
    if tag == _TYPE:
        said = message("TypeMeta").FromString(body.take(body.take_number())).kind
        if said != kind:
            raise ValueError(f"it is a {said[:80]!r}, not a {kind}")
        tag = body.take_number()
    if tag != _RAW:
        raise ValueError(f"it has a field {tag >> 3} where the list should be")


def _whole_fields(held: bytearray, end: int) -> int:
    """Return how many of the first *end* bytes are whole fields of a list: such a part is a list itself."""
    at = 0
    while at < end:
        tag = held[at]
        if tag & 7 != _LENGTH or tag > 0x7F:
            raise ValueError(f"it has a field that no list has ({tag:#x})")
        found = _number(held, at + 1)
        if found is None:
            break
        length, begin = found
        if length > LONGEST:
            raise ValueError(f"it has an object of {length} bytes")
        if begin + length > end:
            break
        at = begin + length
    return at


def _number(held: bytearray, at: int) -> tuple[int, int] | None:
    """Return the number that stands at *at* and where it ends; None where its end is not there yet."""
    number = shift = 0
    for place, byte in enumerate(held[at : at + _LONGEST_NUMBER], at + 1):
        number |= (byte & 0x7F) << shift
        if byte <= 0x7F:
            return number, place
        shift += 7
    if len(held) - at >= _LONGEST_NUMBER:
        raise ValueError("it has a number without an end")
    return None
