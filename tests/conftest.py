"""What holds for every test."""

import os

import pytest
from hypothesis import settings

from tests.parts import missing

# No deadlines: a busy machine makes no claim wrong. In CI the same examples each time; elsewhere new ones, and what
# fails says how to try it again.
settings.register_profile("here", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A part that cannot be had fails the test in CI; elsewhere it is skipped, with how to get it."""
    for marker in ("cluster", "browser", "postgres", "image"):
        if item.get_closest_marker(marker) and (problem := missing(marker)):
            (pytest.fail if "CI" in os.environ else pytest.skip)(problem)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests on one worker, in their order; scenarios, one world each, go wherever a worker is free."""
    for item in items:
        if item.path.name != "test_scenarios.py":
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(item.config.rootpath).as_posix()))
