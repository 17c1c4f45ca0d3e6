"""Docs cannot drift: pages are what the code says, links lead somewhere, commands in them are commands."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import typer
from typer.testing import CliRunner

from bot.cli import app
from bot.reference import configuration_page, pages
from commands.grammar import HelpRequest, Invocation, UsageError, parse
from commands.help import family
from provisioning.fleet.spec_files import read as tenants_in
from sandbox.faults import Faults
from sandbox.scenario.model import ACTIONS, EXPECTATIONS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
FENCE = re.compile(r"```(?:sh|bash|console)\n(.*?)```", re.DOTALL)
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


@pytest.mark.parametrize("name", sorted(pages()))
def test_reference_pages_are_what_the_code_says(name: str) -> None:
    """`make docs` writes them anew."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == pages()[name], "run: make docs"


def test_every_setting_says_what_it_means() -> None:
    """A docstring under the field, in configuration.py or settings.py."""
    silent = re.findall(r"^\| `(\w+)` \|  \|", configuration_page(), re.MULTILINE)
    assert silent == []


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_to_files(page: Path) -> None:
    """Of this repository; others are not looked up."""
    targets = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []


def lines_of(page: Path) -> Iterator[str]:
    for fence in FENCE.findall(page.read_text(encoding="utf-8")):
        for line in fence.replace("\\\n", " ").splitlines():
            words = line.removeprefix("$ ").partition(" #")[0].strip()
            if words:
                yield words


COMMANDS = [(page, line) for page in PAGES for line in lines_of(page)]


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[f"{page.name}: {line}"[:80] for page, line in COMMANDS])
def test_commands_in_the_docs_are_commands(page: Path, line: str) -> None:
    """`make …` names a target, `clearml-chatops …` a command with options that it has, `/clearml …` parses."""
    if line.startswith("/clearml"):
        assert not isinstance(parse(line), UsageError), line
        return
    words = shlex.split(line)
    while words and "=" in words[0]:
        words.pop(0)
    match Path(words[0]).name if words else "":
        case "make":
            targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
            assert {word for word in words[1:] if "=" not in word} <= targets
        case "clearml-chatops":
            assert_command(words[1:])
        case _:
            pass  # helm, kubectl and what else an operator has


def assert_command(words: list[str]) -> None:
    plain = [word for word in words if not word.startswith(("-", ">", "<", "|"))]
    asked = CliRunner().invoke(app, [*plain[:1], "--help"])
    assert asked.exit_code == 0, words
    found = parse(" ".join(word for word in words if word != "--json"))
    if isinstance(found, Invocation | HelpRequest):
        return
    path = plain[:2] if len(plain) > 1 and CliRunner().invoke(app, [*plain[:2], "--help"]).exit_code == 0 else plain[:1]
    told = CliRunner().invoke(app, [*path, "--help"]).stdout
    flags = [word.partition("=")[0] for word in words if word.startswith("--")]
    assert [flag for flag in flags if flag not in told] == [], told


def test_every_expectation_and_fault_is_documented() -> None:
    """Users write scenarios from docs/scenarios.md alone."""
    text = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    names = (*EXPECTATIONS, *ACTIONS, *Faults(MagicMock()).names)
    assert [name for name in names if not re.search(rf"`{name}[`:]", text)] == []


def test_every_test_that_security_names_is_there() -> None:
    """A defence whose test was renamed or taken away would be a promise that nobody holds."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:tests/\w+/)?([\w*]+\.(?:py|yaml))`", text)) - {"audit_verify.py"}
    assert len(named) > 30
    assert [name for name in sorted(named) if not list((ROOT / "tests").rglob(name))] == []


def test_the_glossary_says_one_thing_of_each_word_in_their_order() -> None:
    """A word that stands twice has two meanings, and one that is out of order is not found."""
    rows = [line.split("|")[1].strip() for line in (ROOT / "docs" / "glossary.md").read_text().splitlines()[6:]]
    assert len(rows) > 60
    assert rows == sorted(set(rows), key=str.lower)


def test_the_glossary_knows_the_words_of_risks_roles_and_buttons() -> None:
    """They stand in messages."""
    words = {line.split("|")[1].strip() for line in (ROOT / "docs" / "glossary.md").read_text().splitlines()[6:]}
    for word in ("risk", "role", "rule", "roll back", "retry", "leave", "withdraw", "dry run", "drift", "blast radius"):
        assert word in words


SAID = re.compile(r"/clearml ((?:[a-z]+ ?){1,3})")
SHELL = re.compile(r"`clearml-chatops ((?:[a-z]+ ?){1,3})")
SOURCES = [path for room in ("bot", "commands", "policies", "provisioning") for path in (ROOT / room).rglob("*.py")]


def is_command(words: str) -> bool:
    """True where *words* begin with a command, are a family, or ask for help."""
    found = parse(words)
    return isinstance(found, Invocation | HelpRequest) or found.spec is not None or bool(family(words.strip()))


def is_own_command(words: str) -> bool:
    """True where the command line has it, groups with their commands."""
    found: Any = typer.main.get_command(app)
    for word in words.split():
        if not hasattr(found, "commands"):
            return True
        found = found.commands.get(word)
    return found is not None


def test_commands_that_are_named_in_prose_and_in_messages_are_commands() -> None:
    """Whoever is told to run one can: `see /clearml tenant list`, or `clearml-chatops audit verify`."""
    texts = {path: path.read_text(encoding="utf-8") for path in (*PAGES, *SOURCES) if path.name != "CONTRIBUTING.md"}
    said = {(path.name, words) for path, text in texts.items() for words in SAID.findall(text)}
    assert len(said) > 50
    assert sorted(one for one in said if not is_command(one[1])) == []
    own = {(path.name, words) for path, text in texts.items() for words in SHELL.findall(text)}
    assert len(own) > 20
    assert sorted(one for one in own if not is_own_command(one[1])) == []


def test_the_file_of_tenants_that_is_shown_is_one() -> None:
    """As `tenant apply` reads it."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (shown,) = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if block.startswith("name:")]
    assert [spec.name for spec in tenants_in(shown)] == ["acme", "beta"]
