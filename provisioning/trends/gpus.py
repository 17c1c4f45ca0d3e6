"""Measures of GPU capacity, from one look at the nodes that take pods. Pure."""

from provisioning.capacity.profiles import GpuModel
from provisioning.capacity.view import ModelTotals, View


def of_gpus(view: View) -> dict[str, float]:
    """Return measure → value. Closed nodes do not count: nobody can run there."""
    supplies = [one for one in view.inventory.supplies if not one.closed]
    exist = sum(sum(one.exist.values()) for one in supplies)
    used = sum(sum(one.used.values()) for one in supplies)
    return {
        "gpus": sum(one.gpus for one in supplies),
        "gpus.idle": sum(max(0, one.whole - one.whole_used) for one in supplies),
        "slices.used": used,
        "slices.idle": max(0, exist - used),
        "slices.room": sum(map(_room, view.totals)),
        "pods.waiting": view.usage.waits,
    }


def _room(totals: ModelTotals) -> int:
    """Return how many of the smallest slices the model's GPUs can hold beside what is used, at least."""
    return totals.of(totals.room.after_reclaim, _smallest(totals.gpu))[0]


def _smallest(model: GpuModel) -> str:
    """Return the smallest plain profile: ``1g.10gb``, and not the one with media engines, of which a GPU has one."""
    return min(model.profiles, key=lambda one: (one.size, "+" in one.name or ".me" in one.name, -one.max)).name
