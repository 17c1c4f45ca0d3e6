"""Charts that the real helm renders, for releases of the stand-in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provisioning import tools
from provisioning.clients.helm import Helm, Rendering
from provisioning.clients.process import ChildProcesses
from provisioning.configuration import Chart, Tools
from tests.fakes import FakeHelm
from tests.integration.tenant_world import World

AGENT = "clearml-enterprise-agent"


class RenderingHelm(FakeHelm):
    """Releases of the stand-in, charts of the real helm."""

    def __init__(self, world: World) -> None:
        super().__init__(world.cluster)
        self._real = Helm(
            tools.locate(Tools()).helm,
            ChildProcesses(world.folder / "helm-children"),
            kubeconfig=None,
            context=None,
            home=world.folder / "helm",
        )

    def show_chart(self, chart: Chart) -> dict[str, Any]:
        return self._real.show_chart(chart)

    def show_values(self, chart: Chart) -> dict[str, Any]:
        return self._real.show_values(chart)

    def chart_sha256(self, chart: Chart) -> str:
        return self._real.chart_sha256(chart)

    def rendering(self, namespace: str, name: str, chart: Chart, values: Mapping[str, Any]) -> Rendering:
        return self._real.rendering(namespace, name, chart, values)


def add_replica(chart: Path) -> None:
    template = chart / "templates" / "deployment.yaml"
    before = template.read_text()
    template.write_text(before.replace("spec:\n", "spec:\n  minReadySeconds: 7\n", 1))
    assert template.read_text() != before
