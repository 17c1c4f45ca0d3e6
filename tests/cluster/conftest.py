"""A real control plane for the whole session, on 127.0.0.1, with the sandbox's nodes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.controlplane import build
from sandbox.controlplane.cluster import ControlPlane


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Start it once."""
    plane = ControlPlane(build.ensure(), tmp_path_factory.mktemp("control-plane"))
    plane.start()
    try:
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="session")
def kubeconfig(control_plane: ControlPlane) -> Path:
    return control_plane.kubeconfig
