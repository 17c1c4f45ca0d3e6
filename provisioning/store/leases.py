"""Port leases: a tenant's claim on an envelope, from the moment of planning. No two tenants' overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlite_utils import Database

from provisioning.errors import PermanentError
from provisioning.jobs.job import OPEN
from provisioning.port_ranges import PortRange

_OPEN = ", ".join(f"'{state.value}'" for state in OPEN)
# However long its job is open: an approval may take longer than a lease's time, and so may mending what failed.
_OF_OPEN_JOBS = f"job IN (SELECT id FROM jobs WHERE state IN ({_OPEN}))"  # noqa: S608 - our own words


class LeaseTakenError(PermanentError):
    """Another tenant holds a part of the envelope. Plan again, and another one is chosen."""


@dataclass(frozen=True, kw_only=True)
class PortLease:
    """One claim. ``expires_at`` is None once its job has succeeded; while that is open it holds beyond it, too."""

    tenant: str
    ports: PortRange
    job: str
    expires_at: datetime | None


def live(db: Database, now: datetime) -> tuple[PortLease, ...]:
    """Return the leases that hold at *now*, by start: those whose time is not over, or whose job is not."""
    where = f"expires_at IS NULL OR expires_at > ? OR {_OF_OPEN_JOBS}"
    found = db.table("leases").rows_where(where, [_stamp(now)], order_by="start")
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


def release(db: Database, job: str) -> None:
    """Give up what *job* took and has not proved, for one tenant or several."""
    db.table("leases").delete_where("job = ? AND expires_at IS NOT NULL", [job])


def release_all(db: Database, tenant: str) -> None:
    """Give up all of *tenant*'s leases."""
    db.table("leases").delete_where("tenant = ?", [tenant])


def drop_expired(db: Database, now: datetime) -> None:
    """Forget leases that ran out and whose jobs have ended."""
    db.table("leases").delete_where(
        f"expires_at IS NOT NULL AND expires_at <= ? AND NOT {_OF_OPEN_JOBS}", [_stamp(now)]
    )


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
