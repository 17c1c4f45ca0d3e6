"""A release moved to another version of its chart. Its values are read from the release and never stand in the plan."""

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, SecretStr

from provisioning.clients.concealment import Concealment
from provisioning.clients.helm_releases import Release
from provisioning.clients.interfaces import HelmWrites
from provisioning.configuration import Chart
from provisioning.errors import PermanentError
from provisioning.manifests import Hiding, Objects, differing_objects, fingerprint
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun
from provisioning.steps.helm_steps import DEPLOYED

SHOWN_FINGERPRINT = 16


class UpgradedInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str
    release: str
    chart: str  # the configured chart, by the name that the bot has for it: "agent"
    chart_name: str  # what Chart.yaml says
    chart_version: str
    back_to: int  # the revision that was deployed when this was planned: its values stay, and undo goes back to it
    wait_s: int  # how long helm waits for readiness, and once more where it then goes back


class HelmUpgraded:
    """``helm.upgraded``: the release is deployed, of this chart and version, with the values that it had.

    What it finds are the differences between what is rendered now and what would be. Outputs: ``revision``.

    Args:
        charts: the configured charts by the bot's names for them.
        key: makes what stands for a secret in the differences (`Hiding`).
    """

    kind = "helm.upgraded"

    def __init__(self, helm: HelmWrites, *, charts: Mapping[str, Chart], key: SecretStr) -> None:
        self._helm = helm
        self._charts = charts
        self._key = key

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = UpgradedInputs.model_validate(inputs)
        release = self._helm.release(wanted.namespace, wanted.release)
        if release is None:
            return Observation(presence=Presence.ABSENT)
        detail = f"revision {release.revision} {release.status}, chart {release.chart} {release.chart_version}"
        if _is_there(wanted, release):
            return Observation(presence=Presence.PRESENT, detail=detail, outputs={"revision": release.revision})
        now, then = self._renderings(wanted)
        return Observation(
            presence=Presence.DIFFERS,
            detail=f"{detail}; the values stay; {wanted.chart_version} renders sha256"
            f" {fingerprint(then)[:SHOWN_FINGERPRINT]}",
            outputs={"revision": release.revision},
            differences={
                "chart version": (release.chart_version, wanted.chart_version),
                **differing_objects(now, then),
            },
        )

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = UpgradedInputs.model_validate(inputs)
        if done := self._helm.recover(wanted.namespace, wanted.release):
            run.note(done)
        before = self._helm.release(wanted.namespace, wanted.release)
        if before is None:
            raise PermanentError(
                f"upgrading {wanted.namespace}/{wanted.release}: it is not there any more",
                next_action=f"Leave the job; /clearml tenant fix {wanted.namespace} installs it again",
            )
        if _is_there(wanted, before):
            return {"revision": before.revision}
        run.note(f"helm upgrades {wanted.release} to chart {wanted.chart_version} and waits until it is ready")
        release = self._helm.upgrade_install(
            wanted.namespace,
            wanted.release,
            self._chart(wanted),
            self._helm.values(wanted.namespace, wanted.release),
            timeout_s=max(5.0, min(wanted.wait_s, run.timeout_s / 2)),
            cancelled=run.cancelled,
        )
        return {"revision": release.revision}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = UpgradedInputs.model_validate(inputs)
        self._helm.recover(wanted.namespace, wanted.release)
        release = self._helm.release(wanted.namespace, wanted.release)
        if release is not None and release.revision > wanted.back_to:
            run.note(f"release {wanted.release} goes back to revision {wanted.back_to}")
            self._helm.roll_back(wanted.namespace, wanted.release, wanted.back_to, timeout_s=run.timeout_s / 2)

    def _renderings(self, wanted: UpgradedInputs) -> tuple[Objects, Objects]:
        """Return the objects as they are and as they would be."""
        values = self._helm.values(wanted.namespace, wanted.release)
        hiding = Hiding(self._key, Concealment(values))
        now = self._helm.manifest(wanted.namespace, wanted.release)
        then = self._helm.render_upgrade(wanted.namespace, wanted.release, self._chart(wanted), values)
        try:
            return hiding.objects(now), hiding.objects(then)
        except yaml.YAMLError:  # its text would quote the manifest, secrets too
            raise PermanentError(
                f"comparing what chart {wanted.chart_name} {wanted.chart_version} renders: it is not YAML",
                next_action="ask whoever made the chart; helm template shows it",
            ) from None

    def _chart(self, wanted: UpgradedInputs) -> Chart:
        return self._charts[wanted.chart].at(wanted.chart_version)


def _is_there(wanted: UpgradedInputs, release: Release) -> bool:
    return (release.status, release.chart, release.chart_version) == (
        DEPLOYED,
        wanted.chart_name,
        wanted.chart_version,
    )
