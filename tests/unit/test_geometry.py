"""Places as bits say what `placement` says of every layout, for models of each shape."""

from functools import cache

import pytest

from provisioning.capacity import placement
from provisioning.capacity.geometry import geometry
from provisioning.capacity.measures import Row, counts_of, exact, multiset, over_layouts, widened
from provisioning.capacity.placement import Instance, Layout
from provisioning.capacity.profiles import GpuModel, models

MODELS = tuple({tuple((p.size, p.starts, p.max) for p in model.profiles): model for model in models()}.values())


def row_by_search(model: GpuModel, layout: Layout) -> Row:
    """The definition, by `placement` alone."""

    @cache
    def most(standing: Layout) -> int:
        return max(
            (
                profile.compute + most(standing | {Instance(profile.name, start)})
                for profile in model.profiles
                for start in placement.free_starts(model, profile.name, standing)
            ),
            default=0,
        )

    fits = tuple(placement.fit(model, profile.name, layout) for profile in model.profiles)
    free = model.compute - sum(model.profile(one.profile).compute for one in layout)
    return (*fits, max(0, free - most(layout)))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_stands_are_those_of_all_layouts(model: GpuModel) -> None:
    layouts = placement.all_layouts(model)
    expected = {(placement.mask_of(model, layout), multiset(model, counts_of(layout))) for layout in layouts}
    stands = list(geometry(model.name).stands())
    assert len(stands) == len(set(stands))
    assert set(stands) == expected


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_what_layouts_hold_is_what_a_search_finds(model: GpuModel) -> None:
    """Every fifth layout by itself, and the ranges over all of those."""
    some = sorted(placement.all_layouts(model), key=sorted)[::5]
    every = over_layouts(model)
    for layout in some:
        row = row_by_search(model, layout)
        assert exact(model, layout) == row
        stands, _ = every[multiset(model, counts_of(layout))]
        assert widened(stands, (row, row)) == stands
