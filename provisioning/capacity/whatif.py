"""What one GPU could still hold, asked without a cluster: text in, a typed answer out. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from pydantic import BaseModel, ConfigDict

from provisioning.capacity import driver, placement, profiles
from provisioning.capacity.placement import Instance

MAX_TEXT = 2000


class WhatIfError(ValueError):
    """The question cannot be answered as asked; the text says what to write instead."""


class Created(BaseModel):
    """One instance of a witness."""

    model_config = ConfigDict(frozen=True)

    profile: str
    start: int
    ready: bool = False  # it exists and is idle: nothing to do
    command: str | None = None  # nvidia-smi's arguments that create it at exactly that place, in this order


class Fits(BaseModel):
    """The answer. Each map is profile → instances that could be made of that profile alone.

    ``feasible`` says whether the request fits with the used instances where they are and the idle ones
    removed (as the MIG operator does); ``feasible_keeping_idle`` and ``feasible_after_defrag`` say the same
    with nothing removed, and with the used ones moved. The witness places the request in the gentlest of these
    ways that works: what is ready first, then what must be made, in creation order. ``moved`` are the used
    instances' new places after a defrag, to be made before it.
    ``driver_order`` is one command without starts that ends at the same places; None where the driver, left to
    itself, fails in every order, so that the starts are needed.
    ``fragmentation`` is 1 - after_reclaim / after_defrag, 0 where both are 0; ``gpu_fragmentation`` weighs by size.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    placements: str  # how far the model's places are known: hardware, quoted, inferred
    used: tuple[str, ...]
    idle: tuple[str, ...]
    ready: dict[str, int]
    creatable: dict[str, int]
    after_reclaim: dict[str, int]
    after_defrag: dict[str, int]
    fragmentation: dict[str, float]
    gpu_fragmentation: float
    request: dict[str, int] | None = None
    feasible: bool | None = None
    feasible_keeping_idle: bool | None = None
    feasible_after_defrag: bool | None = None
    witness: tuple[Created, ...] | None = None
    driver_order: str | None = None
    moved: tuple[str, ...] = ()  # where the used instances would stand after the defrag


def fits(model: str, *, used: str = "", idle: str = "", request: str = "") -> Fits:
    """Return what fits on one GPU of *model*.

    *used* and *idle* are instances as ``3g.40gb@4,1g.10gb@0``; *request* is ``2x3g.40gb,1g.10gb``.
    Raises: WhatIfError.
    """
    gpu = find_model(model)
    try:
        kept = placement.check(gpu, _instances(gpu, used))
        spare = _instances(gpu, idle)
        everything = placement.check(gpu, [*kept, *spare])
    except (placement.IllegalLayoutError, KeyError) as problem:
        raise WhatIfError(str(problem.args[0])) from problem
    held = Counter(instance.profile for instance in kept)
    names = [profile.name for profile in gpu.profiles]
    reclaim = {name: placement.fit(gpu, name, kept) for name in names}
    defrag = {name: placement.fit_after_defrag(gpu, name, held) for name in names}
    answer = Fits(
        model=gpu.name,
        placements=gpu.placements,
        used=tuple(map(str, sorted(kept))),
        idle=tuple(map(str, sorted(spare))),
        ready={name: sum(instance.profile == name for instance in spare) for name in names},
        creatable={name: placement.fit(gpu, name, everything) for name in names},
        after_reclaim=reclaim,
        after_defrag=defrag,
        fragmentation={name: round(placement.fragmentation(reclaim[name], defrag[name]), 4) for name in names},
        gpu_fragmentation=round(placement.gpu_fragmentation(gpu, reclaim, defrag), 4),
    )
    return answer if not request.strip() else _with_request(gpu, answer, _request(gpu, request), kept, spare)


def find_model(name: str) -> profiles.GpuModel:
    """Return the model that *name* names, by any of its names and without regard to case.

    Raises: WhatIfError, with the nearest names; a model is never guessed.
    """
    plain = _plain(name)
    names = {_plain(part): gpu for gpu in profiles.models() for part in (gpu.name, *gpu.name.split("/"))}
    if plain in names:
        return names[plain]
    known = [gpu.name for gpu in profiles.models()]
    near = get_close_matches(name[:60], [part for one in known for part in one.split("/")], n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are: {', '.join(known)}"
    raise WhatIfError(f"unknown GPU model {name[:60]!r}: {hint}")


def _with_request(
    gpu: profiles.GpuModel,
    answer: Fits,
    request: dict[str, int],
    kept: placement.Layout,
    spare: Sequence[Instance],
) -> Fits:
    ready = Counter(instance.profile for instance in spare)
    missing = {name: count - ready[name] for name, count in request.items() if count > ready[name]}
    beside_idle = driver.witness(gpu, missing, kept | set(spare))
    reclaimed = driver.witness(gpu, request, kept)
    held = Counter(instance.profile for instance in kept)
    afresh = driver.witness(gpu, held + Counter(request))
    chosen = beside_idle or reclaimed
    moved: tuple[Instance, ...] = ()
    if chosen is None and afresh is not None:
        moved, made = _part(afresh.instances, held)
        chosen = driver.Witness(instances=made, by_driver=_ends_there(gpu, (*moved, *made)))
    made = () if chosen is None else chosen.instances
    reused = _reused(spare, request) if beside_idle is not None else []
    shown = [*reused, *(_created(gpu, one) for one in made)]
    return answer.model_copy(
        update={
            "request": request,
            "feasible": reclaimed is not None,
            "feasible_keeping_idle": beside_idle is not None,
            "feasible_after_defrag": afresh is not None,
            "witness": None if chosen is None else tuple(shown),
            "driver_order": _driver_order(gpu, made) if chosen is not None and chosen.by_driver else None,
            "moved": tuple(map(str, moved)),
        }
    )


def _reused(spare: Sequence[Instance], request: Mapping[str, int]) -> list[Created]:
    """Return the idle instances that serve the request as they are."""
    left, found = Counter(request), []
    for instance in sorted(spare):
        if left[instance.profile] > 0:
            left[instance.profile] -= 1
            found.append(Created(profile=instance.profile, start=instance.start, ready=True))
    return found


def _ends_there(gpu: profiles.GpuModel, instances: Sequence[Instance]) -> bool:
    """True where the driver, given these one after the other on an empty GPU, puts each where it stands here."""
    held: placement.Layout = frozenset()
    for instance in instances:
        if driver.driver_start(gpu, instance.profile, held) != instance.start:
            return False
        held |= {instance}
    return True


def _driver_order(gpu: profiles.GpuModel, instances: Sequence[Instance]) -> str | None:
    ids = ",".join(str(gpu.profile(instance.profile).id) for instance in instances)
    return f"mig -cgi {ids} -C" if ids else None


def _part(placed: Sequence[Instance], held: Counter[str]) -> tuple[tuple[Instance, ...], tuple[Instance, ...]]:
    """Part *placed* into the *held* instances, at their new places, and the rest."""
    left, first, rest = Counter(held), [], []
    for instance in placed:
        if left[instance.profile] > 0:
            left[instance.profile] -= 1
            first.append(instance)
        else:
            rest.append(instance)
    return tuple(first), tuple(rest)


def _created(gpu: profiles.GpuModel, instance: Instance) -> Created:
    profile_id = gpu.profile(instance.profile).id
    return Created(profile=instance.profile, start=instance.start, command=f"mig -cgi {profile_id}:{instance.start} -C")


def _instances(gpu: profiles.GpuModel, text: str) -> list[Instance]:
    found = []
    for part in _parts(text):
        matched = re.fullmatch(r"([0-9a-z.+-]+)@(\d{1,2})", part)
        if matched is None:
            raise WhatIfError(f"{part!r} is no instance: write PROFILE@START, as in {gpu.profiles[0].name}@0")
        found.append(Instance(_profile(gpu, matched.group(1)), int(matched.group(2))))
    return found


def _request(gpu: profiles.GpuModel, text: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for part in _parts(text):
        matched = re.fullmatch(r"(?:(\d{1,3})\s*[x*])?\s*([0-9a-z.+-]+)", part)
        if matched is None:
            raise WhatIfError(f"{part!r} is no request: write COUNTxPROFILE, as in 2x{gpu.profiles[0].name}")
        found[_profile(gpu, matched.group(2))] += int(matched.group(1) or 1)
    return dict(found)


def _profile(gpu: profiles.GpuModel, name: str) -> str:
    try:
        return gpu.profile(name).name
    except KeyError:
        known = ", ".join(profile.name for profile in gpu.profiles)
        raise WhatIfError(f"{gpu.name} has no profile {name!r}; it has: {known}") from None


def _parts(text: str) -> list[str]:
    if len(text) > MAX_TEXT:
        raise WhatIfError(f"longer than {MAX_TEXT} characters: one GPU holds a dozen instances at most")
    return [part for part in (piece.strip().lower() for piece in text.split(",")) if part]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
