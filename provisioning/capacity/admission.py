"""Whether what a tenant may use fits on the GPUs, now and at everyone's full quota. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from math import floor

from provisioning.capacity.holdings import overcommit
from provisioning.capacity.report import span
from provisioning.capacity.view import View
from provisioning.plan import Admission


def admission(
    view: View, limits: Mapping[str, Decimal], tenant: str, max_resources: Decimal, queues: Mapping[str, Decimal]
) -> Admission:
    """Return the figures for a *tenant* that may use *max_resources* GPUs.

    Args:
        limits: the tenants' maxResources; this one's is replaced.
        queues: resource (``nvidia.com/mig-3g.40gb``) → its share of a GPU.
    """
    over = overcommit(view.inventory.supplies, {**limits, tenant: max_resources})
    found: list[tuple[str, int, tuple[int, int]]] = []
    for resource, share in queues.items():
        name, ends = _to_be_had(view, resource, tenant)
        found.append((name, floor(max_resources / share), ends))
    fits: bool | None = all(ends[0] >= wanted for _, wanted, ends in found)
    if not fits and all(ends[1] >= wanted for _, wanted, ends in found):
        fits = None
    said = "; ".join(f"{wanted} x {name} of {span(ends)} to be had" for name, wanted, ends in found if wanted)
    lines = []
    if said:
        verdict = {True: "fits now", None: "may fit now, places are not known", False: "does not fit now"}[fits]
        lines.append(f"Its full quota of {_text(max_resources)} GPUs {verdict}, idle instances removed: {said}")
    if over.ratio is not None:
        lines.append(
            f"At everyone's full quota {_text(over.promised)} GPUs of {over.there} are promised: {over.ratio:.2f} times"
        )
    return Admission(fits=fits, overcommit=None if over.ratio is None else round(over.ratio, 4), lines=tuple(lines))


def _to_be_had(view: View, resource: str, tenant: str) -> tuple[str, tuple[int, int]]:
    """Return the profile's name, and how many of it *tenant* can have once idle instances are removed."""
    name, low, high = resource, 0, 0
    for totals in view.totals:
        profile = totals.gpu.profile_of(resource)
        if profile is not None:
            ends = totals.of(totals.room.after_reclaim, profile.name)
            name, low, high = profile.name, low + ends[0], high + ends[1]
    own = next((one.slices.get(name, 0) for one in view.holdings if one.namespace == tenant), 0)
    return name, (low + own, high + own)


def _text(number: Decimal) -> str:
    return f"{number.normalize():f}"
