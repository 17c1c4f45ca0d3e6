"""Steps on helm releases. Values stand in the plan with secrets by name; here they are put in, in memory.

What a chart renders is part of what the step finds, and so of what is approved (docs/adr/0015).
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from provisioning.chart_values import differing_values
from provisioning.clients.helm_releases import Release
from provisioning.clients.helm_renderings import Rendering
from provisioning.clients.interfaces import HelmWrites
from provisioning.configuration import Chart
from provisioning.errors import PermanentError
from provisioning.named_secrets import NamedSecrets
from provisioning.plan import Observation, Outputs, Presence
from provisioning.steps.base import StepRun
from provisioning.steps.charts import DEPLOYED, ChartOfRelease, check, go_back, mended, objects_of, rendering_of, said
from provisioning.steps.rotation_steps import fingerprint
from provisioning.wording import counted


class ChartInput(BaseModel):
    """Where a chart lies; credentials by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: str
    version: str | None = None
    repo: str | None = None
    username: dict[str, str] | None = None  # {"$secret": name}
    password: dict[str, str] | None = None


class ReleaseInputs(ChartOfRelease):
    chart: str | ChartInput  # the configured chart, by the name that the bot has for it ("agent"), or where it lies
    values: dict[str, Any]  # secrets as {"$secret": name}
    wait_s: int  # how long helm waits for readiness, and once more where it then goes back
    port_range: dict[str, int] | None = None  # for people and leases; helm gets it within the values
    keep: bool = False  # a release that is deployed stays as it is, whatever its chart and values
    renewed: dict[str, str] = {}  # key by name → fingerprint of the one that an earlier step of the plan replaces
    if_key_gone: str = "Retry makes it again"  # what people do where a secret of the namespace is not there
    back_to: int | None = None  # the revision that undo goes back to, where the release was there before


class HelmRelease:
    """``helm.release``: the release is deployed, of this chart and version, with exactly these values.

    Outputs: ``revision``. helm waits until everything is ready and goes back where it is not.

    Args:
        charts: the configured charts by the bot's names for them.
    """

    kind = "helm.release"

    def __init__(self, helm: HelmWrites, *, charts: Mapping[str, Chart], secrets: NamedSecrets) -> None:
        self._helm = helm
        self._charts = charts
        self._secrets = secrets

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = ReleaseInputs.model_validate(inputs)
        release = self._helm.release(wanted.namespace, wanted.release)
        if release is None:
            rendering = self._rendering(wanted)
            return Observation(presence=Presence.ABSENT, detail=said(rendering), renders=objects_of(rendering))
        differences = self._differences(wanted, release)
        detail = str(release)
        if wanted.keep and release.status == DEPLOYED:
            differs = f", differs in {counted(len(differences), 'place')} and stays as it is" if differences else ""
            return Observation(
                presence=Presence.PRESENT, detail=detail + differs, outputs={"revision": release.revision}
            )
        if not differences:
            return Observation(presence=Presence.PRESENT, detail=detail, outputs={"revision": release.revision})
        rendering = self._rendering(wanted)
        return Observation(
            presence=Presence.DIFFERS,
            detail=f"{detail}; {said(rendering)}",
            outputs={"revision": release.revision},
            differences=differences,
            renders=objects_of(rendering),
        )

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = ReleaseInputs.model_validate(inputs)
        values = self._secrets.fill_in(wanted.values, strict=True, remedies={wanted.namespace: wanted.if_key_gone})
        if done := self._helm.recover(wanted.namespace, wanted.release):
            run.note(done)
        before = self._helm.release(wanted.namespace, wanted.release)
        if before is not None and (
            (wanted.keep and before.status == DEPLOYED) or not self._differences(wanted, before)
        ):
            return {"revision": before.revision}
        chart = self._chart(wanted)
        check(self._helm, wanted, chart)
        run.note(f"helm installs {wanted.release} and waits until it is ready")
        release = self._helm.upgrade_install(
            wanted.namespace,
            wanted.release,
            chart,
            values,
            timeout_s=max(5.0, min(wanted.wait_s, run.timeout_s / 2)),
            cancelled=run.cancelled,
        )
        return {"revision": release.revision}

    def mended_chart(self, inputs: dict[str, Any]) -> str | None:
        wanted = ReleaseInputs.model_validate(inputs)
        return mended(self._helm, wanted, self._chart(wanted))

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = ReleaseInputs.model_validate(inputs)
        self._helm.recover(wanted.namespace, wanted.release)
        release = self._helm.release(wanted.namespace, wanted.release)
        if release is not None and wanted.back_to is not None:
            go_back(self._helm, wanted, wanted.back_to, run)
        elif release is not None and release.revision > 1:  # ours was an upgrade, also where a crash hid that
            run.note(f"release {wanted.release} stays: it was there before this job")
        else:
            self._helm.uninstall(wanted.namespace, wanted.release, timeout_s=run.timeout_s, cancelled=run.cancelled)

    def _differences(self, wanted: ReleaseInputs, release: Release) -> dict[str, tuple[JsonValue, JsonValue]]:
        differences: dict[str, tuple[JsonValue, JsonValue]] = {}
        for name, found, shall in (
            ("status", release.status, DEPLOYED),
            ("chart", release.chart, wanted.chart_name),
            ("chart version", release.chart_version, wanted.chart_version),
        ):
            if found != shall:
                differences[name] = (found, shall)
        for name, old in wanted.renewed.items():
            key = self._secrets.find(name)
            if key is not None and fingerprint(key.get_secret_value()) == old:
                differences[f"Secret {name}"] = ("the old key", "the new key")
        found_values = self._helm.values(wanted.namespace, wanted.release)
        return differences | differing_values(found_values, self._secrets.fill_in(wanted.values, strict=False))

    def _rendering(self, wanted: ReleaseInputs) -> Rendering | str:
        return rendering_of(self._helm, wanted, self._chart(wanted), wanted.values)

    def _chart(self, wanted: ReleaseInputs) -> Chart:
        match wanted.chart:
            case str(name):
                # In the version that was planned: a tenant may be pinned to another. A folder or a file has but one.
                chart = self._charts[name]
                return chart if chart.version is None else chart.model_copy(update={"version": wanted.chart_version})
            case ChartInput(username=username, password=password) as source:
                user = self._secrets.fill_in(username, strict=True)
                return Chart(
                    reference=source.reference,
                    version=source.version,
                    repo=source.repo,
                    username=user.get_secret_value() if user else None,
                    password=self._secrets.fill_in(password, strict=True),
                )


class UninstalledInputs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str
    release: str
    wait_s: int  # how long helm waits until the release's objects are gone


class HelmUninstalled:
    """``helm.uninstalled``: there is no such release. No outputs. Undo brings nothing back: a plan can do that."""

    kind = "helm.uninstalled"

    def __init__(self, helm: HelmWrites) -> None:
        self._helm = helm

    def observe(self, inputs: dict[str, Any]) -> Observation:
        wanted = UninstalledInputs.model_validate(inputs)
        release = self._helm.release(wanted.namespace, wanted.release)
        if release is None:
            return Observation(presence=Presence.PRESENT, detail="not installed")
        return Observation(
            presence=Presence.DIFFERS,
            detail=str(release),
        )

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        wanted = UninstalledInputs.model_validate(inputs)
        run.note(f"helm uninstalls {wanted.release} and waits until its objects are gone")
        self._helm.uninstall(
            wanted.namespace,
            wanted.release,
            timeout_s=min(wanted.wait_s, run.timeout_s),
            cancelled=run.cancelled,
        )
        return {}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        wanted = UninstalledInputs.model_validate(inputs)
        release = self._helm.release(wanted.namespace, wanted.release)
        if release is not None and release.status == DEPLOYED:
            run.note(f"release {wanted.release} is still there: nothing was taken")
            return
        raise PermanentError(
            f"release {wanted.namespace}/{wanted.release} was uninstalled, and undoing does not bring it back",
            next_action="Retry goes on; or Leave the job, and install it again: tenant fix does so for a tenant,"
            " platform install for the platform",
        )
