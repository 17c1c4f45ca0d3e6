"""What every chart is drawn on: text, boxes, hatches and lines in points, as a PNG of twice as many pixels. Pure."""

from collections.abc import Iterable, Sequence
from functools import cache
from io import BytesIO
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

SCALE = 2  # pixels for a point: sharp on phones
PAPER, INK, FAINT, RULE = "#ffffff", "#1d1c1d", "#616061", "#c9c9c9"
FREE = "#f4f4f2"  # what nobody holds
OTHERS = "#8c8c8c"  # who has no colour of their own

# Okabe and Ito's palette without its black, and without the yellow that is lost on a light ground.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7a5195")

Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Canvas:
    """A page of *width* by *height* points with its origin at the top left."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._image = Image.new("RGB", (round(width * SCALE), round(height * SCALE)), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 12,
        color: str = INK,
        anchor: str = "la",
        strong: bool = False,
    ) -> None:
        """Write *text*; *anchor* is Pillow's: ``la`` left and top, ``mm`` middle, ``ra`` right and top."""
        stroke = 0.5 if strong else 0
        self._draw.text((x * SCALE, y * SCALE), text, fill=color, font=_font(size), anchor=anchor, stroke_width=stroke)

    def box(self, box: Box, *, fill: str | None = None, outline: str | None = None, weight: float = 1) -> None:
        self._draw.rectangle(_scaled(box), fill=fill, outline=outline, width=max(1, round(weight * SCALE)))

    def hatch(self, box: Box, *, color: str = FAINT, ground: str = PAPER, step: float = 5) -> None:
        """Fill *box* with slanted lines: what exists and nobody uses."""
        left, top, right, bottom = _scaled(box)
        wide, high = right - left, bottom - top
        if wide < 1 or high < 1:
            return
        tile = Image.new("RGB", (wide, high), ground)
        draw = ImageDraw.Draw(tile)
        for offset in range(-high, wide + high, round(step * SCALE)):
            draw.line([(offset, high), (offset + high, 0)], fill=color, width=SCALE)
        self._image.paste(tile, (left, top))

    def line(self, points: Sequence[tuple[float, float]], *, color: str = INK, weight: float = 1) -> None:
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self._draw.line(scaled, fill=color, width=max(1, round(weight * SCALE)), joint="curve")

    def polygon(self, points: Sequence[tuple[float, float]], *, fill: str) -> None:
        self._draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=fill)

    def png(self) -> bytes:
        """Return the picture, in few colours: charts have no others."""
        out = BytesIO()
        self._image.quantize(colors=128, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        return out.getvalue()


def width_of(text: str, size: float = 12) -> float:
    """Return how wide *text* is, in points."""
    return _font(size).getlength(text) / SCALE


def shortened(text: str, width: float, size: float = 12) -> str:
    """Return *text*, cut with an ellipsis where it is wider than *width* points; "" where not even that fits."""
    if width_of(text, size) <= width:
        return text
    for end in range(len(text) - 1, 0, -1):
        if width_of(cut := text[:end].rstrip() + "…", size) <= width:
            return cut
    return ""


def squeezed(text: str, width: float, size: float = 12) -> str:
    """Return *text*, its middle left out where it is wider than *width* points: names differ at their ends."""
    if width_of(text, size) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        tail = (kept + 1) // 2
        if width_of(cut := f"{text[: kept - tail]}…{text[-tail:]}", size) <= width:
            return cut
    return ""


def wrapped(text: str, width: float, size: float = 12) -> list[str]:
    """Return *text* as lines no wider than *width* points; a word that is wider stands on a line of its own, cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and width_of(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(shortened(word, width, size))
    return lines


def colors_of(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each name, most important first; those after the palette's end share one grey."""
    return {
        name: PALETTE[number] if number < len(PALETTE) else OTHERS for number, name in enumerate(dict.fromkeys(names))
    }


def ink_on(color: str) -> str:
    """Return our black or white, whichever stands out more from *color*."""
    return max((INK, PAPER), key=lambda ink: contrast(ink, color))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG counts it, 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@cache
def _font(size: float) -> Font:
    return ImageFont.load_default(size * SCALE)


def _scaled(box: Box) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(value * SCALE) for value in box)
    return left, top, max(left, right), max(top, bottom)
