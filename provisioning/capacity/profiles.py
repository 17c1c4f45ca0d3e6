"""What MIG can make of each GPU model: the table, the way from node labels to a model, fractions to profiles.

Nothing is guessed: a GPU that the table does not know is named as unknown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property
from importlib.resources import files
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict

PRODUCT_LABEL = "nvidia.com/gpu.product"
MEMORY_LABEL = "nvidia.com/gpu.memory"  # MiB
COUNT_LABEL = "nvidia.com/gpu.count"  # physical GPUs, also where all are in MIG mode
RESOURCE_PREFIX = "nvidia.com/mig-"


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Profile(_Row):
    """One kind of MIG slice on one GPU model. ``size`` and ``starts`` are in placement units."""

    name: str  # 3g.40gb
    id: int  # NVIDIA's profile id
    compute: int  # compute slices, the number before the g
    size: int
    max: int  # instances on one GPU, at most
    starts: tuple[int, ...]
    engines: dict[str, int] = {}  # what one instance takes of the GPU's shared engines


class GpuModel(_Row):
    """One row of the table. ``placements`` says how far ``starts`` are known: hardware, quoted, inferred."""

    name: str
    products: tuple[str, ...]  # what nvidia.com/gpu.product starts with, after NVIDIA-
    memory_mib: tuple[int, int]  # of nvidia.com/gpu.memory, both ends included
    units: int
    compute: int  # compute slices of the whole GPU
    placements: str
    engines: dict[str, int] = {}  # the shared engines there are: {"nvdec": 4, "ofa": 1}
    aliases: dict[str, str] = {}  # another driver's name of a profile → ours
    profiles: tuple[Profile, ...]

    def profile(self, name: str) -> Profile:
        """Return the profile that any driver calls *name*. Raises: KeyError, with the names there are."""
        ours = self.aliases.get(name, name)
        for profile in self.profiles:
            if profile.name == ours:
                return profile
        known = ", ".join(profile.name for profile in self.profiles)
        raise KeyError(f"{self.name} has no profile {name!r}; it has: {known}")

    def profile_of(self, resource: str) -> Profile | None:
        """Return the profile that nodes advertise as *resource* (``nvidia.com/mig-1g.10gb.me``), None for others."""
        return self._by_resource.get(resource)

    @cached_property
    def _by_resource(self) -> dict[str, Profile]:
        ours = {profile.name: profile for profile in self.profiles}
        named = {**ours, **{alias: ours[name] for alias, name in self.aliases.items() if name in ours}}
        return {RESOURCE_PREFIX + name.replace("+", "."): profile for name, profile in named.items()}

    def fractions(self) -> dict[Decimal, Profile]:
        """Return the shares of the GPU that one instance can be, largest first, and the profile of each.

        A share is a profile's placement units over the GPU's. Of several plain profiles of one size the one
        nearest to that share of the compute slices is taken, of two equally near the smaller, which fits
        more often: ``0.5`` of an 8-unit GPU is 3g, not 4g; ``0.25`` is 2g, not 1g with twice the memory.
        """
        plain = [profile for profile in self.profiles if not set("+-") & set(profile.name)]
        found: dict[Decimal, Profile] = {}
        for profile in sorted(plain, key=self._order_of_shares):
            found.setdefault(Decimal(profile.size) / self.units, profile)
        return found

    def resource(self, profile: Profile, advertised: Iterable[str] = ()) -> str:
        """Return the extended resource of *profile* by the name that nodes use, given what they *advertise*.

        ``nvidia.com/mig-3g.40gb``; where nodes advertise neither our name nor an alias, ours.
        """
        names = frozenset(advertised)
        spoken = (profile.name, *(alias for alias, ours in self.aliases.items() if ours == profile.name))
        resources = [RESOURCE_PREFIX + name.replace("+", ".") for name in spoken]
        return next((resource for resource in resources if resource in names), resources[0])

    def _order_of_shares(self, profile: Profile) -> tuple[int, int, int]:
        off = abs(profile.compute * self.units - profile.size * self.compute)
        return (-profile.size, off, profile.compute)


class _Table(_Row):
    note: str
    models: tuple[GpuModel, ...]


@dataclass(frozen=True, kw_only=True)
class UnknownGpu:
    """A GPU that the table does not know, by its own labels."""

    product: str
    memory_mib: int | None

    def __str__(self) -> str:
        memory = f"{self.memory_mib} MiB" if self.memory_mib is not None else f"no label {MEMORY_LABEL}"
        return f"{self.product or f'no label {PRODUCT_LABEL}'} ({memory})"


Gpu: TypeAlias = GpuModel | UnknownGpu


@cache
def models() -> tuple[GpuModel, ...]:
    """Return the whole table. Source: profiles.json beside this file."""
    text = files("provisioning.capacity").joinpath("profiles.json").read_text(encoding="utf-8")
    return _Table.model_validate_json(text).models


def model(name: str) -> GpuModel:
    """Return the model called *name*. Raises: KeyError."""
    for one in models():
        if one.name == name:
            return one
    raise KeyError(name)


def identify(labels: Mapping[str, str]) -> Gpu:
    """Return what GPU a node holds. Source: GPU feature discovery's product and memory labels."""
    product = labels.get(PRODUCT_LABEL, "")
    memory = labels.get(MEMORY_LABEL, "")
    memory_mib = int(memory) if memory.isascii() and memory.isdigit() else None
    # Sharing and strategy "single" add to the product: NVIDIA-A100-SXM4-40GB-MIG-1g.5gb, …-SHARED.
    plain = product.removesuffix("-SHARED").partition("-MIG-")[0].removeprefix("NVIDIA-")
    for one in models():
        first, last = one.memory_mib
        named = any(plain == name or plain.startswith(f"{name}-") for name in one.products)
        if named and memory_mib is not None and first <= memory_mib <= last:
            return one
    return UnknownGpu(product=product, memory_mib=memory_mib)
