"""A look at the GPUs as bars: of each profile how many instances are used, ready and creatable. Pure."""

from provisioning.capacity.view import ModelTotals, View
from provisioning.reports import Bars

MOST_MODELS = 2  # charts in one message


def bars_of(view: View, profile: str | None = None) -> list[Bars]:
    """Return bars of the models with the most GPUs, by profile; of one *profile*, by model.

    A profile of which there is nothing, and for sure can be nothing, has no bar; nor has a model without any.
    """
    if profile is not None:
        return _chart(
            f"{profile} by model", [(one.gpu.name, one, profile) for one in view.totals if _has(one, profile)]
        )
    found = []
    for totals in view.totals:
        rows = [(one.name, totals, one.name) for one in totals.gpu.profiles]
        found += _chart(f"{totals.gpu.name}: instances by profile", rows)
    return found[:MOST_MODELS]


def _chart(title: str, rows: list[tuple[str, ModelTotals, str]]) -> list[Bars]:
    """Return the bars of *rows*: label, totals, profile."""
    counted = [(label, _numbers(totals, profile)) for label, totals, profile in rows]
    kept = [(label, numbers) for label, numbers in counted if any(numbers[:3])]
    if not kept:
        return []
    exact = all(numbers[2] == numbers[3] for _, numbers in kept)
    names = ("Used", "Ready", "Creatable" if exact else "Creatable, at least")
    return [
        Bars(
            title=title,
            categories=tuple(label for label, _ in kept),
            series=tuple((name, tuple(numbers[at] for _, numbers in kept)) for at, name in enumerate(names)),
        )
    ]


def _numbers(totals: ModelTotals, profile: str) -> tuple[int, int, int, int]:
    """Return how many are used, are ready, and can be created at least and at most."""
    return totals.used.get(profile, 0), totals.ready(profile), *totals.of(totals.room.creatable, profile)


def _has(totals: ModelTotals, profile: str) -> bool:
    return any(one.name == profile for one in totals.gpu.profiles)
