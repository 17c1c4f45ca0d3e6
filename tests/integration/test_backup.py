"""Backups fit together and come back whole; what was changed is refused."""

import errno
import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioning.errors import PermanentError
from provisioning.evidence import backup, verifier
from provisioning.evidence.segments import seal
from tests.integration.evidence_samples import Trail
from tests.integration.store_samples import ANA, START, create, open_store

NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)


def test_a_backup_is_made_beside_writers_and_comes_back(tmp_path: Path) -> None:
    """With its sealed segments; what was there is moved aside, and the chain goes on from the copy."""
    trail = Trail(tmp_path / "data")
    trail.write(20)
    trail.signed.make()
    trail.clock.turn(days=2)
    seal(trail.store, trail.signed, before=START.replace(day=6), actor=ANA)
    create(trail.store)
    stop = threading.Event()

    def go_on_writing() -> None:
        while not stop.is_set():
            trail.write(1)

    writer = threading.Thread(target=go_on_writing)
    writer.start()
    try:
        made = backup.backup(trail.store, tmp_path / "backups", now=NOW)
    finally:
        stop.set()
        writer.join()
    assert made.name == "clearml-chatops-20260107T120000Z"
    assert {path.name for path in made.iterdir()} == {"chatops.db", "audit-segments", "manifest.json"}
    assert made.stat().st_mode & 0o077 == 0
    copied = verifier.verify(made / "chatops.db", keys=[trail.public])
    assert (copied.problems, copied.notes[:-1]) == ((), ())
    trail.write(3)
    trail.store.close()

    aside = backup.restore(made, trail.folder, now=NOW)
    assert aside is not None
    assert (aside / "chatops.db").exists()
    store = open_store(trail.folder)
    assert [job.plan.subject for job in store.jobs()] == ["acme"]
    store.close()
    back = verifier.verify(trail.path, copied.head, [trail.public])
    assert (back.problems, back.rows) == ((), copied.rows)


@pytest.mark.parametrize("damage", ["change", "missing", "no manifest", "outside"])
def test_a_damaged_backup_is_refused_and_changes_nothing(tmp_path: Path, damage: str) -> None:
    trail = Trail(tmp_path / "data")
    trail.write(3)
    made = backup.backup(trail.store, tmp_path / "backups", now=NOW)
    trail.write(1)
    trail.store.close()
    match damage:
        case "change":
            content = bytearray((made / "chatops.db").read_bytes())
            content[-1] ^= 1
            (made / "chatops.db").write_bytes(content)
        case "missing":
            (made / "chatops.db").unlink()
        case "no manifest":
            (made / "manifest.json").unlink()
        case _:
            manifest = json.loads((made / "manifest.json").read_text())
            manifest["files"]["../../etc/passwd"] = "00"
            (made / "manifest.json").write_text(json.dumps(manifest))
    before = trail.path.read_bytes()
    with pytest.raises(PermanentError, match=r"backup|changed since"):
        backup.restore(made, trail.folder, now=NOW)
    assert trail.path.read_bytes() == before


def test_a_restore_for_which_there_is_no_room_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is moved aside only once the backup lies beside it, whole."""
    trail = Trail(tmp_path / "data")
    trail.write(3)
    made = backup.backup(trail.store, tmp_path / "backups", now=NOW)
    trail.write(1)
    trail.store.close()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = {path.name: path.read_bytes() for path in trail.folder.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr("shutil.copy2", full)
        with pytest.raises(PermanentError, match="No space left on device"):
            backup.restore(made, trail.folder, now=NOW)
    assert {path.name: path.read_bytes() for path in trail.folder.iterdir()} == before
    assert backup.restore(made, trail.folder, now=NOW) is not None
    assert trail.verify().rows == 3


def test_a_backup_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "data")
    trail.write(1)
    (tmp_path / "file").write_text("")
    with pytest.raises(PermanentError, match="backing up into"):
        backup.backup(trail.store, tmp_path / "file", now=NOW)
    trail.write(1)  # the store is not locked
