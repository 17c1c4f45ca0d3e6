"""Pictures: whole PNGs of any number of GPUs, whose words stay inside and whose colours can be told apart."""

from dataclasses import replace
from io import BytesIO
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from provisioning.charts import canvas, gpu_map, legend
from provisioning.charts.gpu_map import GpuBar, Slice


def gpus(nodes: int, each: int = 8) -> list[GpuBar]:
    held = (
        Slice(start=0, size=2, profile="2g.20gb", holder="acme"),
        Slice(start=2, size=1, profile="1g.10gb", holder=None),
        Slice(start=4, size=4, profile="3g.40gb", holder="globex"),
    )
    return [
        GpuBar(node=f"gpu-{node}", label=f"GPU {number}", model="H100-80GB/H800", units=8, slices=held)
        for node in range(nodes)
        for number in range(each)
    ]


def picture(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    image.load()
    return image.convert("RGB")


@pytest.mark.parametrize("nodes", [0, 1, 9, 25, 60, 5000])
def test_any_number_of_gpus_gives_one_picture_of_a_size_that_slack_shows(nodes: int) -> None:
    """Few GPUs are a bar each, many a bar a node, very many a bar a model."""
    image = picture(gpu_map.draw(gpus(nodes), title="GPU map"))
    assert image.format is None or image.size[0] >= 400
    assert max(image.size) <= 6000
    assert image.getpixel((1, 1)) == (255, 255, 255)  # opaque and light, so that it reads on a dark ground too


def test_each_holder_is_drawn_in_the_colour_of_the_legend() -> None:
    """Who holds most comes first; shares of the area are shares of the GPU."""
    image = picture(gpu_map.draw(gpus(1, 1), title="GPU map"))
    counted = {color: count for count, color in image.getcolors(1 << 24) or []}
    globex, acme = (_rgb(color) for color in canvas.PALETTE[:2])
    assert 1.7 < counted[globex] / counted[acme] < 2.2


def test_the_words_say_what_the_picture_shows() -> None:
    """The alt text has every holder's share, what is idle and what is free; never more than Slack takes."""
    said = gpu_map.describe(gpus(1, 1))
    assert said == "A map of 1 GPU as bars of slices: globex 50%, acme 25%, idle 12%, free 12%."
    many = [
        GpuBar(
            node="n",
            label="0",
            model="m",
            units=200,
            slices=tuple(Slice(start=at, size=1, profile="p", holder=f"{'x' * 200}{at}") for at in range(200)),
        )
    ]
    said = gpu_map.describe(many)
    assert len(said) <= 1000
    assert said.endswith("188 more 94%, idle 0%, free 0%.")
    closed = [replace(one, closed=number < 3) for number, one in enumerate(gpus(1))]
    assert gpu_map.describe(closed).endswith("free 12%. 3 of them on nodes that take no new pods.")
    assert gpu_map.describe([]) == "A map of GPUs: there is none."


def test_colours_differ_for_people_who_see_no_red_or_no_green() -> None:
    """Any two of the palette stay apart in a coarse simulation; borders and words tell slices apart as well."""
    for one, other in combinations(canvas.PALETTE, 2):
        assert _distance(_as_seen(_rgb(one)), _as_seen(_rgb(other))) > 30, (one, other)


def test_words_stand_out_from_every_colour() -> None:
    """By WCAG's measure, which wants 4.5 of small text; one of the palette comes within a hair of it."""
    assert round(canvas.contrast("#ffffff", "#000000"), 2) == 21
    for color in (*canvas.PALETTE, canvas.OTHERS, canvas.FREE):
        assert canvas.contrast(canvas.ink_on(color), color) > 4.35, color


def test_texts_are_cut_to_their_place() -> None:
    """Whole where they fit, with an ellipsis where not, nothing where not even that."""
    assert canvas.shortened("acme", 100) == "acme"
    cut = canvas.shortened("umbrella-research", 50)
    assert cut.endswith("…")
    assert canvas.width_of(cut) <= 50
    assert canvas.shortened("acme", 2) == ""


def test_names_are_cut_in_their_middle() -> None:
    """Nodes of one pool and tenants of one company differ at their ends."""
    names = [f"gke-prod-europe-west4-a100-pool-3f9c-{number}" for number in range(50)]
    cut = {canvas.squeezed(name, 102, 11) for name in names}
    assert len(cut) == 50
    assert all(canvas.width_of(name, 11) <= 102 for name in cut)
    assert canvas.squeezed("acme", 100) == "acme"
    assert canvas.squeezed("acme", 2) == ""


@given(st.text(max_size=200), st.floats(10, 400))
def test_wrapped_lines_keep_every_word_and_the_width(text: str, width: float) -> None:
    lines = canvas.wrapped(text, width)
    assert all(canvas.width_of(line) <= width for line in lines)
    if all(canvas.width_of(word) <= width for word in text.split()):
        assert " ".join(lines) == " ".join(text.split())


def test_holders_are_told_apart_by_letters_too() -> None:
    """More of them than there are colours; who has no letter is counted in the legend."""
    marks = legend.marks_of([f"tenant-{number}" for number in range(40)])
    keys = [mark.key for mark in marks.values() if mark.key]
    assert len(keys) == len(set(keys)) == legend.MOST_NAMED > len(canvas.PALETTE)
    assert legend.height(marks, 800) > legend.height({}, 800) == legend.LINE


@pytest.mark.parametrize(
    ("what", "share", "holder", "width", "words"),
    [
        ("3g.40gb", "", "acme", 150, "3g.40gb acme"),
        ("3g.40gb", "", "initech-research-and-development-eu", 150, "3g.40gb initech-re…elopment-eu"),
        ("1g.20gb", "", "initech-research-and-development-eu", 69, "1g.20gb C"),
        ("1g.10gb", "", "acme", 31, "1g C"),
        ("1g.10gb", "", "acme", 10, "C"),
        ("1g.10gb", "", "acme", 3, ""),
        ("", "25%", "acme", 60, "acme 25%"),
        ("", "9%", "acme", 12, "C"),
        ("1g.10gb", "", "", 50, "1g.10gb"),
        ("1g.10gb", "", "", 20, "1g"),
        ("", "25%", "", 20, "idle"),
    ],
)
def test_a_slice_says_whose_it_is_as_long_as_a_letter_has_room(
    what: str, share: str, holder: str, width: float, words: str
) -> None:
    """Colour is never all that tells."""
    part = gpu_map._Part(1, holder, what=what, share=share)
    assert gpu_map._words(part, "C", width) == words


def _rgb(color: str) -> tuple[int, int, int]:
    return (int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16))


def _as_seen(color: tuple[int, int, int]) -> tuple[float, float, float]:
    """Return roughly how *color* looks to somebody without the cones for green."""
    red, green, blue = color
    return (0.625 * red + 0.375 * green, 0.7 * red + 0.3 * green, 0.3 * green + 0.7 * blue)


def _distance(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5)
