"""Every scenario beside this file holds, through the whole product: page server, bot, engine, helm, cluster."""

from pathlib import Path

import pytest

from sandbox import cli

SCENARIOS = sorted(Path(__file__).parent.glob("*.yaml"))

pytestmark = [pytest.mark.scenario, pytest.mark.cluster, pytest.mark.timeout(400)]


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_scenario_holds(path: Path) -> None:
    """Every expectation in the file held."""
    assert cli.run(scenario=[path], json_output=False, kube_context=None, port=0, keep=False) == 0
