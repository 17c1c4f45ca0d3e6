"""A tenant's world for every module that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.clearml.api import create_app
from sandbox.clearml.state import ClearMLState
from sandbox.serving import LoopbackServer
from tests.integration.tenant_world import World


@pytest.fixture
def state() -> ClearMLState:
    return ClearMLState(clock=lambda: 1_000_000.0)


@pytest.fixture
def url(state: ClearMLState) -> Iterator[str]:
    server = LoopbackServer(create_app(state))
    yield server.start()
    server.stop()


@pytest.fixture
def world(tmp_path: Path, url: str, state: ClearMLState) -> Iterator[World]:
    made = World(tmp_path, url, state)
    yield made
    made.clearml.close()
    made.store.close()
