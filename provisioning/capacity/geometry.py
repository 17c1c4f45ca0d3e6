"""One GPU's places as bits: what `placement` answers for a layout, for all layouts of a model at once. Pure.

A stand is (mask, counts): the memory units that are taken, and how many instances of each profile take them. Layouts
that differ in nothing else hold the same, and there are thousands of layouts, so these are counted with integers.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

from provisioning.capacity.profiles import GpuModel
from provisioning.capacity.profiles import model as model_called

Counts: TypeAlias = tuple[int, ...]  # instances of each of the model's profiles, in the table's order


class Geometry:
    """The places of one model's profiles."""

    def __init__(self, model: GpuModel) -> None:
        self._compute = model.compute
        self._computes = tuple(profile.compute for profile in model.profiles)
        self._most = tuple(profile.max for profile in model.profiles)
        # profile → the units that an instance takes, for each of its starts
        self._places = tuple(
            tuple(((1 << profile.size) - 1) << start for start in sorted(profile.starts)) for profile in model.profiles
        )
        # engines that are shared out: how many there are, and what an instance of each profile takes of them
        self._engines = tuple(
            (total, tuple(profile.engines.get(engine, 0) for profile in model.profiles))
            for engine, total in model.engines.items()
        )
        self._most_compute: dict[tuple[int, Counts], int] = {}

    def row(self, mask: int, counts: Counts) -> tuple[int, ...]:
        """Return how many more of each profile fit, nothing moved, then the compute slices that none can have."""
        fits = tuple(min(self._room(at, counts), self._free(at, mask)) for at in range(len(counts)))
        return (*fits, max(0, self._free_compute(counts) - self._reach(mask, counts)))

    def stands(self) -> Iterator[tuple[int, Counts]]:
        """Yield every stand that instances can have on an empty GPU, the empty one first."""
        start = (0, (0,) * len(self._places))
        seen, left = {start}, [start]
        while left:
            mask, counts = left.pop()
            yield mask, counts
            for at, places in enumerate(self._places):
                if self._room(at, counts) <= 0:
                    continue
                more = _one_more(counts, at)
                for bits in places:
                    stand = (mask | bits, more)
                    if not mask & bits and stand not in seen:
                        seen.add(stand)
                        left.append(stand)

    def _room(self, at: int, counts: Counts) -> int:
        """Return how many more of the profile its maximum and the shared engines allow."""
        room = self._most[at] - counts[at]
        for total, each in self._engines:
            if each[at]:
                used = sum(count * takes for count, takes in zip(counts, each, strict=True))
                room = min(room, (total - used) // each[at])
        return max(0, room)

    def _free(self, at: int, mask: int) -> int:
        """Return how many of the profile the free units hold. Of one size, the earliest free start is the best."""
        found = 0
        for bits in self._places[at]:
            if not mask & bits:
                mask |= bits
                found += 1
        return found

    def _free_compute(self, counts: Counts) -> int:
        return self._compute - sum(count * each for count, each in zip(counts, self._computes, strict=True))

    def _reach(self, mask: int, counts: Counts) -> int:
        """Return the most compute slices that further instances can take up together."""
        known = self._most_compute.get((mask, counts))
        if known is not None:
            return known
        best, free = 0, self._free_compute(counts)
        for at, places in enumerate(self._places):
            if best >= free or self._room(at, counts) <= 0:
                continue
            more = _one_more(counts, at)
            for bits in places:
                if not mask & bits:
                    best = max(best, self._computes[at] + self._reach(mask | bits, more))
        self._most_compute[mask, counts] = best
        return best


@lru_cache(maxsize=64)
def geometry(model_name: str) -> Geometry:
    """Return the geometry of a model."""
    return Geometry(model_called(model_name))


def _one_more(counts: Counts, at: int) -> Counts:
    return (*counts[:at], counts[at] + 1, *counts[at + 1 :])
