"""The platform as it was seen → a report. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from commands.platform import Component
from provisioning.clients.cluster_objects import Pod
from provisioning.clients.endpoints import Endpoint
from provisioning.operations.platform_facts import PlatformFacts
from provisioning.operations.platform_upgrade import ReleaseChange
from provisioning.operations.release_steps import DEPLOYED
from provisioning.platform.findings import PlatformFinding
from provisioning.reports import Cell, Facts, Lines, Part, Report, table
from provisioning.wording import counted

SHOWN_DIFFERENCES = 30


@dataclass(frozen=True, kw_only=True)
class PlatformView:
    """Everything that was seen of the components *wanted*."""

    facts: PlatformFacts
    wanted: tuple[Component, ...]  # those that are releases
    others: Mapping[Component, str]  # those that are none → what is there of them
    pods: Mapping[Component, tuple[Pod, ...]]
    changes: Mapping[Component, ReleaseChange]  # how each release differs from the spec
    endpoints: tuple[Endpoint, ...]
    findings: tuple[PlatformFinding, ...]  # what is wrong
    known: tuple[PlatformFinding, ...]  # what is known to go wrong with what is installed
    server_version: str  # "" where the API did not answer


def report(view: PlatformView) -> Report:
    """Return what people and machines are told."""
    return Report(title="Platform", summary=_summary(view), parts=tuple(_parts(view)), data=_data(view))


def _summary(view: PlatformView) -> str:
    said = []
    if view.wanted:
        installed = sum(one in view.facts.releases for one in view.wanted)
        said.append(f"{installed} of {counted(len(view.wanted), 'release')} installed")
    differing = [str(one) for one, change in view.changes.items() if not change.is_nothing]
    verb = "differs" if len(differing) == 1 else "differ"
    if differing:
        said.append(f"{', '.join(differing)} {verb} from the spec")
    elif all(one in view.changes for one in view.wanted):
        said.append("nothing differs from the spec")
    elif view.changes:  # the rest is not installed, or its chart could not be read
        said.append("what could be compared is as the spec says")
    return "; ".join([*said, counted(len(view.findings) + len(view.known), "finding")])


def _parts(view: PlatformView) -> Iterator[Part]:
    rows: list[tuple[Cell, ...]] = []
    for component in view.wanted:
        release, chart = view.facts.releases.get(component), view.facts.charts.get(component)
        part = view.facts.spec.part(component)
        rows.append(
            (
                component.value,
                f"{part.namespace}/{part.release}",
                f"{release.status}, revision {release.revision}" if release else "not installed",
                f"{release.chart} {release.chart_version}" if release else None,
                chart.version if chart else None,
                f"{sum(pod.is_ready for pod in view.pods[component])}/{len(view.pods[component])}",
                ", ".join(_images(view.pods[component])) or None,
                _differs(view.changes.get(component)),
            )
        )
    columns = ("Component", "Release", "Status", "Chart", "In the spec", "Pods ready", "Images", "Differs")
    if rows:
        yield table("Components", columns, rows)
    if view.others:
        yield Facts(title="Without a release", items=tuple((str(one), said) for one, said in view.others.items()))
    if view.findings:
        yield Lines(title="Findings", lines=tuple(map(str, view.findings)), kind="warning")
    if view.known:
        yield Lines(title="Known to go wrong", lines=tuple(map(str, view.known)), kind="warning")
    differing: list[tuple[Cell, ...]] = [
        (component.value, path, *(None if one is None else str(one) for one in pair))
        for component, change in view.changes.items()
        for path, pair in change.values.items()
    ]
    if differing:
        yield table(
            "Values that differ from the spec", ("Component", "Value", "Is", "Shall be"), differing[:SHOWN_DIFFERENCES]
        )
    if view.endpoints:
        yield table(
            "Endpoints",
            ("Address", "Answers", "Certificate until"),
            [(one.url, "yes" if one.answers else "no", one.expires_at) for one in view.endpoints],
        )


def _differs(change: ReleaseChange | None) -> Cell:
    if change is None:
        return None
    said = [
        *(["version"] if change.changes_version else []),
        *([counted(len(change.values), "value")] if change.values else []),
        *([change.status] if change.status != DEPLOYED else []),
    ]
    return ", ".join(said) or "no"


def _images(pods: Iterable[Pod]) -> tuple[str, ...]:
    return tuple(sorted({image.rsplit("/", 1)[-1] for pod in pods for image in pod.images}))


def _data(view: PlatformView) -> JsonValue:
    components: dict[str, JsonValue] = {}
    for component in view.wanted:
        release, chart = view.facts.releases.get(component), view.facts.charts.get(component)
        change = view.changes.get(component)
        components[component.value] = {
            "installed": release is not None,
            "status": release.status if release else None,
            "revision": release.revision if release else None,
            "chart": release.chart if release else None,
            "chart_version": release.chart_version if release else None,
            "app_version": release.app_version if release else None,
            "chart_version_in_spec": chart.version if chart else None,
            "pods": [
                {"name": pod.name, "ready": pod.is_ready, "phase": pod.phase, "images": [*pod.images]}
                for pod in view.pods[component]
            ],
            "differing_values": {path: [*pair] for path, pair in change.values.items()} if change else {},
        }
    return {
        "components": components,
        "without_release": {one.value: said for one, said in view.others.items()},
        "server_version": view.server_version or None,
        "endpoints": [
            {
                "url": one.url,
                "answers": one.answers,
                "certificate_until": one.expires_at.isoformat() if one.expires_at else None,
                "trouble": one.trouble or None,
            }
            for one in view.endpoints
        ],
        "findings": [{"what": one.what, "next_action": one.next_action} for one in view.findings],
        "incompatibilities": [{"what": one.what, "next_action": one.next_action} for one in view.known],
    }
