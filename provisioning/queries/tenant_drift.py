"""`tenant drift`: how tenants differ from what is recorded of them."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from pydantic import JsonValue

from commands.fleet import TenantDrift
from policies.approvals import Refusal
from provisioning.fleet.drift import Difference, Drift, drift_of
from provisioning.fleet.seen import Unknown
from provisioning.queries.base import Asked
from provisioning.reports import Cell, Lines, Part, Report, table
from provisioning.store import TenantRecord
from provisioning.wording import counted

if TYPE_CHECKING:
    from provisioning.planner import Planner
    from provisioning.store import Store

PARALLEL_TENANTS = 4  # each plan looks at several things at the same time itself
VALUE_CHARS = 120


class TenantDriftQuery:
    """Plans every record anew against one moment's world, a few at a time.

    Args:
        planner: makes a planner for one look.
    """

    command = "tenant drift"

    def __init__(self, planner: "Callable[[], Planner]", store: "Store") -> None:
        self._planner = planner
        self._store = store

    def answer(self, args: TenantDrift, asked: Asked) -> Report | Refusal:  # noqa: ARG002 - drift has no clock
        if args.name is None:
            records = self._store.tenants()
            with ThreadPoolExecutor(PARALLEL_TENANTS, thread_name_prefix="drift") as pool:
                found = list(pool.map(partial(drift_of, self._planner()), records))
            return _all(records, found)
        record = self._store.tenant(args.name)
        if record is None:
            return Refusal(
                reason=f"nothing is recorded of tenant {args.name}, so there is nothing to compare it with",
                next_action=f"see tenant list; tenant import {args.name} records one that was made by hand",
            )
        return _one(record, drift_of(self._planner(), record))


def _one(record: TenantRecord, drift: Drift | Unknown) -> Report:
    title = f"Drift of tenant {record.name}"
    data: JsonValue = {"tenant": record.name, **_data(drift)}
    if isinstance(drift, Unknown):
        return Report(title=title, summary=f"unknown: {drift.reason}", parts=(), data=data)
    if not drift.differences:
        return Report(title=title, summary=f"none: it is as {record.job} recorded it", parts=(), data=data)
    rows: list[tuple[Cell, ...]] = [
        (one.field or one.title, _shown(one.found), _shown(one.shall)) for one in drift.differences
    ]
    return Report(
        title=title,
        summary=f"{counted(len(rows), 'difference')} from what {record.job} recorded",
        parts=(table("", ["What", "Found", "Shall be"], rows), _next(record.name, f"tenant fix {record.name}", "it")),
        data=data,
    )


def _all(records: Sequence[TenantRecord], found: Sequence[Drift | Unknown]) -> Report:
    rows: list[tuple[Cell, ...]] = []
    parts: list[Part] = []
    unknown: list[str] = []
    for record, drift in zip(records, found, strict=True):
        if isinstance(drift, Unknown):
            unknown.append(f"{record.name}: {drift.reason}")
        elif drift.differences:
            rows.append((record.name, len(drift.differences), ", ".join(_steps(drift.differences))))
    parts.append(table("", ["Tenant", ">Differences", "In"], rows, empty="No tenant has drifted."))
    if rows:
        parts.append(_next("NAME", "tenant drift --fix", "all of them"))
    if unknown:
        parts.append(Lines(title="Not known", lines=tuple(unknown), kind="warning"))
    said = f"{len(rows)} of {counted(len(records), 'tenant')} drifted"
    return Report(
        title="Drift",
        summary=f"{said}, {len(unknown)} unknown" if unknown else said,
        parts=tuple(parts),
        data={
            "tenants": [{"tenant": record.name, **_data(drift)} for record, drift in zip(records, found, strict=True)]
        },
    )


def _next(name: str, fix: str, what: str) -> Lines:
    return Lines(lines=(f"tenant drift {name} shows each field; {fix} asks for approval and mends {what}",))


def _steps(differences: Sequence[Difference]) -> list[str]:
    return list(dict.fromkeys(one.step for one in differences))


def _shown(value: JsonValue) -> str | None:
    if value is None or value == "":
        return None
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return said if len(said) <= VALUE_CHARS else said[: VALUE_CHARS - 1] + "…"


def _data(drift: Drift | Unknown) -> dict[str, JsonValue]:
    if isinstance(drift, Unknown):
        return {"drift": {"unknown": drift.reason}}
    return {
        "drift": bool(drift.differences),
        "differences": [
            {"step": one.step, "field": one.field, "found": one.found, "shall": one.shall} for one in drift.differences
        ],
    }
