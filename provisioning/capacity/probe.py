"""Where the instances stand, read from the nodes themselves: `nvidia-smi mig -lgi` by exec."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from provisioning.capacity.inventory import Inventory, Supply
from provisioning.capacity.measures import counts_of
from provisioning.capacity.placement import IllegalLayoutError, Instance, Layout, check
from provisioning.capacity.profiles import GpuModel
from provisioning.errors import ChatopsError
from provisioning.gpu_modes import GpuInstance, GpuMode, Verdict
from provisioning.looks import Tell, look_at_all, tell_nobody

PARALLEL = 8
MOST_NODES = 200  # of one look: each is an exec of a second or so


class Smi(Protocol):
    def plugins(self) -> dict[str, str]: ...

    def modes(self, node: str, pod: str | None = None) -> tuple[GpuMode, ...]: ...

    def instances(self, node: str, pod: str | None = None) -> tuple[GpuInstance, ...]: ...


@dataclass(frozen=True, kw_only=True)
class Probed:
    """The inventory with what was read. ``failures`` name the nodes that could not be read, and why."""

    inventory: Inventory
    read: int
    failures: tuple[str, ...] = ()


def read_places(inventory: Inventory, smi: Smi, tell: Tell = tell_nobody) -> Probed:
    """Return *inventory* with the layouts of its nodes in MIG mode. One node that fails keeps no other from it.

    *tell* hears how many of how many nodes are read, and how many could not be.
    """
    able = [supply for supply in inventory.supplies if isinstance(supply.gpu, GpuModel) and supply.mig_gpus]
    chosen, left = able[:MOST_NODES], able[MOST_NODES:]
    try:
        plugins = smi.plugins() if chosen else {}
    except ChatopsError as error:
        return Probed(inventory=inventory, read=0, failures=(f"no node could be read: {error}",))

    def said(done: Sequence[tuple[Supply, str]]) -> str:
        failed = sum(supply.layouts is None for supply, _ in done)
        words = f"{len(done)} of {len(chosen)} nodes read"
        return f"{words}, {failed} of them in vain" if failed else words

    looked = look_at_all(chosen, lambda supply: _look(supply, smi, plugins), said, tell, at_once=PARALLEL)
    found = {supply.node: (supply, said) for supply, said in looked if supply.layouts is not None}
    failures = [f"{supply.node}: {said}" for supply, said in looked if supply.layouts is None]
    if left:
        failures.append(f"{len(left)} more nodes were not read ({MOST_NODES} at most): name one with --node")
    odd = tuple(said for _, said in found.values() if said)
    supplies = tuple(found[one.node][0] if one.node in found else one for one in inventory.supplies)
    findings = (*inventory.findings, *odd)
    return Probed(inventory=Inventory(supplies=supplies, findings=findings), read=len(found), failures=tuple(failures))


def _look(supply: Supply, smi: Smi, plugins: Mapping[str, str]) -> tuple[Supply, str]:
    """Return the supply with its layouts, or as it was with the reason why they are not known."""
    pod, gpu = plugins.get(supply.node), supply.gpu
    if pod is None or not isinstance(gpu, GpuModel):
        return supply, "no device plugin's pod runs there"
    try:
        instances = smi.instances(supply.node, pod)
        modes = smi.modes(supply.node, pod) if supply.mig_gpus < supply.gpus else ()
        layouts = _layouts(gpu, _in_mig_mode(supply, modes), instances)
    except ChatopsError as error:
        return supply, str(error)
    except (IllegalLayoutError, KeyError) as error:
        return supply, f"its instances are not those of a {gpu.name}: {error.args[0]}"
    seen = replace(supply, layouts=layouts, mig_gpus=max(supply.mig_gpus, len(layouts)))
    return seen, _difference(supply, layouts.values())


def _in_mig_mode(supply: Supply, modes: Sequence[GpuMode]) -> Iterable[int]:
    if not modes:
        return range(supply.gpus)
    return [gpu.index for gpu in modes if gpu.verdict in {Verdict.ENABLED, Verdict.DISABLE_PENDING}]


def _layouts(gpu: GpuModel, in_mig: Iterable[int], instances: Sequence[GpuInstance]) -> dict[int, Layout]:
    placed: defaultdict[int, list[Instance]] = defaultdict(list)
    for one in instances:
        placed[one.gpu].append(Instance(gpu.profile(one.profile).name, one.start))
    return {index: check(gpu, placed[index]) for index in sorted({*in_mig, *placed})}


def _difference(supply: Supply, layouts: Iterable[Layout]) -> str:
    """Return what the node's cards hold beside what it offers, "" where they agree."""
    there: Counter[str] = Counter()
    for layout in layouts:
        there += counts_of(layout)
    if there == Counter(supply.exist):
        return ""
    cards = ", ".join(f"{count} x {name}" for name, count in sorted(there.items())) or "nothing"
    offers = ", ".join(f"{count} x {name}" for name, count in sorted(supply.exist.items())) or "nothing"
    return f"{supply.node}'s cards hold {cards}, the node offers {offers}: restart its device plugin"
