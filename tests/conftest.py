"""What holds for every test."""

import os

import pytest
from hypothesis import settings

# No deadlines: a busy machine makes no claim wrong. In CI the same examples each time; elsewhere new ones, and what
# fails says how to try it again.
settings.register_profile("here", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let scenarios run beside the other tests, which stay in one row: a scenario mostly waits."""
    for item in items:
        if item.path.name != "test_scenarios.py":
            item.add_marker(pytest.mark.xdist_group("in-a-row"))
