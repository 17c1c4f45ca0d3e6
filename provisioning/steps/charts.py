"""What the steps on helm releases share: the chart that was approved is the chart that runs, and the way back."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from provisioning.chart_values import filled_in
from provisioning.clients.concealment import plain
from provisioning.clients.helm_renderings import Rendering
from provisioning.clients.interfaces import HelmReads, HelmWrites
from provisioning.configuration import Chart
from provisioning.errors import PermanentError
from provisioning.manifests import SHOWN_FINGERPRINT
from provisioning.steps.base import StepRun
from provisioning.wording import counted, listed

DEPLOYED = "deployed"
SHOWN_PLACES = 3
MOST_REASON = 200


class ChartOfRelease(BaseModel):
    """Which release of which chart: what the inputs of every step that gives helm a chart begin with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str
    release: str
    chart_name: str  # what Chart.yaml says
    chart_version: str
    chart_sha256: str | None = None  # of its file, or of a folder's files; None where it was not looked at


def named(secret: str) -> SecretStr:
    """Return what stands for the secret in a rendering: it is not there yet, or nobody's business."""
    return SecretStr(f"<{secret}>")


def rendering_of(helm: HelmReads, wanted: ChartOfRelease, chart: Chart, values: Mapping[str, Any]) -> Rendering | str:
    """Return what the chart would render with *values*, secrets by name, or why that cannot be told yet.

    Raises: ChatopsError where nobody can be asked at the moment.
    """
    try:
        return helm.rendering(wanted.namespace, wanted.release, chart, plain(filled_in(dict(values), named)))
    except PermanentError as error:
        # It may be that the chart takes no name for a secret. What it is given is bound, and so is the chart.
        return (error.details.strip() or error.what).splitlines()[-1][:MOST_REASON]


def said(rendering: Rendering | str) -> str:
    """Return it for people."""
    if isinstance(rendering, str):
        return f"what it renders shows only when it runs ({rendering})"
    text = f"renders {counted(len(rendering.objects), 'object')}, sha256 {rendering.sha256[:SHOWN_FINGERPRINT]}"
    if rendering.anew:
        text += f", but for what is made anew each time: {listed(rendering.anew, SHOWN_PLACES)}"
    return text


def objects_of(rendering: Rendering | str) -> dict[str, str]:
    """Return object → fingerprint, as an observation holds them."""
    return {} if isinstance(rendering, str) else dict(rendering.objects)


def mended(helm: HelmReads, wanted: ChartOfRelease, chart: Chart) -> str | None:
    """Return the chart's SHA-256 where its content is not what was approved, under the same name and version."""
    if wanted.chart_sha256 is None:
        return None
    found = helm.chart_sha256(chart)
    if found == wanted.chart_sha256:
        return None
    said = helm.show_chart(chart)
    return found if (said.get("name"), said.get("version")) == (wanted.chart_name, wanted.chart_version) else None


def check(helm: HelmReads, wanted: ChartOfRelease, chart: Chart) -> None:
    """Raise PermanentError where the chart is not the one that was approved."""
    if wanted.chart_sha256 is None:
        return
    found = helm.chart_sha256(chart)
    if found != wanted.chart_sha256:
        is_mended = mended(helm, wanted, chart) is not None
        raise PermanentError(
            f"installing {wanted.namespace}/{wanted.release}: chart {wanted.chart_name} {wanted.chart_version} is not"
            f" what was approved: its sha256 was {wanted.chart_sha256[:SHOWN_FINGERPRINT]}, and is"
            f" {found[:SHOWN_FINGERPRINT]}",
            next_action="Retry asks for approval of the chart as it is now; with the approved one back, it just goes on"
            if is_mended
            else "put the approved chart back and Retry, or Roll back and ask again with the new one",
        )


def go_back(helm: HelmWrites, wanted: ChartOfRelease, revision: int, run: StepRun) -> None:
    """Make the release what it was at *revision*, where it is there and has gone on since."""
    release = helm.release(wanted.namespace, wanted.release)
    if release is not None and release.revision > revision:
        run.note(f"release {wanted.release} goes back to revision {revision}")
        helm.roll_back(wanted.namespace, wanted.release, revision, timeout_s=run.timeout_s / 2)
