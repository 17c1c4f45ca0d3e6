"""The sandbox's world, where it does not come up: what it had started by then does not stay behind."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provisioning import tools
from sandbox import world as worlds
from sandbox.cast import DEFAULT_CAST
from sandbox.controlplane import build
from sandbox.serving import LoopbackServer, listen
from sandbox.world import World, WorldError


class NoAnswerError(Exception):
    pass


class Cluster:
    """A control plane that comes up and then takes nothing."""

    stopped = 0

    def __init__(self, _binaries: Path, folder: Path, **_: Any) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self.gpus = SimpleNamespace(bin=folder)

    def start(self, _progress: Any) -> None:
        self.kubeconfig.parent.mkdir(parents=True)

    def create(self, _objects: Any) -> None:
        raise NoAnswerError

    def stop(self) -> None:
        Cluster.stopped += 1


def test_a_start_that_fails_half_way_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers and the control plane are stopped, once, although there is no bot yet."""
    monkeypatch.setattr(worlds, "ControlPlane", Cluster)
    monkeypatch.setattr(build, "ensure", lambda _progress: tmp_path)
    monkeypatch.setattr(tools, "locate", lambda _tools: (tmp_path / "helm", tmp_path / "kubectl"))
    served: list[Any] = []

    class Server(LoopbackServer):
        def start(self) -> str:
            served.append(self)
            return super().start()

        def stop(self) -> None:
            served.remove(self)
            super().stop()

    monkeypatch.setattr(worlds, "LoopbackServer", Server)
    Cluster.stopped = 0
    world = World(tmp_path / "world", cast=DEFAULT_CAST, progress=lambda _line: None)
    with pytest.raises(NoAnswerError):
        world.start()
    assert len(served) == 2
    world.stop()
    world.stop()
    assert (served, Cluster.stopped) == ([], 1)


def test_a_page_port_that_is_taken_is_told_before_anything_is_started(tmp_path: Path) -> None:
    """What to type instead is said, and the world can be stopped as any other."""
    said: list[str] = []
    with listen() as other:
        port = other.getsockname()[1]
        world = World(tmp_path / "world", cast=DEFAULT_CAST, progress=said.append, page_port=port)
        with pytest.raises(WorldError, match=f"port {port} .*another one with --port"):
            world.start()
        world.stop()
    assert said == []


def test_the_page_port_is_free_again_after_a_start_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is held from the beginning, and until the stop."""
    monkeypatch.setattr(build, "ensure", _fails)
    monkeypatch.setattr(tools, "locate", lambda _tools: (tmp_path / "helm", tmp_path / "kubectl"))
    with listen() as free:
        port = free.getsockname()[1]
    world = World(tmp_path / "world", cast=DEFAULT_CAST, progress=lambda _line: None, page_port=port)
    with pytest.raises(NoAnswerError):
        world.start()
    with pytest.raises(OSError, match="in use"):
        listen(port)
    world.stop()
    listen(port).close()


def _fails(_progress: Any) -> Path:
    raise NoAnswerError
