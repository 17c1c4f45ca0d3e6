"""What spec would have made a tenant that was made by hand: inferred from its agent's values. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import ValidationError

from commands.mistakes import all_said
from commands.tenants import TenantCreate
from policies.approvals import Refusal
from provisioning.operations.agent_values import DEFAULT_QUEUE, REQUIRED_RESOURCES, FractionQueue
from provisioning.port_ranges import PortRange

LEAST_SHARE = Decimal("0.001")  # of a GPU; what is written as 1E-999999999 has a name of as many digits


@dataclass(frozen=True, kw_only=True)
class Inferred:
    """The spec, and what of the release no spec can say."""

    spec: TenantCreate
    ports: PortRange | None
    notes: tuple[str, ...] = ()


def infer(
    *, name: str, email: str, admin_name: str, domains: Sequence[str], values: Mapping[str, Any]
) -> Inferred | Refusal:
    """Return the spec of the tenant *name* whose agent's release was given *values*."""
    glue = _mapping(values.get("agentk8sglue"))
    shares, notes = _queues(_mapping(glue.get("queues")))
    said: dict[str, Any] = {"name": name, "admin_email": email, "queues": shares or "none"}
    if domains:
        said["domains"] = list(domains)
    if admin_name:
        said["admin_name"] = admin_name
    limit = _mapping(glue.get("monitoredResources")).get("maxResources")
    if limit is not None:
        said["max_resources"] = str(limit)
    else:
        notes.append("the release sets no maxResources: the record has the default")
    pods, more = _max_pods(_mapping(glue.get("queues")))
    notes += more
    if pods is not None:
        said["max_pods"] = str(pods)
    ports = session_ports(values)
    if ports is not None:
        said |= {"ports": True, "port_start": ports.start, "max_services": ports.size}
    try:
        spec = TenantCreate.model_validate(said)
    except ValidationError as error:
        return Refusal(
            reason=f"what was found of tenant {name} is no spec: {all_said(error)}",
            next_action="mend that in ClearML or in the release's values, then run the command again",
        )
    return Inferred(spec=spec, ports=ports, notes=tuple(notes))


def _queues(queues: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the shares that the queues hand out, and a note on each queue that is none of ours."""
    shares: list[str] = []
    notes: list[str] = []
    for name, queue in queues.items():
        if name == DEFAULT_QUEUE:
            continue
        share = _share(queue)
        if share is not None and FractionQueue(share=share, resource="").name == name:
            shares.append(f"{share.normalize():f}")
        else:
            notes.append(f"queue {name} of the release is not one that this bot makes: the record leaves it out")
    return shares, notes


def _share(queue: Any) -> Decimal | None:
    labels = _mapping(_mapping(_mapping(queue).get("templateOverrides")).get("labels"))
    try:
        share = Decimal(str(labels.get(REQUIRED_RESOURCES)))
    except InvalidOperation:
        return None
    return share if share.is_finite() and LEAST_SHARE <= share <= 1 else None


def _max_pods(queues: Mapping[str, Any]) -> tuple[int | None, list[str]]:
    found = {
        pods
        for queue in queues.values()
        if isinstance(pods := _mapping(_mapping(queue).get("queueSettings")).get("maxPods"), int)
    }
    if len(found) > 1:
        listed = ", ".join(map(str, sorted(found)))
        return max(found), [f"queues have different maxPods ({listed}): the record has the largest"]
    return next(iter(found), None), []


def session_ports(values: Mapping[str, Any]) -> PortRange | None:
    """Return the envelope that an agent's release gives sessions, None where it gives them no ports."""
    sessions = _mapping(_mapping(values.get("agentk8sglue")).get("sessions"))
    start, size = sessions.get("startingPort"), sessions.get("maxServices")
    if sessions.get("portModeEnabled") is not True or not isinstance(start, int) or not isinstance(size, int):
        return None
    return PortRange(start, size)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
