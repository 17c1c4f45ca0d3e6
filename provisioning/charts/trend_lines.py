"""Measures over time: one panel each, with its own scale, so that no line hides another. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from provisioning.charts import canvas
from provisioning.charts.canvas import Canvas

MARGIN, PANEL, PANEL_GAP, AXIS_WIDTH, WIDTH = 20.0, 96.0, 44.0, 64.0, 640.0
TITLE_HEIGHT = 72.0
MOST_PANELS = 9
GAP = 3  # times the time between samples
MOST_POINTS = 600  # of one line: more are not to be told apart


@dataclass(frozen=True, kw_only=True)
class Line:
    """One measure: its points by time, and what to say of it. ``limit``: where an alert begins."""

    name: str
    note: str
    points: tuple[tuple[datetime, float], ...]
    limit: float | None = None


def draw(lines: Sequence[Line], *, title: str, note: str = "") -> bytes:
    """Return the panels as PNG, one below the other."""
    shown = [line for line in lines if line.points][:MOST_PANELS]
    height = TITLE_HEIGHT + max(1, len(shown)) * (PANEL + PANEL_GAP)
    page = Canvas(WIDTH, height)
    page.text(MARGIN, 16, title, size=17, strong=True)
    if note:
        page.text(MARGIN, 40, canvas.shortened(note, WIDTH - 2 * MARGIN, 11.5), size=11.5, color=canvas.FAINT)
    if not shown:
        page.text(MARGIN, TITLE_HEIGHT + 20, "No samples yet.", size=13)
        return page.png()
    first = min(line.points[0][0] for line in shown)
    last = max(line.points[-1][0] for line in shown)
    top = TITLE_HEIGHT
    for number, line in enumerate(shown):
        _panel(page, line, top, (first, last), canvas.PALETTE[number % len(canvas.PALETTE)])
        top += PANEL + PANEL_GAP
    return page.png()


def describe(lines: Sequence[Line]) -> str:
    """Return the lines in words, for those who cannot see them: at most 1,000 characters."""
    said = [
        f"{line.name} from {_number(line.points[0][1])} to {_number(line.points[-1][1])}"
        + (f", alert at {_number(line.limit)}" if line.limit is not None else "")
        for line in lines[:MOST_PANELS]
        if line.points
    ]
    return f"Lines over time: {'; '.join(said)}."[:1000] if said else "Lines over time: no samples yet."


def _panel(page: Canvas, line: Line, top: float, span: tuple[datetime, datetime], color: str) -> None:
    left, right, bottom = MARGIN + AXIS_WIDTH, WIDTH - MARGIN, top + PANEL
    page.text(MARGIN, top - 4, line.name, size=12.5, strong=True)
    room = WIDTH - 2 * MARGIN - canvas.width_of(line.name, 12.5) - 16
    note = canvas.shortened(line.note, room, 11)
    page.text(WIDTH - MARGIN, top - 3, note, size=11, color=canvas.FAINT, anchor="ra")
    top += 18
    values = [value for _, value in line.points] + ([line.limit] if line.limit is not None else [])
    low, high, step = scale(min(values), max(values))

    def at(moment: datetime, value: float) -> tuple[float, float]:
        whole = (span[1] - span[0]).total_seconds() or 1.0
        share = (moment - span[0]).total_seconds() / whole
        return left + share * (right - left), bottom - (value - low) / (high - low) * (bottom - top)

    for tick in range(round((high - low) / step) + 1):
        y = at(span[0], low + tick * step)[1]
        page.line([(left, y), (right, y)], color=canvas.RULE, weight=0.5)
        page.text(left - 8, y, _number(low + tick * step), size=10.5, anchor="rm", color=canvas.FAINT)
    if line.limit is not None:
        y = at(span[0], line.limit)[1]
        for dash in range(int(left), int(right), 10):
            page.line([(dash, y), (min(dash + 5, right), y)], color=canvas.INK, weight=1)
        page.text(right, y - 3, f"alert {_number(line.limit)}", size=10, anchor="rd")
    for run in runs(line.points):
        points = [at(moment, value) for moment, value in thinned(run)]
        if len(points) > 1:
            page.line(points, color=color, weight=2)
        x, y = points[-1]
        half = 2.5 if run[-1] == line.points[-1] else 1.0  # the newest stands out; one alone is seen
        page.box((x - half, y - half, x + half, y + half), fill=color)
    page.text(left, bottom + 5, _day(span[0], span), size=10.5, color=canvas.FAINT)
    page.text(right, bottom + 5, _day(span[1], span), size=10.5, color=canvas.FAINT, anchor="ra")


def scale(low: float, high: float) -> tuple[float, float, float]:
    """Return the ends and the step of an axis of two to five round steps that holds *low* … *high*."""
    least = max(1.0, abs(low), abs(high)) * 1e-9
    if high - low < least:  # a flat line stands in the middle, and at zero on the ground
        low, high = (low, high + 1) if low == 0 else (low - max(1.0, abs(low) / 10), high + max(1.0, abs(high) / 10))
    rough = (high - low) / 3
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= rough * 0.999)
    if min(low, high) >= 0 and step < 1:
        step = 1.0  # counts of whole things
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def runs(points: Sequence[tuple[datetime, float]]) -> list[Sequence[tuple[datetime, float]]]:
    """Return *points* in runs: where nothing was measured for thrice as long as before and after, no line is drawn.

    Older samples stand a day apart and newer ones an hour: that alone parts nothing.
    """
    apart = [(later[0] - earlier[0]).total_seconds() for earlier, later in pairwise(points)]
    starts = [0]
    for place, gap in enumerate(apart):
        near = [*apart[max(0, place - 1) : place], *apart[place + 1 : place + 2]]
        if near and gap > GAP * max(near):
            starts.append(place + 1)
    return [points[start:end] for start, end in pairwise([*starts, len(points)])]


def thinned(points: Sequence[tuple[datetime, float]]) -> list[tuple[datetime, float]]:
    """Return at most twice MOST_POINTS points: of each stretch its lowest and highest, so that no dip is lost."""
    if len(points) <= MOST_POINTS:
        return list(points)
    size = math.ceil(len(points) / MOST_POINTS)
    kept: list[tuple[datetime, float]] = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        ends = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        kept += sorted(ends)
    return [*kept, points[-1]]


def _day(moment: datetime, span: tuple[datetime, datetime]) -> str:
    short = (span[1] - span[0]).total_seconds() < 2 * 86_400
    return f"{moment:%d %b %H:%M}" if short else f"{moment:%d %b %Y}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}".rstrip("0").rstrip(".")
