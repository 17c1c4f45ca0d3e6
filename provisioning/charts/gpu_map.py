"""A map of GPUs: each a bar of its slices, in their holders' colours and letters; idle ones hatched, what is free
blank. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from provisioning.charts import canvas, legend
from provisioning.charts.canvas import Canvas
from provisioning.charts.legend import NOBODY, Mark

MOST_BARS = 200  # more GPUs than that are drawn as one bar a node, more nodes as one bar a model
MARGIN, BAR, GAP, COLUMN_GAP = 20.0, 22.0, 6.0, 28.0
LABEL_WIDTH, BAR_WIDTH = 110.0, 300.0
TITLE_HEIGHT, FOOT_HEIGHT, NOTE_LINE = 62.0, 26.0, 16.0
MOST_SAID, SAID_CHARS = 12, 40  # holders in the alt text, and how much of a name
LEAST_NAME = 12  # letters of a name that is cut: less of it says too little


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Some units of one GPU. ``holder`` is a tenant or namespace, None where it is idle."""

    start: int
    size: int
    profile: str
    holder: str | None


@dataclass(frozen=True, kw_only=True)
class GpuBar:
    """One GPU. ``label`` says which on its node: ``GPU 0``."""

    node: str
    label: str
    model: str
    units: int
    slices: tuple[Slice, ...]
    closed: bool = False  # the node takes no new pods


@dataclass(frozen=True)
class _Part:
    """A piece of a bar, in units. ``holder`` "" is idle, None free. ``what``: ``3g.40gb``; ``share``: ``25%``."""

    size: float
    holder: str | None
    what: str = ""
    share: str = ""


@dataclass(frozen=True)
class _Bar:
    group: str
    label: str
    units: float
    parts: tuple[_Part, ...]
    closed: bool


def draw(gpus: Sequence[GpuBar], *, title: str, note: str = "") -> bytes:
    """Return the map as PNG. *note* stands at its foot: what is known of places, and when it was read."""
    bars, what = _bars(gpus)
    marks = legend.marks_of(_by_share(gpus))
    columns = 1 if len(bars) <= 12 else 2 if len(bars) <= 48 else 3 if len(bars) <= 96 else 4
    rows = _layout(bars, columns)
    width = 2 * MARGIN + columns * (LABEL_WIDTH + BAR_WIDTH) + (columns - 1) * COLUMN_GAP
    notes = canvas.wrapped(note, width - 2 * MARGIN, 11)
    top = TITLE_HEIGHT + legend.height(marks, width - 2 * MARGIN)
    height = top + max(rows.heights) + FOOT_HEIGHT + max(0, len(notes) - 1) * NOTE_LINE + MARGIN
    page = Canvas(width, height)
    page.text(MARGIN, 16, title, size=17, strong=True)
    page.text(MARGIN, 40, what, size=11.5, color=canvas.FAINT)
    legend.draw(page, marks, (MARGIN, TITLE_HEIGHT), width - 2 * MARGIN)
    for bar, x, y, headed in rows.places:
        if headed:
            page.text(
                MARGIN + x,
                top + y - 16,
                canvas.squeezed(bar.group, LABEL_WIDTH + BAR_WIDTH - 8, 11.5),
                size=11.5,
                strong=True,
            )
        _bar(page, bar, MARGIN + x, top + y, marks)
    for number, line in enumerate(reversed(notes)):
        page.text(MARGIN, height - MARGIN - 10 - number * NOTE_LINE, line, size=11, color=canvas.FAINT)
    return page.png()


def describe(gpus: Sequence[GpuBar]) -> str:
    """Return the map in words, for those who cannot see it: at most 1,000 characters."""
    if not gpus:
        return "A map of GPUs: there is none."
    held = _shares(gpus)
    idle = held.pop("", 0.0)
    order = _by_share(gpus)
    named, others = order[:MOST_SAID], order[MOST_SAID:]
    shares = [f"{_cut(name)} {held[name] / len(gpus):.0%}" for name in named]
    if others:
        shares.append(f"{len(others)} more {sum(held[name] for name in others) / len(gpus):.0%}")
    free = max(0.0, len(gpus) - sum(held.values()) - idle)
    shares += [f"idle {idle / len(gpus):.0%}", f"free {free / len(gpus):.0%}"]
    closed = sum(gpu.closed for gpu in gpus)
    but = f" {closed} of them on nodes that take no new pods." if closed else ""
    return f"A map of {_many(len(gpus), 'GPU')} as bars of slices: {', '.join(shares)}.{but}"


def _bars(gpus: Sequence[GpuBar]) -> tuple[list[_Bar], str]:
    """Return as many bars as a picture can hold, and what one bar is."""
    if len(gpus) <= MOST_BARS:
        bars = [_Bar(gpu.node, gpu.label, gpu.units, tuple(_parts(gpu)), gpu.closed) for gpu in gpus]
        return bars, f"{_many(len(gpus), 'GPU')}, one bar each"
    nodes = dict.fromkeys(gpu.node for gpu in gpus)
    by_node = len(nodes) <= MOST_BARS
    grouped: dict[str, list[GpuBar]] = {}
    for gpu in gpus:
        grouped.setdefault(gpu.node if by_node else gpu.model, []).append(gpu)
    bars = [_sum_of(name, members, by_node=by_node) for name, members in grouped.items()]
    said = f"{len(gpus)} GPUs on {len(nodes)} nodes, one bar a {'node' if by_node else 'model'}"
    return bars, said


def _sum_of(name: str, gpus: list[GpuBar], *, by_node: bool) -> _Bar:
    held: Counter[str] = Counter()
    for gpu in gpus:
        for one in gpu.slices:
            held[one.holder or ""] += one.size
    units = sum(gpu.units for gpu in gpus)
    parts = [
        _Part(size, holder, share=f"{size / units:.0%}")
        for holder, size in sorted(held.items(), key=lambda pair: (pair[0] == "", -pair[1], pair[0]))
    ]
    parts.append(_Part(units - held.total(), None))
    group = gpus[0].model if by_node else f"{name}: {_many(len(gpus), 'GPU')}"
    label = name if by_node else "all"
    return _Bar(group, label, units, tuple(parts), all(gpu.closed for gpu in gpus))


def _parts(gpu: GpuBar) -> Iterable[_Part]:
    at = 0
    for one in sorted(gpu.slices, key=lambda one: one.start):
        if one.start > at:
            yield _Part(one.start - at, None)
        yield _Part(one.size, one.holder or "", what=one.profile)
        at = one.start + one.size
    if at < gpu.units:
        yield _Part(gpu.units - at, None)


@dataclass(frozen=True)
class _Rows:
    places: list[tuple[_Bar, float, float, bool]]  # bar, x, y, whether its group's name stands above it
    heights: list[float]


def _layout(bars: list[_Bar], columns: int) -> _Rows:
    """Return where each bar stands; groups keep together where they fit."""
    groups: dict[str, list[_Bar]] = {}
    for bar in bars:
        groups.setdefault(bar.group, []).append(bar)
    heights = {name: len(members) * (BAR + GAP) + (24 if name else 0) for name, members in groups.items()}
    most = max(math.ceil(sum(heights.values()) / columns), 1)
    places: list[tuple[_Bar, float, float, bool]] = []
    column, y, tall = 0, 0.0, [0.0] * columns
    for name, members in groups.items():
        if y and y + heights[name] / 2 > most and column < columns - 1:
            column, y = column + 1, 0.0
        headed = bool(name)
        for bar in members:
            if heights[name] > most and y and y + BAR > most and column < columns - 1:
                column, y, headed = column + 1, 0.0, bool(name)
            y += 24 if headed else 0
            places.append((bar, column * (LABEL_WIDTH + BAR_WIDTH + COLUMN_GAP), y, headed))
            y += BAR + GAP
            headed = False
            tall[column] = max(tall[column], y)
    return _Rows(places, tall)


def _bar(page: Canvas, bar: _Bar, x: float, y: float, marks: Mapping[str, Mark]) -> None:
    label = f"{bar.label} (closed)" if bar.closed else bar.label
    page.text(
        x,
        y + BAR / 2,
        canvas.squeezed(label, LABEL_WIDTH - 8, 11),
        size=11,
        anchor="lm",
        color=canvas.FAINT if bar.closed else canvas.INK,
    )
    left, unit = x + LABEL_WIDTH, BAR_WIDTH / bar.units if bar.units else 0
    page.box((left, y, left + BAR_WIDTH, y + BAR), fill=canvas.FREE, outline=canvas.RULE)
    for part in bar.parts:
        right = left + part.size * unit
        box = (left, y, right, y + BAR)
        if part.holder is not None and part.size:
            mark = marks.get(part.holder, NOBODY)
            color = mark.color
            if part.holder:
                page.box(box, fill=color, outline=canvas.PAPER)
            else:
                page.hatch(box, color=canvas.RULE)
                page.box(box, outline=canvas.OTHERS)
            words = _words(part, mark.key, right - left - 6)
            if words:
                ink = canvas.ink_on(color) if part.holder else canvas.INK
                ground = None if part.holder else canvas.PAPER
                middle = ((left + right) / 2, y + BAR / 2)
                if ground:
                    half = canvas.width_of(words, 10) / 2 + 2
                    page.box((middle[0] - half, y + 4, middle[0] + half, y + BAR - 4), fill=ground)
                page.text(*middle, words, size=10, anchor="mm", color=ink)
        left = right


def _words(part: _Part, key: str, width: float) -> str:
    """Return as much as has room in *width* points, whole words first: what it is, whose, how much; at last the
    holder's letter alone."""
    short = part.what.partition(".")[0]
    if not part.holder:
        said = [part.what, short] if part.what else [f"idle {part.share}", "idle"]
        return _fitting(said, width)
    lead, tail = (f"{part.what} ", "") if part.what else ("", f" {part.share}")
    room = width - canvas.width_of(f"{lead}{tail}", 10)
    name = canvas.squeezed(part.holder, room, 10) if room > 0 else ""
    if name and len(name) >= min(LEAST_NAME, len(part.holder)):
        return f"{lead}{name}{tail}"
    if not key:
        return _fitting([part.what, short] if part.what else [part.holder, part.share], width)
    return _fitting([f"{lead}{key}{tail}", f"{short} {key}".strip(), key], width)


def _fitting(texts: Iterable[str], width: float) -> str:
    return next((text for text in texts if text and canvas.width_of(text, 10) <= width), "")


def _by_share(gpus: Sequence[GpuBar]) -> list[str]:
    """Return the holders, whoever holds most first."""
    held = _shares(gpus)
    return sorted(held.keys() - {""}, key=lambda name: (-held[name], name))


def _shares(gpus: Sequence[GpuBar]) -> dict[str, float]:
    """Return what each holds in GPUs; "" is what is idle."""
    held: dict[str, float] = {}
    for gpu in gpus:
        for one in gpu.slices:
            held[one.holder or ""] = held.get(one.holder or "", 0.0) + one.size / gpu.units
    return held


def _cut(name: str) -> str:
    return name if len(name) <= SAID_CHARS else f"{name[: SAID_CHARS // 2 - 1]}…{name[-SAID_CHARS // 2 :]}"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
