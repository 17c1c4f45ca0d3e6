"""A tenant's world for every module that asks for one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from provisioning.store import Store
from sandbox.clearml.api import create_app
from sandbox.clearml.state import ClearMLState
from sandbox.platform import CHARTS
from sandbox.serving import LoopbackServer
from tests.browser import chromium
from tests.integration.chart_samples import AGENT, RenderingHelm
from tests.integration.store_samples import TurnedClock, open_store
from tests.integration.tenant_world import SECRETS, World


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def store(tmp_path: Path, clock: TurnedClock) -> Iterator[Store]:
    made = open_store(tmp_path, clock)
    yield made
    made.close()


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


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    return shutil.copytree(CHARTS / AGENT, tmp_path / "agent")


@pytest.fixture
def bound(world: World, chart: Path) -> World:
    """A world whose agent is the stand-in chart."""
    world.helm = RenderingHelm(world)
    world.settings = {"agent": {"chart": {"reference": str(chart)}, "image_password": SECRETS["image"]}}
    world.restart()
    return world


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the file."""
    with chromium() as made:
        yield made
