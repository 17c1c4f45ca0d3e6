"""Which users of which companies we know: ClearML lets nobody look for users but as one of their company."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from provisioning.jobs.job import Job, JobState
from provisioning.plan import Outputs
from provisioning.store import TenantRecord

NEWEST_JOBS = 200  # older tenants are found by their records


class Records(Protocol):
    """The part of the store that is read here."""

    def tenants(self) -> tuple[TenantRecord, ...]: ...

    def jobs(
        self,
        *,
        states: Collection[JobState] | None = None,
        subject: str | None = None,
        requester: str | None = None,
        limit: int = 50,
    ) -> tuple[Job, ...]: ...


class KnownUsers:
    """Company id → ids of its users that steps of ours made or found. Thread-safe.

    Hand it to ``ClearML(known_users=…)``. Source: tenants' records, and jobs, since a job that failed after
    it made the user is the only one who knows.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    def __call__(self, company_id: str) -> tuple[str, ...]:
        return self.survey().users.get(company_id, ())

    def survey(self) -> "Survey":
        """Return all that is known."""
        jobs, tenants = self._records.jobs(limit=NEWEST_JOBS), self._records.tenants()
        records: list[Mapping[str, Outputs]] = [{one.step_id: one.outputs for one in job.steps} for job in jobs]
        records += [record.outputs for record in tenants]
        found: dict[str, dict[str, None]] = {}
        for outputs in records:
            company, user = outputs.get("company", {}).get("id"), outputs.get("admin_user", {}).get("id")
            if isinstance(company, str) and isinstance(user, str):
                found.setdefault(company, {})[user] = None
        return Survey(
            names=frozenset({*(job.plan.subject for job in jobs), *(record.name for record in tenants)}),
            users={company: tuple(users) for company, users in found.items()},
        )


@dataclass(frozen=True)
class Survey:
    """Tenants and what jobs set out to make (*names*), and company id → user ids, newest first."""

    names: frozenset[str]
    users: Mapping[str, tuple[str, ...]]
