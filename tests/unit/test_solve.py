"""What a node can still hold: exact where places are known, and a range that holds the truth where they are not."""

import time
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.capacity import packed, placement
from provisioning.capacity.inventory import Supply
from provisioning.capacity.measures import counts_of, exact, multiset, stranded
from provisioning.capacity.placement import Instance, Layout
from provisioning.capacity.profiles import GpuModel, model, models
from provisioning.capacity.solve import Room, rooms

H100 = model("H100-80GB/H800")


def supply(
    gpu: GpuModel, layouts: list[Layout], used: Mapping[str, int], *, known: bool, name: str = "n", more: int = 0
) -> Supply:
    exist: Counter[str] = sum((counts_of(layout) for layout in layouts), Counter())
    return Supply(
        node=name,
        gpu=gpu,
        gpus=len(layouts) + more,
        mig_gpus=len(layouts) + more,
        exist=exist,
        used=used,
        layouts=dict(enumerate(layouts)) if known else None,
    )


def room_of(one: Supply) -> Room:
    return rooms([one])[one.node]


def layout(*instances: str) -> Layout:
    return frozenset(Instance(name, int(start)) for name, _, start in (each.partition("@") for each in instances))


def of(gpu: GpuModel, row: tuple[int, ...]) -> dict[str, int]:
    return dict(zip((profile.name for profile in gpu.profiles), row, strict=False))


def test_with_known_places_the_answer_is_one_number() -> None:
    """A 3g at 4 leaves two 2g and a 4g, at 0 one 2g and no 4g; summed over the node."""
    at_4, at_0 = layout("3g.40gb@4"), layout("3g.40gb@0")
    room = room_of(supply(H100, [at_4, at_0], {"3g.40gb": 2}, known=True))
    assert room.creatable[0] == room.creatable[1] == room.after_reclaim[0] == room.after_reclaim[1]
    assert (of(H100, room.creatable[0])["2g.20gb"], of(H100, room.creatable[0])["4g.40gb"]) == (3, 1)
    assert of(H100, room.after_defrag[0])["4g.40gb"] == 2


def test_with_counts_alone_it_is_the_range_of_all_places() -> None:
    """One 3g on one GPU: one or two 2g, none or one 4g; after a defrag two and one for sure."""
    room = room_of(supply(H100, [layout("3g.40gb@4")], {"3g.40gb": 1}, known=False))
    assert [of(H100, row)["2g.20gb"] for row in room.creatable] == [1, 2]
    assert [of(H100, row)["4g.40gb"] for row in room.creatable] == [0, 1]
    assert [of(H100, row)["4g.40gb"] for row in room.after_defrag] == [1, 1]


def test_an_empty_node_is_known_without_looking() -> None:
    """No instance, no question where it stands."""
    room = room_of(supply(H100, [], {}, known=False, more=2))
    assert of(H100, room.creatable[0]) == of(H100, room.creatable[1])
    assert of(H100, room.creatable[0])["7g.80gb"] == 2


def test_what_is_used_of_equal_instances_is_a_range_though_places_are_known() -> None:
    """Of two 3g one is used: which of them decides whether a 4g fits once the idle one is removed."""
    room = room_of(supply(H100, [layout("3g.40gb@0", "3g.40gb@4")], {"3g.40gb": 1}, known=True))
    assert of(H100, room.creatable[1])["4g.40gb"] == 0
    assert [of(H100, row)["4g.40gb"] for row in room.after_reclaim] == [0, 1]


def test_stranded_compute_is_what_no_instance_can_take() -> None:
    """Two 3g leave a slice that nothing can use; one 3g at 0 leaves the other half whole."""
    assert stranded(H100, layout("3g.40gb@0", "3g.40gb@4")) == 1
    assert stranded(H100, layout("3g.40gb@0")) == 1  # 3g at 4 takes three of the four
    assert stranded(H100, layout("3g.40gb@4")) == 0
    assert stranded(H100, layout("7g.80gb@0")) == stranded(H100, frozenset()) == 0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_truth_lies_within_every_range(data: st.DataObject) -> None:
    """Whatever stands where, and whichever is used: from counts alone, few kinds or many."""
    gpu = data.draw(st.sampled_from([H100, model("A30"), model("RTX PRO 6000 Blackwell")]))
    every = sorted(placement.all_layouts(gpu), key=sorted)
    layouts = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=4))
    used_of = [frozenset(one for one in sorted(each) if data.draw(st.booleans())) for each in layouts]
    used = sum((counts_of(each) for each in used_of), Counter[str]())
    creatable = _summed(gpu, layouts)
    reclaimed = _summed(gpu, used_of)
    defragmented = [
        sum(placement.fit_after_defrag(gpu, profile.name, counts_of(each)) for each in used_of)
        for profile in gpu.profiles
    ]
    for known in (True, False):
        room = room_of(supply(gpu, layouts, used, known=known))
        assert _within(creatable, room.creatable)
        assert _within(reclaimed, room.after_reclaim)
        assert _within(tuple(defragmented), room.after_defrag)
        if known:
            assert room.creatable == (creatable, creatable)
        for less, more in zip(room.after_reclaim[1][:-1], room.after_defrag[1][:-1], strict=True):
            assert less <= more


@pytest.mark.parametrize("gpu", [H100, model("A30")], ids=lambda gpu: gpu.name)
def test_small_ranges_are_tight(gpu: GpuModel) -> None:
    """For every multiset on one GPU both ends are reached by some layout."""
    for held in {multiset(gpu, counts_of(one)) for one in placement.all_layouts(gpu)}:
        counts = {profile.name: count for profile, count in zip(gpu.profiles, held, strict=True) if count}
        room = room_of(Supply(node="n", gpu=gpu, gpus=1, mig_gpus=1, exist=counts, used=counts))
        for place, profile in enumerate(gpu.profiles):
            ends = placement.fit_interval(gpu, profile.name, counts)
            assert (room.creatable[0][place], room.creatable[1][place]) == ends


@given(st.lists(st.tuples(st.integers(0, 32767), st.integers(0, 32767)), min_size=1, max_size=24))
def test_packed_rows_compare_number_by_number(pairs: list[tuple[int, int]]) -> None:
    """As tuples do, at the ends of what a number can be as well."""
    one, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    guards = packed.guard(len(pairs))
    a, b = packed.pack(one), packed.pack(other)
    assert packed.unpack(a, len(pairs)) == tuple(one)
    assert packed.unpack(packed.least(a, b, guards), len(pairs)) == tuple(map(min, one, other))
    assert packed.unpack(packed.greatest(a, b, guards), len(pairs)) == tuple(map(max, one, other))
    assert packed.within(a, b, guards) == all(x <= y for x, y in pairs)


def test_a_node_that_contradicts_itself_has_no_answer() -> None:
    """Three 7g on two GPUs cannot be."""
    assert rooms([Supply(node="n", gpu=H100, gpus=2, mig_gpus=2, exist={"7g.80gb": 3})]) == {}


def test_forty_thousand_gpus_are_answered_in_a_second() -> None:
    """Equal nodes are solved once; measured on processor time, known places and counts alike."""
    every = sorted(placement.all_layouts(H100), key=sorted)
    rooms([supply(H100, [every[5]], {}, known=True)])  # the model's own table is made once a process
    known = [
        supply(H100, [every[(number * 7 + gpu) % 300] for gpu in range(8)], {}, known=True, name=f"n{number}")
        for number in range(5000)
    ]
    began = time.process_time()
    assert len(rooms(known)) == 5000
    assert time.process_time() - began < 2  # a second on an idle machine; others work on this one as well
    models_in_use = {one.gpu.name for one in known if isinstance(one.gpu, GpuModel)}
    assert models_in_use <= {one.name for one in models()}


def _summed(gpu: GpuModel, layouts: list[Layout]) -> tuple[int, ...]:
    rows = [exact(gpu, each) for each in layouts]
    return tuple(map(sum, zip(*rows, strict=True)))


def _within(row: tuple[int, ...], found: tuple[tuple[int, ...], tuple[int, ...]]) -> bool:
    return all(low <= each <= high for low, each, high in zip(found[0], row, found[1], strict=False))
