"""A release moved to another version of its chart. Its values are read from the release and never stand in the plan."""

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from provisioning.clients.chart_files import STEADY
from provisioning.clients.concealment import Concealment
from provisioning.clients.helm_releases import Release
from provisioning.clients.helm_renderings import Rendering, fingerprints, until_steady
from provisioning.clients.interfaces import HelmWrites
from provisioning.configuration import Chart
from provisioning.errors import PermanentError
from provisioning.manifests import Hiding, Objects, differing_objects
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun
from provisioning.steps.charts import DEPLOYED, ChartOfRelease, check, go_back, mended, objects_of, said


class UpgradedInputs(ChartOfRelease):
    chart: str  # the configured chart, by the name that the bot has for it: "agent"
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
        detail = str(release)
        if _is_there(wanted, release):
            return Observation(presence=Presence.PRESENT, detail=detail, outputs={"revision": release.revision})
        now, then, anew = self._renderings(wanted)
        rendering = Rendering(objects=fingerprints(then), anew=anew)
        return Observation(
            presence=Presence.DIFFERS,
            detail=f"{detail}; the values stay; {wanted.chart_version} {said(rendering)}",
            renders=objects_of(rendering),
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
        chart = self._chart(wanted)
        check(self._helm, wanted, chart)
        run.note(f"helm upgrades {wanted.release} to chart {wanted.chart_version} and waits until it is ready")
        release = self._helm.upgrade_install(
            wanted.namespace,
            wanted.release,
            chart,
            self._helm.values(wanted.namespace, wanted.release),
            timeout_s=max(5.0, min(wanted.wait_s, run.timeout_s / 2)),
            cancelled=run.cancelled,
        )
        return {"revision": release.revision}

    def mended_chart(self, inputs: dict[str, Any]) -> str | None:
        wanted = UpgradedInputs.model_validate(inputs)
        return mended(self._helm, wanted, self._chart(wanted))

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = UpgradedInputs.model_validate(inputs)
        self._helm.recover(wanted.namespace, wanted.release)
        go_back(self._helm, wanted, wanted.back_to, run)

    def _renderings(self, wanted: UpgradedInputs) -> tuple[Objects, Objects, tuple[str, ...]]:
        """Return the objects as they are and as they would be, and the places of these that are made anew each time."""
        values, chart = self._helm.values(wanted.namespace, wanted.release), self._chart(wanted)
        hiding = Hiding(self._key, Concealment(values))
        doing = f"comparing what chart {wanted.chart_name} {wanted.chart_version} renders"
        now = self._helm.manifest(wanted.namespace, wanted.release)
        found, _ = until_steady(lambda: hiding.objects(now), STEADY, doing=doing)
        shall, anew = until_steady(
            lambda: hiding.objects(self._helm.render_upgrade(wanted.namespace, wanted.release, chart, values)),
            self._helm.is_made_anew(chart),
            doing=doing,
        )
        return found, shall, anew

    def _chart(self, wanted: UpgradedInputs) -> Chart:
        return self._charts[wanted.chart].at(wanted.chart_version)


def _is_there(wanted: UpgradedInputs, release: Release) -> bool:
    return (release.status, release.chart, release.chart_version) == (
        DEPLOYED,
        wanted.chart_name,
        wanted.chart_version,
    )
