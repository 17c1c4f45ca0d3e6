"""Whether a request fits on many GPUs at once, and where: exact for the layouts given. Pure.

GPU after GPU the parts of the request that it can take are added to what those before it could; of those states
only the ones that no other beats are kept. GPUs that stand alike are one kind.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TypeAlias

from provisioning.capacity import driver, placement
from provisioning.capacity.driver import Witness
from provisioning.capacity.measures import counts_of
from provisioning.capacity.placement import Instance, Layout
from provisioning.capacity.profiles import GpuModel
from provisioning.capacity.profiles import model as model_called

MOST_INSTANCES = 500
MOST_STATES = 3000

Part: TypeAlias = tuple[int, ...]  # of a request: instances of each of its profiles


class TooLargeError(ValueError):
    """The request cannot be decided in reasonable time; the text says what to ask instead."""


@dataclass(frozen=True)
class Place:
    """GPUs that stand alike: *gpus* are (node, index) of each; *moves* where what stands there may be moved."""

    model: GpuModel
    layout: Layout
    gpus: tuple[tuple[str, int], ...]
    moves: bool = False


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What is created on one GPU of which node, in which order; *moved*, with what stands there made anew before."""

    node: str
    gpu: int
    model: GpuModel
    witness: Witness
    moved: bool = False


def pack(places: Sequence[Place], request: Mapping[str, int]) -> tuple[Chosen, ...] | None:
    """Return where the *request* (profile → count) is created, None where it does not fit in any way.

    GPUs that hold most are taken first, so that whole ones stay whole. Raises: TooLargeError.
    """
    names = tuple(sorted(name for name, count in request.items() if count))
    wanted: Part = tuple(request[name] for name in names)
    _check(wanted)
    zero: Part = (0,) * len(names)
    # what was reached → what of it the last GPU took, that GPU's place, and what was reached before it
    steps: list[dict[Part, tuple[Part, int, Part]]] = []
    reached: set[Part] = {zero}
    fullest_first = sorted(range(len(places)), key=lambda at: -_taken(places[at]))
    used: Counter[int] = Counter()
    for at in fullest_first:
        place = places[at]
        options = _options(place.model.name, place.layout, place.moves, names, wanted)
        for _ in range(min(len(place.gpus), sum(wanted))):
            if wanted in reached or not options:
                break
            after = _extended(reached, options, wanted, at)
            if after.keys() <= reached:
                break
            steps.append(after)
            reached = _unbeaten(reached | after.keys())
    if wanted not in reached:
        return None
    chosen = []
    state = wanted
    for step in reversed(steps):
        if state not in step or state == zero:
            continue
        part, at, before = step[state]
        place = places[at]
        node, gpu = place.gpus[used[at]]
        used[at] += 1
        taken = {name: count for name, count in zip(names, part, strict=True) if count}
        found = driver.witness(place.model, taken, place.layout)
        moved = found is None
        if found is None and place.moves:
            found = driver.witness(place.model, counts_of(place.layout) + Counter(taken))
        if found is not None:
            chosen.append(Chosen(node=node, gpu=gpu, model=place.model, witness=found, moved=moved))
        state = before
    return tuple(sorted(chosen, key=lambda one: (one.node, one.gpu)))


def _check(wanted: Part) -> None:
    states = 1
    for count in wanted:
        states *= count + 1
    if sum(wanted) > MOST_INSTANCES or states > MOST_STATES:
        raise TooLargeError(f"{sum(wanted)} instances of {len(wanted)} profiles: ask for fewer, or for fewer profiles")


def _extended(reached: set[Part], options: Sequence[Part], wanted: Part, at: int) -> dict[Part, tuple[Part, int, Part]]:
    """Return the new states that one more GPU leads to, each with the part that it takes (no more than is asked)."""
    found: dict[Part, tuple[Part, int, Part]] = {}
    for before in reached:
        for option in options:
            part = tuple(min(more, most - had) for more, most, had in zip(option, wanted, before, strict=True))
            state = tuple(a + b for a, b in zip(before, part, strict=True))
            if state != before and state not in reached and state not in found:
                found[state] = (part, at, before)
    return found


def _unbeaten(states: set[Part]) -> set[Part]:
    """Return the states that no other reaches at least as far as in every profile."""
    kept: list[Part] = []
    for state in sorted(states, key=lambda one: (-sum(one), one)):
        if not any(all(a <= b for a, b in zip(state, other, strict=True)) for other in kept):
            kept.append(state)
    return set(kept)


@lru_cache(maxsize=16_384)
def _options(model_name: str, layout: Layout, moves: bool, names: tuple[str, ...], wanted: Part) -> tuple[Part, ...]:
    """Return the largest parts of the request that one GPU can take beside *layout*."""
    model = model_called(model_name)
    known = {profile.name for profile in model.profiles}
    held = counts_of(layout) if moves else Counter[str]()
    most = [
        min(count, placement.fit_after_defrag(model, name, held) if moves else placement.fit(model, name, layout))
        if name in known
        else 0
        for name, count in zip(names, wanted, strict=True)
    ]
    beside = frozenset[Instance]() if moves else layout
    fitting = {part for part in _parts(most) if any(part) and _fits(model, names, part, held, beside)}
    return tuple(sorted(_unbeaten(fitting)))


def _parts(most: Sequence[int]) -> Iterator[Part]:
    return product(*(range(count + 1) for count in most))


def _fits(model: GpuModel, names: Sequence[str], part: Part, held: Counter[str], beside: Layout) -> bool:
    taken = Counter({name: count for name, count in zip(names, part, strict=True) if count})
    return placement.place(model, held + taken, beside) is not None


def _taken(place: Place) -> int:
    return sum(place.model.profile(instance.profile).size for instance in place.layout)
