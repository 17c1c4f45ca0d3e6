"""Every scenario beside this file holds, through the whole product, with the rights of its ServiceAccount alone."""

import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from provisioning import tools
from sandbox.scenario.model import load
from sandbox.scenario.runner import Runner
from sandbox.scenario.transcript import Transcript
from tests.scenario import bots_rights
from tests.scenario.bots_rights import BotsWorld

SCENARIOS = sorted(Path(__file__).parent.glob("*.yaml"))

pytestmark = [pytest.mark.scenario, pytest.mark.cluster, pytest.mark.timeout(400)]


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_scenario_holds(path: Path, tmp_path: Path, rights_folder: Path) -> None:
    """Every expectation in the file held; the cluster refused the bot nothing, and it did nothing but what is granted.

    What it did is left in *rights_folder* for test_least_privilege.py.
    """
    tools.install()
    scenario, transcript = load(path), Transcript(Console())
    options = bots_rights.options_of(path.stem, scenario)
    world = BotsWorld(tmp_path / "world", scenario, options, progress=print)
    try:
        world.start()
        outcome = Runner(world, scenario, transcript.tell).play()
    finally:
        world.stop()
    transcript.end(outcome)
    used, refused = bots_rights.asked_for(world.api_log)
    left = rights_folder / f"{path.stem}.json.new"
    left.write_text(json.dumps({"options": sorted(options), "used": sorted(used)}))
    left.rename(left.with_suffix(""))
    assert outcome.ok
    assert not refused, "the bot lacks these rights: does rbac.yaml have to grant them?"
    if bots_rights.PLATFORM not in options:
        foreign = {
            right for right in used - bots_rights.granted(options) if right[0] not in bots_rights.EVERYBODYS_GROUPS
        }
        assert not foreign, "these were allowed by something else than rbac.yaml"
    shutil.rmtree(world.folder)
