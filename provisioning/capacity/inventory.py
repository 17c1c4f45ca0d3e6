"""What GPU nodes hold, typed: labels, resources and what pods took of them → supplies. Pure.

Sources: GPU feature discovery's labels, the device plugin's resources under both strategies, pods' requests.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from provisioning.capacity.placement import Layout
from provisioning.capacity.profiles import (
    COUNT_LABEL,
    PRODUCT_LABEL,
    RESOURCE_PREFIX,
    Gpu,
    GpuModel,
    UnknownGpu,
    identify,
    models,
)
from provisioning.clients.cluster_objects import GpuUsage, Node

WHOLE = "nvidia.com/gpu"
STRATEGY_LABEL = "nvidia.com/mig.strategy"
REPLICAS_LABEL = "nvidia.com/gpu.replicas"  # 0 where every GPU is in MIG mode
CAPABLE_LABEL = "nvidia.com/mig.capable"


@dataclass(frozen=True, kw_only=True)
class Supply:
    """One node's GPUs. Profiles go by our names; counts are of instances.

    ``layouts`` is where the instances stand, a layout for each GPU in MIG mode, by its index; None where that is
    not known. ``closed`` says why no new pod comes here, "" where one may.
    """

    node: str
    gpu: Gpu
    gpus: int  # physical ones
    mig_gpus: int  # of these in MIG mode
    exist: Mapping[str, int] = field(default_factory=dict)  # profile → instances that the node offers
    used: Mapping[str, int] = field(default_factory=dict)  # profile → instances that scheduled pods hold
    whole: int = 0  # GPUs (or shares of them, where they are shared) offered as a whole
    whole_used: int = 0
    foreign: Mapping[str, int] = field(default_factory=dict)  # other GPU resources, by their own names
    closed: str = ""
    layouts: Mapping[int, Layout] | None = None

    @property
    def is_empty(self) -> bool:
        """True where no instance exists: then the layout of every GPU is known without looking."""
        return not any(self.exist.values())


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """All GPU nodes, and what about them is not as it should be."""

    supplies: tuple[Supply, ...]
    findings: tuple[str, ...] = ()


def take_stock(nodes: Iterable[Node], usage: GpuUsage) -> Inventory:
    """Return every node that has GPUs, or says so, with what its pods hold."""
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (name, _namespace, resource), count in usage.held.items():
        held[name][resource] += count
    supplies, findings = [], []
    for node in nodes:
        if not _has_gpus(node):
            continue
        supply, said = _supply(node, held[node.name])
        supplies.append(supply)
        findings += said
    return Inventory(supplies=tuple(supplies), findings=tuple(findings))


def _has_gpus(node: Node) -> bool:
    return any(name.startswith("nvidia.com/") for name in node.allocatable) or bool(node.labels.get(PRODUCT_LABEL))


def _supply(node: Node, held: Mapping[str, int]) -> tuple[Supply, list[str]]:
    gpu = _identify(tuple(sorted((name, value) for name, value in node.labels.items() if name.startswith("nvidia"))))
    closed = "cordoned" if node.unschedulable else "" if node.ready else "not ready"
    offered = {name: count for name, text in node.allocatable.items() if (count := _number(text))}
    gpus = _number(node.labels.get(COUNT_LABEL))
    if node.labels.get(STRATEGY_LABEL) == "single" and "-MIG-" in node.labels.get(PRODUCT_LABEL, ""):
        return _single(node, gpu, offered, held, closed)
    exist, used, foreign, findings = _instances(node, gpu, offered, held)
    whole, shares = offered.get(WHOLE, 0), max(1, _number(node.labels.get(REPLICAS_LABEL)))
    all_mig = node.labels.get(REPLICAS_LABEL) == "0"
    capable = node.labels.get(CAPABLE_LABEL) == "true"
    mixed = bool(exist) or (bool(whole) and capable and node.labels.get(STRATEGY_LABEL) == "mixed")
    healthy_or_not = _number(node.capacity.get(WHOLE)) or whole
    mig_gpus = gpus if all_mig else max(0, gpus - healthy_or_not // shares) if mixed else 0
    if isinstance(gpu, GpuModel) and gpus and not exist and not whole and not all_mig:
        findings.append(
            f"{node.name} advertises none of its {gpus} GPUs: "
            + ("look at its device plugin; or MIG is on without instances" if capable else "look at its device plugin")
        )
    if exist and not gpus:
        findings.append(f"{node.name} does not say how many GPUs it has (label {COUNT_LABEL}): only ready is known")
    supply = Supply(
        node=node.name,
        gpu=gpu,
        gpus=gpus,
        mig_gpus=mig_gpus if isinstance(gpu, GpuModel) else 0,
        exist=exist,
        used=used,
        whole=whole,
        whole_used=held.get(WHOLE, 0),
        foreign=foreign,
        closed=closed,
    )
    return supply, findings


def _instances(
    node: Node, gpu: Gpu, offered: Mapping[str, int], held: Mapping[str, int]
) -> tuple[Counter[str], Counter[str], dict[str, int], list[str]]:
    """Return what exists and what is used by our names, resources that the model does not have, and findings."""
    exist: Counter[str] = Counter()
    used: Counter[str] = Counter()
    foreign: dict[str, int] = {}
    findings = []
    for resource in sorted({*offered, *held}):
        if not resource.startswith(RESOURCE_PREFIX):
            continue
        there, taken = offered.get(resource, 0), held.get(resource, 0)
        profile = gpu.profile_of(resource) if isinstance(gpu, GpuModel) else None
        if profile is None:
            foreign |= {resource: there} if there else {}
            if there and isinstance(gpu, GpuModel):
                findings.append(f"{node.name} offers {there} x {resource}, which a {gpu.name} does not have")
            continue
        exist[profile.name] += there
        used[profile.name] += min(taken, there)
        if taken > there:
            findings.append(
                f"{node.name} offers {there} x {profile.name} and its pods hold {taken}:"
                " the instances went away under them (a reboot loses them)"
            )
        labelled = node.labels.get(f"{resource}.count")
        if labelled is not None and labelled != str(there):
            findings.append(
                f"{node.name} offers {there} x {profile.name}, its label says {labelled}: one of them is out of date"
            )
    return +exist, +used, foreign, findings


def _single(
    node: Node, gpu: Gpu, offered: Mapping[str, int], held: Mapping[str, int], closed: str
) -> tuple[Supply, list[str]]:
    """Under strategy single every GPU is cut alike and its instances are called nvidia.com/gpu."""
    there, taken = offered.get(WHOLE, 0), held.get(WHOLE, 0)
    name = node.labels[PRODUCT_LABEL].removesuffix("-SHARED").partition("-MIG-")[2]
    profile = gpu.profile_of(RESOURCE_PREFIX + name) if isinstance(gpu, GpuModel) else None
    if profile is None:
        shown = Supply(node=node.name, gpu=gpu, gpus=0, mig_gpus=0, whole=there, whole_used=taken, closed=closed)
        return shown, [f"{node.name} has strategy single with slices {name}, of a GPU that is not known for sure"]
    gpus, rest = divmod(there, profile.max)
    supply = Supply(
        node=node.name,
        gpu=gpu,
        gpus=gpus,
        mig_gpus=gpus if not rest else 0,
        exist={profile.name: there},
        used={profile.name: min(taken, there)},
        closed=closed,
    )
    findings = [f"{node.name} has strategy single: its {there} x {profile.name} are requested as {WHOLE}"]
    if rest:
        findings.append(
            f"{node.name} does not say on how many GPUs its {there} x {profile.name} lie: only ready is known"
        )
    return supply, findings


@lru_cache(maxsize=4096)
def _identify(labels: tuple[tuple[str, str], ...]) -> Gpu:
    """Return the GPU, also where the labels are those of its slices: then product and profile must name one model."""
    found = dict(labels)
    gpu = identify(found)
    base, cut, name = found.get(PRODUCT_LABEL, "").removesuffix("-SHARED").partition("-MIG-")
    if isinstance(gpu, GpuModel) or not cut:
        return gpu
    plain = base.removeprefix("NVIDIA-")
    fitting = [
        one
        for one in models()
        if any(plain == product or plain.startswith(f"{product}-") for product in one.products)
        and one.profile_of(RESOURCE_PREFIX + name) is not None
    ]
    return fitting[0] if len(fitting) == 1 else UnknownGpu(product=gpu.product, memory_mib=gpu.memory_mib)


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else 0
