"""Retention: sealed rows are out of the database and still in the chain."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from policies.approvals import Refusal
from provisioning.errors import PermanentError
from provisioning.evidence import formats, segments, verifier
from provisioning.evidence.checkpoints import Checkpoints
from provisioning.evidence.formats import SEALED
from provisioning.evidence.search import Wanted
from provisioning.evidence.segments import Segment, seal
from provisioning.jobs.job import JobState
from provisioning.store import Change
from tests.integration.evidence_samples import Trail, forging
from tests.integration.store_samples import ANA, START, create, open_store

DAY = timedelta(days=1)


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    """Ten rows on each of three days, under six checkpoints."""
    made = Trail(tmp_path)
    for day in range(3):
        made.clock.time = START + day * DAY
        for _ in range(2):
            made.write(5)
            made.signed.tick()
    return made


def _seal(trail: Trail, days: int) -> Segment:
    made = seal(trail.store, trail.signed, before=START + days * DAY, actor=ANA)
    assert isinstance(made, Segment)
    return made


def _rows(trail: Trail) -> list[int]:
    return [row["seq"] for row in trail.store.audit_rows(limit=1000)]


def test_rows_move_into_a_file_and_the_chain_goes_on(trail: Trail) -> None:
    """Twice, and verified across all three files, and each sealed file by itself."""
    first = _seal(trail, 1)
    assert _rows(trail) == list(range(11, 32)), "twenty, and the row that says where the others went"
    trail.write(5)
    second = _seal(trail, 2)
    assert [(one.first, one.last) for one in (first, second)] == [(1, 10), (11, 20)]
    trail.signed.make()
    verdict = trail.verify(trail.public)
    assert (verdict.problems, verdict.notes, verdict.rows, verdict.signed) == ((), (), 37, 37)
    for one in (first, second):
        assert one.file.stat().st_mode & 0o777 == 0o400
        alone = verifier.verify(one.file, keys=[trail.public])
        assert (alone.problems, alone.signed) == ((), one.last)
    first.file.unlink()
    verdict = trail.verify(trail.public)
    assert verdict.problems == ()
    assert f"rows 1 to 10 are sealed in {first.file.name}: not here" in verdict.notes


def test_the_triggers_and_the_index_of_words_are_as_before(trail: Trail) -> None:
    _seal(trail, 1)
    with pytest.raises(Exception, match="append-only"), trail.store.writing() as transaction:
        transaction.db.execute("DELETE FROM audit WHERE seq = 11")
    found = trail.store.find_audit_rows(Wanted(text="globex", limit=1000))
    assert [row["seq"] for row in found] == [12, 15, 17, 20, 22, 25, 27, 30]


def test_a_sealed_file_that_was_changed_or_swapped_is_found(trail: Trail) -> None:
    made = _seal(trail, 1)
    trail.signed.make()
    made.file.chmod(0o600)
    with forging(made.file) as raw:
        raw.execute("UPDATE audit SET outcome = 'x' WHERE seq = 3")
    assert {(10, "segment"), (3, "changed")} <= set(trail.found(trail.public))


def test_rows_that_were_only_deleted_are_not_taken_for_sealed(trail: Trail) -> None:
    """A checkpoint stands where they ended, but no row says that they were sealed."""
    with forging(trail.path) as raw:
        raw.execute("DELETE FROM audit WHERE seq <= 10")
        raw.execute("DELETE FROM audit_checkpoints WHERE last < 10")
    assert (1, "removed") in trail.found(trail.public)


def test_rows_are_not_taken_for_sealed_because_an_unsigned_row_says_so(trail: Trail) -> None:
    """Whoever may write the file can append a row to its end, where nothing is signed yet."""
    with forging(trail.path) as raw:
        raw.execute("DELETE FROM audit WHERE seq <= 10")
        raw.execute("DELETE FROM audit_checkpoints WHERE last < 10")
    trail.write(1, action=SEALED)
    with forging(trail.path) as raw:
        detail = '{"file":"audit-000000001-000000010.db","first":1,"last":10,"sha256":""}'
        raw.execute("UPDATE audit SET detail = ? WHERE seq = 31", [detail])
        row = dict(raw.execute("SELECT * FROM audit WHERE seq = 31").fetchone())
        raw.execute("UPDATE audit SET hash = ? WHERE seq = 31", [formats.row_hash(row)])
    assert trail.found(trail.public) == [(31, "segment")]


def test_an_open_job_keeps_its_rows(trail: Trail) -> None:
    """They are needed: a step that runs again must find what it wrote."""
    job = create(trail.store)
    trail.write(8)
    trail.clock.turn(days=5)
    made = _seal(trail, 9)
    assert made.last == 30, "the last checkpoint before the job"
    trail.store.update_job(
        job.id, lambda before: Change(job=before.model_copy(update={"state": JobState.EXPIRED}), event=None)
    )
    assert _seal(trail, 9).last > 30


def test_nothing_old_enough_is_a_refusal(trail: Trail) -> None:
    before = _rows(trail)
    answer = seal(trail.store, trail.signed, before=START, actor=ANA)
    assert isinstance(answer, Refusal)
    assert "no rows before 2026-01-05" in answer.reason
    assert _rows(trail) == before


def test_a_crash_after_the_file_was_written_loses_nothing(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are still there, and the next try writes the same file again."""

    def crash(*_: object) -> None:
        raise RuntimeError("kill -9")

    with monkeypatch.context() as patch:
        patch.setattr("provisioning.evidence.trail.drop_sealed", crash)
        with pytest.raises(RuntimeError):
            seal(trail.store, trail.signed, before=START + DAY, actor=ANA)
    assert _rows(trail) == list(range(1, 31))
    assert trail.found(trail.public) == []
    assert _seal(trail, 1).last == 10
    assert trail.found(trail.public) == []


def test_what_another_process_has_sealed_meanwhile_is_not_sealed_again(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two command lines at once: one row says where the rows went, and its file is the one that was sealed."""
    write, other = segments._write, open_store(trail.folder, trail.clock)

    def and_another(*args: Any) -> Any:
        monkeypatch.undo()
        made = write(*args)
        signed = Checkpoints(other, trail.keyring, trail.clock, every_rows=5, every_s=60)
        assert isinstance(seal(other, signed, before=START + DAY, actor=ANA), Segment)
        return made

    monkeypatch.setattr(segments, "_write", and_another)
    with pytest.raises(PermanentError, match="another process"):
        seal(trail.store, trail.signed, before=START + DAY, actor=ANA)
    trail.signed.make()
    assert [row["action"] for row in trail.store.audit_rows(limit=1000)].count(SEALED) == 1
    assert (trail.found(trail.public), trail.verify().rows) == ([], 31)
    assert len(list((trail.folder / formats.SEGMENTS).iterdir())) == 1
    other.close()


def test_a_trail_that_does_not_verify_is_not_sealed(trail: Trail) -> None:
    """Sealing would bury the evidence."""
    with forging(trail.path) as raw:
        raw.execute("UPDATE audit SET outcome = 'x' WHERE seq = 3")
    with pytest.raises(PermanentError, match="does not verify"):
        seal(trail.store, trail.signed, before=START + DAY, actor=ANA)
