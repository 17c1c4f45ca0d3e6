"""How a tenant differs from what is recorded of it: the recorded request is planned again, step by step."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import JsonValue

from policies.approvals import Refusal
from provisioning.errors import ChatopsError
from provisioning.fleet.seen import MOST_REASON_CHARS, Unknown
from provisioning.plan import Plan, Presence, Step
from provisioning.store import TenantRecord

if TYPE_CHECKING:
    from provisioning.planner import Planner


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One field of one step: what was found, and what it shall be. None: it is not there, or shall not be."""

    step: str  # its id
    title: str
    field: str  # "" where the step is to be done as a whole
    found: JsonValue
    shall: JsonValue


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What planning the recorded request again would change. Empty: the tenant is as recorded."""

    tenant: str
    differences: tuple[Difference, ...] = ()


def drift_of(planner: "Planner", record: TenantRecord) -> Drift | Unknown:
    """Return how the tenant differs from its record, or why that cannot be told."""
    try:
        plan = planner.plan("tenant create", record.request)
    except ChatopsError as error:
        return Unknown(error.what[:MOST_REASON_CHARS])
    if isinstance(plan, Refusal):
        return Unknown(f"its record cannot be planned any more: {plan.reason}"[:MOST_REASON_CHARS])
    return Drift(tenant=record.name, differences=tuple(differences_of(plan)))


def differences_of(plan: Plan) -> Iterator[Difference]:
    """Yield what *plan* would change, field by field; a step that finds nothing to compare is one difference."""
    for step in plan.steps:
        if step.is_noop:
            continue
        if not step.found.differences:
            yield _whole(step)
        for name, (found, shall) in step.found.differences.items():
            yield Difference(step=step.id, title=step.title, field=name, found=found, shall=shall)


def _whole(step: Step) -> Difference:
    found = step.found.detail or ("not there" if step.found.presence is Presence.ABSENT else "differs")
    return Difference(step=step.id, title=step.title, field="", found=found, shall="as planned")
