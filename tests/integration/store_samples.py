"""Jobs and stores for tests that need some."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from policies.approvals import Actor, Approval
from provisioning.evidence.trail import Event
from provisioning.jobs.job import Job, JobState
from provisioning.plan import Plan, Step
from provisioning.redact import Redactor
from provisioning.store import Store

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
ANA = Actor(id="UANA", name="ana", roles=frozenset({"operator"}))


class TurnedClock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def turn(self, **words: float) -> None:
        self.time += timedelta(**words)


def open_store(folder: Path, clock: TurnedClock | None = None, *secrets: str) -> Store:
    return Store(folder / "chatops.db", clock=clock or TurnedClock(), redact=Redactor(secrets))


def plan_for(tenant: str, *step_ids: str) -> Plan:
    steps = tuple(Step(id=step_id, kind="test.step", title=f"Do {step_id}") for step_id in step_ids or ("one",))
    return Plan(operation="tenant create", subject=tenant, summary="Test", request={"name": tenant}, steps=steps)


def create(store: Store, tenant: str = "acme", **words: Any) -> Job:
    fields: dict[str, Any] = {
        "command": f"tenant create {tenant}",
        "requester": ANA,
        "plan": plan_for(tenant),
        "state": JobState.AWAITING_APPROVAL,
        "approval": Approval(
            rule="r", approver_roles=frozenset({"approver"}), count=1, expires_at=START + timedelta(hours=1)
        ),
        "place": None,
        "event": Event(action="job.requested", actor=ANA.id),
    }
    return store.create_job(**(fields | words))
