"""A request over many GPUs: found wherever there is a way, with a witness that is legal on each of them."""

import time
from collections import Counter
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.capacity import placement
from provisioning.capacity.measures import counts_of
from provisioning.capacity.packing import Place, TooLargeError, pack
from provisioning.capacity.placement import Instance, Layout
from provisioning.capacity.profiles import model

A100, A30 = model("A100-40GB/A800-40GB"), model("A30")
FIVE = ["1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"]
EVERY = sorted(placement.all_layouts(A100, FIVE), key=sorted)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_it_finds_a_way_exactly_where_there_is_one(data: st.DataObject) -> None:
    """Against every split of the request over two GPUs."""
    layouts = data.draw(st.lists(st.sampled_from(EVERY), min_size=2, max_size=2))
    request = Counter(data.draw(st.lists(st.sampled_from(FIVE), min_size=1, max_size=5)))
    moves = data.draw(st.booleans())
    places = [Place(A100, one, (("n", at),), moves=moves) for at, one in enumerate(layouts)]
    chosen = pack(places, request)
    assert (chosen is not None) == _some_split_fits(layouts, request, moves=moves)
    if chosen is None:
        return
    made: Counter[str] = Counter()
    for one in chosen:
        before = layouts[one.gpu]
        stands = placement.check(A100, one.witness.instances if one.moved else [*before, *one.witness.instances])
        made += counts_of(stands) - counts_of(before)
    assert made == request


def test_whole_gpus_stay_whole() -> None:
    """What fits on a GPU that is in use does not open another."""
    used = frozenset({Instance("3g.20gb", 4)})
    places = [Place(A100, frozenset(), (("empty", 0),)), Place(A100, used, (("full", 0),))]
    chosen = pack(places, {"1g.5gb": 3})
    assert chosen is not None
    assert {one.node for one in chosen} == {"full"}


def test_a_request_goes_to_models_that_have_its_profiles() -> None:
    """Names decide: 2g.12gb is an A30's, 2g.10gb an A100's."""
    places = [Place(A100, frozenset(), (("a100", 0),)), Place(A30, frozenset(), (("a30", 0), ("a30", 1)))]
    chosen = pack(places, {"2g.10gb": 1, "2g.12gb": 3})
    assert chosen is not None
    assert [(one.node, one.gpu) for one in chosen] == [("a100", 0), ("a30", 0), ("a30", 1)]
    assert pack(places, {"2g.12gb": 5}) is None


def test_forty_thousand_gpus_take_less_than_a_second() -> None:
    """GPUs that stand alike are one kind; measured on processor time."""
    grouped: dict[Layout, list[tuple[str, int]]] = {}
    for number in range(40_000):
        grouped.setdefault(EVERY[number % len(EVERY)], []).append((f"n{number // 8}", number % 8))
    places = [Place(A100, layout, tuple(gpus)) for layout, gpus in grouped.items()]
    pack(places, {"1g.5gb": 1})  # tables are made once a process
    began = time.process_time()
    assert pack(places, {"3g.20gb": 20, "2g.10gb": 5, "1g.5gb": 6}) is not None
    assert pack(places, {"7g.40gb": 400}) is None
    assert time.process_time() - began < 2  # a second on an idle machine


def test_what_would_take_too_long_is_refused() -> None:
    with pytest.raises(TooLargeError, match="ask for fewer"):
        pack([], dict.fromkeys(FIVE, 100))


def _some_split_fits(layouts: list[Layout], request: Counter[str], *, moves: bool) -> bool:
    names = sorted(request)
    for first in product(*(range(request[name] + 1) for name in names)):
        parts = (
            Counter(dict(zip(names, first, strict=True))),
            request - Counter(dict(zip(names, first, strict=True))),
        )
        if all(_fits(one, +part, moves=moves) for one, part in zip(layouts, parts, strict=True)):
            return True
    return False


def _fits(layout: Layout, part: Counter[str], *, moves: bool) -> bool:
    if moves:
        return placement.place(A100, counts_of(layout) + part) is not None
    return placement.place(A100, part, layout) is not None
