"""What a call's body may hold, checked as the server's request models check it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sandbox.clearml.model import ApiRefusal, Caller
from sandbox.clearml.state import ClearMLState

Data = dict[str, Any]
EVERYBODY: frozenset[str] = frozenset()  # no role asked


class Kind(Enum):
    TEXT = "string"
    NUMBER = "integer"
    FLAG = "boolean"
    TEXTS = "array of strings"
    OBJECT = "object"

    def takes(self, value: object) -> bool:
        match self:
            case Kind.TEXT:
                return isinstance(value, str)
            case Kind.NUMBER:
                return isinstance(value, int) and not isinstance(value, bool)
            case Kind.FLAG:
                return isinstance(value, bool)
            case Kind.TEXTS:
                return isinstance(value, list) and all(isinstance(one, str) for one in value)
            case Kind.OBJECT:
                return isinstance(value, dict)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One call. ``since`` is the version that brought it; ``fields`` maps a field to its kind."""

    run: Callable[[ClearMLState, Caller, Data], Data]
    roles: frozenset[str] = EVERYBODY
    required: tuple[str, ...] = ()
    fields: Mapping[str, Kind] = field(default_factory=dict)
    needs_auth: bool = True
    takes_anything: bool = False
    since: tuple[int, int] = (1, 0)


def check_role(endpoint: Endpoint, role: str) -> None:
    """Raises: ApiRefusal 403/20."""
    if endpoint.roles and role not in endpoint.roles:
        allowed = ", ".join(sorted(endpoint.roles))
        raise ApiRefusal(403, 20, f"Forbidden (not allowed for role): role={role}, allowed=({allowed})")


def check_body(endpoint: Endpoint, data: Data) -> None:
    """Raises: ApiRefusal 400/12.

    Stricter than the server in one thing: a field that it does not know is passed over there, so that a misspelt
    name would go unseen. Here it is refused.
    """
    for name in endpoint.required:
        if data.get(name) is None:
            raise ApiRefusal(400, 12, f"Validation error (error for field '{name}': field is required!)")
    for name, value in data.items():
        if endpoint.takes_anything or value is None:
            continue
        kind = endpoint.fields.get(name)
        if kind is None:
            raise ApiRefusal(400, 12, f"Validation error (additional properties are not allowed: '{name}')")
        if not kind.takes(value):
            raise ApiRefusal(400, 12, f"Validation error (error for field '{name}': value is not of type {kind.value})")
