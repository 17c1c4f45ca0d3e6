"""`--png FILE` and `--export FILE` on the command line, and `capacity fits` beside the cluster's own command."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.cli_files import Wanted, taken_from, understood, write
from commands.grammar import Invocation, UsageError
from provisioning.errors import PermanentError
from provisioning.reports import Attachment

PICTURE = Attachment(name="gpu-map.png", content=b"picture", alt="a map")
NUMBERS = Attachment(name="capacity.csv", content=b"numbers", alt="a table")


@pytest.mark.parametrize(
    ("words", "rest", "wanted"),
    [
        (["capacity", "--probe"], ["capacity", "--probe"], Wanted()),
        (["capacity", "--png", "a.png"], ["capacity"], Wanted(png=Path("a.png"))),
        (["capacity", "--png=a.png"], ["capacity"], Wanted(png=Path("a.png"))),
        (["capacity", "--export", "csv"], ["capacity", "--export", "csv"], Wanted()),
        (["capacity", "--export", "x/a.json"], ["capacity", "--export", "json"], Wanted(export=Path("x/a.json"))),
        (["capacity", "--export", "a.xls"], ["capacity", "--export", "a.xls"], Wanted()),  # the grammar refuses it
    ],
)
def test_files_are_taken_out_of_the_words(words: list[str], rest: list[str], wanted: Wanted) -> None:
    assert taken_from(words) == (rest, wanted)


def test_each_file_goes_where_it_was_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that nobody wants is not written; an export without a path gets its own name."""
    monkeypatch.chdir(tmp_path)
    assert write([PICTURE, NUMBERS], Wanted()) == [Path("capacity.csv")]
    assert write([PICTURE, NUMBERS], Wanted(png=Path("m.png"), export=Path("n.csv"))) == [Path("m.png"), Path("n.csv")]
    assert (tmp_path / "m.png").read_bytes() == b"picture"
    assert not (tmp_path / "gpu-map.png").exists()


def test_what_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="No such file or directory") as refused:
        write([PICTURE], Wanted(png=tmp_path / "no" / "where.png"))
    assert refused.value.next_action
    with pytest.raises(PermanentError, match="there is no picture"):
        write([NUMBERS], Wanted(png=tmp_path / "m.png", export=tmp_path / "n.csv"))


def test_capacity_fits_needs_no_settings() -> None:
    """Anyone can check an answer: no cluster, no workspace, no environment."""
    words = ["capacity", "fits", "--model", "H100-80GB", "--used", "3g.40gb@4", "--request", "4g.40gb", "--json"]
    told = CliRunner(env={"PATH": ""}).invoke(app, words)
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["feasible"] is True
    assert CliRunner().invoke(app, ["capacity", "fits", "--model", "H1000"]).exit_code == 2
    assert CliRunner().invoke(app, ["capacity", "--node"]).exit_code == 2


def test_a_link_is_read_in_slack_only() -> None:
    """There is no Slack to ask."""
    said = understood(["tenant", "apply", "https://example.slack.com/files/U0123/F0123/tenants.yaml"])
    assert isinstance(said, UsageError)
    assert "-f FILE" in said.message


def test_a_switch_is_understood_as_in_slack() -> None:
    """`clearml-chatops tenant drift acme --fix` is `tenant fix acme`."""
    said = understood(["tenant", "drift", "acme", "--fix", "--dry-run"])
    assert isinstance(said, Invocation)
    assert (said.spec.name, said.args.subject, said.dry_run) == ("tenant fix", "acme", True)
