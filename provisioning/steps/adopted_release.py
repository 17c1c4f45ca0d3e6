"""Steps on releases that somebody else installed: they are looked at, never changed."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from provisioning.clients.interfaces import HelmReads
from provisioning.errors import PermanentError
from provisioning.operations.tenant_inference import session_ports
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun


class AdoptedInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str
    release: str
    port_range: dict[str, int] | None  # as the release's values give it to sessions; leased with the job


class AdoptedRelease:
    """``helm.adopted``: the release is deployed and gives sessions these ports. No outputs."""

    kind = "helm.adopted"

    def __init__(self, helm: HelmReads) -> None:
        self._helm = helm

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = AdoptedInputs.model_validate(inputs)
        release = self._helm.release(wanted.namespace, wanted.release)
        if release is None:
            return Observation(presence=Presence.ABSENT)
        ports = session_ports(self._helm.values(wanted.namespace, wanted.release))
        found = None if ports is None else {"start": ports.start, "size": ports.size}
        detail = str(release)
        if release.status == "deployed" and found == wanted.port_range:
            return Observation(presence=Presence.PRESENT, detail=detail)
        return Observation(presence=Presence.DIFFERS, detail=detail)

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = AdoptedInputs.model_validate(inputs)
        raise PermanentError(
            f"release {wanted.namespace}/{wanted.release} has changed since it was looked at",
            next_action="Leave this job, and import the tenant again",
        )

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        """Nothing was done."""
