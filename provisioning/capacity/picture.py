"""A look at the GPUs as a picture: which slices of which GPU whose pods hold. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TypeAlias

from provisioning.capacity import driver, packing
from provisioning.capacity.holdings import holders
from provisioning.capacity.inventory import Supply
from provisioning.capacity.packing import Place
from provisioning.capacity.placement import Instance, Layout
from provisioning.capacity.profiles import GpuModel
from provisioning.capacity.profiles import model as model_called
from provisioning.capacity.view import View
from provisioning.charts import gpu_map
from provisioning.charts.gpu_map import GpuBar, Slice
from provisioning.reports import Attachment

Owners: TypeAlias = Mapping[str, Iterator[str]]  # profile → whose instances they are, one by one

NAME = "gpu-map.png"


def gpu_picture(view: View) -> Attachment | None:
    """Return the map as an attachment; None where there is no GPU to draw."""
    bars = bars_of(view)
    if not bars:
        return None
    note = (
        "Places as read from the nodes"
        if not view.unread
        else "Places within a node are not known: drawn as they may be"
    )
    if any(
        0 < used < supply.exist.get(name, 0) for supply in view.inventory.supplies for name, used in supply.used.items()
    ):
        note += "; which of a node's equal slices is whose is not known"
    content = gpu_map.draw(bars, title="GPU map", note=note)
    return Attachment(name=NAME, content=content, alt=gpu_map.describe(bars))


def bars_of(view: View) -> list[GpuBar]:
    """Return a bar for each GPU, node by node."""
    held = holders(view.usage, view.inventory.supplies)
    bars: list[GpuBar] = []
    for supply in view.inventory.supplies:
        owners = {name: iter(counter.elements()) for name, counter in held.get(supply.node, {}).items()}
        if isinstance(supply.gpu, GpuModel):
            bars += _bars(supply, supply.gpu, owners)
        else:
            bars += _whole(supply, str(supply.gpu), 1, range(supply.gpus), owners)
    return bars


def _bars(supply: Supply, gpu: GpuModel, owners: Owners) -> list[GpuBar]:
    layouts = supply.layouts
    if layouts is None:
        exist = tuple(sorted((name, count) for name, count in supply.exist.items() if count))
        layouts = dict(enumerate(_arranged(gpu.name, exist, supply.mig_gpus)))
    bars = [
        GpuBar(
            node=supply.node,
            label=f"GPU {index}",
            model=gpu.name,
            units=gpu.units,
            slices=tuple(
                Slice(
                    start=one.start,
                    size=gpu.profile(one.profile).size,
                    profile=one.profile,
                    holder=next(owners.get(one.profile, iter(())), None),
                )
                for one in sorted(layout, key=lambda one: one.start)
            ),
            closed=bool(supply.closed),
        )
        for index, layout in sorted(layouts.items())
    ]
    rest = [index for index in range(supply.gpus) if index not in layouts]
    return [*bars, *_whole(supply, gpu.name, gpu.units, rest, owners)]


def _whole(supply: Supply, model: str, units: int, indexes: Iterable[int], owners: Owners) -> list[GpuBar]:
    """Return GPUs that are handed out as a whole: held by somebody, or free."""
    taken = owners.get("whole GPU", iter(()))
    bars = []
    for index in indexes:
        holder = next(taken, None)
        slices = () if holder is None else (Slice(start=0, size=units, profile="whole", holder=holder),)
        bars.append(
            GpuBar(
                node=supply.node,
                label=f"GPU {index}",
                model=model,
                units=units,
                slices=slices,
                closed=bool(supply.closed),
            )
        )
    return bars


@lru_cache(maxsize=4096)
def _arranged(model_name: str, exist: tuple[tuple[str, int], ...], gpus: int) -> tuple[Layout, ...]:
    """Return layouts that hold *exist* on so many GPUs: one of the ways in which they may stand."""
    model = model_called(model_name)
    layouts: list[Layout] = [frozenset()] * gpus
    counts = dict(exist)
    for profile in driver.largest_first(model):
        for _ in range(counts.get(profile.name, 0)):
            for at, layout in enumerate(layouts):
                start = driver.driver_start(model, profile.name, layout)
                if start is not None:
                    layouts[at] = layout | {Instance(profile.name, start)}
                    break
            else:
                return _searched(model, counts, gpus) or tuple(layouts)
    return tuple(layouts)


def _searched(model: GpuModel, counts: Mapping[str, int], gpus: int) -> tuple[Layout, ...] | None:
    try:
        chosen = packing.pack([Place(model, frozenset(), tuple(("", at) for at in range(gpus)))], counts)
    except packing.TooLargeError:
        return None
    if chosen is None:
        return None
    layouts: list[Layout] = [frozenset()] * gpus
    for one in chosen:
        layouts[one.gpu] = frozenset(one.witness.instances)
    return tuple(layouts)
