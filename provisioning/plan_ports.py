"""Which session ports a plan takes into use. Pure."""

from collections.abc import Mapping

from pydantic import JsonValue

from provisioning.plan import Plan
from provisioning.port_ranges import PortRange

PORT_RANGE = "port_range"  # the input of a step that takes ports, or says by null that it takes none


def port_ranges_of(plan: Plan) -> tuple[PortRange, ...] | None:
    """Return the envelopes that the plan's steps take into use: () where they say that there are none.

    None: the plan has nothing to do with ports, and what its tenant holds stays.
    """
    said = [step.inputs[PORT_RANGE] for step in plan.steps if PORT_RANGE in step.inputs]
    return tuple(_range(one) for one in said if isinstance(one, dict)) if said else None


def _range(value: Mapping[str, JsonValue]) -> PortRange:
    match value:
        case {"start": int(start), "size": int(size)}:
            return PortRange(start, size)
        case _:
            raise ValueError(f"a step's port_range must hold start and size: {value}")
