"""A real control plane for the whole session, on 127.0.0.1, with the sandbox's nodes."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.clients.cluster import ClusterClient
from provisioning.configuration import Cluster
from provisioning.errors import TemporaryError
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


@pytest.fixture(scope="session")
def cluster(kubeconfig: Path) -> ClusterClient:
    return ClusterClient(Cluster(kubeconfig=kubeconfig))


@pytest.fixture
def namespace(cluster: ClusterClient, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, called after its file."""
    name = f"{request.path.stem.removeprefix('test_').replace('_', '-')}-{uuid.uuid4().hex[:8]}"
    cluster.ensure_namespace(name, {"clearml-chatops/tenant": name})
    yield name
    with contextlib.suppress(TemporaryError):  # it goes in its own time
        cluster.delete_namespace(name, timeout_s=0)
