"""Many things looked at in parallel, while somebody is told how far it is."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeAlias, TypeVar

Tell: TypeAlias = Callable[[str], None]  # takes a few words for people: ``12 of 200 nodes read``

T = TypeVar("T")
R = TypeVar("R")


def look_at_all(
    things: Sequence[T], look: Callable[[T], R], said: Callable[[Sequence[R]], str], tell: Tell, *, at_once: int
) -> list[R]:
    """Return what *look* found at each of the *things*, in their order; *at_once* at a time, in threads.

    Args:
        said: what to tell of those that are done.
        tell: called in the caller's own thread, each time that one is done.

    Raises: what *look* or *tell* raise first; what has not begun is then left.
    """
    found: dict[int, R] = {}
    with ThreadPoolExecutor(at_once, thread_name_prefix="looks") as pool:
        under_way = {pool.submit(look, thing): at for at, thing in enumerate(things)}
        try:
            for one in as_completed(under_way):
                found[under_way[one]] = one.result()
                tell(said([*found.values()]))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [found[at] for at in range(len(things))]


def tell_nobody(_words: str) -> None:
    """Nobody waits for it."""
