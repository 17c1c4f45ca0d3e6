"""`tenant list`: every tenant as it is, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from pydantic import JsonValue

from commands.fleet import TenantList
from policies.approvals import Refusal
from provisioning.fleet.reader import FleetReader
from provisioning.fleet.seen import Known, People, Tenant, Unknown
from provisioning.fleet.status import SEVERITY, Status, status_of
from provisioning.queries.base import Asked
from provisioning.reports import Cell, Lines, Part, Report, table

NEEDS_PEOPLE = frozenset({"status", "workers", "users"})
NOT_ASKED = People(users=Unknown("not asked"), workers=Unknown("not asked"))
SHOWN_REASONS = 5


@dataclass(frozen=True, kw_only=True)
class _Row:
    tenant: Tenant
    people: People
    status: Status
    why: str


class TenantListQuery:
    """Asks ClearML about those on the page only, unless the order or the filter needs all of them."""

    command = "tenant list"

    def __init__(self, reader: FleetReader) -> None:
        self._reader = reader

    def answer(self, args: TenantList, asked: Asked) -> Report | Refusal:  # noqa: ARG002 - the list has no clock
        platform = self._reader.platform()
        tenants = self._reader.tenants(platform)
        asks_all = args.status is not None or args.sort in NEEDS_PEOPLE
        people = self._reader.people(platform, tenants if asks_all else ())
        rows = [_row(tenant, people.get(tenant.name, NOT_ASKED)) for tenant in tenants]
        rows = sorted((row for row in rows if args.status in {None, row.status}), key=lambda row: _order(args, row))
        pages = max(1, -(-len(rows) // args.per_page))
        if args.page > pages:
            listed = f"the list of {_counted(len(rows), 'tenant')} has {_counted(pages, 'page')}"
            return Refusal(
                reason=f"there is no page {args.page}: {listed}",
                next_action=f"ask for --page {pages} or less",
            )
        shown = rows[(args.page - 1) * args.per_page : args.page * args.per_page]
        if not asks_all:
            people = self._reader.people(platform, [row.tenant for row in shown])
            shown = [_row(row.tenant, people[row.tenant.name]) for row in shown]
        return _report(args, shown, total=len(rows), pages=pages)


def _row(tenant: Tenant, people: People) -> _Row:
    status, why = status_of(tenant, people)
    return _Row(tenant=tenant, people=people, status=status, why=why)


def _order(args: TenantList, row: _Row) -> tuple[Decimal, str]:
    """Return what rows are sorted by: numbers largest first, what is unknown last, then names."""
    match args.sort:
        case "name":
            return Decimal(0), row.tenant.name
        case "status":
            return Decimal(SEVERITY[row.status]), row.tenant.name
        case "gpus":
            counted = row.tenant.counted
            return Decimal(1) if isinstance(counted, Unknown) else -counted, row.tenant.name
        case "workers":
            return _most_first(row.people.workers), row.tenant.name
        case "users":
            return _most_first(row.people.users), row.tenant.name


def _most_first(seen: Known[Sequence[object]]) -> Decimal:
    return Decimal(1 if isinstance(seen, Unknown) else -len(seen))


def _report(args: TenantList, rows: Sequence[_Row], *, total: int, pages: int) -> Report:
    which = f" that are {args.status}" if args.status else ""
    page = f", page {args.page} of {pages}" if pages > 1 else ""
    parts: list[Part] = [
        table(
            "",
            ["Tenant", "Status", ">GPUs", ">Workers", ">Users"],
            [
                (
                    row.tenant.name,
                    row.status,
                    _used(row.tenant.counted, row.tenant.limit),
                    _number(row.people.workers),
                    _number(row.people.users),
                )
                for row in rows
            ],
            empty=f"There are no tenants{which}." + ("" if which else " Make one with: tenant create NAME"),
        )
    ]
    if not_well := [row for row in rows if row.status in {"broken", "silent", "unknown"}]:
        lines = [f"{row.tenant.name}: {row.status}, {row.why}" for row in not_well[:SHOWN_REASONS]]
        if more := len(not_well) - SHOWN_REASONS:
            lines += [f"… and {more} more: --status says which"] if more > 0 else []
        parts.append(Lines(lines=tuple(lines), kind="warning"))
    if args.page < pages:
        parts.append(Lines(lines=(f"More: --page {args.page + 1}",)))
    return Report(
        title="Tenants",
        summary=f"{_counted(total, 'tenant')}{which}{page}",
        parts=tuple(parts),
        data={
            "total": total,
            "page": args.page,
            "pages": pages,
            "tenants": [_data(row) for row in rows],
        },
    )


def _used(counted: Known[Decimal], limit: Known[Decimal | None]) -> Cell:
    if isinstance(counted, Unknown):
        return "unknown"
    if isinstance(limit, Unknown):
        return f"{_plain(counted)} of ?"
    return _plain(counted) if limit is None else f"{_plain(counted)} of {_plain(limit)}"


def _number(seen: Known[Sequence[object]]) -> Cell:
    return "unknown" if isinstance(seen, Unknown) else len(seen)


def _data(row: _Row) -> JsonValue:
    return {
        "name": row.tenant.name,
        "status": row.status,
        "why": row.why,
        "gpus": _json(row.tenant.counted),
        "max_resources": _json(row.tenant.limit),
        "workers": _count(row.people.workers),
        "users": _count(row.people.users),
    }


def _count(seen: Known[Sequence[object]]) -> JsonValue:
    return {"unknown": seen.reason} if isinstance(seen, Unknown) else len(seen)


def _json(seen: Known[Decimal | None]) -> JsonValue:
    if isinstance(seen, Unknown):
        return {"unknown": seen.reason}
    return None if seen is None else float(seen)


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
