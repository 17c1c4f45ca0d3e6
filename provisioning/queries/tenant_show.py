"""`tenant show`: one tenant as it is, everything of it that can be read."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from pydantic import JsonValue

from commands.fleet import TenantShow
from policies.approvals import Refusal
from provisioning.fleet.drift import Drift, drift_of
from provisioning.fleet.reader import FleetReader
from provisioning.fleet.seen import Details, Key, Known, People, Tenant, Unknown
from provisioning.fleet.status import status_of
from provisioning.operations.tenant_create import CREDENTIALS_LABEL
from provisioning.ports.finding import spans
from provisioning.queries.base import Asked
from provisioning.reports import Cell, Facts, Lines, Part, Report, table

if TYPE_CHECKING:
    from provisioning.planner import Planner
    from provisioning.store import Store

T = TypeVar("T")

SHOWN_DIFFERENCES = 5
NEWEST_JOBS = 200
KEY_STEP = "clearml.credentials"  # the kind of step that makes the agent's key


class TenantShowQuery:
    """Reads everything at the same time; what is not told is shown as unknown, with the reason."""

    command = "tenant show"

    def __init__(self, reader: FleetReader, planner: "Planner", store: "Store") -> None:
        self._reader = reader
        self._planner = planner
        self._store = store

    def answer(self, args: TenantShow, asked: Asked) -> Report | Refusal:
        with ThreadPoolExecutor(1, thread_name_prefix="drift") as pool:
            record = self._store.tenant(args.name)
            drifting = pool.submit(drift_of, self._planner, record) if record else None
            platform = self._reader.platform()
            tenant = self._reader.tenant(platform, args.name)
            if _is_nowhere(tenant):
                return Refusal(
                    reason=f"there is no tenant {args.name}: no record, no company, no namespace",
                    next_action="see tenant list for those that there are",
                )
            people = self._reader.people(platform, [tenant])[tenant.name]
            details = self._reader.details(platform, tenant, people)
            drift = drifting.result() if drifting else Unknown("nothing is recorded of it to compare with")
        return _report(tenant, people, details, drift, made_at=self._key_made_at(tenant), now=asked.now)

    def _key_made_at(self, tenant: Tenant) -> datetime | None:
        """Return when a job of ours last made the agent's key: ClearML does not tell when keys were made."""
        for job in self._store.jobs(subject=tenant.name, limit=NEWEST_JOBS):
            for step in job.plan.steps:
                status = job.status(step.id)
                if step.kind == KEY_STEP and status.applied and status.finished_at is not None:
                    return status.finished_at
        return None


def _is_nowhere(tenant: Tenant) -> bool:
    return tenant.record is None and tenant.company is None and tenant.namespace is None


def _report(
    tenant: Tenant,
    people: People,
    details: Details,
    drift: Drift | Unknown,
    *,
    made_at: datetime | None,
    now: datetime,
) -> Report:
    status, why = status_of(tenant, people)
    keys = _keys(details.keys, made_at, now)
    facts = _facts(tenant, people, details, drift)
    parts: list[Part] = [
        Facts(items=tuple((label, "unknown" if isinstance(seen, Unknown) else seen) for label, seen in facts))
    ]
    if not_known := _not_known(facts):
        parts.append(not_known)
    if not isinstance(people.users, Unknown):
        rows: list[tuple[Cell, ...]] = [(one.name, one.email or None, one.role or None) for one in people.users]
        parts.append(table("Users", ["Name", "E-mail", "Role"], rows))
    if not isinstance(details.keys, Unknown):
        parts.append(table("Keys", ["Key", "Of", "For", "Made", "Last used"], keys))
    if not isinstance(tenant.releases, Unknown):
        releases: list[tuple[Cell, ...]] = [
            (one.name, f"{one.chart} {one.chart_version}".strip(), one.status, one.revision) for one in tenant.releases
        ]
        parts.append(table("Releases", ["Release", "Chart", "Status", ">Revision"], releases))
    if isinstance(drift, Drift) and drift.differences:
        lines = [f"{one.title}: {one.field or one.found}" for one in drift.differences[:SHOWN_DIFFERENCES]]
        lines.append(f"tenant drift {tenant.name} shows each field; tenant fix {tenant.name} mends it")
        parts.append(Lines(title="Drift", lines=tuple(lines), kind="warning"))
    return Report(
        title=f"Tenant {tenant.name}",
        summary=status + (f": {why}" if why else ""),
        parts=tuple(parts),
        data=_data(tenant, people, details, drift, status=status, why=why),
    )


def _facts(tenant: Tenant, people: People, details: Details, drift: Drift | Unknown) -> list[tuple[str, Known[str]]]:
    lease = f"lease {tenant.lease}" if tenant.lease else "no lease"
    return [
        ("Company", _said(tenant.company, lambda one: one.id if one else "none")),
        ("Namespace", _said(tenant.namespace, lambda one: one["phase"] if one else "none")),
        ("GPUs in use", _said(tenant.counted, lambda counted: f"{counted.normalize():f}{_held(tenant)}")),
        ("GPUs at most", _said(tenant.limit, lambda limit: "no limit" if limit is None else f"{limit.normalize():f}")),
        ("Workers alive", _said(people.workers, lambda found: _listed(one.id for one in found))),
        ("Queues", _said(details.queues, _listed)),
        ("Sign-in domains", _said(details.domains, _listed)),
        ("Users", _said(people.users, lambda found: str(len(found)))),
        ("Keys", _said(details.keys, lambda found: str(len(found)))),
        ("Ports", _said(tenant.node_ports, lambda ports: f"{lease}; live Services on {spans(ports) or 'none'}")),
        ("NetworkPolicies", _said(tenant.policies, lambda found: _listed(one.name for one in found))),
        ("Suspended", _said(tenant.suspended, lambda suspended: _suspended(suspended, tenant))),
        ("Drift", _said(drift, lambda one: f"yes, {len(one.differences)} in all" if one.differences else "no")),
        ("Recorded", f"by {tenant.record.job}" if tenant.record else "not by this bot"),
    ]


def _suspended(suspended: bool, tenant: Tenant) -> str:
    router = tenant.router_stands_still
    if isinstance(router, Unknown) or router is None or router == suspended:
        return "yes" if suspended else "no"
    return "its agent is, its router runs" if suspended else "its router is, its agent runs"


def _not_known(facts: Sequence[tuple[str, Known[str]]]) -> Lines | None:
    """Return each reason once, with what is not known for it."""
    reasons: dict[str, list[str]] = {}
    for label, seen in facts:
        if isinstance(seen, Unknown):
            reasons.setdefault(seen.reason, []).append(label)
    if not reasons:
        return None
    lines = tuple(f"{', '.join(labels)}: {reason}" for reason, labels in reasons.items())
    return Lines(title="Not known", lines=lines, kind="warning")


def _held(tenant: Tenant) -> str:
    if isinstance(tenant.slices, Unknown) or not tenant.slices:
        return ""
    return f" ({', '.join(f'{count}x{name}' for name, count in tenant.slices.items())})"


def _keys(keys: Known[tuple[Key, ...]], made_at: datetime | None, now: datetime) -> list[tuple[Cell, ...]]:
    return [
        (
            key.info.access_key,
            key.user.email or key.user.id,
            key.info.label or None,
            _age(made_at, now) if key.info.label == CREDENTIALS_LABEL else None,
            key.info.last_used or "never",
        )
        for key in ([] if isinstance(keys, Unknown) else keys)
    ]


def _age(at: datetime | None, now: datetime) -> str | None:
    if at is None:
        return None
    days = (now - at).days
    return "today" if days < 1 else f"{days} days ago" if days > 1 else "1 day ago"


def _listed(found: Iterable[str]) -> str:
    return ", ".join(found) or "none"


def _said(seen: Known[T], say: Callable[[T], str]) -> Known[str]:
    return seen if isinstance(seen, Unknown) else say(seen)


def _data(
    tenant: Tenant, people: People, details: Details, drift: Drift | Unknown, *, status: str, why: str
) -> JsonValue:
    return {
        "name": tenant.name,
        "status": status,
        "why": why,
        "company": _told(tenant.company, lambda one: None if one is None else {"id": one.id, "name": one.name}),
        "namespace": _told(tenant.namespace, lambda one: None if one is None else one["phase"]),
        "gpus": _told(tenant.counted, float),
        "max_resources": _told(tenant.limit, lambda limit: None if limit is None else float(limit)),
        "slices": _told(tenant.slices, dict),
        "workers": _told(people.workers, lambda found: [one.id for one in found]),
        "users": _told(
            people.users, lambda found: [{"id": one.id, "email": one.email, "role": one.role} for one in found]
        ),
        "keys": _told(details.keys, lambda found: [_key(one) for one in found]),
        "domains": _told(details.domains, list),
        "queues": _told(details.queues, list),
        "releases": _told(tenant.releases, lambda found: [asdict(one) for one in found]),
        "lease": None if tenant.lease is None else {"start": tenant.lease.start, "size": tenant.lease.size},
        "node_ports": _told(tenant.node_ports, list),
        "network_policies": _told(tenant.policies, lambda found: [one.name for one in found]),
        "suspended": _told(tenant.suspended, bool),
        "drift": _told(drift, lambda one: bool(one.differences)),
        "recorded_by": tenant.record.job if tenant.record else None,
    }


def _key(key: Key) -> JsonValue:
    used = key.info.last_used
    return {
        "access_key": key.info.access_key,
        "user": key.user.id,
        "label": key.info.label,
        "last_used": used.isoformat() if used else None,
    }


def _told(seen: Known[T], as_json: Callable[[T], JsonValue]) -> JsonValue:
    return {"unknown": seen.reason} if isinstance(seen, Unknown) else as_json(seen)
