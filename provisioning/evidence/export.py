"""Exports of the audit trail: JSON Lines with a proof for each row, or CSV for spreadsheets.

A proof is the row's path through the Merkle tree of the checkpoint that covers it, so that one tenant's rows are
checked without the rows of any other: `verifier` says how.
"""

import csv
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from provisioning.evidence.formats import CHECKPOINTS, FIELDS, TABLE, Checkpoint, layers
from provisioning.evidence.segments import rows_elsewhere, sealed_files
from provisioning.store import Store

Row = Mapping[str, Any]

COLUMNS = (*FIELDS, "hash")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets run


def as_json_lines(store: Store, out: IO[str], *, tenant: str | None) -> int:
    """Write the rows of *tenant*, or all, each with its proof, and the checkpoints that the proofs lead to.

    Rows that no checkpoint covers yet carry no proof: make one first. Returns how many rows were written.
    """
    _write(out, {"type": "export", "v": 1, "tenant": tenant, "from": rows_elsewhere(store) + 1})
    count = 0
    written: set[int] = set()
    for path in (*sealed_files(store), store.path):
        for line in _of_file(path, tenant):
            if line["type"] == "checkpoint":
                if line["number"] in written:
                    continue
                written.add(line["number"])
            count += line["type"] == "row"
            _write(out, line)
    return count


def as_csv(store: Store, out: IO[str], *, tenant: str | None) -> int:
    """Write the rows of *tenant*, or all, to read in a spreadsheet. Returns how many.

    A cell that a spreadsheet would run as a formula gets an apostrophe before it, so hashes are not made from this.
    """
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    count = 0
    for path in (*sealed_files(store), store.path):
        for row in _rows(path, tenant):
            writer.writerow([_harmless(row[name]) for name in COLUMNS])
            count += 1
    return count


def path_of(hashes: Sequence[str], place: int) -> list[tuple[str, str]]:
    """Return the way from row *place* of *hashes* to the root: the neighbour's side and hash at each turn."""
    turns = []
    for layer in layers(hashes)[:-1]:
        if place % 2:
            turns.append(("left", layer[place - 1].hex()))
        elif place + 1 < len(layer):
            turns.append(("right", layer[place + 1].hex()))
        place //= 2
    return turns


def _of_file(path: Path, tenant: str | None) -> Iterator[dict[str, Any]]:
    """Yield the checkpoints that proofs need, then the rows."""
    with closing(_connect(path)) as connection:
        kept = connection.execute(f"SELECT * FROM {CHECKPOINTS} ORDER BY number").fetchall()  # noqa: S608 - our names
    parsed = [(dict(record), Checkpoint.read(dict(record))) for record in kept]
    rows = list(_rows(path, tenant))
    needed = {int(row["seq"]) for row in rows}
    hashes: dict[int, list[str]] = {}
    for record, one in parsed:
        covers = any(one.first <= seq <= one.last for seq in needed)
        if covers:
            hashes[one.number] = _hashes(path, one)
        if covers or one.previous_key is not None:  # changes of keys: so that one public key is enough
            yield {"type": "checkpoint", **record}
    for row in rows:
        by = next((one for _, one in parsed if one.first <= row["seq"] <= one.last and hashes.get(one.number)), None)
        proof = None
        if by is not None:
            proof = {"checkpoint": by.number, "path": path_of(hashes[by.number], row["seq"] - by.first)}
        yield {"type": "row", "row": dict(row), "proof": proof}


def _hashes(path: Path, one: Checkpoint) -> list[str]:
    """Return the hashes of the checkpoint's rows; none where they are in another file."""
    with closing(_connect(path)) as connection:
        query = f"SELECT hash FROM {TABLE} WHERE seq BETWEEN ? AND ? ORDER BY seq"  # noqa: S608
        found = [str(row["hash"]) for row in connection.execute(query, (one.first, one.last))]
    return found if len(found) == one.last - one.first + 1 else []


def _rows(path: Path, tenant: str | None) -> Iterator[Row]:
    where, values = ("WHERE subject = ?", (tenant,)) if tenant is not None else ("", ())
    with closing(_connect(path)) as connection:
        yield from map(dict, connection.execute(f"SELECT * FROM {TABLE} {where} ORDER BY seq", values))  # noqa: S608


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    return connection


def _write(out: IO[str], line: Mapping[str, Any]) -> None:
    out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
