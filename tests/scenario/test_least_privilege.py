"""Nothing is granted that no scenario used: judged after all of them, by what each left in ``rights_folder``."""

import json
import os
import time
from pathlib import Path

import pytest

from tests.scenario import bots_rights
from tests.scenario.bots_rights import Options, Right

OTHERS_S = 420  # a scenario in another process may take as long as its own timeout

pytestmark = [pytest.mark.scenario, pytest.mark.cluster, pytest.mark.timeout(OTHERS_S + 60)]


@pytest.fixture
def left_by_scenarios(request: pytest.FixtureRequest, rights_folder: Path) -> dict[Options, set[Right]]:
    """What the chart was told to grant → what all scenarios with just these options used.

    Skips where only some scenarios were chosen; fails where one that was chosen left nothing.
    """
    every = {path.stem for path in Path(__file__).parent.glob("*.yaml")}
    items = [item for item in request.session.items if item.path.name == "test_scenarios.py"]
    chosen = {item.callspec.id for item in items if isinstance(item, pytest.Function)}
    if chosen != every:
        pytest.skip(f"{len(chosen)} of {len(every)} scenarios were chosen: what all of them use is not known")
    missing = _await(chosen, rights_folder)
    assert not missing, f"these scenarios did not run to their end: {sorted(missing)}"
    found: dict[Options, set[Right]] = {}
    for stem in chosen:
        left = json.loads((rights_folder / f"{stem}.json").read_text())
        used = {(group, resource, verb) for group, resource, verb in left["used"]}
        found.setdefault(frozenset(left["options"]), set()).update(used)
    return found


def _await(chosen: set[str], folder: Path) -> set[str]:
    """Return which scenarios left nothing. With pytest-xdist the last ones may still be under way elsewhere."""
    deadline = time.monotonic() + (OTHERS_S if "PYTEST_XDIST_WORKER" in os.environ else 0)
    while True:
        missing = {stem for stem in chosen if not (folder / f"{stem}.json").exists()}
        if not missing or time.monotonic() > deadline:
            return missing
        time.sleep(0.5)


def test_nothing_is_granted_that_is_not_used(left_by_scenarios: dict[Options, set[Right]]) -> None:
    """By default, and by each option that is not cluster-admin; but for what the agent's Role hands on."""
    default = bots_rights.granted()
    unused = {}
    for option in ("", "nodes", "router"):
        options: Options = frozenset({option} - {""})
        granted = bots_rights.granted(options) - (default if option else set())
        used = bots_rights.needed_for(left_by_scenarios[options])
        unused[option or "by default"] = sorted(granted - used - bots_rights.FOR_THE_AGENT)
    assert not any(unused.values()), "take these out of rbac.yaml, or show that they are needed"
