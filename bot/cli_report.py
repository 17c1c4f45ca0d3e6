"""A report on the command line: rich tables, or JSON for machines."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import assert_never

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from bot.cli_failures import as_typed_here
from provisioning.looks import Tell
from provisioning.reports import Bars, Cell, ChannelLink, Chart, Facts, Lines, Report, Table

_BARS = "▁▂▃▄▅▆▇█"


def show(report: Report, *, as_json: bool, console: Console | None = None) -> None:
    """Print *report*."""
    out = console or Console()
    if as_json:
        out.file.write(json.dumps(report.data, ensure_ascii=False) + "\n")
        return
    if report.document:
        out.file.write(report.document)
        return
    out.print(f"[bold]{escape(report.title)}[/bold]\n{escape(report.summary)}", highlight=False)
    for part in report.parts:
        match part:
            case Table():
                out.print(_table(part), highlight=False)
            case Facts():
                out.print(_facts(part), highlight=False)
            case Lines():
                _lines(part, out)
            case Chart():
                out.print(f"{escape(part.title)}  {_sparkline(part)}", highlight=False)
            case Bars():
                pass  # its numbers stand in the table beside it
            case _:
                assert_never(part)


@contextmanager
def telling(console: Console | None = None) -> Iterator[Tell]:
    """Give what shows on a terminal how far a long look is: one line, on standard error, gone at the end."""
    status = (console or Console(stderr=True)).status("")

    def tell(words: str) -> None:
        status.update(escape(words))
        status.start()

    try:
        yield tell
    finally:
        status.stop()


def _table(part: Table) -> RichTable | str:
    if not part.rows:
        empty = escape(as_typed_here(part.empty))
        return f"{escape(part.title)}: {empty}" if part.title else empty
    drawn = RichTable(title=escape(part.title) or None, title_justify="left", box=SIMPLE_HEAD)  # no line costs columns
    for column in part.columns:
        widest = max(map(len, column.title.split()), default=0)  # a heading is broken between its words alone
        drawn.add_column(
            escape(column.title), justify=column.align, overflow="fold", min_width=widest
        )  # a cut id is none
    for row in part.rows:
        drawn.add_row(*(_cell(cell) for cell in row))
    return drawn


def _facts(part: Facts) -> RichTable:
    drawn = RichTable(title=escape(part.title) or None, title_justify="left", show_header=False, box=None)
    for label, value in part.items:
        drawn.add_row(f"[dim]{escape(label)}[/dim]", _cell(value))
    return drawn


def _lines(part: Lines, out: Console) -> None:
    if part.title:
        out.print(f"[bold]{escape(part.title)}[/bold]", highlight=False)
    mark = "! " if part.kind == "warning" else ""
    for line in part.lines:
        out.print(f"{mark}{escape(line)}", highlight=False, soft_wrap=True)


def _sparkline(part: Chart) -> str:
    """Return the points as bars of eight heights, with the first and the last value."""
    values = [value for _, value in part.points]
    if not values:
        return "no samples"
    low, high = min(values), max(values)
    bars = "".join(_BARS[round((value - low) / (high - low) * 7) if high > low else 0] for value in values)
    return f"{values[0]:g} {bars} {values[-1]:g}"


def _cell(cell: Cell) -> str:
    match cell:
        case None:
            return "—"
        case datetime():
            return f"{cell:%Y-%m-%d %H:%M}"
        case float():
            return f"{cell:g}"
        case ChannelLink():
            return escape(cell.id)
        case _:
            return escape(str(cell))
