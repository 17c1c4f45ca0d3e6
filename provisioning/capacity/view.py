"""Everything that one look at the GPUs found, computed once for reports, pictures and plans. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from provisioning.capacity import placement
from provisioning.capacity.holdings import Holding, Overcommit, holdings, overcommit
from provisioning.capacity.inventory import Inventory, Supply
from provisioning.capacity.measures import Range
from provisioning.capacity.profiles import GpuModel
from provisioning.capacity.solve import Room, nothing, rooms
from provisioning.clients.cluster_objects import GpuUsage


@dataclass(frozen=True, kw_only=True)
class ModelTotals:
    """All open nodes of one model. Ranges are (least, greatest); both ends equal where it is exact."""

    gpu: GpuModel
    nodes: int
    gpus: int
    mig_gpus: int
    exist: Mapping[str, int]
    used: Mapping[str, int]
    room: Room

    def ready(self, profile: str) -> int:
        return self.exist.get(profile, 0) - self.used.get(profile, 0)

    def of(self, ranges: Range, profile: str) -> tuple[int, int]:
        at = [one.name for one in self.gpu.profiles].index(profile)
        return ranges[0][at], ranges[1][at]

    @property
    def stranded(self) -> tuple[int, int]:
        """Return the compute slices that no instance has and none can be created for."""
        return self.room.creatable[0][-1], self.room.creatable[1][-1]

    def fragmentation(self, profile: str) -> tuple[float, float]:
        """Return which share of what could be had is lost to places: least and most."""
        return _lost(self.of(self.room.after_reclaim, profile), self.of(self.room.after_defrag, profile))

    @property
    def whole_fragmentation(self) -> tuple[float, float]:
        """Return the same over all profiles, each weighed by its size."""
        sizes = [one.size for one in self.gpu.profiles]

        def weighed(ranges: Range) -> tuple[int, int]:
            low, high = (sum(size * count for size, count in zip(sizes, row, strict=False)) for row in ranges)
            return low, high

        return _lost(weighed(self.room.after_reclaim), weighed(self.room.after_defrag))


@dataclass(frozen=True, kw_only=True)
class View:
    """One look. ``read`` says how many nodes' places were read from the nodes themselves."""

    inventory: Inventory
    usage: GpuUsage
    rooms: Mapping[str, Room]
    totals: tuple[ModelTotals, ...]
    holdings: tuple[Holding, ...]
    overcommit: Overcommit
    read: int = 0
    failures: tuple[str, ...] = ()

    @property
    def unread(self) -> tuple[Supply, ...]:
        """Return the nodes of which counts are known and places are not."""
        return tuple(
            one
            for one in self.inventory.supplies
            if one.node in self.rooms and one.layouts is None and not one.is_empty
        )

    @property
    def contradicting(self) -> tuple[str, ...]:
        """Return the nodes whose counts cannot be: of them only what is ready is known."""
        return tuple(
            one.node
            for one in self.inventory.supplies
            if isinstance(one.gpu, GpuModel) and one.mig_gpus and one.node not in self.rooms
        )


def look(
    inventory: Inventory,
    usage: GpuUsage,
    limits: Mapping[str, Decimal],
    *,
    read: int = 0,
    failures: tuple[str, ...] = (),
) -> View:
    """Return everything about *inventory*; *limits* are the tenants' maxResources."""
    found = rooms(inventory.supplies)
    return View(
        inventory=inventory,
        usage=usage,
        rooms=found,
        totals=_totals(inventory, found),
        holdings=holdings(usage, inventory.supplies, limits),
        overcommit=overcommit(inventory.supplies, limits),
        read=read,
        failures=failures,
    )


def _totals(inventory: Inventory, found: Mapping[str, Room]) -> tuple[ModelTotals, ...]:
    by_model: defaultdict[str, list[Supply]] = defaultdict(list)
    models: dict[str, GpuModel] = {}
    for supply in inventory.supplies:
        if isinstance(supply.gpu, GpuModel) and not supply.closed:
            models[supply.gpu.name] = supply.gpu
            by_model[supply.gpu.name].append(supply)
    totals = []
    for name in sorted(by_model, key=lambda name: (-sum(one.gpus for one in by_model[name]), name)):
        supplies, model = by_model[name], models[name]
        exist: defaultdict[str, int] = defaultdict(int)
        used: defaultdict[str, int] = defaultdict(int)
        alike: defaultdict[Room, int] = defaultdict(int)
        for supply in supplies:
            for profile, count in supply.exist.items():
                exist[profile] += count
            for profile, count in supply.used.items():
                used[profile] += count
            if supply.node in found:
                alike[found[supply.node]] += 1
        room = nothing(model)
        for one, number in alike.items():
            room = room.plus(one.times(number))
        totals.append(
            ModelTotals(
                gpu=model,
                nodes=len(supplies),
                gpus=sum(one.gpus for one in supplies),
                mig_gpus=sum(one.mig_gpus for one in supplies),
                exist=dict(exist),
                used=dict(used),
                room=room,
            )
        )
    return tuple(totals)


def _lost(reclaim: tuple[int, int], defrag: tuple[int, int]) -> tuple[float, float]:
    """Return the range of 1 - reclaim/defrag, where reclaim is never more than defrag."""
    least = placement.fragmentation(min(reclaim[1], defrag[0]), defrag[0])
    most = placement.fragmentation(min(reclaim[0], defrag[1]), defrag[1])
    return max(0.0, least), max(least, most)
