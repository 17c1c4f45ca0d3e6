"""Pictures: whole PNGs of any number of GPUs, whose words stay inside and whose colours can be told apart."""

from io import BytesIO
from itertools import combinations

import pytest
from PIL import Image

from provisioning.charts import canvas, gpu_map
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
    assert said == "A map of 1 GPUs as bars of slices: globex 50%, acme 25%, idle 12%, free 12%."
    many = [
        GpuBar(
            node="n",
            label="0",
            model="m",
            units=200,
            slices=tuple(Slice(start=at, size=1, profile="p", holder=f"{'x' * 200}{at}") for at in range(200)),
        )
    ]
    assert len(gpu_map.describe(many)) <= 1000
    assert gpu_map.describe([]) == "A map of GPUs: there is none."


def test_colours_differ_for_people_who_see_no_red_or_no_green() -> None:
    """Any two of the palette stay apart in a coarse simulation; borders and words tell slices apart as well."""
    for one, other in combinations(canvas.PALETTE, 2):
        assert _distance(_as_seen(_rgb(one)), _as_seen(_rgb(other))) > 30, (one, other)
    for color in canvas.PALETTE:
        assert canvas.ink_on(color) in {canvas.INK, canvas.PAPER}


def test_texts_are_cut_to_their_place() -> None:
    """Whole where they fit, with an ellipsis where not, nothing where not even that."""
    assert canvas.shortened("acme", 100) == "acme"
    cut = canvas.shortened("umbrella-research", 50)
    assert cut.endswith("…")
    assert canvas.width_of(cut) <= 50
    assert canvas.shortened("acme", 2) == ""


def _rgb(color: str) -> tuple[int, int, int]:
    return (int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16))


def _as_seen(color: tuple[int, int, int]) -> tuple[float, float, float]:
    """Return roughly how *color* looks to somebody without the cones for green."""
    red, green, blue = color
    return (0.625 * red + 0.375 * green, 0.7 * red + 0.3 * green, 0.3 * green + 0.7 * blue)


def _distance(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5)
