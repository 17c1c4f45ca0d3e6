"""How this suite is run."""

import os

import pytest


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="one process alone keeps everything together")
def test_a_files_tests_stay_on_one_worker(request: pytest.FixtureRequest) -> None:
    """The group that conftest.py gives them is in the name by which pytest-xdist hands them out."""
    assert request.node.nodeid.endswith("@tests/unit/test_suite.py")
