"""`ports`: every source of port claims held against the others."""

from collections import defaultdict
from typing import TYPE_CHECKING

from pydantic import JsonValue

from commands.ports import PortsArgs
from policies.approvals import Refusal
from provisioning.charts import port_strip
from provisioning.charts.port_strip import Stretch
from provisioning.ports.finding import Finding, Severity
from provisioning.ports.reconcile import PortReport, RangeState, reconcile
from provisioning.ports.survey import PortSurvey
from provisioning.queries.base import Asked
from provisioning.reports import Attachment, Facts, Lines, Part, Report, table

if TYPE_CHECKING:
    from provisioning.sources import Sources

MOST_FINDINGS = 60  # of one severity, in the message; the JSON has all
_KNOWN_BY = {"read": "read from its pod", "configured": "as configured", "assumed": "Kubernetes' default, not read"}


class Ports:
    """Answers `ports`. Thread-safe."""

    command = "ports"

    def __init__(self, sources: "Sources") -> None:
        self._survey = PortSurvey(pool=sources.configuration.ports, cluster=sources.cluster, store=sources.store)

    def answer(self, args: PortsArgs, asked: Asked) -> Report | Refusal:
        """Look at every source and report. Raises: ChatopsError where one could not be read."""
        found = reconcile(self._survey.look(), size=args.max_services)
        if args.tenant is None:
            return report_of(found, size=args.max_services, pictures=asked.pictures)
        if not any(args.tenant == one.tenant for one in found.ranges) and not of_tenant(found, args.tenant):
            return Refusal(
                reason=f"tenant {args.tenant} declares no ports and holds none",
                next_action=f"give it some: /clearml tenant create {args.tenant} … --ports, or see /clearml ports",
            )
        return report_of(found, size=args.max_services, tenant=args.tenant)


def of_tenant(found: PortReport, tenant: str) -> tuple[Finding, ...]:
    """Return the findings that concern *tenant*."""
    return tuple(finding for finding in found.findings if tenant in finding.tenants)


def report_of(found: PortReport, *, size: int, tenant: str | None = None, pictures: bool = False) -> Report:
    """Return *found*, or what of it concerns *tenant*, as a report."""
    findings = found.findings if tenant is None else of_tenant(found, tenant)
    ranges = tuple(one for one in found.ranges if tenant is None or one.tenant == tenant)
    return Report(
        title="Ports" if tenant is None else f"Ports of {tenant}",
        summary=summary_of(found, findings, ranges),
        parts=(*findings_of(findings), *_map(ranges), _facts(found, size)),
        data=_data(found, findings, ranges),
        attachments=(picture_of(found),) if pictures else (),
    )


def picture_of(found: PortReport) -> Attachment:
    """Return the pool as a strip."""
    claims = found.claims
    first, last = claims.pool
    own: dict[str, set[int]] = defaultdict(set)
    for one in claims.live:
        if one.is_node_port:
            own[one.namespace].add(one.port)
    ranges = [
        Stretch(
            tenant=one.tenant,
            first=one.ports.start,
            last=one.ports.last,
            live=frozenset(port for port in own[one.tenant] if one.ports.holds(port)),
        )
        for one in found.ranges
    ]
    shown = {port for one in ranges for port in one.live}
    strangers = [one.port for one in claims.live if first <= one.port <= last and one.port not in shown]
    note = f"{_many(len(ranges), 'range')} in {first}-{last}: {found.free_ports} ports free, room for {found.room} more"
    return Attachment(
        name="ports.png",
        content=port_strip.draw(first, last, ranges, strangers, title="Ports", note=note),
        alt=port_strip.describe(first, last, ranges, strangers, free=found.free_ports),
    )


def summary_of(found: PortReport, findings: tuple[Finding, ...], ranges: tuple[RangeState, ...]) -> str:
    """Return one line: how many ranges, how much does not agree, how much is free."""
    problems = sum(one.severity is Severity.PROBLEM for one in findings)
    warnings = sum(one.severity is Severity.WARNING for one in findings)
    agree = (
        "all agrees" if not problems and not warnings else f"{_many(problems, 'problem')}, {_many(warnings, 'warning')}"
    )
    return f"{_many(len(ranges), 'range')}: {agree}; {_many(found.free_ports, 'port')} free, room for {found.room} more"


def findings_of(findings: tuple[Finding, ...]) -> list[Part]:
    """Return the findings as sentences, the gravest first."""
    parts: list[Part] = []
    for severity, title in ((Severity.PROBLEM, "Problems"), (Severity.WARNING, "Look at"), (Severity.NOTE, "Notes")):
        said = [f"{one.kind.value}: {one.text}" for one in findings if one.severity is severity]
        if len(said) > MOST_FINDINGS:
            said = [*said[:MOST_FINDINGS], f"… and {len(said) - MOST_FINDINGS} more: see --json on the command line"]
        if said:
            parts.append(
                Lines(title=title, lines=tuple(said), kind="plain" if severity is Severity.NOTE else "warning")
            )
    return parts


def _map(ranges: tuple[RangeState, ...]) -> list[Part]:
    rows = [
        (one.tenant, str(one.ports), f"{one.live}/{one.ports.size}", one.foreign, "; ".join(one.sources))
        for one in ranges
    ]
    return [table("Ranges", ("Tenant", "Range", ">Live", ">Foreign", "Declared by"), rows, empty="nobody has ports")]


def _facts(found: PortReport, size: int) -> Facts:
    claims = found.claims
    api = claims.node_ports
    free = None if found.next_free is None else f"{found.next_free} (--port-start {found.next_free.start})"
    return Facts(
        title="Room",
        items=(
            (f"Next free range for {size} sessions", free or "none: the pool is full"),
            ("Pool", f"{claims.pool[0]}-{claims.pool[1]}, {found.free_ports} ports free"),
            ("Room for more tenants", f"{found.room} with 10 sessions each"),
            ("The API server's range", f"{api} ({_KNOWN_BY[api.source]})"),
            ("Static band", f"{api.first}-{api.static_band_last}, never handed out by itself while others are free"),
        ),
    )


def _data(found: PortReport, findings: tuple[Finding, ...], ranges: tuple[RangeState, ...]) -> JsonValue:
    claims, api = found.claims, found.claims.node_ports
    return {
        "pool": {"first": claims.pool[0], "last": claims.pool[1]},
        "node_port_range": {"first": api.first, "last": api.last, "source": api.source},
        "static_band": {"first": api.first, "last": api.static_band_last},
        "free_ports": found.free_ports,
        "room": found.room,
        "next_free": None
        if found.next_free is None
        else {"first": found.next_free.start, "last": found.next_free.last},
        "ranges": [
            {
                "tenant": one.tenant,
                "first": one.ports.start,
                "last": one.ports.last,
                "services": one.ports.size,
                "live": one.live,
                "foreign": one.foreign,
                "waits": one.waits,
                "declared_by": list(one.sources),
            }
            for one in ranges
        ],
        "findings": [
            {
                "kind": one.kind.value,
                "severity": one.severity.value,
                "tenants": list(one.tenants),
                "ports": one.ports,
                "text": one.text,
            }
            for one in findings
        ],
    }


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
