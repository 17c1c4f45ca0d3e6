"""Whether a request fits on the cluster's GPUs, in which way, and where. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeAlias

from policies.approvals import Refusal
from provisioning.capacity import packing, placement
from provisioning.capacity.inventory import Supply
from provisioning.capacity.packing import Chosen, Place
from provisioning.capacity.placement import Instance, Layout
from provisioning.capacity.profiles import GpuModel, models
from provisioning.capacity.solve import Room

Layouts: TypeAlias = Callable[[Supply], dict[int, Layout] | None]

MOST_OF_ONE = 500
_PART = re.compile(r"(?:(\d{1,4})\s*[x*])?\s*([0-9]+[a-z0-9.+-]{1,20})")


class Verdict(StrEnum):
    """How a request fits, the gentlest way first."""

    READY = "ready"
    CREATABLE = "creatable"
    AFTER_RECLAIM = "after reclaim"
    AFTER_DEFRAG = "after defrag"
    PERHAPS = "perhaps"  # it depends on places that are not known
    NO = "no"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came out.

    ``removed`` are the idle instances that stand in the way, by node and GPU: they go first. ``maybe_sooner``:
    as far as places, or which of equal instances are used, are not known, a gentler way may do as well.
    """

    request: Mapping[str, int]
    verdict: Verdict
    ready: Mapping[str, int]  # of the request, what idle instances serve as they are
    chosen: tuple[Chosen, ...] = ()  # what is created where, in creation order on each GPU
    removed: Mapping[tuple[str, int], tuple[Instance, ...]] = field(default_factory=dict)
    short: Mapping[str, int] | None = None  # what no way can give, where that is why
    unknown_nodes: tuple[str, ...] = ()
    maybe_sooner: bool = False

    @property
    def fits(self) -> bool:
        return self.verdict not in {Verdict.PERHAPS, Verdict.NO}


def parse_request(parts: Iterable[str]) -> dict[str, int] | Refusal:
    """Return profile → count of ``2x3g.20gb``, ``1g.5gb``; names in one spelling. A refusal names what is near."""
    named = {profile.name for gpu in models() for profile in gpu.profiles}
    aliases = {alias: ours for gpu in models() for alias, ours in gpu.aliases.items() if alias not in named}
    found: Counter[str] = Counter()
    for part in parts:
        matched = _PART.fullmatch(part.strip().lower())
        if matched is None:
            return Refusal(reason=f"{part[:40]!r} is no request", next_action="write COUNTxPROFILE, as in 2x3g.40gb")
        name = aliases.get(matched.group(2), matched.group(2))
        if name not in named:
            near = get_close_matches(name, sorted(named), n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "write it as in 3g.40gb"
            return Refusal(reason=f"no GPU model has a profile {name}", next_action=hint)
        found[name] += int(matched.group(1) or 1)
    if too_many := [name for name, count in found.items() if not 0 < count <= MOST_OF_ONE]:
        return Refusal(reason=f"{found[too_many[0]]} x {too_many[0]}", next_action=f"ask for 1 to {MOST_OF_ONE}")
    return dict(found)


def answer(supplies: Iterable[Supply], rooms: Mapping[str, Room], request: Mapping[str, int]) -> Answer | Refusal:
    """Return whether the *request* (profile → count) fits on the nodes that are open."""
    able = [supply for supply in supplies if not supply.closed and isinstance(supply.gpu, GpuModel)]
    ready = _ready(able, request)
    missing = {name: count - ready[name] for name, count in request.items() if count > ready[name]}
    if not missing:
        return Answer(request=request, verdict=Verdict.READY, ready=ready)
    standing = [supply for supply in able if supply.node in rooms]
    unknown = tuple(supply.node for supply in standing if supply.layouts is None and not supply.is_empty)
    ways: tuple[tuple[Verdict, Mapping[str, int], Counter[str], Layouts, bool], ...] = (
        (Verdict.CREATABLE, missing, ready, _as_it_stands, False),
        (Verdict.AFTER_RECLAIM, request, Counter[str](), _used_only, False),
        (Verdict.AFTER_DEFRAG, request, Counter[str](), _used_only, True),
    )
    hazy = any(map(_is_hazy, standing))
    try:
        for verdict, wanted, served, layouts_of, moves in ways:  # the first way that surely works
            sooner = verdict is not Verdict.CREATABLE and (bool(unknown) or (moves and hazy))
            chosen = packing.pack(_places(standing, layouts_of, moves=moves), wanted)
            if chosen is None and not _surely(standing, rooms, wanted, verdict):
                continue
            return Answer(
                request=request,
                verdict=verdict,
                ready=served,
                chosen=chosen or (),
                removed={} if verdict is Verdict.CREATABLE else _in_the_way(standing, chosen or ()),
                unknown_nodes=unknown,
                maybe_sooner=sooner,
            )
    except packing.TooLargeError as problem:
        return Refusal(reason=f"too large to decide: {problem}", next_action="ask for less at once")
    short = _short(standing, rooms, request)
    if short or not hazy:
        return Answer(request=request, verdict=Verdict.NO, ready=ready, short=short or None, unknown_nodes=unknown)
    return Answer(request=request, verdict=Verdict.PERHAPS, ready=ready, unknown_nodes=unknown)


def _ready(supplies: Iterable[Supply], request: Mapping[str, int]) -> Counter[str]:
    idle: Counter[str] = Counter()
    for supply in supplies:
        for name in request.keys() & supply.exist.keys():
            idle[name] += max(0, supply.exist[name] - supply.used.get(name, 0))
    return Counter({name: min(idle[name], count) for name, count in request.items() if idle[name]})


def _as_it_stands(supply: Supply) -> dict[int, Layout] | None:
    """Return the layout of each GPU, None where it is not known."""
    if supply.layouts is None and not supply.is_empty:
        return None
    return dict(supply.layouts) if supply.layouts is not None else _empty(supply)


def _used_only(supply: Supply) -> dict[int, Layout] | None:
    """Return where instances stand that must stay, None where that is not known.

    Of equal instances of which some are used, all must: then there may be more room than this, never less.
    """
    if not any(supply.used.values()):
        return dict.fromkeys(supply.layouts or range(supply.mig_gpus), frozenset())
    layouts = _as_it_stands(supply)
    if layouts is None:
        return None
    return {gpu: frozenset(one for one in layout if supply.used.get(one.profile)) for gpu, layout in layouts.items()}


def _in_the_way(supplies: Iterable[Supply], chosen: Iterable[Chosen]) -> dict[tuple[str, int], tuple[Instance, ...]]:
    """Return the idle instances of each chosen GPU that the new ones overlap: all of them after a defrag."""
    by_node = {supply.node: supply for supply in supplies}
    found = {}
    for one in chosen:
        supply = by_node[one.node]
        standing = (supply.layouts or {}).get(one.gpu, frozenset())
        idle = standing - (_used_only(supply) or {}).get(one.gpu, frozenset())
        taken = placement.units(one.model, one.witness.instances)
        gone = tuple(sorted(each for each in idle if one.moved or placement.units(one.model, (each,)) & taken))
        if gone:
            found[one.node, one.gpu] = gone
    return found


def _is_hazy(supply: Supply) -> bool:
    """True where it is not known for sure which places are used."""
    some_of = any(0 < count < supply.exist.get(name, 0) for name, count in supply.used.items())
    return _used_only(supply) is None or some_of


def _empty(supply: Supply) -> dict[int, Layout]:
    """Without instances, which of the node's GPUs are in MIG mode does not matter for what fits."""
    return dict.fromkeys(range(supply.mig_gpus), frozenset())


def _places(supplies: Iterable[Supply], layouts_of: Layouts, *, moves: bool) -> list[Place]:
    alike: defaultdict[tuple[str, Layout], list[tuple[str, int]]] = defaultdict(list)
    by_name: dict[str, GpuModel] = {}
    for supply in supplies:
        layouts = layouts_of(supply)
        if layouts is None or not isinstance(supply.gpu, GpuModel):
            continue
        by_name[supply.gpu.name] = supply.gpu
        for gpu, layout in layouts.items():
            alike[supply.gpu.name, layout].append((supply.node, gpu))
    return [Place(by_name[name], layout, tuple(gpus), moves=moves) for (name, layout), gpus in alike.items()]


def _surely(supplies: Iterable[Supply], rooms: Mapping[str, Room], wanted: Mapping[str, int], verdict: Verdict) -> bool:
    """True where counts alone make it sure: one profile is wanted, of which enough fit wherever all stands."""
    return len(wanted) == 1 and all(
        _sum_of(supplies, rooms, name, verdict, end=0) >= count for name, count in wanted.items()
    )


def _short(supplies: Iterable[Supply], rooms: Mapping[str, Room], request: Mapping[str, int]) -> dict[str, int]:
    """Return the profiles of which even the best case has too few, and how many there would be."""
    best = {name: _sum_of(supplies, rooms, name, Verdict.AFTER_DEFRAG, end=1) for name in request}
    return {name: best[name] for name, count in request.items() if best[name] < count}


def _sum_of(supplies: Iterable[Supply], rooms: Mapping[str, Room], name: str, verdict: Verdict, *, end: int) -> int:
    total = 0
    for supply in supplies:
        names = [profile.name for profile in supply.gpu.profiles] if isinstance(supply.gpu, GpuModel) else []
        if name in names:
            room = rooms[supply.node]
            ranges = {Verdict.CREATABLE: room.creatable, Verdict.AFTER_RECLAIM: room.after_reclaim}
            total += ranges.get(verdict, room.after_defrag)[end][names.index(name)]
    return total
