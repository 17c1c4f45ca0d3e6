"""A report: what a command that only reads answers with. Pure data; Slack, the command line and JSON render it.

Cells and texts are plain and may be hostile: whoever renders them escapes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import JsonValue


@dataclass(frozen=True)
class ChannelLink:
    """A channel by its id: Slack shows its name to who may see it, the command line the id."""

    id: str


Cell: TypeAlias = str | int | float | datetime | ChannelLink | None  # None: nothing is known, shown as a dash


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table."""

    title: str
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of as many cells as there are columns. ``empty`` stands where there are no rows."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    empty: str = "none"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Labels and what is known of each."""

    items: tuple[tuple[str, Cell], ...]
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Sentences: findings, warnings, what to do next."""

    lines: tuple[str, ...]
    title: str = ""
    kind: Literal["plain", "warning", "code"] = "plain"


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One measure over time, in few points: (label, value), by time. A picture of all points may go with the report."""

    title: str
    points: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Counts by category, a bar of each series: (name, a value for each category). Not every client draws it: what
    matters stands in words, a table or a picture, too."""

    title: str
    categories: tuple[str, ...]
    series: tuple[tuple[str, tuple[float, ...]], ...]


Part: TypeAlias = Table | Facts | Lines | Chart | Bars


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file that goes with a report: a chart, an export. ``alt`` says what a picture shows, in words."""

    name: str  # gpus.png
    content: bytes = field(repr=False)
    alt: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """One answer.

    Args:
        summary: one line, which notifications and screen readers get.
        data: the same for machines; what ``--json`` prints.
    """

    title: str
    summary: str
    parts: tuple[Part, ...]
    data: JsonValue
    attachments: tuple[Attachment, ...] = ()
    document: str = ""  # what the command line prints in place of the parts, where the answer is a file


def table(title: str, columns: Sequence[str], rows: Sequence[tuple[Cell, ...]], *, empty: str = "none") -> Table:
    """Return a table; a column's title that begins with ``>`` stands to the right, as numbers do."""
    return Table(
        title=title,
        columns=tuple(
            Column(title=name.removeprefix(">"), align="right" if name.startswith(">") else "left") for name in columns
        ),
        rows=tuple(rows),
        empty=empty,
    )
