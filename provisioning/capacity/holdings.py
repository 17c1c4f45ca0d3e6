"""Who holds what: slices by namespace, as shares of GPUs, against the tenants' limits. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from pydantic import ValidationError

from commands.tenants import TenantCreate
from provisioning.capacity.inventory import WHOLE, Supply
from provisioning.capacity.profiles import GpuModel
from provisioning.clients.cluster_objects import GpuUsage, WaitingPod

if TYPE_CHECKING:
    from provisioning.store.tenants import TenantRecord


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What one namespace holds. ``gpus`` is the sum of its slices' shares, as queues count them."""

    namespace: str
    slices: Mapping[str, int]  # profile, or resource where the model is not known → count
    gpus: Fraction
    limit: Decimal | None  # the tenant's maxResources; None for who is no tenant
    waiting: tuple[WaitingPod, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Overcommit:
    """What tenants may use together beside what there is, in GPUs."""

    promised: Decimal
    there: int
    tenants: int

    @property
    def ratio(self) -> float | None:
        """Return promised over there; None where there is no GPU."""
        return float(self.promised / self.there) if self.there else None


@dataclass
class _Sum:
    slices: Counter[str] = field(default_factory=Counter)
    gpus: Fraction = Fraction(0)
    waiting: list[WaitingPod] = field(default_factory=list)


def holdings(usage: GpuUsage, supplies: Iterable[Supply], limits: Mapping[str, Decimal]) -> tuple[Holding, ...]:
    """Return every namespace that holds or waits for GPUs, and every tenant of *limits*; who holds most first."""
    by_node = {supply.node: supply for supply in supplies}
    found: defaultdict[str, _Sum] = defaultdict(_Sum)
    parts: Counter[tuple[str, int, int]] = Counter()  # fractions are slow to add: each kind once, below
    for (node, namespace, resource), count in usage.held.items():
        supply = by_node.get(node)
        if supply is not None:
            name, share = _share(supply, resource)
            found[namespace].slices[name] += count
            parts[namespace, share.numerator, share.denominator] += count
    for (namespace, numerator, denominator), count in parts.items():
        found[namespace].gpus += Fraction(numerator * count, denominator)
    for pod in usage.waiting:
        found[pod.namespace].waiting.append(pod)
    every = [
        Holding(
            namespace=name,
            slices=dict(sorted(found[name].slices.items())),
            gpus=found[name].gpus,
            limit=limits.get(name),
            waiting=tuple(found[name].waiting),
        )
        for name in {*found, *limits}
    ]
    return tuple(sorted(every, key=lambda one: (-one.gpus, -len(one.waiting), one.namespace)))


def limits_of(tenants: "Iterable[TenantRecord]") -> dict[str, Decimal]:
    """Return each recorded tenant's maxResources, in GPUs. One whose record is none any more is left out."""
    found = {}
    for one in tenants:
        with suppress(ValidationError):
            found[one.name] = TenantCreate.model_validate(one.request).max_resources
    return found


def overcommit(supplies: Iterable[Supply], limits: Mapping[str, Decimal]) -> Overcommit:
    """Return everyone's full quota beside the GPUs of the nodes that are open."""
    there = sum(supply.gpus for supply in supplies if not supply.closed)
    return Overcommit(promised=sum(limits.values(), Decimal(0)), there=there, tenants=len(limits))


def holders(usage: GpuUsage, supplies: Iterable[Supply]) -> dict[str, dict[str, Counter[str]]]:
    """Return node → profile → namespace → instances."""
    by_node = {supply.node: supply for supply in supplies}
    found: dict[str, dict[str, Counter[str]]] = {}
    for (node, namespace, resource), count in usage.held.items():
        if node in by_node:
            name, _ = _share(by_node[node], resource)
            found.setdefault(node, {}).setdefault(name, Counter())[namespace] += count
    return found


def _share(supply: Supply, resource: str) -> tuple[str, Fraction]:
    """Return what *resource* is called on this node, and its share of a GPU (0 where that is not known)."""
    if isinstance(supply.gpu, GpuModel):
        profile = supply.gpu.profile_of(resource)
        if profile is None and resource == WHOLE and not supply.whole and len(supply.exist) == 1:
            profile = supply.gpu.profile(next(iter(supply.exist)))  # strategy single
        if profile is not None:
            return profile.name, _part(profile.size, supply.gpu.units)
    if resource == WHOLE:
        shares = supply.whole // supply.gpus if supply.gpus and supply.whole > supply.gpus else 1
        return "whole GPU" if shares == 1 else "shared GPU", _part(1, shares)
    return resource, _part(0, 1)


@lru_cache(maxsize=256)
def _part(numerator: int, denominator: int) -> Fraction:
    return Fraction(numerator, denominator)
