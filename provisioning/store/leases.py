"""Port leases: a tenant's claim on an envelope, from the moment of planning. No two tenants' overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlite_utils import Database

from provisioning.errors import PermanentError
from provisioning.port_ranges import PortRange


class LeaseTakenError(PermanentError):
    """Another tenant holds a part of the envelope. Plan again, and another one is chosen."""


@dataclass(frozen=True, kw_only=True)
class PortLease:
    """One claim. ``expires_at`` is None once its job has succeeded."""

    tenant: str
    ports: PortRange
    job: str
    expires_at: datetime | None


def live(db: Database, now: datetime) -> tuple[PortLease, ...]:
    """Return the leases that hold at *now*, by start."""
    found = db.table("leases").rows_where("expires_at IS NULL OR expires_at > ?", [_stamp(now)], order_by="start")
    return tuple(
        PortLease(
            tenant=row["tenant"],
            ports=PortRange(row["start"], row["size"]),
            job=row["job"],
            expires_at=datetime.fromisoformat(row["expires_at"]) if row["expires_at"] else None,
        )
        for row in found
    )


def take(db: Database, ranges: Sequence[PortRange], *, tenant: str, job: str, now: datetime, ttl_s: int) -> None:
    """Lease *ranges* to *tenant*, in the caller's transaction. What it holds already stays as it is.

    Raises: LeaseTakenError.
    """
    held = live(db, now)
    for wanted in ranges:
        for lease in held:
            if lease.tenant != tenant and lease.ports.overlaps(wanted):
                raise LeaseTakenError(
                    f"ports {wanted} overlap {lease.ports}, which tenant {lease.tenant} holds by {lease.job}",
                    next_action="run the command again for another range, or choose one with --port-start",
                )
        if any(lease.tenant == tenant and lease.ports == wanted and lease.expires_at is None for lease in held):
            continue
        expires_at = _stamp(now + timedelta(seconds=ttl_s))
        row = {"tenant": tenant, "start": wanted.start, "size": wanted.size, "job": job, "expires_at": expires_at}
        db.table("leases").insert(row, replace=True)


def settle(db: Database, ranges: Sequence[PortRange], *, tenant: str, job: str) -> None:
    """Make *job*'s leases hold for good, and give up whatever else *tenant* holds beside *ranges*."""
    db.execute("UPDATE leases SET expires_at = NULL WHERE tenant = ? AND job = ?", [tenant, job])
    for row in list(db.table("leases").rows_where("tenant = ?", [tenant])):
        if PortRange(row["start"], row["size"]) not in ranges:
            db.table("leases").delete_where(
                "tenant = ? AND start = ? AND size = ?", [tenant, row["start"], row["size"]]
            )


def release(db: Database, tenant: str, job: str | None) -> None:
    """Give up what *job* took and has not proved, for one tenant or several; without a job, all of the tenant's."""
    if job is None:
        db.table("leases").delete_where("tenant = ?", [tenant])
    else:
        db.table("leases").delete_where("job = ? AND expires_at IS NOT NULL", [job])


def drop_expired(db: Database, now: datetime, busy: Sequence[str]) -> None:
    """Forget leases that ran out; those of tenants whose jobs are still open (*busy*) stay."""
    marks = ", ".join("?" for _ in busy)
    where = "expires_at IS NOT NULL AND expires_at <= ?" + (f" AND tenant NOT IN ({marks})" if busy else "")
    db.table("leases").delete_where(where, [_stamp(now), *busy])


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
