"""The audit trail refuses to be changed, and shows where it was changed all the same."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioning.evidence import formats, verifier
from provisioning.evidence.trail import Event
from tests.integration.store_samples import open_store

ROWS = 6


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """A file with six rows."""
    store = open_store(tmp_path)
    for number in range(ROWS):
        store.record(Event(action=f"test.{number}", actor="UANA", detail={"number": number, "text": "ü🙂\u2028"}))
    store.close()
    return store.path


@contextmanager
def tampering(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as somebody with write access and a mind to it has it: without the triggers."""
    raw = sqlite3.connect(path)
    for name in ("audit_no_update", "audit_no_delete", "audit_no_replace"):
        raw.execute(f"DROP TRIGGER {name}")
    yield raw
    raw.commit()
    raw.close()


def _problems(path: Path, head: str | None = None) -> list[tuple[int, str]]:
    return [(problem.seq, problem.kind) for problem in verifier.verify(path, head).problems]


def test_an_honest_trail_verifies(trail: Path) -> None:
    verdict = verifier.verify(trail)
    assert (verdict.ok, verdict.rows) == (True, ROWS)
    assert verifier.verify(trail, verdict.head).ok


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'UEVIL' WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 3",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 3",
        "REPLACE INTO audit SELECT * FROM audit WHERE seq = 3",
    ],
)
def test_the_triggers_refuse(trail: Path, statement: str) -> None:
    """Also the ways around a delete trigger, from plain sqlite3."""
    raw = sqlite3.connect(trail)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw.execute(statement)
    raw.close()
    assert verifier.verify(trail).ok


@pytest.mark.parametrize("column", [name for name in formats.FIELDS if name not in {"seq", "attempt"}])
def test_a_changed_row_is_found_in_any_column(trail: Path, column: str) -> None:
    with tampering(trail) as raw:
        raw.execute(f"UPDATE audit SET {column} = 'x' WHERE seq = 3")
    assert (3, "changed") in _problems(trail)


def test_a_changed_row_with_its_hash_made_anew_breaks_the_next_one(trail: Path) -> None:
    """Whoever mends one hash has to mend every one after it."""
    with tampering(trail) as raw:
        raw.row_factory = sqlite3.Row
        raw.execute("UPDATE audit SET actor = 'UEVIL' WHERE seq = 3")
        row = dict(raw.execute("SELECT * FROM audit WHERE seq = 3").fetchone())
        raw.execute("UPDATE audit SET hash = ? WHERE seq = 3", [formats.row_hash(row)])
    assert _problems(trail) == [(4, "inserted")]


def test_a_removed_row_is_found(trail: Path) -> None:
    with tampering(trail) as raw:
        raw.execute("DELETE FROM audit WHERE seq = 3")
    assert _problems(trail) == [(3, "removed")]


def test_an_inserted_row_is_found(trail: Path) -> None:
    """The rows after it were moved up to make room."""
    with tampering(trail) as raw:
        raw.row_factory = sqlite3.Row
        raw.execute("UPDATE audit SET seq = seq + 100 WHERE seq > 3")
        raw.execute("UPDATE audit SET seq = seq - 99 WHERE seq > 100")
        forged = {**dict(raw.execute("SELECT * FROM audit WHERE seq = 3").fetchone()), "seq": 4, "action": "forged"}
        marks = ", ".join("?" for _ in forged)
        raw.execute(f"INSERT INTO audit ({', '.join(forged)}) VALUES ({marks})", list(forged.values()))
    assert (4, "changed") in _problems(trail)
    assert all(seq >= 4 for seq, _ in _problems(trail))


def test_a_tail_that_was_cut_off_is_found_by_the_head_kept_outside(trail: Path) -> None:
    """Without it the shorter chain is a good chain: that is why the head is posted elsewhere."""
    head = verifier.verify(trail).head
    with tampering(trail) as raw:
        raw.execute("DELETE FROM audit WHERE seq > 4")
    assert verifier.verify(trail).ok
    assert _problems(trail, head) == [(5, "head")]


def test_a_step_that_runs_again_writes_once(tmp_path: Path) -> None:
    """Keyed by job, step, attempt and action."""
    store = open_store(tmp_path)
    for attempt in (1, 1, 2):
        store.record(Event(action="step.done", actor="bot", job="job-1", step="company", attempt=attempt))
    assert [row["attempt"] for row in store.audit_rows(job="job-1")] == [1, 2]
    store.close()


def test_verifying_changes_nothing_and_needs_a_file(trail: Path, tmp_path: Path) -> None:
    before = trail.read_bytes()
    verifier.verify(trail)
    assert trail.read_bytes() == before
    with pytest.raises(FileNotFoundError):
        verifier.verify(tmp_path / "nothing.db")
    (tmp_path / "no.db").write_text("this is no database, but long enough to be looked at as one")
    with pytest.raises(sqlite3.DatabaseError):
        verifier.verify(tmp_path / "no.db")
