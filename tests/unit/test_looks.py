"""Many looks at once: bounded, in order, told of while they go on."""

import io
import threading
import time
from collections.abc import Sequence

import pytest
from rich.console import Console

from bot.cli_report import telling
from provisioning.looks import look_at_all, tell_nobody


def count(done: Sequence[int]) -> str:
    return f"{len(done)} done"


def test_what_was_found_keeps_its_order_and_each_is_told() -> None:
    """Also where the first takes longest."""
    told: list[str] = []

    def look(number: int) -> int:
        time.sleep(0.03 / (number + 1))
        return number * 2

    assert look_at_all(range(6), look, count, told.append, at_once=3) == [0, 2, 4, 6, 8, 10]
    assert told == [f"{number} done" for number in range(1, 7)]
    assert look_at_all([], look, count, told.append, at_once=3) == []


def test_no_more_than_asked_for_are_looked_at_at_once() -> None:
    at_once, most = [0], [0]
    lock = threading.Lock()

    def look(number: int) -> int:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.01)
        with lock:
            at_once[0] -= 1
        return number

    look_at_all(range(12), look, count, tell_nobody, at_once=4)
    assert most == [4]


def test_where_one_fails_what_has_not_begun_is_left() -> None:
    looked: list[int] = []

    def look(number: int) -> int:
        looked.append(number)
        time.sleep(0.01)
        raise ValueError(str(number))

    with pytest.raises(ValueError, match=r"^[01]$"):
        look_at_all(range(100), look, count, tell_nobody, at_once=2)
    assert len(looked) < 100


def test_a_terminal_shows_how_far_it_is_and_a_file_gets_nothing() -> None:
    """The words are plain: markup in them is shown as it is."""
    terminal, file = io.StringIO(), io.StringIO()
    with telling(Console(file=terminal, force_terminal=True)) as tell:
        tell("1 of 2 nodes read")
        tell("2 of 2 nodes [red]read")
    with telling(Console(file=file)) as tell:
        tell("1 of 2 nodes read")
    assert "2 of 2 nodes [red]read" in terminal.getvalue()
    assert file.getvalue() == ""
