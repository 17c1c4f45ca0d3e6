"""The step that suspends a tenant's releases and lets them go on."""

import time
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from provisioning.clients.cluster_objects import Deployment
from provisioning.clients.interfaces import ClusterWrites
from provisioning.errors import PermanentError, TemporaryError
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun

POLL_S = 0.25


class ScaledInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str
    releases: tuple[str, ...]
    suspended: bool


class Scaled:
    """``k8s.scaled``: the releases' Deployments have no pods, or those again that they had. No outputs.

    How many pods a Deployment had is remembered at the Deployment itself: whoever resumes it knows, also years later.
    """

    kind = "k8s.scaled"

    def __init__(self, cluster: ClusterWrites) -> None:
        self._cluster = cluster

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = ScaledInputs.model_validate(inputs)
        found = self._found(wanted)
        if not found:
            return Observation(presence=Presence.ABSENT, detail="no Deployment is there")
        differences: dict[str, tuple[JsonValue, JsonValue]] = {
            f"{one.name}.replicas": (one.replicas, _replicas(one, suspended=wanted.suspended))
            for one in found
            if _is_to_change(one, suspended=wanted.suspended)
        }
        if differences:
            return Observation(presence=Presence.DIFFERS, differences=differences)
        how = "stand still" if wanted.suspended else "are asked to run"
        return Observation(presence=Presence.PRESENT, detail=f"{', '.join(one.name for one in found)} {how}")

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = ScaledInputs.model_validate(inputs)
        if not self._found(wanted):
            raise PermanentError(
                f"scaling {', '.join(wanted.releases)} in {wanted.namespace}: none of them has a Deployment",
                next_action=f"look at the tenant with /clearml tenant show {wanted.namespace}",
            )
        self._scale(wanted, suspended=wanted.suspended, run=run)
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = ScaledInputs.model_validate(inputs)
        self._scale(wanted, suspended=not wanted.suspended, run=run)

    def _scale(self, wanted: ScaledInputs, *, suspended: bool, run: StepRun) -> None:
        for one in self._found(wanted):
            if _is_to_change(one, suspended=suspended):
                replicas = _replicas(one, suspended=suspended)
                run.note(f"scaling {one.name} to {replicas}")
                self._cluster.scale_deployment(
                    one.namespace, one.name, replicas, remember=one.replicas if suspended else None
                )
        deadline = time.monotonic() + run.timeout_s
        while left := [one for one in self._found(wanted) if one.ready != one.replicas]:
            if run.cancelled() or time.monotonic() > deadline:
                shown = ", ".join(f"{one.name} has {one.ready} of {one.replicas} pods" for one in left)
                raise TemporaryError(
                    f"waiting for {wanted.namespace}: {shown}",
                    next_action=f"look at the pods with `kubectl get pods -n {wanted.namespace}`, then Retry",
                )
            time.sleep(POLL_S)

    def _found(self, wanted: ScaledInputs) -> list[Deployment]:
        return [
            one
            for one in self._cluster.deployments()
            if one.namespace == wanted.namespace and one.release in wanted.releases
        ]


def _is_to_change(one: Deployment, *, suspended: bool) -> bool:
    return (one.replicas > 0) if suspended else (one.replicas == 0)


def _replicas(one: Deployment, *, suspended: bool) -> int:
    return 0 if suspended else one.replicas_before or 1
