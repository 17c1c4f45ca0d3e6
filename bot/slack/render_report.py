"""A report in Slack: a message within its limits, readable on a phone. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from bot.slack import kit
from bot.slack.kit import Block
from bot.slack.mrkdwn import block, cut, cut_markup, date, escape
from bot.slack.render_charts import CHART, CHARTS, bar_chart, line_chart
from bot.slack.render_job import Rendered
from provisioning.reports import Bars, Cell, ChannelLink, Chart, Column, Facts, Lines, Report, Table

TABLE_ROWS = 99  # and a header: Slack takes 100
TABLE_COLUMNS = 20
TABLE_CHARS = 9500  # over all cells: Slack takes 10,000
COLUMN_CHARS = 60
CELL_CHARS = 300
LINE_SECTIONS = 8
FACT_SECTIONS = 4
MONOSPACE_CHARS = 2900
MONOSPACE_WIDTH = 64  # characters; wider lines wrap in a thread or on a phone, and columns are none any more
MOST_BLOCKS = kit.MESSAGE_BLOCKS - 2


def message(report: Report, *, files_are: str = "in the thread") -> Rendered:
    """Return *report* as one message. The first table is Slack's own; it takes one a message, the others are text.

    *files_are*: where its pictures are to be found.
    """
    blocks: list[Block] = [kit.header(report.title), kit.section(escape(report.summary))]
    has_table, charts = False, 0
    for part in report.parts:
        match part:
            case Table():
                blocks += _table(part, native=not has_table)
                has_table = has_table or bool(part.rows)
            case Facts():
                blocks += _facts(part)
            case Lines():
                blocks += _lines(part)
            case Chart() | Bars():
                drawn = _chart(part) if charts < CHARTS else []
                charts += len(drawn)
                blocks += drawn
            case _:
                assert_never(part)
    if report.attachments:
        blocks.append(kit.context(f"📎 {escape(cut(_names(report), 500))} {files_are}"))
    if len(blocks) > MOST_BLOCKS:
        left = len(blocks) - MOST_BLOCKS
        blocks = [*blocks[:MOST_BLOCKS], kit.context(f"… and {left} more parts: ask for less, or on the command line")]
    text = cut_markup(f"{escape(report.title)}: {escape(report.summary)}", kit.TEXT_CHARS)
    return Rendered(text, blocks, report.attachments)


def without_charts(shown: Rendered) -> Rendered | None:
    """Return *shown* without Slack's own charts, for where they are not known; None where there are none. Their
    numbers stand in words too, and in the picture."""
    left = [each for each in shown.blocks if each["type"] != CHART]
    return None if len(left) == len(shown.blocks) else Rendered(shown.text, left, shown.attachments)


def _chart(part: Chart | Bars) -> list[Block]:
    return line_chart(part) if isinstance(part, Chart) else bar_chart(part)


def _names(report: Report) -> str:
    return ", ".join(each.name for each in report.attachments)


def _table(part: Table, *, native: bool) -> list[Block]:
    title = [kit.section(f"*{escape(cut(part.title, 300))}*")] if part.title else []
    if not part.rows:
        return [*title, kit.context(escape(part.empty))]
    if not native:
        texts = [[column.title for column in part.columns], *([_text(cell) for cell in row] for row in part.rows)]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        if sum(widths) + 2 * (len(widths) - 1) > MONOSPACE_WIDTH:
            return [*title, *kit.sections([_record(row, part.columns) for row in part.rows], most=LINE_SECTIONS)]
        lines = [_aligned(row, widths, part.columns) for row in texts]
        return [*title, kit.section(block(_monospace(lines), MONOSPACE_CHARS))]
    columns = part.columns[:TABLE_COLUMNS]
    rows = [[_raw(cut(column.title, COLUMN_CHARS)) for column in columns]]
    size = sum(len(cell["text"]) for cell in rows[0])
    for row in part.rows[:TABLE_ROWS]:
        cells = [_cell(cell) for cell in row[: len(columns)]]
        size += sum(len(_text(cell)) for cell in row[: len(columns)])
        if size > TABLE_CHARS:
            break
        rows.append(cells)
    settings = [{"align": column.align, "is_wrapped": True} for column in columns]
    drawn: Block = {"type": "table", "column_settings": settings, "rows": rows}
    left = len(part.rows) - len(rows) + 1
    return [*title, drawn, *([kit.context(f"… and {left} more")] if left else [])]


def _cell(cell: Cell) -> Block:
    if isinstance(cell, ChannelLink):
        link = {"type": "channel", "channel_id": cell.id}
        return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [link]}]}
    return _raw(_text(cell))


def _raw(text: str) -> Block:
    return {"type": "raw_text", "text": cut(text, CELL_CHARS) or "—"}


def _record(row: Sequence[Cell], columns: Sequence[Column]) -> str:
    """Return a row as one line that wraps: its first cell, then what the others are, without those that are empty."""
    said = [(column.title, _marked(cell)) for column, cell in zip(columns, row, strict=True)]
    others = [f"{escape(title)}: {text}" for title, text in said[1:] if text not in {"", "—"}]
    return " · ".join([f"*{said[0][1]}*", *others])


def _monospace(lines: Sequence[str]) -> str:
    """Return a table's *lines* as one text; what is too long for one block is counted at its end."""
    size, kept = 0, 0
    for line in lines:
        size += len(escape(line)) + 1
        if size > MONOSPACE_CHARS - 40:
            break
        kept += 1
    rest = [f"… and {len(lines) - kept} more"] if kept < len(lines) else []
    return "\n".join([*lines[:kept], *rest])


def _aligned(row: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    cells = (
        text.rjust(width) if column.align == "right" else text.ljust(width)
        for text, width, column in zip(row, widths, columns, strict=True)
    )
    return "  ".join(cells).rstrip()


def _facts(part: Facts) -> list[Block]:
    lines = [f"*{escape(cut(label, 100))}*: {_marked(value)}" for label, value in part.items]
    title = [f"*{escape(cut(part.title, 300))}*"] if part.title else []
    return kit.sections([*title, *lines], most=FACT_SECTIONS)


def _lines(part: Lines) -> list[Block]:
    title = [kit.section(f"*{escape(cut(part.title, 300))}*")] if part.title else []
    if part.kind == "code":
        return [*title, kit.section(block("\n".join(part.lines), MONOSPACE_CHARS))]
    mark = "⚠️ " if part.kind == "warning" else ""
    return [*title, *kit.sections([mark + escape(line) for line in part.lines], most=LINE_SECTIONS)]


def _marked(cell: Cell) -> str:
    match cell:
        case datetime():
            return date(cell)
        case ChannelLink(id=channel_id):
            return f"<#{channel_id}>"
        case _:
            return escape(cut(_text(cell), CELL_CHARS))


def _text(cell: Cell) -> str:
    match cell:
        case None:
            return "—"
        case datetime():
            return f"{cell:%Y-%m-%d %H:%M} UTC"
        case float():
            return f"{cell:g}"
        case ChannelLink():
            return cell.id
        case _:
            return " ".join("".join(letter if letter.isprintable() else " " for letter in str(cell)).split())
