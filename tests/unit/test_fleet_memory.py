"""What many ask at the same time is read once, and told to all of them."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from provisioning.fleet.memory import Remembering


class Client:
    def __init__(self) -> None:
        self.asked: list[object] = []

    def read(self, what: object, *, deep: bool = False) -> str:
        self.asked.append(what)
        time.sleep(0.02)
        return f"{what} {deep}"

    def fail(self) -> None:
        self.asked.append("fail")
        raise ConnectionError

    def write(self, what: object) -> None:
        self.asked.append(what)


def test_the_same_question_is_asked_once() -> None:
    """By many threads; other arguments are another question; lists and mappings are arguments like others."""
    client = Client()
    seen = Remembering(client, once=("read",))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: seen.read(({"a": [1]},)), range(8)))
    assert answers == [f"{({'a': [1]},)} False"] * 8
    assert len(client.asked) == 1
    assert seen.read("x") == "x False"
    assert seen.read("x", deep=True) == "x True"
    assert len(client.asked) == 3


def test_a_failure_is_remembered_too() -> None:
    """A server that is down is not asked three hundred times."""
    client = Client()
    seen = Remembering(client, once=("fail",))
    for _ in range(3):
        with pytest.raises(ConnectionError):
            seen.fail()
    assert client.asked == ["fail"]


def test_the_rest_goes_through_or_is_answered_otherwise() -> None:
    """Each time."""
    client = Client()
    seen = Remembering(client, instead={"read": lambda what: f"instead of {what}"})
    seen.write(1)
    seen.write(1)
    assert client.asked == [1, 1]
    assert seen.read("x") == "instead of x"
