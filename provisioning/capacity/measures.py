"""What one layout of one GPU can still hold, as a row of numbers that add up over GPUs. Pure."""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations
from typing import TypeAlias

from provisioning.capacity import placement
from provisioning.capacity.geometry import geometry
from provisioning.capacity.placement import Layout
from provisioning.capacity.profiles import GpuModel
from provisioning.capacity.profiles import model as model_called

Multiset: TypeAlias = tuple[int, ...]  # instances of each of the model's profiles, in the table's order
Row: TypeAlias = tuple[int, ...]  # a number for each profile, then the stranded compute slices
Range: TypeAlias = tuple[Row, Row]  # the least and the greatest, number by number


def multiset(model: GpuModel, held: Mapping[str, int]) -> Multiset:
    return tuple(held.get(profile.name, 0) for profile in model.profiles)


def counts_of(layout: Layout) -> Counter[str]:
    return Counter(instance.profile for instance in layout)


def exact(model: GpuModel, layout: Layout) -> Row:
    """Return how many of each profile can be created beside *layout*, and its stranded compute slices."""
    return _exact(model.name, layout)


def stranded(model: GpuModel, layout: Layout) -> int:
    """Return the compute slices that no instance has and that none can be created for, however one tries."""
    return exact(model, layout)[-1]


def over_layouts(model: GpuModel) -> Mapping[Multiset, tuple[Range, Range]]:
    """Return, for each multiset that fits on one GPU, what its layouts can hold: as they stand, and re-placed.

    Re-placed: the best over all layouts of the multiset, the same whichever it stands in now.
    """
    return _over_layouts(model.name)


def over_parts(model: GpuModel, layout: Layout) -> Mapping[Multiset, tuple[Range, Range]]:
    """Return the same for each multiset of used instances, where those are some of *layout*'s."""
    return _over_parts(model.name, layout)


def add(one: Row, other: Row) -> Row:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def least(one: Row, other: Row) -> Row:
    return tuple(min(a, b) for a, b in zip(one, other, strict=True))


def greatest(one: Row, other: Row) -> Row:
    return tuple(max(a, b) for a, b in zip(one, other, strict=True))


def widened(one: Range, other: Range) -> Range:
    """Return the range that holds both."""
    return least(one[0], other[0]), greatest(one[1], other[1])


@lru_cache(maxsize=65_536)
def _exact(model_name: str, layout: Layout) -> Row:
    model = model_called(model_name)
    return geometry(model_name).row(placement.mask_of(model, layout), multiset(model, counts_of(layout)))


@lru_cache(maxsize=64)
def _over_layouts(model_name: str) -> Mapping[Multiset, tuple[Range, Range]]:
    places = geometry(model_name)
    found: dict[Multiset, Range] = {}
    for mask, held in places.stands():
        row = places.row(mask, held)
        found[held] = widened(found.get(held, (row, row)), (row, row))
    return {held: (stands, _replaced(stands)) for held, stands in found.items()}


def _replaced(stands: Range) -> Range:
    """Return the best of a range: the most instances, the fewest stranded slices."""
    best = (*stands[1][:-1], stands[0][-1])
    return best, best


@lru_cache(maxsize=4096)
def _over_parts(model_name: str, layout: Layout) -> Mapping[Multiset, tuple[Range, Range]]:
    model = model_called(model_name)
    instances = sorted(layout)
    found: dict[Multiset, Range] = {}
    for number in range(len(instances) + 1):
        for part in combinations(instances, number):
            row = exact(model, frozenset(part))
            held = multiset(model, counts_of(frozenset(part)))
            found[held] = widened(found.get(held, (row, row)), (row, row))
    every = over_layouts(model)
    return {held: (stands, every[held][1]) for held, stands in found.items()}
