"""The order in which the driver, left to itself, finds a place for each instance."""

from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.capacity import driver, placement
from provisioning.capacity.placement import Instance, Layout
from provisioning.capacity.profiles import GpuModel, model, models

A100 = model("A100-40GB/A800-40GB")
BY_ID = {profile.id: profile.name for profile in A100.profiles}


def driven(gpu: GpuModel, names: list[str], layout: Layout = frozenset()) -> list[int] | None:
    """Return the starts that the driver chooses one after the other, None where one of them fails."""
    starts = []
    for name in names:
        start = driver.driver_start(gpu, name, layout)
        if start is None:
            return None
        starts.append(start)
        layout |= {Instance(name, start)}
    return starts


@pytest.mark.parametrize(
    ("ids", "starts"),
    [
        ((9, 19, 14, 19), [4, 0, 2, 1]),
        ((19, 19, 14, 9), None),
        ((19, 14, 5), [6, 4, 0]),
        ((19,) * 7, [6, 4, 5, 0, 1, 2, 3]),
        ((9, 9), [4, 0]),
    ],
)
def test_the_rule_gives_what_real_cards_did(ids: tuple[int, ...], starts: list[int] | None) -> None:
    """Orders that were typed on A100s, and where their instances came to stand."""
    assert driven(A100, [BY_ID[number] for number in ids]) == starts


def test_an_order_is_found_where_others_fail() -> None:
    """Of the orders of 3g, 2g, 1g, 1g some fail; the one returned does not."""
    names = ["3g.20gb", "2g.10gb", "1g.5gb", "1g.5gb"]
    assert any(driven(A100, list(order)) is None for order in permutations(names))
    order = driver.creation_order(A100, Counter(names))
    assert order is not None
    assert driven(A100, [one.profile for one in order]) == [one.start for one in order]


@pytest.mark.parametrize("gpu", [A100, model("A30"), model("RTX PRO 6000 Blackwell")], ids=lambda gpu: gpu.name)
def test_whatever_fits_on_an_empty_gpu_can_be_created_without_starts(gpu: GpuModel) -> None:
    """For every multiset that any layout holds."""
    multisets = {tuple(sorted(Counter(one.profile for one in whole).items())) for whole in placement.all_layouts(gpu)}
    for held in multisets:
        found = driver.witness(gpu, dict(held))
        assert found is not None
        assert found.by_driver
        assert placement.check(gpu, found.instances) == frozenset(found.instances)


@settings(deadline=None)  # the machine may do other things as well
@given(st.data())
def test_a_witness_is_legal_and_says_rightly_whether_the_driver_finds_it(data: st.DataObject) -> None:
    """Beside any layout: it holds the request, and where it needs starts, every order fails."""
    gpu = data.draw(st.sampled_from(models()))
    layout = data.draw(st.sampled_from(sorted(placement.all_layouts(gpu), key=sorted)))
    names = [profile.name for profile in gpu.profiles]
    wanted = data.draw(st.lists(st.sampled_from(names), max_size=4))
    found = driver.witness(gpu, Counter(wanted), layout)
    assert (found is None) == (placement.place(gpu, Counter(wanted), layout) is None)
    if found is not None:
        assert Counter(one.profile for one in found.instances) == Counter(wanted)
        assert placement.check(gpu, [*layout, *found.instances]) == layout | set(found.instances)
        starts = driven(gpu, [one.profile for one in found.instances], layout)
        if found.by_driver:
            assert starts == [one.start for one in found.instances]
        else:
            assert all(driven(gpu, list(order), layout) is None for order in set(permutations(wanted)))
