"""What one GPU could still hold, asked without a cluster: text in, a typed answer out. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches

from pydantic import BaseModel, ConfigDict

from provisioning.capacity import placement, profiles
from provisioning.capacity.placement import Instance

MAX_TEXT = 2000


class WhatIfError(ValueError):
    """The question cannot be answered as asked; the text says what to write instead."""


class Created(BaseModel):
    """One instance of a witness. ``command`` creates it at exactly that place."""

    model_config = ConfigDict(frozen=True)

    profile: str
    start: int
    command: str  # nvidia-smi's arguments, to be run in this order


class Fits(BaseModel):
    """The answer. Each map is profile → instances that could be made of that profile alone.

    ``feasible`` says whether the request fits with the used instances where they are and the idle ones
    removed (as the MIG operator does); ``feasible_keeping_idle`` and ``feasible_after_defrag`` say the same
    with nothing removed, and with the used ones moved. The witness places the request in the first of these
    ways that works, in creation order; after a defrag it names the used instances' new places as well.
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
    request: dict[str, int] | None = None
    feasible: bool | None = None
    feasible_keeping_idle: bool | None = None
    feasible_after_defrag: bool | None = None
    witness: tuple[Created, ...] | None = None
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
    answer = Fits(
        model=gpu.name,
        placements=gpu.placements,
        used=tuple(map(str, sorted(kept))),
        idle=tuple(map(str, sorted(spare))),
        ready={name: sum(instance.profile == name for instance in spare) for name in names},
        creatable={name: placement.fit(gpu, name, everything) for name in names},
        after_reclaim={name: placement.fit(gpu, name, kept) for name in names},
        after_defrag={name: placement.fit_after_defrag(gpu, name, held) for name in names},
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
    beside_idle = placement.place(gpu, missing, kept | set(spare))
    reclaimed = placement.place(gpu, request, kept)
    held = Counter(instance.profile for instance in kept)
    afresh = placement.place(gpu, held + Counter(request))
    witness: tuple[Instance, ...] | None = reclaimed
    moved: tuple[Instance, ...] = ()
    if reclaimed is None and afresh is not None:
        moved, witness = _part(afresh, held)
    return answer.model_copy(
        update={
            "request": request,
            "feasible": reclaimed is not None,
            "feasible_keeping_idle": beside_idle is not None,
            "feasible_after_defrag": afresh is not None,
            "witness": None if witness is None else tuple(_created(gpu, one) for one in witness),
            "moved": tuple(map(str, moved)),
        }
    )


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
