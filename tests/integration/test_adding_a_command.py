"""CONTRIBUTING.md says that a command takes four files: this does what it says, and runs the command."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli_actor import os_user
from bot.settings import PREFIX

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "commands", "policies", "provisioning")
FILE = re.compile(r"```python\n# ([\w/]+\.py)\n(.*?)```", re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the packages, changed as CONTRIBUTING.md tells."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    new = FILE.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert [path for path, _ in new] == ["commands/quotas.py", "provisioning/queries/quotas.py"]
    for path, text in new:
        (tmp_path / path).write_text(text, encoding="utf-8")
    family = re.search(r'"quotas": Family\([^`]*', (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert family is not None
    list_it(tmp_path / "commands" / "catalog.py", r"(FAMILIES: .*\n    \{\n)", rf"\1        {family[0]},\n")
    registry = tmp_path / "provisioning" / "queries" / "registry.py"
    list_it(registry, r"(MAKERS: .*= \{\n)", r'\1    "quotas": _late("quotas", "Quotas"),\n')
    return tmp_path


def list_it(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), count=1)
    assert count == 1, f"{path.name}: {pattern}"
    path.write_text(text, encoding="utf-8")


def test_the_command_runs_after_four_files(checkout: Path) -> None:
    """Help, the policy, the query, JSON: nothing else had to be told of it."""
    settings = {
        "DATA_DIR": str(checkout / "data"),
        "CLEARML__API_URL": "http://127.0.0.1:9",
        "CLEARML__WEB_URL": "http://127.0.0.1:9",
        "CLEARML__FILES_URL": "http://127.0.0.1:9",
        "CLEARML__ACCESS_KEY": "KEY",
        "CLEARML__SECRET_KEY": "secret-of-a-test",
        "AGENT__CHART__REFERENCE": str(checkout),
        "REDIS__PASSWORD": "password-of-a-test",
        "ROLES": json.dumps({"viewer": [f"os:{os_user()}"]}),
    }
    environment = os.environ | {PREFIX + name: value for name, value in settings.items()}
    environment |= {"PYTHONPATH": str(checkout), "LOGNAME": "somebody-else"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bot.cli", *words]
        return subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    assert "how many GPUs each tenant may use" in run("quotas", "--help").stdout
    assert "at most" in run("--help").stdout
    told = run("quotas", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {"quotas": {}}
    rows = [json.loads(line) for line in run("audit", "list", "--action", "report", "--json").stdout.splitlines()]
    assert any("quotas" in str(row["detail"]) for row in rows)
