"""The step that takes a tenant's router away."""

from typing import Any

from provisioning.plan import Observation, Outputs
from provisioning.steps.base import StepRun
from provisioning.steps.helm_steps import HelmRelease, HelmUninstalled, ReleaseInputs


class RouterRemoved:
    """``helm.router_removed``: there is no such release. No outputs.

    Its inputs are those of ``helm.release``: undo installs what they say. Sessions that it cut off do not come back.
    """

    kind = "helm.router_removed"

    def __init__(self, uninstalled: HelmUninstalled, release: HelmRelease) -> None:
        self._uninstalled = uninstalled
        self._release = release

    def observe(self, inputs: dict[str, Any]) -> Observation:
        return self._uninstalled.observe(_removal(inputs))

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        return self._uninstalled.apply(_removal(inputs), run)

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        self._release.apply(inputs, run)


def _removal(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what ``helm.uninstalled`` takes of them."""
    return ReleaseInputs.model_validate(inputs).model_dump(include={"namespace", "release", "wait_s"})
