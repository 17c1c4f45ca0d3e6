"""Files on the command line: what a command takes is read from one, and what is wrong with that is said."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot import cli_files
from bot.cli_files import understood
from commands.fleet import TenantApply
from commands.grammar import Invocation, UsageError
from provisioning.errors import PermanentError

SPECS = "name: acme\nadmin_email: ana@acme.example\n---\nname: beta\nadmin_email: bo@beta.example\n"


def applied(*words: str) -> Invocation:
    said = understood(["tenant", "apply", *words])
    assert isinstance(said, Invocation), said
    return said


@pytest.mark.parametrize("words", [("-f", "{}"), ("--file", "{}"), ("--file={}",)])
def test_a_file_is_the_argument_that_is_one(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Lines and all; how the command is run is said beside it."""
    path = tmp_path / "tenants.yaml"
    path.write_text(SPECS)
    said = applied(*(word.format(path) for word in words), "--dry-run")
    assert said.args == TenantApply(specs=SPECS)
    assert said.how.dry_run


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """For pipes."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(SPECS.encode())))
    assert applied("-f", "-").args == TenantApply(specs=SPECS)


def test_a_long_file_is_counted_in_the_command_and_not_said(tmp_path: Path) -> None:
    """The audit trail shows the command; the plan keeps the file."""
    path = tmp_path / "tenants.yaml"
    path.write_text(SPECS * 50)
    said = applied("-f", str(path))
    assert len(said.text) < 100
    assert "characters" in said.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tenant", "apply", "-f", "x", "--specs", "{name: acme}"], "not both"),
        (["tenant", "show", "acme", "-f", "x"], "-f x has no place here"),
        (["tenant", "apply", "--zzz", "-f", "x"], "there is no option --zzz"),
    ],
)
def test_a_file_in_the_wrong_place_is_refused(words: list[str], message: str) -> None:
    """Before it is read."""
    said = understood(words)
    assert isinstance(said, UsageError), said
    assert message in said.message


@pytest.mark.parametrize(
    ("content", "what"),
    [(None, "No such file"), (b"\xff\xfe\x00", "it is not UTF-8"), (b"x" * (cli_files.MOST_BYTES + 1), "larger than")],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, content: bytes | None, what: str) -> None:
    """With what to do next."""
    path = tmp_path / "tenants.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PermanentError, match=what) as raised:
        understood(["tenant", "apply", "-f", str(path)])
    assert raised.value.next_action
