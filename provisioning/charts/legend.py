"""Whose is what: a colour and a letter for each holder, and the lines that say which is whose. Pure.

Letters, since nobody should have to tell slices apart by colour; and there are more of them than colours.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from provisioning.charts import canvas
from provisioning.charts.canvas import Canvas

LINE = 24.0  # points
SIZE, SWATCH, NAME_WIDTH = 11.5, 15.0, 190.0
MOST_NAMED = 16  # holders with a letter and a place in the legend


@dataclass(frozen=True)
class Mark:
    """How a holder is told apart. ``key`` is "" for those who have no place in the legend."""

    color: str
    key: str


NOBODY = Mark(canvas.OTHERS, "")


def marks_of(holders: Sequence[str]) -> dict[str, Mark]:
    """Return each holder's mark, most important first: letters go further than colours, then all is grey."""
    keys = ascii_uppercase[:MOST_NAMED]
    return {
        name: Mark(color, keys[number] if number < len(keys) else "")
        for number, (name, color) in enumerate(canvas.colors_of(holders).items())
    }


def height(marks: Mapping[str, Mark], width: float) -> float:
    """Return how high the legend is within *width* points."""
    return LINE * (1 + max(line for _, line, _, _ in _entries(marks, width)))


def draw(page: Canvas, marks: Mapping[str, Mark], at: tuple[float, float], width: float) -> None:
    """Draw it from *at*, its left top, on."""
    for x, line, name, mark in _entries(marks, width):
        left, top = at[0] + x, at[1] + line * LINE
        box = (left, top, left + SWATCH, top + SWATCH)
        match mark:
            case Mark():
                page.box(box, fill=mark.color)
                middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
                page.text(*middle, mark.key, size=10, anchor="mm", color=canvas.ink_on(mark.color))
            case "idle":
                page.hatch(box, color=canvas.OTHERS)
                page.box(box, outline=canvas.OTHERS)
            case _:
                page.box(box, fill=canvas.FREE, outline=canvas.RULE)
        page.text(left + SWATCH + 5, top + SWATCH / 2, name, size=SIZE, anchor="lm")


def _entries(marks: Mapping[str, Mark], width: float) -> Iterator[tuple[float, int, str, Mark | str]]:
    """Return x, line, name and mark of each: the holders with a letter, how many have none, ``idle`` and ``free``."""
    named = [(name, mark) for name, mark in marks.items() if mark.key]
    rest = len(marks) - len(named)
    entries: list[tuple[str, Mark | str]] = [*named, *([(f"{rest} more", NOBODY)] if rest else [])]
    x, line = 0.0, 0
    for name, mark in [*entries, ("idle", "idle"), ("free", "free")]:
        shown = canvas.squeezed(name, NAME_WIDTH, SIZE)
        wide = SWATCH + 5 + canvas.width_of(shown, SIZE) + 18
        if x and x + wide > width:
            x, line = 0.0, line + 1
        yield x, line, shown, mark
        x += wide
