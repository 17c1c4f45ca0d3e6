"""The built wheel is the product: all of it is inside, and it runs from there, without the checkout."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.scenario, pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, in a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True, timeout=120)
    (wheel,) = folder.glob("clearml_chatops-*.whl")
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def run(unpacked: Path, words: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}  # before the checkout's editable install
    return subprocess.run(
        [sys.executable, *words],
        cwd=unpacked.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def test_what_runs_is_the_wheel(unpacked: Path) -> None:
    """Else the other tests here would show nothing."""
    told = run(unpacked, ["-c", "import bot, sandbox; print(bot.__file__, sandbox.__file__)"], 30)
    assert told.stdout.count(str(unpacked)) == 2


def test_the_default_policy_and_the_tables_are_inside(unpacked: Path) -> None:
    """What is read as package data."""
    assert run(unpacked, ["-m", "bot.cli", "config", "policy"], 60).stdout.startswith("# The default policy")
    told = run(unpacked, ["-m", "bot.cli", "capacity", "fits", "--model", "H100-80GB"], 60)
    assert told.returncode == 0, told.stderr


def test_the_manual_page_is_installed(unpacked: Path) -> None:
    """Where pip puts it, `man clearml-chatops` finds it; groff takes every macro of it."""
    (page,) = unpacked.glob("clearml_chatops-*.data/data/share/man/man1/clearml-chatops.1")
    assert page.read_text(encoding="utf-8") == (ROOT / "docs" / "clearml-chatops.1").read_text(encoding="utf-8")


def test_the_sandbox_runs_from_the_wheel(unpacked: Path) -> None:
    """Page, charts, Go modules, manifest: the main job's scenario holds."""
    scenario = ROOT / "tests" / "scenario" / "tenant_create.yaml"
    told = run(unpacked, ["-m", "bot.cli", "sandbox", "--scenario", str(scenario)], 240)
    assert told.returncode == 0, told.stdout[-3000:] + told.stderr[-3000:]
