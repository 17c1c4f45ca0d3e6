"""The step that takes a tenant's router away."""

from typing import Any

from provisioning.clients.interfaces import HelmWrites
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun
from provisioning.steps.helm_steps import HelmRelease, ReleaseInputs


class RouterRemoved:
    """``helm.router_removed``: there is no such release. No outputs.

    Its inputs are those of ``helm.release``: undo installs what they say. Sessions that it cut off do not come back.
    """

    kind = "helm.router_removed"

    def __init__(self, helm: HelmWrites, release: HelmRelease) -> None:
        self._helm = helm
        self._release = release

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = ReleaseInputs.model_validate(inputs)
        found = self._helm.release(wanted.namespace, wanted.release)
        if found is None:
            return Observation(presence=Presence.PRESENT, detail="not installed")
        return Observation(presence=Presence.DIFFERS, detail=str(found))

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = ReleaseInputs.model_validate(inputs)
        run.note(f"helm uninstalls {wanted.release} and waits until its objects are gone")
        self._helm.uninstall(
            wanted.namespace,
            wanted.release,
            timeout_s=min(wanted.wait_s, run.timeout_s),
            cancelled=run.cancelled,
        )
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        self._release.apply(inputs, run)
