"""The strip of ports and the lines of trends: whole pictures whatever they are given, and what they show in words."""

from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from provisioning.charts import canvas, port_strip, trend_lines
from provisioning.charts.port_strip import Stretch
from provisioning.charts.trend_lines import MOST_POINTS, Line, runs, scale, thinned

START = datetime(2026, 11, 1, tzinfo=UTC)


def picture(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    image.load()
    return image.convert("RGB")


def colors(image: Image.Image) -> dict[object, int]:
    return {color: count for count, color in image.getcolors(1 << 24) or []}


def rgb(color: str) -> tuple[int, ...]:
    return tuple(int(color[at : at + 2], 16) for at in (1, 3, 5))


def stretch(tenant: str, first: int, size: int = 100, live: int = 100) -> Stretch:
    return Stretch(tenant=tenant, first=first, last=first + size, live=frozenset(range(first + 1, first + live + 1)))


@pytest.mark.parametrize("count", [0, 1, 30, 300])
@pytest.mark.parametrize("last", [30_109, 30_500, 32_767, 65_535])
def test_any_pool_gives_one_picture(count: int, last: int) -> None:
    """Of a size that Slack shows, on a light ground; what lies outside the pool is left out."""
    ranges = [stretch(f"tenant-{number}", 30_000 + 11 * number, 10, number % 10) for number in range(count)]
    image = picture(port_strip.draw(30_100, last, ranges, [29_000, 30_105, 70_000], title="Ports", note="n" * 300))
    assert image.getpixel((1, 1)) == (255, 255, 255)
    assert 400 <= image.size[0] <= 2000
    assert image.size[1] <= 1200


def test_live_ports_are_full_and_others_stand_out() -> None:
    """A range whose Services are there is full, one without is hatched; a stranger is a mark of its own."""
    empty = colors(picture(port_strip.draw(30_100, 30_999, [], [], title="P", note="")))
    full = colors(picture(port_strip.draw(30_100, 30_999, [stretch("a", 30_200)], [], title="P", note="")))
    bare = colors(picture(port_strip.draw(30_100, 30_999, [stretch("a", 30_200, live=0)], [], title="P", note="")))
    blue = rgb(canvas.PALETTE[0])
    assert full[blue] > 2 * bare[blue] > 2 * empty[blue]
    marked = colors(picture(port_strip.draw(30_100, 30_999, [], [30_700], title="P", note="")))
    assert marked[rgb(port_strip.STRANGER)] > empty[rgb(port_strip.STRANGER)]


def test_the_strip_in_words() -> None:
    said = port_strip.describe(30_100, 32_767, [stretch("acme", 30_110, 10)], [30_105, 30_105], free=2656)
    assert said == "Ports 30100 to 32767 as a strip: 2656 free, 1 held by others; ranges: acme 30110-30120"
    many = [stretch("x" * 40, 30_110 + 11 * number, 10) for number in range(100)]
    assert len(port_strip.describe(30_100, 32_767, many, [], free=0)) == 1000


@settings(deadline=None, max_examples=30)  # each draws a picture
@given(st.lists(st.floats(-1e6, 1e6), max_size=40), st.one_of(st.none(), st.floats(-1e6, 1e6)))
def test_any_series_gives_a_picture(values: list[float], limit: float | None) -> None:
    """Constant, negative, a single point, none: no division by zero, nothing outside the page."""
    points = tuple((START + timedelta(hours=hour), value) for hour, value in enumerate(values))
    line = Line(name="ports.free", note="n", points=points, limit=limit)
    assert picture(trend_lines.draw([line], title="Trends")).size[0] == 1280


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_axes_hold_what_they_show(low: float, spread: float) -> None:
    """In two to six steps."""
    bottom, top, step = scale(low, low + spread)
    slack = 1e-6 * max(1.0, abs(low), spread)
    assert bottom - slack <= low
    assert low + spread <= top + slack
    assert 0.9 <= (top - bottom) / step <= 6.1 or step == 1.0


def test_thinning_keeps_the_dips() -> None:
    """Of a year of hours few points are drawn, and the one hour at zero is among them."""
    points = [(START + timedelta(hours=hour), 0.0 if hour == 4321 else 100.0) for hour in range(8760)]
    kept = thinned(points)
    assert len(kept) <= 2 * MOST_POINTS + 1
    assert points[4321] in kept
    assert kept[-1] == points[-1]


def test_no_line_is_drawn_where_nothing_was_measured() -> None:
    """A stop of the bot parts the line; that older samples stand a day apart and newer ones an hour does not."""
    days = [(START + timedelta(days=day), 5.0) for day in range(20)]
    hours = [(days[-1][0] + timedelta(hours=hour), 5.0) for hour in range(1, 30)]
    assert [len(run) for run in runs([*days, *hours])] == [49]
    assert [len(run) for run in runs([*days[:5], *days[12:], *hours[:9], *hours[20:]])] == [5, 17, 9]
    assert [len(run) for run in runs(days[:1])] == [1]
    assert [len(run) for run in runs([days[0], days[9]])] == [2]  # of two points nobody knows


def test_the_lines_in_words() -> None:
    lines = [Line(name="tenants", note="", points=((START, 3), (START + timedelta(days=1), 4.5)))]
    assert trend_lines.describe(lines) == "Lines over time: tenants from 3 to 4.5."
    alarmed = [Line(name="tenants", note="", points=((START, 3),), limit=5)]
    assert trend_lines.describe(alarmed) == "Lines over time: tenants from 3 to 3, alert at 5."
    assert trend_lines.describe([]) == "Lines over time: no samples yet."
