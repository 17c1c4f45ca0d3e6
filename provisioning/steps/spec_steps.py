"""Steps on a tenant's record: its spec is written last, once all of it is so, and forgotten last."""

from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from provisioning.clock import Clock
from provisioning.errors import PermanentError
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun
from provisioning.store import Store, TenantRecord


class SpecInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    spec: dict[str, JsonValue]  # a `tenant create` request
    before: dict[str, JsonValue] | None  # what was recorded when this was planned: undo writes it again
    company_id: str
    admin_user_id: str


class RecordSpec:
    """``tenant.spec``: the tenant is recorded with this spec and these ids. No outputs."""

    kind = "tenant.spec"

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = SpecInputs.model_validate(inputs)
        found = self._store.tenant(wanted.tenant)
        if found is None:
            return Observation(presence=Presence.ABSENT)
        if found.request == wanted.spec and _outputs(wanted).items() <= found.outputs.items():
            return Observation(presence=Presence.PRESENT, detail="recorded so")
        return Observation(
            presence=Presence.DIFFERS,
            detail="recorded otherwise",
            differences=differing_fields(found.request, wanted.spec),
        )

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = SpecInputs.model_validate(inputs)
        self._write(wanted, wanted.spec, run)
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = SpecInputs.model_validate(inputs)
        if wanted.before is None:
            self._store.forget_tenant(wanted.tenant)
        else:
            self._write(wanted, wanted.before, run)

    def _write(self, wanted: SpecInputs, spec: dict[str, JsonValue], run: StepRun) -> None:
        self._store.put_tenant(
            TenantRecord(
                name=wanted.tenant,
                request=spec,
                outputs=_outputs(wanted),
                job=run.job_id,
                recorded_at=self._clock.now(),
            )
        )


class ForgetInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    port_range: None = None  # it says that the tenant has no ports any more


class ForgetSpec:
    """``tenant.forget``: nothing is recorded of the tenant. Its jobs and its audit rows stay. No outputs."""

    kind = "tenant.forget"

    def __init__(self, store: Store) -> None:
        self._store = store

    def observe(self, inputs: dict[str, Any]) -> Observation:
        if self._store.tenant(ForgetInputs.model_validate(inputs).tenant) is None:
            return Observation(presence=Presence.PRESENT, detail="nothing is recorded")
        return Observation(presence=Presence.DIFFERS, detail="a spec is recorded")

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        self._store.forget_tenant(ForgetInputs.model_validate(inputs).tenant)
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        raise PermanentError(
            "a tenant that was deleted does not come back by undoing", next_action="Leave the job, and create it anew"
        )


def differing_fields(
    found: dict[str, JsonValue], wanted: dict[str, JsonValue]
) -> dict[str, tuple[JsonValue, JsonValue]]:
    """Return field → (is, shall) of every field that differs; null where one of them does not set it."""
    return {
        field: (found.get(field), wanted.get(field))
        for field in sorted(found.keys() | wanted.keys())
        if found.get(field) != wanted.get(field)
    }


def _outputs(wanted: SpecInputs) -> dict[str, Outputs]:
    """Return the ids under the names of the steps of `tenant create` that make what they name."""
    return {"company": {"id": wanted.company_id}, "admin_user": {"id": wanted.admin_user_id}}
