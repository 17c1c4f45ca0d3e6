"""What is measured and kept, by name: what trends show and alerts watch. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number of the platform. ``runs_out``: reaching 0 stops people, so its end is worth a forecast."""

    name: str
    meaning: str
    runs_out: bool = False


_EVERY = (
    Measure(name="ports.free", meaning="ports of the pool that nobody holds", runs_out=True),
    Measure(name="ports.room", meaning="tenants with 10 sessions that still find ports", runs_out=True),
    Measure(name="ports.reserved", meaning="ports in tenants' ranges"),
    Measure(name="ports.live", meaning="ports that tenants' Services hold"),
    Measure(name="ports.problems", meaning="problems that the port report finds"),
    Measure(name="gpus", meaning="GPUs of the nodes that take pods"),
    Measure(name="gpus.idle", meaning="GPUs offered whole that no pod holds"),
    Measure(name="slices.used", meaning="MIG instances that pods hold"),
    Measure(name="slices.idle", meaning="MIG instances that exist and no pod holds"),
    Measure(name="slices.room", meaning="smallest MIG slices that still fit beside what is used", runs_out=True),
    Measure(name="pods.waiting", meaning="pods that wait for GPUs"),
    Measure(name="tenants", meaning="tenants made by this bot"),
    Measure(name="jobs.open", meaning="jobs that have not ended"),
    Measure(name="jobs.failed", meaning="failed jobs that nobody has closed"),
    Measure(name="approvals.waiting", meaning="jobs that wait for approval"),
)
MEASURES: Mapping[str, Measure] = MappingProxyType({measure.name: measure for measure in _EVERY})

_CONDITION = re.compile(r"([A-Za-z][\w.]*)\s*(<=|>=|<|>|\bbelow\b|\babove\b)\s*(\d{1,9}(?:\.\d{1,4})?)\s*")
_WORDS = {"below": "<", "above": ">"}


def _measure(value: str) -> str:
    name = value.lower()
    if name not in MEASURES:
        near = get_close_matches(name, MEASURES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(MEASURES)}"
        raise ValueError(f"{value[:60]!r} is not measured: {hint}")
    return name


MeasureName = Annotated[str, AfterValidator(_measure)]


class Condition(BaseModel):
    """A measure held against a limit: ``ports.free<50``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: MeasureName
    sign: Literal["<", "<=", ">", ">="]
    limit: Decimal

    @property
    def is_below(self) -> bool:
        return self.sign.startswith("<")

    def holds(self, value: float) -> bool:
        """Return whether *value* meets the condition."""
        number = Decimal(str(value))
        match self.sign:
            case "<":
                return number < self.limit
            case "<=":
                return number <= self.limit
            case ">":
                return number > self.limit
            case ">=":
                return number >= self.limit

    def __str__(self) -> str:
        return f"{self.measure}{self.sign}{format(self.limit.normalize(), 'f')}"


def _condition(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    read = _CONDITION.fullmatch(value.strip())
    if read is None:
        raise ValueError(f"{value[:60]!r} is no condition: write a measure, < or >, and a number, as in ports.free<50")
    sign = _WORDS.get(read[2], read[2])
    return {"measure": read[1], "sign": sign, "limit": Decimal(read[3])}


TypedCondition = Annotated[Condition, BeforeValidator(_condition)]
