"""Questions that are answered once: many ask, one reads. For as long as one look at the world lasts."""

from collections.abc import Callable, Collection, Hashable, Mapping
from concurrent.futures import Future
from functools import partial
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")


class Memory:
    """Answers each question once, however many ask it at the same time; what it raised is raised again. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._answers: dict[Hashable, Future[Any]] = {}

    def ask(self, question: Hashable, find: Callable[[], T]) -> T:
        """Return what *find* returned to whoever asked *question* first."""
        with self._lock:
            known = self._answers.get(question)
            answer: Future[T] = known if known is not None else Future()
            self._answers[question] = answer
        if known is None:
            try:
                answer.set_result(find())
            except BaseException as error:
                answer.set_exception(error)
                raise
        return answer.result()


class Remembering:
    """Stands before a client: methods in *once* ask it once for each set of arguments, those in *instead* are
    answered otherwise, all others go through."""

    def __init__(
        self,
        client: object,
        *,
        once: Collection[str] = (),
        instead: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self._client = client
        self._once = frozenset(once)
        self._instead = dict(instead or {})
        self._memory = Memory()

    def __getattr__(self, name: str) -> Any:
        if name in self._instead:
            return self._instead[name]
        method = getattr(self._client, name)
        return partial(self._ask, name, method) if name in self._once else method

    def _ask(self, name: str, method: Callable[..., T], *arguments: object, **named: object) -> T:
        question = (name, *map(_hashable, arguments), *((key, _hashable(named[key])) for key in sorted(named)))
        return self._memory.ask(question, partial(method, *arguments, **named))


def _hashable(value: object) -> Hashable:
    try:
        hash(value)
    except TypeError:  # lists, dicts and sets, alone or inside a tuple
        return repr(value)
    return value
