"""Reports: within Slack's limits and harmless whatever is in them; the same on the command line and as JSON."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bot.cli_failures import complain
from bot.cli_report import show
from bot.slack.render_report import message
from provisioning.reports import Cell, Column, Facts, Lines, Report, Table, table
from tests.slack_limits import problems_of_message, texts_of
from tests.unit.job_samples import HOSTILE, NOW
from tests.unit.test_render_job import assert_harmless


def report(rows: int = 2, columns: int = 3, text: str = "acme", tables: int = 2) -> Report:
    cells: tuple[Cell, ...] = tuple(text for _ in range(columns))
    one = table(text, [f">{text}"] * columns, [cells] * rows, empty="no tenants")
    return Report(
        title=f"Tenants {text}",
        summary=text,
        parts=(
            *(one for _ in range(tables)),
            Facts(title=text, items=((text, NOW), ("free", None), ("ratio", 0.5))),
            Lines(title=text, lines=(text, text), kind="warning"),
            Lines(lines=(text,), kind="code"),
        ),
        data={"tenants": [text]},
    )


@pytest.mark.parametrize("rows", [0, 1, 99, 300])
@pytest.mark.parametrize("columns", [1, 20, 30])
@pytest.mark.parametrize("text", ["acme", HOSTILE, "x" * 3000])
def test_a_report_is_within_slacks_limits_and_harmless(rows: int, columns: int, text: str) -> None:
    """Whatever its size and texts."""
    shown = message(report(rows, columns, text))
    assert problems_of_message(shown.text, shown.blocks) == []
    assert_harmless(shown.blocks)


def test_what_is_left_out_is_counted() -> None:
    """Nobody takes a cut list for a whole one."""
    shown = message(report(rows=300))
    assert "… and 201 more" in json.dumps(shown.blocks, ensure_ascii=False)
    many = message(report(tables=60))
    assert len(many.blocks) <= 50
    assert "more parts" in json.dumps(many.blocks, ensure_ascii=False)


def test_an_empty_table_says_so() -> None:
    """No table without rows."""
    shown = message(report(rows=0))
    assert all(block["type"] != "table" for block in shown.blocks)
    assert "no tenants" in json.dumps(shown.blocks)


@given(st.text(max_size=200), st.integers(0, 3))
def test_any_text_can_be_shown(text: str, rows: int) -> None:
    """Slack's renderer and the terminal's take any text."""
    made = report(rows=rows, text=text)
    shown = message(made)
    assert problems_of_message(shown.text, shown.blocks) == []
    show(made, as_json=False, console=Console(file=io.StringIO()))


def test_the_command_line_shows_cells_and_json_is_the_data() -> None:
    """People get a table, machines the data."""
    out = io.StringIO()
    show(report(), as_json=False, console=Console(file=out, width=200))
    assert "acme" in out.getvalue()
    assert "2026-01-05 09:30" in out.getvalue()
    out = io.StringIO()
    show(report(), as_json=True, console=Console(file=out))
    assert json.loads(out.getvalue()) == {"tenants": ["acme"]}


def test_a_heading_is_broken_between_its_words_alone() -> None:
    """Nine columns on 80, as capacity has them: no heading is cut in two, and nothing is longer than the terminal."""
    headings = ("GPU", ">Profile", ">Exist", ">Used", ">Ready", ">Creatable", ">Reclaim", ">Defrag", ">Lost")
    rows = [("H100-80GB/H800", "1g.10gb+me", 11, 0, 11, "0-2", 56, 56, "0%")]
    out = io.StringIO()
    made = Report(title="t", summary="s", parts=(table("", headings, rows, empty="none"),), data=None)
    show(made, as_json=False, console=Console(file=out, width=80))
    assert all(heading.removeprefix(">") in out.getvalue() for heading in headings)
    assert max(map(len, out.getvalue().splitlines())) <= 80


def test_next_steps_are_said_as_they_are_typed_here(capsys: pytest.CaptureFixture[str]) -> None:
    """Operations and queries name commands as Slack knows them; a terminal knows the program."""
    complain("did you mean /clearml tenant create?", "see /clearml capacity for who does, or /clearml ports")
    said = capsys.readouterr().err
    assert "did you mean clearml-chatops tenant create?" in said
    assert "next: see clearml-chatops capacity for who does, or clearml-chatops ports" in said
    out = io.StringIO()
    empty = Report(
        title="t", summary="s", parts=(table("", ("a",), [], empty="none: /clearml digest add x"),), data=None
    )
    show(empty, as_json=False, console=Console(file=out, width=100))
    assert "none: clearml-chatops digest add x" in out.getvalue()


def test_a_wide_table_is_told_in_lines_that_wrap() -> None:
    """Only the first table is Slack's own. Aligned text that is wider than a phone would be columns no more."""
    narrow = Table(columns=(Column(title="Node"), Column(title="GPU")), rows=(("gpu-1", "A100"),))
    columns = (*narrow.columns, Column(title="Held"), Column(title="State"))
    wide = Table(columns=columns, rows=(("gpu-*1*", "A" * 60, None, "open"),))
    shown = message(Report(title="t", summary="s", data={}, parts=(narrow, narrow, wide)), files_are="somewhere")
    told = "\n".join(texts_of(shown.blocks))
    assert "```\nNode   GPU\ngpu-1  A100\n```" in told
    assert f"*gpu-*1** · GPU: {'A' * 60} · State: open" in told
