"""The command line starts with little: which modules are not imported."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = {"apscheduler", "cryptography", "dbos", "httpx", "kubernetes", "PIL", "pydantic_settings", "rich", "slack_bolt"}
HEAVY |= {"slack_sdk", "sqlalchemy", "sqlite_utils", "yaml", "bot.core", "bot.settings", "policies", "commands.grammar"}


PROGRAM = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
sys.argv[0] = "clearml-chatops"
from bot.cli import main
main()
"""


def imported(*words: str, line: str | None = None) -> set[str]:
    """Return what the command line *words* imports; that of completing *line*, where it is given."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLEARML_CHATOPS_")}
    if line is not None:
        asked = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_CLEARML_CHATOPS_COMPLETE": "complete_bash"}
        environment |= asked
    command = [sys.executable, "-c", PROGRAM, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def heavy_of(names: set[str]) -> set[str]:
    return {name for name in names if name in HEAVY or name.split(".")[0] in HEAVY}


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("audit", "--help"), ("tools", "--help")])
def test_help_of_its_own_commands_imports_none_of_what_runs_them(words: tuple[str, ...]) -> None:
    """Not even the models of the catalog."""
    names = imported(*words)
    assert heavy_of(names) == set()
    assert "commands.spec" not in names


def test_the_first_page_of_help_needs_no_pydantic() -> None:
    """Typer itself takes it to read options."""
    assert "pydantic" not in imported("--help")


@pytest.mark.parametrize("line", ["clearml-chatops ten", "clearml-chatops audit "])
def test_completing_a_word_imports_no_models(line: str) -> None:
    names = imported(line=line)
    assert heavy_of(names) == set()
    assert "commands.spec" not in names


def test_completing_an_argument_imports_the_models_of_its_family_alone() -> None:
    """Those of the others would take longer than a person notices."""
    names = imported(line="clearml-chatops node mig ")
    assert heavy_of(names) == set()
    assert "commands.nodes" in names
    assert not names & {"commands.tenants", "commands.digests", "commands.measures"}


def test_help_of_a_command_of_the_catalog_imports_nothing_that_runs_it() -> None:
    """The grammar reads it; neither settings nor the store nor a client is needed."""
    assert heavy_of(imported("tenant", "create", "--help")) <= {"commands.grammar"}
