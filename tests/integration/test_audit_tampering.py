"""Whatever is done to a trail, its segments or an export: what is still called whole and signed is what was written."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from provisioning.evidence.export import as_json_lines
from provisioning.evidence.formats import FIELDS, SEGMENTS, row_hash
from provisioning.evidence.segments import Segment, seal
from provisioning.evidence.verifier import Verdict, verify
from tests.integration.evidence_samples import Trail, chain_anew, forging
from tests.integration.store_samples import ANA, START

Rows = dict[int, dict[str, Any]]
Verify = Callable[..., Verdict]


@dataclass(frozen=True)
class Sample:
    """A trail of 18 rows under three keys, the first seven sealed away; ``rows`` are those that were signed."""

    folder: Path
    keys: tuple[str, ...]
    rows: Rows
    segment: Path
    export: Path


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    trail = Trail(tmp_path_factory.mktemp("trail"))
    keys = []
    for days in range(3):
        trail.clock.time = START.replace(day=START.day + days)
        keys.append(trail.public)
        for _ in range(2):
            trail.write(3)
            trail.signed.make()
        trail.keyring.rotate()
    rows = {int(row["seq"]): dict(row) for row in trail.store.audit_rows(limit=100)}
    sealed = seal(trail.store, trail.signed, before=START.replace(day=START.day + 1), actor=ANA)
    assert isinstance(sealed, Segment)
    trail.signed.make()
    keys.append(trail.public)
    with (trail.folder / "export.jsonl").open("w") as file:
        as_json_lines(trail.store, file, tenant=None)
    with trail.store.reading() as db:
        rows |= {int(row["seq"]): row for row in db.table("audit").rows}
        db.execute("VACUUM INTO ?", [str(trail.folder / "whole.db")])
    sealed_rows = sqlite3.connect(sealed.file)
    sealed_rows.row_factory = sqlite3.Row
    rows |= {int(row["seq"]): dict(row) for row in sealed_rows.execute("SELECT * FROM audit")}
    sealed_rows.close()
    trail.store.close()
    return Sample(trail.folder, tuple(keys), rows, sealed.file, trail.folder / "export.jsonl")


def _copy(sample: Sample, folder: Path) -> tuple[Path, Path]:
    """Return a database of one's own and the segment beside it."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / SEGMENTS).mkdir(parents=True)
    shutil.copy(sample.folder / "whole.db", folder / "chatops.db")
    segment = folder / SEGMENTS / sample.segment.name
    shutil.copy(sample.segment, segment)
    segment.chmod(0o600)
    return folder / "chatops.db", segment


SEQ, NUMBER = st.integers(1, 20), st.integers(1, 8)
COLUMN = st.sampled_from([*FIELDS, "hash"])
VALUE = st.sampled_from(["x", "", "0" * 64, 0, 7, None, "{}", '{"last": 6}'])
STATEMENT = st.one_of(
    st.tuples(st.just("UPDATE audit SET {} = ? WHERE seq = ?"), COLUMN, VALUE, SEQ),
    st.tuples(st.just("DELETE FROM audit WHERE seq = ?"), st.none(), st.none(), SEQ),
    st.tuples(st.just("DELETE FROM audit WHERE seq > ?"), st.none(), st.none(), SEQ),
    st.tuples(st.just("DELETE FROM audit WHERE seq < ?"), st.none(), st.none(), SEQ),
    st.tuples(st.just("DELETE FROM audit_checkpoints WHERE number = ?"), st.none(), st.none(), NUMBER),
    st.tuples(st.just("DELETE FROM audit_checkpoints WHERE number > ?"), st.none(), st.none(), NUMBER),
    st.tuples(
        st.just("UPDATE audit_checkpoints SET {} = ? WHERE number = ?"),
        st.sampled_from(["body", "signature", "previous_signature", "last"]),
        VALUE,
        NUMBER,
    ),
    st.tuples(
        st.just("INSERT INTO audit SELECT ?, at, action, actor, actor_name, subject, NULL, NULL, NULL, outcome, rule,"
                " plan_digest, detail, prev, hash FROM audit WHERE seq = ?"),
        st.none(),
        st.integers(1, 30),
        SEQ,
    ),
)  # fmt: skip
TAMPERING = st.lists(st.tuples(st.sampled_from(["database", "segment", "hash", "chain"]), STATEMENT), max_size=4)


def _tamper(database: Path, segment: Path, steps: list[Any]) -> None:
    for what, (statement, column, value, number) in steps:
        with forging(segment if what == "segment" else database) as raw:
            try:
                raw.execute(statement.format(column), [value, number] if statement.count("?") == 2 else [number])
            except sqlite3.IntegrityError:
                continue
            if what == "hash":
                for row in [dict(one) for one in raw.execute("SELECT * FROM audit WHERE seq = ?", [number])]:
                    raw.execute("UPDATE audit SET hash = ? WHERE seq = ?", [row_hash(row), number])
            if what == "chain":
                chain_anew(raw)


def _rows_of(path: Path) -> Rows:
    raw = sqlite3.connect(path)
    raw.row_factory = sqlite3.Row
    found = {int(row["seq"]): dict(row) for row in raw.execute("SELECT * FROM audit")}
    raw.close()
    return found


def check_database(sample: Sample, folder: Path, steps: list[Any], key: str, checker: Verify) -> bool:
    """Tamper, verify, and hold that signed rows are the true ones. Returns whether something was found."""
    database, segment = _copy(sample, folder)
    _tamper(database, segment, steps)
    try:
        verdict = checker(database, keys=[key])
    except (sqlite3.DatabaseError, ValueError, KeyError, TypeError):
        return True
    if not verdict.ok:
        return True
    shown = {seq: row for path in (segment, database) for seq, row in _rows_of(path).items() if seq <= verdict.signed}
    assert shown == {seq: row for seq, row in sample.rows.items() if seq <= verdict.signed}
    return False


def test_the_sample_is_whole(sample: Sample, tmp_path: Path) -> None:
    """By every key of its line; else the tests below could hold of anything."""
    for key in sample.keys:
        assert not check_database(sample, tmp_path / "x", [], key, verify)
        assert verify(_copy(sample, tmp_path / "x")[0], keys=[key]).signed == max(sample.rows)
        assert verify(sample.export, keys=[key]).problems == ()


def test_what_is_called_signed_is_what_was_written(sample: Sample, tmp_path: Path) -> None:
    """Rows and checkpoints changed, removed, inserted, re-hashed and re-chained, in the database and the segment."""

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(TAMPERING, st.sampled_from(sample.keys))
    def hold(steps: list[Any], key: str) -> None:
        event("found" if check_database(sample, tmp_path / "x", steps, key, verify) else "nothing to find")

    hold()


EDIT = st.one_of(
    st.tuples(st.just("row"), st.integers(0, 30), COLUMN, VALUE),
    st.tuples(st.just("proof"), st.integers(0, 30), st.sampled_from(["checkpoint", "path"]), VALUE | st.integers(1, 8)),
    st.tuples(st.just("checkpoint"), st.integers(0, 30), st.sampled_from(["body", "signature"]), VALUE),
    st.tuples(st.sampled_from(["drop", "repeat", "swap"]), st.integers(0, 30), st.just(""), st.integers(0, 30)),
)


def check_export(sample: Sample, path: Path, edits: list[Any], key: str, checker: Verify) -> bool:
    """Edit an export, verify, and hold that rows with a proof are true. Returns whether something was found."""
    lines = [json.loads(line) for line in sample.export.read_text().splitlines()]
    for what, at, name, value in edits:
        line = lines[at % len(lines)]
        if what == "drop":
            lines.remove(line)
        elif what == "repeat":
            lines.append(line)
        elif what == "swap":
            other = value % len(lines)
            lines[at % len(lines)], lines[other] = lines[other], line
        elif what == "checkpoint" and line["type"] == "checkpoint":
            line[name] = value
        elif line["type"] == "row" and what in line and isinstance(line[what], dict):
            line[what][name] = value
            if what == "row" and at % 2:
                line["row"]["hash"] = row_hash(line["row"])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    try:
        verdict = checker(path, keys=[key])
    except (sqlite3.DatabaseError, ValueError, KeyError, TypeError):
        return True
    if verdict.ok:
        proved = [line["row"] for line in lines if line["type"] == "row" and line["proof"] is not None]
        assert all(row == sample.rows.get(row["seq"]) for row in proved)
    return not verdict.ok


def test_a_row_with_a_proof_is_a_row_that_was_written(sample: Sample, tmp_path: Path) -> None:
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(EDIT, max_size=3), st.sampled_from(sample.keys))
    def hold(edits: list[Any], key: str) -> None:
        event("found" if check_export(sample, tmp_path / "x.jsonl", edits, key, verify) else "nothing to find")

    hold()
