"""In which order instances can be created so that the driver, left to itself, finds a place for each. Pure.

`nvidia-smi mig -cgi 9,19` without starts lets the driver choose: one instance after the other, never moving one,
each where most is left for the larger profiles, the lowest such start. NVIDIA does not document the rule; this one
gives what real cards did (`9,19,14,19` lands at 4, 0, 2, 1; seven `19` at 6, 4, 5, 0, 1, 2, 3; `19,19,14,9`
fails). Where it matters, give the starts (`-cgi 9:4`): then no rule is needed.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from provisioning.capacity import placement
from provisioning.capacity.placement import Instance, Layout
from provisioning.capacity.profiles import GpuModel, Profile
from provisioning.capacity.profiles import model as model_called


@dataclass(frozen=True, kw_only=True)
class Witness:
    """Where a request fits, in creation order. ``by_driver``: the driver finds these places without starts."""

    instances: tuple[Instance, ...]
    by_driver: bool


def witness(model: GpuModel, request: Mapping[str, int], layout: Layout = frozenset()) -> Witness | None:
    """Return a way to create the *request* (profile → count) beside *layout*; None where there is none.

    Raises: KeyError for an unknown profile.
    """
    anywhere = placement.place(model, request, layout)
    if anywhere is None:
        return None
    ordered = creation_order(model, request, layout)
    return Witness(instances=anywhere if ordered is None else ordered, by_driver=ordered is not None)


def creation_order(
    model: GpuModel, request: Mapping[str, int], layout: Layout = frozenset()
) -> tuple[Instance, ...] | None:
    """Return the *request* in an order that the driver's own choices carry to the end, with those places.

    Larger profiles come as early as they can. None where every order fails, though explicit starts may work.
    """
    wanted = Counter({model.profile(name).name: count for name, count in request.items() if count})
    failed: set[tuple[Layout, frozenset[tuple[str, int]]]] = set()

    def create(held: Layout, left: Counter[str]) -> tuple[Instance, ...] | None:
        state = (held, frozenset(left.items()))
        if state in failed:
            return None
        for profile in largest_first(model):
            if not left[profile.name]:
                continue
            start = driver_start(model, profile.name, held)
            if start is None:
                break  # what does not fit now never will: instances do not move
            created = Instance(profile.name, start)
            rest = left - Counter([profile.name])
            after = create(held | {created}, rest) if rest else ()
            if after is not None:
                return (created, *after)
        failed.add(state)
        return None

    return create(layout, wanted) if wanted else ()


def driver_start(model: GpuModel, profile: str, layout: Layout) -> int | None:
    """Return where the driver puts the next instance of *profile*; None where it fails."""
    return _start(model.name, model.profile(profile).name, layout)


def largest_first(model: GpuModel) -> tuple[Profile, ...]:
    """Return the profiles by memory, then by compute, largest first."""
    return tuple(sorted(model.profiles, key=lambda profile: (-profile.size, -profile.compute, profile.name)))


@lru_cache(maxsize=65_536)
def _start(model_name: str, name: str, layout: Layout) -> int | None:
    model = model_called(model_name)
    starts = placement.free_starts(model, name, layout)
    if not starts:
        return None

    def left(start: int) -> tuple[int, ...]:
        after = layout | {Instance(name, start)}
        return tuple(placement.fit(model, profile.name, after) for profile in largest_first(model))

    return max(starts, key=lambda start: (left(start), -start))
