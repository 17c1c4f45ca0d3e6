"""The manual page: every command and option is in it, and man(7) takes every line of it."""

import re
import shutil
import subprocess

import pytest
import typer

from bot.cli import app
from bot.manual import _leaves, manual
from commands.catalog import CATALOG

MACROS = {"TH", "SH", "SS", "TP", "PP", "B", "RI", "I", "nf", "fi"}


def test_every_command_and_option_is_told() -> None:
    """Of the catalog, and of the command line itself."""
    page = manual(app).replace(r"\-", "-")
    assert [name for name in CATALOG if f'.SS "{name}"' not in page] == []
    for path, command in _leaves(typer.main.get_command(app), ()):
        assert f'.SS "{" ".join(path)}"' in page
        options = [name for parameter in command.params for name in parameter.opts if name.startswith("--")]
        assert [name for name in options if name != "--help" and name not in page] == []


def test_every_line_is_text_or_a_macro_of_man() -> None:
    """Text that begins like a request is escaped."""
    odd = [
        line
        for line in manual(app).splitlines()
        if re.match(r"[.']", line) and line[1:].split()[0] not in MACROS and not line.startswith('.\\"')
    ]
    assert odd == []


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff: apt-get install groff-base")
def test_groff_finds_nothing_wrong() -> None:
    """With all of its warnings on."""
    command = ["groff", "-man", "-Tutf8", "-ww", "-z"]
    told = subprocess.run(command, input=manual(app), capture_output=True, text=True, check=True, timeout=60)
    assert told.stderr == ""
