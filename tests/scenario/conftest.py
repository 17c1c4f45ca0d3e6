"""What scenarios leave for the test that judges all of them, in whichever process each of them was played."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def rights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for the whole run, also where pytest-xdist spreads it over several processes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "rights"
    folder.mkdir(exist_ok=True)
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the judge of all scenarios behind everything else."""
    items.sort(key=lambda item: item.path.name == "test_least_privilege.py")
