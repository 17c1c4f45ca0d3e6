"""The pool of ports as a strip: ranges in their tenants' colours, live ports, ports of strangers. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from provisioning.charts import canvas
from provisioning.charts.canvas import Canvas

MARGIN, LABEL_WIDTH, WIDTH = 20.0, 52.0, 760.0
ROW, ROW_GAP = 22.0, 10.0
TITLE_HEIGHT, LEGEND_HEIGHT, FOOT_HEIGHT = 64.0, 24.0, 10.0
ROWS = 8
STRANGER = "#1d1c1d"


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A tenant's envelope, both ends included, and which of its ports its Services hold."""

    tenant: str
    first: int
    last: int
    live: frozenset[int]


def draw(first: int, last: int, ranges: Sequence[Stretch], strangers: Sequence[int], *, title: str, note: str) -> bytes:
    """Return the pool *first* … *last* as PNG. *strangers* are ports of others, inside a range or not.

    Colour tells neighbours apart; each range that has room for it bears its tenant's name.
    """
    size = last - first + 1
    per_row = max(10, math.ceil(size / ROWS / 10) * 10)
    rows = max(1, math.ceil(size / per_row))
    height = TITLE_HEIGHT + LEGEND_HEIGHT + rows * (ROW + ROW_GAP) + FOOT_HEIGHT
    page = Canvas(WIDTH, height)
    page.text(MARGIN, 16, title, size=17, strong=True)
    page.text(MARGIN, 40, canvas.shortened(note, WIDTH - 2 * MARGIN, 11.5), size=11.5, color=canvas.FAINT)
    _legend(page, TITLE_HEIGHT)
    strip = _Strip(page, first, last, per_row)
    strip.ground()
    tenants = dict.fromkeys(stretch.tenant for stretch in sorted(ranges, key=lambda one: one.first))
    colors = {name: canvas.PALETTE[place % len(canvas.PALETTE)] for place, name in enumerate(tenants)}
    for stretch in ranges:
        strip.range(stretch, colors[stretch.tenant])
    for port in sorted(set(strangers)):
        strip.stranger(port)
    for stretch in ranges:
        strip.name(stretch)
    return page.png()


def describe(first: int, last: int, ranges: Sequence[Stretch], strangers: Sequence[int], *, free: int) -> str:
    """Return the strip in words, for those who cannot see it: at most 1,000 characters."""
    said = f"Ports {first} to {last} as a strip: {free} free, {len(set(strangers))} held by others"
    if ranges:
        said += "; ranges: " + ", ".join(f"{one.tenant} {one.first}-{one.last}" for one in ranges)
    return said if len(said) <= 1000 else said[:999] + "…"


class _Strip:
    def __init__(self, page: Canvas, first: int, last: int, per_row: int) -> None:
        self._page, self._first, self._last, self._per_row = page, first, last, per_row
        self._unit = (WIDTH - 2 * MARGIN - LABEL_WIDTH) / per_row
        self._top = TITLE_HEIGHT + LEGEND_HEIGHT

    def ground(self) -> None:
        """Draw every row as free, with its first port before it."""
        for start in range(self._first, self._last + 1, self._per_row):
            for left, top, right in self._pieces(start, min(start + self._per_row - 1, self._last)):
                label = (MARGIN + LABEL_WIDTH - 8, top + ROW / 2)
                self._page.text(*label, str(start), size=11, anchor="rm", color=canvas.FAINT)
                self._page.box((left, top, right, top + ROW), fill=canvas.FREE, outline=canvas.RULE)

    def range(self, stretch: Stretch, color: str) -> None:
        """Draw an envelope: hatched where no Service is yet, full where one is."""
        pieces = self._pieces(stretch.first, stretch.last)
        for left, top, right in pieces:
            self._page.hatch((left, top, right, top + ROW), color=color)
        for first, last in _runs(stretch.live):
            for left, top, right in self._pieces(max(first, stretch.first), min(last, stretch.last)):
                self._page.box((left, top, right, top + ROW), fill=color)
        for left, top, right in pieces:
            self._page.box((left, top, right, top + ROW), outline=color)

    def name(self, stretch: Stretch) -> None:
        """Write the tenant's name where there is room for enough of it to say something."""
        pieces = self._pieces(stretch.first, stretch.last)
        left, top, right = max(pieces, key=lambda piece: piece[2] - piece[0], default=(0.0, 0.0, 0.0))
        name = canvas.shortened(stretch.tenant, right - left - 8, 10)
        if len(name) >= min(3, len(stretch.tenant)):
            half = canvas.width_of(name, 10) / 2 + 3
            middle = (left + right) / 2
            self._page.box((middle - half, top + 4, middle + half, top + ROW - 4), fill=canvas.PAPER)
            self._page.text(middle, top + ROW / 2, name, size=10, anchor="mm")

    def stranger(self, port: int) -> None:
        """Mark one port of somebody else's, wide enough to be seen."""
        for left, top, right in self._pieces(port, port):
            middle, half = (left + right) / 2, max(1.5, (right - left) / 2)
            self._page.box((middle - half, top - 3, middle + half, top + ROW + 3), fill=STRANGER)

    def _pieces(self, first: int, last: int) -> list[tuple[float, float, float]]:
        """Return left, top and right of each row's part of *first* … *last*, within the pool."""
        found = []
        first, last = max(first, self._first), min(last, self._last)
        while first <= last:
            row, place = divmod(first - self._first, self._per_row)
            end = min(last, self._first + (row + 1) * self._per_row - 1)
            left = MARGIN + LABEL_WIDTH + place * self._unit
            found.append((left, self._top + row * (ROW + ROW_GAP), left + (end - first + 1) * self._unit))
            first = end + 1
        return found


def _runs(ports: frozenset[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for port in sorted(ports):
        if runs and port == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], port)
        else:
            runs.append((port, port))
    return runs


def _legend(page: Canvas, top: float) -> None:
    x = MARGIN + LABEL_WIDTH
    color = canvas.PALETTE[0]
    for words in ("a range, its Services there", "declared, no Service yet", "held by somebody else", "free"):
        box = (x, top, x + 13, top + 13)
        match words:
            case "held by somebody else":
                page.box((x + 5, top - 2, x + 8, top + 15), fill=STRANGER)
            case "free":
                page.box(box, fill=canvas.FREE, outline=canvas.RULE)
            case "declared, no Service yet":
                page.hatch(box, color=color)
                page.box(box, outline=color)
            case _:
                page.box(box, fill=color)
        page.text(x + 18, top + 6.5, words, size=11.5, anchor="lm")
        x += 18 + canvas.width_of(words, 11.5) + 20
