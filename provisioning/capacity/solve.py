"""What each node's GPUs can still hold: exact where the places are known, a range where only counts are. Pure.

Equal nodes are solved once. Ranges are sound: the truth lies within them. They are tight where a node has few
kinds of instances, and from bounds where trying every spread over its GPUs would take too long.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from provisioning.capacity import packed, placement
from provisioning.capacity.inventory import Supply
from provisioning.capacity.measures import (
    Multiset,
    Range,
    Row,
    add,
    counts_of,
    exact,
    multiset,
    over_layouts,
    over_parts,
)
from provisioning.capacity.placement import Instance, Layout
from provisioning.capacity.profiles import GpuModel, Profile
from provisioning.capacity.profiles import model as model_called

# What one GPU or more can hold, by what stands there: packed multiset → packed least and greatest rows, as it stands
# and, behind that, once moved.
Options: TypeAlias = Mapping[int, tuple[int, int]]

# How many spreads over a node's GPUs are tried, by how many kinds of nodes there are to solve.
_EFFORTS = ((20, 5000), (200, 2000), (1000, 1000))
_LEAST_EFFORT = 400


@dataclass(frozen=True, kw_only=True)
class Room:
    """What GPUs can still hold. Rows: a number for each profile of the model, then stranded compute slices."""

    creatable: Range  # every instance kept
    after_reclaim: Range  # idle ones removed
    after_defrag: Range  # used ones moved within their GPU

    def plus(self, other: "Room") -> "Room":
        return Room(
            creatable=_sum(self.creatable, other.creatable),
            after_reclaim=_sum(self.after_reclaim, other.after_reclaim),
            after_defrag=_sum(self.after_defrag, other.after_defrag),
        )

    def times(self, number: int) -> "Room":
        return Room(
            creatable=_times(self.creatable, number),
            after_reclaim=_times(self.after_reclaim, number),
            after_defrag=_times(self.after_defrag, number),
        )


def nothing(model: GpuModel) -> Room:
    row = (0,) * (len(model.profiles) + 1)
    return Room(creatable=(row, row), after_reclaim=(row, row), after_defrag=(row, row))


def rooms(supplies: Iterable[Supply]) -> dict[str, Room]:
    """Return node → room, for the nodes of known models in MIG mode. A node that contradicts itself is left out."""
    kinds = {
        supply.node: _kind(supply.gpu, supply)
        for supply in supplies
        if isinstance(supply.gpu, GpuModel) and supply.mig_gpus
    }
    number = len(set(kinds.values()))
    effort = next((effort for most, effort in _EFFORTS if number <= most), _LEAST_EFFORT)
    solved = {kind: _room(kind, effort) for kind in set(kinds.values())}
    return {node: room for node, kind in kinds.items() if (room := solved[kind]) is not None}


@dataclass(frozen=True)
class _Kind:
    """All that decides the room of a node."""

    model: str
    gpus: int
    exist: Multiset
    used: Multiset
    layouts: frozenset[tuple[Layout, int]] | None  # each layout and how many GPUs stand so


def _kind(model: GpuModel, supply: Supply) -> _Kind:
    exist, used = multiset(model, supply.exist), multiset(model, supply.used)
    layouts = supply.layouts
    if layouts is None and not supply.is_empty:
        return _Kind(model.name, supply.mig_gpus, exist, used, None)
    standing = Counter((layouts or {}).values())
    standing[frozenset()] += max(0, supply.mig_gpus - standing.total())
    stands = frozenset((layout, number) for layout, number in standing.items() if number)
    there = _there(model.name, stands)
    return _Kind(model.name, supply.mig_gpus, there, tuple(map(min, used, there)), stands)


@lru_cache(maxsize=16_384)
def _there(model_name: str, layouts: frozenset[tuple[Layout, int]]) -> Multiset:
    there = Counter[str]()
    for layout, number in layouts:
        for name, count in counts_of(layout).items():
            there[name] += count * number
    return multiset(model_called(model_name), there)


@lru_cache(maxsize=16_384)
def _room(kind: _Kind, effort: int) -> Room | None:
    model = model_called(kind.model)
    if kind.layouts is not None:
        creatable = nothing(model).creatable[0]
        for layout, number in kind.layouts:
            creatable = add(creatable, tuple(each * number for each in exact(model, layout)))
        parts = [_over_parts(kind.model, layout) for layout, number in kind.layouts for _ in range(number)]
        ranges = _spread(model, parts, kind.used, effort)
        known = (creatable, creatable)
    else:
        if not _can_stand(model, kind.exist, kind.gpus):
            return None
        stands = _counted(kind.model, kind.gpus, kind.exist, effort)
        known = stands[0] if stands is not None else _bounds(model, kind.exist, kind.gpus)
        ranges = _counted(kind.model, kind.gpus, kind.used, effort)
    reclaim, defrag = ranges if ranges is not None else (_bounds(model, kind.used, kind.gpus),) * 2
    return Room(creatable=known, after_reclaim=reclaim, after_defrag=defrag)


@lru_cache(maxsize=16_384)
def _counted(model_name: str, gpus: int, held: Multiset, effort: int) -> tuple[Range, Range] | None:
    """Return what so many GPUs can hold beside *held*, wherever that stands: many nodes share these."""
    return _spread(model_called(model_name), [_over_layouts(model_name)] * gpus, held, effort)


def _spread(model: GpuModel, gpus: Sequence[Options], held: Multiset, effort: int) -> tuple[Range, Range] | None:
    """Return the ranges over every way to spread *held* over *gpus*; None where that would take too long."""
    states = 1
    for count in held:
        states *= count + 1
    if states > effort:
        return None
    whole = packed.pack(held)
    guard = packed.guard(len(held))
    fitting: dict[int, Options] = {}
    for options in gpus:
        if id(options) not in fitting:
            parts = options.items()
            fitting[id(options)] = {part: ends for part, ends in parts if packed.within(part, whole, guard)}
    found = _spread_over([fitting[id(options)] for options in gpus], whole, guard, _row_guard(model)).get(whole)
    if found is None:
        return None
    size = len(model.profiles) + 1
    low, high = (packed.unpack(ends, 2 * size) for ends in found)
    return (low[:size], high[:size]), (low[size:], high[size:])


def _spread_over(gpus: Sequence[Options], whole: int, guard: int, row_guard: int) -> Options:
    if len(gpus) == 1:
        return gpus[0]
    middle = len(gpus) // 2
    left, right = gpus[:middle], gpus[middle:]
    one = _spread_over(left, whole, guard, row_guard)
    alike = len(left) == len(right) and all(a is b for a, b in zip(left, right, strict=True))
    other = one if alike else _spread_over(right, whole, guard, row_guard)
    found: dict[int, tuple[int, int]] = {}
    guarded = whole | guard
    parts, others = list(one.items()), list(other.items())
    for at, (part, (low, high)) in enumerate(parts):
        for more, (other_low, other_high) in others[at:] if alike else others:  # of equal halves each pair once
            both = part + more
            if (guarded - both) & guard != guard:  # packed.within, without a call: this runs a million times
                continue
            ends = low + other_low, high + other_high
            known = found.get(both)
            if known is not None and known != ends:
                ends = packed.least(ends[0], known[0], row_guard), packed.greatest(ends[1], known[1], row_guard)
            found[both] = ends
    return found


@lru_cache(maxsize=64)
def _over_layouts(model_name: str) -> Options:
    return _packed_options(over_layouts(model_called(model_name)))


@lru_cache(maxsize=4096)
def _over_parts(model_name: str, layout: Layout) -> Options:
    return _packed_options(over_parts(model_called(model_name), layout))


def _packed_options(options: Mapping[Multiset, tuple[Range, Range]]) -> Options:
    return {
        packed.pack(part): (packed.pack((*stands[0], *moved[0])), packed.pack((*stands[1], *moved[1])))
        for part, (stands, moved) in options.items()
    }


def _row_guard(model: GpuModel) -> int:
    return packed.guard(2 * (len(model.profiles) + 1))


def _can_stand(model: GpuModel, held: Multiset, gpus: int) -> bool:
    """False where *held* surely does not fit on so many GPUs: then the node's own words contradict each other."""
    units = sum(count * profile.size for count, profile in zip(held, model.profiles, strict=True))
    compute = sum(count * profile.compute for count, profile in zip(held, model.profiles, strict=True))
    return (
        units <= gpus * model.units
        and compute <= gpus * model.compute
        and all(count <= gpus * profile.max for count, profile in zip(held, model.profiles, strict=True))
    )


def _bounds(model: GpuModel, held: Multiset, gpus: int) -> Range:
    """Return a range that holds the truth wherever *held* stands, without trying spreads.

    Least: of a profile's places on empty GPUs, each instance takes at most so many. Greatest: by memory.
    """
    pairs = list(zip(held, model.profiles, strict=True))
    free = gpus * model.units - sum(count * profile.size for count, profile in pairs)
    low, high = [], []
    for own, wanted in pairs:
        whole = gpus * placement.fit(model, wanted.name, frozenset())
        lost = sum(count * _takes(model.name, profile.name, wanted.name) for count, profile in pairs)
        scarce = any(wanted.engines.values()) and any(held)
        low.append(0 if scarce else max(0, whole - lost))
        high.append(max(low[-1], min(whole, free // wanted.size, gpus * wanted.max - own)))
    compute = gpus * model.compute - sum(count * profile.compute for count, profile in pairs)
    return (*low, 0), (*high, max(0, compute))


@lru_cache(maxsize=4096)
def _takes(model_name: str, standing: str, wanted: str) -> int:
    """Return how many of the places of *wanted* on an empty GPU one instance of *standing* takes, at most."""
    model = model_called(model_name)
    places = _places(model, model.profile(wanted))
    one = model.profile(standing)
    taken = max(
        sum(start < one_start + one.size and one_start < start + model.profile(wanted).size for start in places)
        for one_start in one.starts
    )
    return max(1, taken) if standing == wanted else taken


def _places(model: GpuModel, profile: Profile) -> list[int]:
    """Return starts at which as many as can be stand together on an empty GPU."""
    placed: Layout = frozenset()
    found = []
    for start in profile.starts:
        if start in placement.free_starts(model, profile.name, placed):
            placed |= {Instance(profile.name, start)}
            found.append(start)
    return found


def _sum(one: Range, other: Range) -> Range:
    return add(one[0], other[0]), add(one[1], other[1])


def _times(one: Range, number: int) -> Range:
    def times(row: Row) -> Row:
        return tuple(each * number for each in row)

    return times(one[0]), times(one[1])
