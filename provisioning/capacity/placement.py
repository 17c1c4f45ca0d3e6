"""Where MIG instances fit on one GPU: exact, by placement. Pure.

A GPU is a row of memory units; an instance of a profile takes ``size`` units from one of the profile's legal
``starts``. Instances must not overlap, each profile has a maximum, and some GPUs also share engines out
(decoders, optical flow). Counting free slices misjudges most layouts; everything here searches.

Source: NVIDIA MIG user guide, `nvidia-smi mig -lgip` and `-lgipp`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from provisioning.capacity.profiles import GpuModel, Profile
from provisioning.capacity.profiles import model as model_called


@dataclass(frozen=True, order=True)
class Instance:
    """A GPU instance: *profile* at the unit *start*."""

    profile: str
    start: int

    def __str__(self) -> str:
        return f"{self.profile}@{self.start}"


Layout = frozenset[Instance]


class IllegalLayoutError(ValueError):
    """These instances cannot stand together on this GPU; the text says which and why."""


def check(model: GpuModel, instances: Iterable[Instance]) -> Layout:
    """Return *instances* as a layout. Raises: IllegalLayoutError, KeyError for an unknown profile."""
    taken: dict[int, Instance] = {}
    placed: list[Instance] = []
    for instance in instances:
        profile = model.profile(instance.profile)
        if instance.start not in profile.starts:
            starts = ", ".join(map(str, profile.starts))
            raise IllegalLayoutError(f"{instance} on {model.name}: {profile.name} starts at {starts} only")
        for unit in range(instance.start, instance.start + profile.size):
            if unit in taken:
                raise IllegalLayoutError(f"{instance} overlaps {taken[unit]} on {model.name}")
            taken[unit] = instance
        placed.append(instance)
    counts = Counter(instance.profile for instance in placed)
    for name, count in counts.items():
        if count > model.profile(name).max:
            raise IllegalLayoutError(f"{count} x {name} on {model.name}: at most {model.profile(name).max}")
    if not _within_limits(model, counts):
        raise IllegalLayoutError(f"{', '.join(map(str, placed))} on {model.name}: not enough engines (NVDEC, OFA)")
    return frozenset(placed)


def fit(model: GpuModel, profile: str, layout: Layout) -> int:
    """Return how many more instances of *profile* can be created beside *layout*, nothing moved."""
    return _fit(model.name, model.profile(profile).name, layout)


def free_starts(model: GpuModel, profile: str, layout: Layout) -> tuple[int, ...]:
    """Return the starts at which one more instance of *profile* can be created beside *layout*."""
    if not fit(model, profile, layout):
        return ()
    one, mask = model.profile(profile), mask_of(model, layout)
    return tuple(start for start in one.starts if not mask & _bits(one, start))


def fit_after_defrag(model: GpuModel, profile: str, used: Mapping[str, int]) -> int:
    """Return the best ``fit`` over all legal re-placements of the *used* instances (profile → count).

    Raises: IllegalLayoutError where they do not stand together in any way.
    """
    return fit_interval(model, profile, used)[1]


def fit_interval(model: GpuModel, profile: str, held: Mapping[str, int]) -> tuple[int, int]:
    """Return the least and the greatest ``fit`` over all layouts that *held* (profile → count) may stand in.

    This is what can be said where counts are known and places are not.
    Raises: IllegalLayoutError where there is no such layout.
    """
    return _interval(model.name, model.profile(profile).name, _multiset(model, held))


def fragmentation(after_reclaim: int, after_defrag: int) -> float:
    """Return which share of what a profile could have is lost to places: 0 none, 1 all.

    0 as well where nothing could be had in any way: then places are not what is in the way.
    """
    return 1 - after_reclaim / after_defrag if after_defrag else 0.0


def gpu_fragmentation(model: GpuModel, after_reclaim: Mapping[str, int], after_defrag: Mapping[str, int]) -> float:
    """Return the same over all profiles of one GPU, or of many of one model, each weighed by its size."""
    best = sum(profile.size * after_defrag[profile.name] for profile in model.profiles)
    lost = best - sum(profile.size * after_reclaim[profile.name] for profile in model.profiles)
    return lost / best if best else 0.0


def layouts_of(model: GpuModel, held: Mapping[str, int]) -> tuple[Layout, ...]:
    """Return every legal layout of exactly these instances."""
    return _layouts(model.name, _multiset(model, held))


def place(model: GpuModel, request: Mapping[str, int], layout: Layout = frozenset()) -> tuple[Instance, ...] | None:
    """Return where the *request* (profile → count) can be created beside *layout*, or None.

    Largest first, to be created with explicit starts (`nvidia-smi mig -cgi ID:START`). Left to itself the driver
    may choose other places, and some orders fail: see `driver`.
    """
    counts = Counter(dict(_multiset(model, request)))
    if not _within_limits(model, counts + Counter(instance.profile for instance in layout)):
        return None
    largest_first = sorted(model.profiles, key=lambda profile: (-profile.size, -profile.compute, profile.name))
    wanted = [profile for profile in largest_first for _ in range(counts[profile.name])]
    return next(_placements(wanted, mask_of(model, layout)), None)


def units(model: GpuModel, instances: Iterable[Instance]) -> frozenset[int]:
    """Return the memory units that *instances* take."""
    return frozenset(
        unit
        for instance in instances
        for unit in range(instance.start, instance.start + model.profile(instance.profile).size)
    )


def all_layouts(model: GpuModel, profiles: Iterable[str] | None = None) -> frozenset[Layout]:
    """Return every legal layout of *profiles*, by default of all, the empty layout included."""
    kinds = [profile for profile in model.profiles if profiles is None or profile.name in profiles]
    found: set[Layout] = set()

    def grow(layout: tuple[Instance, ...], counts: Counter[str], mask: int, unit: int) -> None:
        found.add(frozenset(layout))
        for start in range(unit, model.units):
            for profile in kinds:
                bits = _bits(profile, start)
                if start in profile.starts and not mask & bits:
                    more = counts + Counter([profile.name])
                    if _within_limits(model, more):
                        grow((*layout, Instance(profile.name, start)), more, mask | bits, start + 1)

    grow((), Counter(), 0, 0)
    return frozenset(found)


def _multiset(model: GpuModel, held: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((model.profile(name).name, count) for name, count in held.items() if count))


# Caches are keyed by the model's name: thousands of GPUs share a few dozen layouts.


@lru_cache(maxsize=65_536)
def _fit(model_name: str, name: str, layout: Layout) -> int:
    model = model_called(model_name)
    profile, mask = model.profile(name), mask_of(model, layout)
    counts = Counter(instance.profile for instance in layout)
    room = profile.max - counts[name]
    for engine, each in profile.engines.items():
        if each:
            room = min(room, (model.engines[engine] - _engine_used(model, engine, counts)) // each)
    # Instances of one size: taking the earliest start that is free leaves the most room, so greedy is exact.
    found, end = 0, 0
    for start in profile.starts:
        if start >= end and not mask & _bits(profile, start):
            found, end = found + 1, start + profile.size
    return max(0, min(found, room))


@lru_cache(maxsize=65_536)
def _interval(model_name: str, name: str, held: tuple[tuple[str, int], ...]) -> tuple[int, int]:
    fits = [_fit(model_name, name, layout) for layout in _layouts(model_name, held)]
    if not fits:
        shown = ", ".join(f"{count} x {profile}" for profile, count in held)
        raise IllegalLayoutError(f"{shown} do not stand together on one {model_name}")
    return min(fits), max(fits)


@lru_cache(maxsize=65_536)
def _layouts(model_name: str, held: tuple[tuple[str, int], ...]) -> tuple[Layout, ...]:
    model = model_called(model_name)
    if not _within_limits(model, dict(held)):
        return ()
    wanted = [model.profile(name) for name, count in held for _ in range(count)]
    return tuple(sorted({frozenset(found) for found in _placements(wanted, 0)}, key=sorted))


def _placements(wanted: Sequence[Profile], taken: int) -> Iterator[tuple[Instance, ...]]:
    """Yield every way to place *wanted*, in this order; equal neighbours only with rising starts."""

    def search(index: int, mask: int, placed: tuple[Instance, ...]) -> Iterator[tuple[Instance, ...]]:
        if index == len(wanted):
            yield placed
            return
        profile = wanted[index]
        least = placed[-1].start if placed and placed[-1].profile == profile.name else 0
        for start in profile.starts:
            if start >= least and not mask & _bits(profile, start):
                yield from search(index + 1, mask | _bits(profile, start), (*placed, Instance(profile.name, start)))

    return search(0, taken, ())


def _bits(profile: Profile, start: int) -> int:
    return ((1 << profile.size) - 1) << start


def mask_of(model: GpuModel, layout: Iterable[Instance]) -> int:
    """Return the memory units that *layout* takes, as bits."""
    mask = 0
    for instance in layout:
        mask |= _bits(model.profile(instance.profile), instance.start)
    return mask


def _within_limits(model: GpuModel, counts: Mapping[str, int]) -> bool:
    if any(count > model.profile(name).max for name, count in counts.items()):
        return False
    return all(_engine_used(model, engine, counts) <= total for engine, total in model.engines.items())


def _engine_used(model: GpuModel, engine: str, counts: Mapping[str, int]) -> int:
    return sum(count * model.profile(name).engines.get(engine, 0) for name, count in counts.items())
