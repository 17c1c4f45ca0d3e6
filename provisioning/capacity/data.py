"""A look at the GPUs for machines: JSON, and CSV by node and profile. Pure."""

import csv
import io

from pydantic import JsonValue

from provisioning.capacity.holdings import Holding
from provisioning.capacity.inventory import WHOLE, Supply
from provisioning.capacity.measures import Range
from provisioning.capacity.profiles import GpuModel
from provisioning.capacity.question import Answer
from provisioning.capacity.solve import Room
from provisioning.capacity.view import ModelTotals, View

COLUMNS = (
    "node",
    "gpu",
    "state",
    "profile",
    "exist",
    "used",
    "ready",
    *(f"{what}_{end}" for what in ("creatable", "after_reclaim", "after_defrag") for end in ("low", "high")),
)


def data_of(
    view: View, answer: Answer | None = None, *, tenant: str | None = None, profile: str | None = None
) -> dict[str, JsonValue]:
    """Return the report's JSON, or what of it concerns one tenant or profile: ranges are [low, high], equal where
    exact."""
    over = view.overcommit
    waiting = [pod for pod in view.usage.waiting if tenant is None or pod.namespace == tenant]
    return {
        "exact": not view.unread,
        "read_nodes": view.read,
        "models": [_model(totals, profile) for totals in view.totals],
        "nodes": [_node(one, view.rooms.get(one.node), profile) for one in view.inventory.supplies],
        "tenants": [_holding(one) for one in view.holdings if tenant is None or one.namespace == tenant],
        "pending": [
            {
                "namespace": pod.namespace,
                "pod": pod.name,
                "requests": dict(pod.requests),
                "since": pod.since.isoformat() if pod.since else None,
                "reason": pod.reason,
            }
            for pod in waiting
        ],
        "pending_count": view.usage.waits if tenant is None else len(waiting),
        "overcommit": {"promised_gpus": str(over.promised), "gpus": over.there, "ratio": over.ratio},
        "fits": None if answer is None else answer_data(answer),
        "findings": [*view.inventory.findings, *view.failures],
    }


def answer_data(answer: Answer) -> dict[str, JsonValue]:
    """Return whether a request fits, and where, as JSON."""
    return {
        "request": dict(answer.request),
        "feasible": answer.fits,
        "verdict": answer.verdict.value,
        "ready": dict(answer.ready),
        "maybe_sooner": answer.maybe_sooner,
        "at_best": None if answer.short is None else dict(answer.short),
        "witness": [
            {
                "node": one.node,
                "gpu": one.gpu,
                "moved": one.moved,
                "removed": [str(each) for each in answer.removed.get((one.node, one.gpu), ())],
                "by_driver": one.witness.by_driver,
                "instances": [{"profile": made.profile, "start": made.start} for made in one.witness.instances],
            }
            for one in answer.chosen
        ],
    }


def csv_of(view: View, profile: str | None = None) -> str:
    """Return a row for each node and profile that it has or can have, or for the one *profile* alone."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for supply in view.inventory.supplies:
        head = (supply.node, str(supply.gpu.name if isinstance(supply.gpu, GpuModel) else supply.gpu))
        room = view.rooms.get(supply.node)
        names = [one.name for one in supply.gpu.profiles] if isinstance(supply.gpu, GpuModel) else []
        for at, name in enumerate(names):
            if profile not in {None, name}:
                continue
            exist, used = supply.exist.get(name, 0), supply.used.get(name, 0)
            ends = [] if room is None else [row[at] for ranges in _ranges(room) for row in ranges]
            writer.writerow((*map(_plain, head), supply.closed or "open", name, exist, used, exist - used, *ends))
        others = {WHOLE: supply.whole} if supply.whole else {}
        for name, count in (others | dict(supply.foreign)).items():
            if profile is not None:
                break
            held = supply.whole_used if name == WHOLE else ""
            writer.writerow((*map(_plain, head), supply.closed or "open", name, count, held))
    return text.getvalue()


def _plain(cell: str) -> str:
    """Return *cell* so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@"} else cell


def _ranges(room: Room) -> tuple[Range, Range, Range]:
    return room.creatable, room.after_reclaim, room.after_defrag


def _model(totals: ModelTotals, profile: str | None) -> dict[str, JsonValue]:
    return {
        "model": totals.gpu.name,
        "placements": totals.gpu.placements,
        "nodes": totals.nodes,
        "gpus": totals.gpus,
        "mig_gpus": totals.mig_gpus,
        "compute": totals.mig_gpus * totals.gpu.compute,
        "stranded_compute": list(totals.stranded),
        "fragmentation": [round(each, 4) for each in totals.whole_fragmentation],
        "profiles": [
            {
                "profile": one.name,
                "exist": totals.exist.get(one.name, 0),
                "used": totals.used.get(one.name, 0),
                "ready": totals.ready(one.name),
                "creatable": list(totals.of(totals.room.creatable, one.name)),
                "after_reclaim": list(totals.of(totals.room.after_reclaim, one.name)),
                "after_defrag": list(totals.of(totals.room.after_defrag, one.name)),
                "fragmentation": [round(each, 4) for each in totals.fragmentation(one.name)],
            }
            for one in totals.gpu.profiles
            if profile in {None, one.name}
        ],
    }


def _node(supply: Supply, room: Room | None, profile: str | None) -> dict[str, JsonValue]:
    known = isinstance(supply.gpu, GpuModel)
    found: dict[str, JsonValue] = {
        "node": supply.node,
        "model": supply.gpu.name if isinstance(supply.gpu, GpuModel) else None,
        "unknown": None if known else str(supply.gpu),
        "state": supply.closed or "open",
        "gpus": supply.gpus,
        "mig_gpus": supply.mig_gpus,
        "exist": {name: count for name, count in supply.exist.items() if profile in {None, name}},
        "used": {name: count for name, count in supply.used.items() if profile in {None, name}},
        "whole": {"exist": supply.whole, "used": supply.whole_used},
        "foreign": dict(supply.foreign),
    }
    if room is not None and isinstance(supply.gpu, GpuModel):
        names = [one.name for one in supply.gpu.profiles]
        found["creatable"] = {
            name: [room.creatable[0][at], room.creatable[1][at]]
            for at, name in enumerate(names)
            if profile in {None, name}
        }
    if supply.layouts is not None:
        found["layouts"] = {
            str(gpu): [{"profile": one.profile, "start": one.start} for one in sorted(layout)]
            for gpu, layout in sorted(supply.layouts.items())
        }
    return found


def _holding(one: Holding) -> dict[str, JsonValue]:
    return {
        "namespace": one.namespace,
        "slices": dict(one.slices),
        "gpus": round(float(one.gpus), 4),
        "max_resources": None if one.limit is None else float(one.limit),
        "waiting": len(one.waiting),
    }
