"""What the platform's facts and queries look at, in memory: charts that helm shows or not, releases, pods."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import yaml

from commands.platform import Component
from provisioning.clients import chart_files
from provisioning.clients.helm_releases import Release
from provisioning.configuration import Chart, Provisioning
from provisioning.errors import ChatopsError
from provisioning.facts.platform import PlatformFactsGatherer
from provisioning.sources import GivenSources
from tests.fakes import FakeCluster
from tests.unit.platform_samples import CHART_OF, CHARTS, GENERATED, SPEC, configuration, facts, release


@dataclass
class PlatformHelm:
    """Shows the sandbox's charts by the last part of references. ``down``: a chart's name → why it is not shown."""

    releases_: list[Release] = field(default_factory=list)
    given: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=lambda: dict(CHART_OF.values()))
    down: dict[str, ChatopsError] = field(default_factory=dict)
    asked: list[Chart] = field(default_factory=list)

    def show_chart(self, chart: Chart) -> dict[str, Any]:
        self.asked.append(chart)
        name = chart.reference.rsplit("/", 1)[-1].partition("@")[0].removesuffix(".tgz")
        if name in self.down:
            raise self.down[name]
        return {"name": name, "version": self.versions[name]}

    def show_values(self, chart: Chart) -> dict[str, Any]:
        name = self.show_chart(chart)["name"]
        found: dict[str, Any] = yaml.safe_load((CHARTS / name / "values.yaml").read_text())
        return found

    def chart_sha256(self, chart: Chart) -> str:
        path = Path(chart.reference)
        return chart_files.sha256(path if path.exists() else CHARTS / self.show_chart(chart)["name"])

    def releases(self) -> tuple[Release, ...]:
        return tuple(self.releases_)

    def values(self, namespace: str, name: str) -> dict[str, Any]:
        return dict(self.given[namespace, name])


@dataclass
class PlatformWorld:
    """A spec in *folder*, and what there is. ``tenants``: what the bot's store knows."""

    folder: Path
    text: str = SPEC
    settings: dict[str, Any] = field(default_factory=dict)
    helm: PlatformHelm = field(default_factory=PlatformHelm)
    cluster: FakeCluster = field(default_factory=FakeCluster)
    tenants: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        (self.folder / "platform.yaml").write_text(self.text)

    def install(self) -> None:
        """Make everything as the spec says."""
        seen = facts(installed=True, text=self.text)
        parts = {one: seen.spec.part(one) for one in seen.releases}
        for name in GENERATED:
            namespace, secret, key = name.split("/")
            made = self.cluster.secrets.setdefault((namespace, secret), {})
            made[key] = seen.secrets[name].get_secret_value()
        self.helm.releases_ = list(seen.releases.values())
        self.helm.given = {(parts[one].namespace, parts[one].release): seen.given_values[one] for one in parts}

    def change(self, component: Component, **changes: Any) -> None:
        """Change what is said of a release that is there."""
        others = [one for one in self.helm.releases_ if one.name != release(component).name]
        self.helm.releases_ = [*others, release(component, **changes)]

    def configuration(self) -> Provisioning:
        platform = {
            "file": str(self.folder / "platform.yaml"),
            "secrets": {"helm": "the-helm-token", "billing": "the-billing-token"},
        }
        return configuration(**({"platform": platform} | self.settings))

    def gatherer(self, *, looks_at_charts: bool = True) -> PlatformFactsGatherer:
        store = SimpleNamespace(tenants=lambda: [SimpleNamespace(name=name) for name in self.tenants])
        sources = GivenSources(
            configuration=self.configuration(),
            clearml=cast("Any", None),
            cluster=self.cluster,
            helm=cast("Any", self.helm),
            store=cast("Any", store),
        )
        return PlatformFactsGatherer("platform install", sources, looks_at_charts=looks_at_charts)
