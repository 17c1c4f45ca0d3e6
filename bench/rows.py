"""A row of the bench: one thing done in two ways, in turn, in one run."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Row:
    """Pairs of figures; smaller is better. ``unit``: s, MiB.

    Ratios are taken pair by pair, so that a machine that grows slower meanwhile slows both.
    """

    what: str
    ours: Sequence[float]
    theirs: Sequence[float]
    against: str
    unit: str = "s"

    @property
    def ratios(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]


def show(rows: Sequence[Row]) -> None:
    """Print the rows: medians, and the ratio with its range. Below 1, the product is the better one."""
    table = Table(title="clearml-chatops bench: ratio = product / other, medians of pairs in one run")
    for name in ("What", "Against", "Runs"):
        table.add_column(name)
    for name in ("Product", "Other", "Ratio", "From", "To"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.what,
            row.against,
            str(len(row.ours)),
            f"{statistics.median(row.ours):.2f} {row.unit}",
            f"{statistics.median(row.theirs):.2f} {row.unit}",
            f"{statistics.median(row.ratios):.2f}",
            f"{min(row.ratios):.2f}",
            f"{max(row.ratios):.2f}",
        )
    Console(width=140).print(table)
