"""What charts render before they run: rendered once, and steady though the chart makes things anew."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from provisioning.clients import helm_renderings
from provisioning.clients.helm_renderings import Renderings
from provisioning.configuration import Chart
from provisioning.errors import PermanentError

SECRET = "kind: Secret\nmetadata: {{name: s}}\ndata: {{password: p{0}, user: admin}}\n---\n"
POD = "kind: Pod\nmetadata: {{name: p}}\nspec: {{image: '{1}'}}\n"


class World:
    """A chart in a folder, and a helm that counts."""

    def __init__(self, folder: Path) -> None:
        self.template_file = folder / "templates" / "one.yaml"
        self.template_file.parent.mkdir()
        self.text = SECRET + POD
        self.calls = 0
        self.renderings = Renderings(self._template, lambda _chart: folder)

    def _template(self, namespace: str, name: str, chart: Chart, values: Mapping[str, Any]) -> str:
        self.calls += 1
        return self.text.format(self.calls, values.get("image", "agent"))

    def of(self, namespace: str = "acme", **values: Any) -> helm_renderings.Rendering:
        return self.renderings.of(namespace, "clearml-agent", Chart(reference="agent"), values)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.template_file.write_text("a: {{ .Values.a }}")
    return made


def test_the_same_is_rendered_once(world: World) -> None:
    """Another chart, another tenant and other values are something else."""
    first = world.of()
    assert (world.of(), world.calls) == (first, 1)
    assert list(first.objects) == ["Pod/p", "Secret/s"]
    assert world.of(image="other").objects["Pod/p"] != first.objects["Pod/p"]
    world.of("globex")
    assert world.calls == 3
    world.template_file.write_text("b: {{ .Values.a }}")
    assert world.of().sha256 != first.sha256
    assert world.calls == 4


def test_what_is_made_anew_each_time_voids_no_approval(world: World) -> None:
    """It is named, and everything beside it is covered."""
    world.template_file.write_text("{{ randAlphaNum 8 }}")
    first = world.of()
    assert first.anew == ("Secret/s.data.password",)
    world.template_file.write_text("{{ randAlphaNum 9 }}")  # rendered again
    assert world.of() == first
    world.template_file.write_text("{{ randAlphaNum 10 }}")
    world.text = world.text.replace("admin", "root")
    assert world.of().objects["Secret/s"] != first.objects["Secret/s"]


def test_where_it_tells_the_time_time_passes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice within a second would look steady."""
    slept: list[float] = []
    monkeypatch.setattr("provisioning.clients.helm_renderings.time.sleep", slept.append)
    world.template_file.write_text("{{ now | unixEpoch }}")
    world.of()
    assert slept == [helm_renderings.A_MOMENT_S]
    assert world.calls == 2


def test_only_the_newest_are_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helm_renderings, "KEPT", 2)
    for image in itertools.islice(itertools.cycle("abc"), 6):
        world.of(image=image)
    assert world.calls == 6
    world.of(image="c")
    assert world.calls == 6


def test_what_is_no_yaml_is_said_without_its_text(world: World) -> None:
    world.text = "password: [hunter2\n"
    with pytest.raises(PermanentError, match="it is not YAML") as caught:
        world.of()
    assert "hunter2" not in str(caught.value)
