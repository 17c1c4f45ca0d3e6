"""Placement is exact: checked against the published oracles and against brute force over all layouts."""

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.capacity import placement
from provisioning.capacity.placement import IllegalLayoutError, Instance, Layout
from provisioning.capacity.profiles import GpuModel, model, models

A100 = model("A100-40GB/A800-40GB")
FIVE = ("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb")
SIX = (*FIVE, "1g.10gb")
A30 = model("A30")


def _layout(*instances: str) -> Layout:
    return frozenset(
        Instance(name, int(start)) for name, _, start in (instance.partition("@") for instance in instances)
    )


@pytest.mark.parametrize(
    ("gpu", "profiles", "layouts", "masks", "multisets", "maximal", "maximal_multisets"),
    [
        (A100, FIVE, 298, 144, 38, 19, 14),
        (A100, SIX, 723, 192, 78, 78, 38),
        (A30, ("1g.6gb", "2g.12gb", "4g.24gb"), 26, 16, 10, 5, 4),
    ],
)
def test_the_layouts_are_those_of_the_oracles(
    gpu: GpuModel,
    profiles: tuple[str, ...],
    layouts: int,
    masks: int,
    multisets: int,
    maximal: int,
    maximal_multisets: int,
) -> None:
    """Numbers of layouts, occupancy masks, multisets, and of those that nothing can be added to."""
    found = placement.all_layouts(gpu, profiles)
    full = [layout for layout in found if not any(placement.fit(gpu, name, layout) for name in profiles)]
    assert len(found) == layouts
    assert len({placement.mask_of(gpu, layout) for layout in found}) == masks
    assert len({_counts(layout) for layout in found}) == multisets
    assert len(full) == maximal
    assert len({_counts(layout) for layout in full}) == maximal_multisets


@pytest.mark.parametrize(
    ("instances", "expected"),
    [
        ((), (7, 4, 3, 2, 1, 1)),
        (("3g.20gb@0",), (3, 2, 1, 1, 0, 0)),
        (("3g.20gb@4",), (4, 2, 2, 1, 1, 0)),
        (("1g.5gb@0", "1g.5gb@1", "1g.5gb@5"), (4, 2, 1, 0, 0, 0)),
        (("1g.5gb@4", "1g.5gb@5", "1g.5gb@6"), (4, 2, 2, 1, 1, 0)),
        (("1g.5gb@0", "1g.5gb@2", "1g.5gb@4", "1g.5gb@6"), (3, 0, 0, 0, 0, 0)),
    ],
)
def test_fit_on_eight_units_is_the_oracles(instances: tuple[str, ...], expected: tuple[int, ...]) -> None:
    """The published answers for 1g, 1g with twice the memory, 2g, 3g, 4g, 7g."""
    names = ("1g.5gb", "1g.10gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb")
    assert tuple(placement.fit(A100, name, _layout(*instances)) for name in names) == expected


@pytest.mark.parametrize("gpu", models(), ids=lambda gpu: gpu.name)
def test_fit_is_what_a_search_over_all_layouts_finds(gpu: GpuModel) -> None:
    """For every layout and profile: the most that any legal super-layout adds of that profile alone.

    Models of eight units share their starts: of all but one, every seventh layout is tried.
    """
    every = sorted(placement.all_layouts(gpu), key=sorted)
    for layout in every if gpu.units != 8 or gpu == A100 else every[::7]:
        for profile in gpu.profiles:
            assert placement.fit(gpu, profile.name, layout) == _brute_fit(gpu, profile.name, layout)


@settings(deadline=None)  # the machine may do other things as well
@given(st.data())
def test_defrag_reclaim_and_creatable_are_ordered(data: st.DataObject) -> None:
    """Moving and reclaiming never make things worse: defrag >= reclaim >= creatable."""
    gpu = data.draw(st.sampled_from(models()))
    layout = data.draw(st.sampled_from(sorted(placement.all_layouts(gpu), key=sorted)))
    used = frozenset(instance for instance in sorted(layout) if data.draw(st.booleans()))
    for profile in gpu.profiles:
        creatable = placement.fit(gpu, profile.name, layout)
        reclaimed = placement.fit(gpu, profile.name, used)
        low, high = placement.fit_interval(gpu, profile.name, Counter(one.profile for one in used))
        defragmented = placement.fit_after_defrag(gpu, profile.name, Counter(one.profile for one in used))
        assert defragmented == high >= reclaimed >= creatable
        assert low <= reclaimed


@settings(deadline=None)  # the machine may do other things as well
@given(st.data())
def test_a_witness_is_legal_and_there_is_one_whenever_a_layout_holds_the_request(data: st.DataObject) -> None:
    """place() finds a place exactly where a legal layout contains the kept instances and the request."""
    every = sorted(placement.all_layouts(A100), key=sorted)
    kept = data.draw(st.sampled_from(every))
    request = data.draw(st.dictionaries(st.sampled_from(SIX), st.integers(1, 3), max_size=3))
    witness = placement.place(A100, request, kept)
    possible = any(kept <= whole and _counts(whole - kept) == _counts_of(request) for whole in every)
    assert (witness is not None) == possible
    if witness is not None:
        assert placement.check(A100, [*kept, *witness]) == kept | set(witness)
        assert Counter(one.profile for one in witness) == Counter(request)


def test_engines_are_shared_out() -> None:
    """On an RTX PRO 6000 one instance with all media engines leaves none for others that need them."""
    rtx = model("RTX PRO 6000 Blackwell")
    layout = _layout("1g.24gb+me.all@0")
    assert placement.fit(rtx, "1g.24gb", layout) == 0
    assert placement.fit(rtx, "1g.24gb-me", layout) == 3
    assert placement.place(rtx, {"1g.24gb+me.all": 1, "1g.24gb": 1}) is None


@pytest.mark.parametrize(
    ("instances", "said"),
    [
        (("3g.20gb@2",), "3g.20gb starts at 0, 4 only"),
        (("3g.20gb@0", "1g.5gb@3"), "1g.5gb@3 overlaps 3g.20gb@0"),
        (("1g.5gb+me@0", "1g.5gb+me@1"), "at most 1"),
    ],
)
def test_an_illegal_layout_is_refused_by_name(instances: tuple[str, ...], said: str) -> None:
    with pytest.raises(IllegalLayoutError, match=said):
        placement.check(A100, [next(iter(_layout(one))) for one in instances])


def _counts(layout: Layout) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(instance.profile for instance in layout).items()))


def _counts_of(request: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(request.items()))


def _brute_fit(gpu: GpuModel, name: str, layout: Layout) -> int:
    """Try every set of starts, largest first; what check() takes is legal."""
    starts = gpu.profile(name).starts
    for count in range(len(starts), 0, -1):
        for chosen in combinations(starts, count):
            try:
                placement.check(gpu, [*layout, *(Instance(name, start) for start in chosen)])
            except IllegalLayoutError:
                continue
            return count
    return 0
