"""Backups of the bot's state that fit together, and bringing one back."""

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from provisioning.errors import PermanentError, reason_of
from provisioning.evidence import trail
from provisioning.evidence.formats import SEGMENTS
from provisioning.evidence.verifier import verify
from provisioning.store import Store

MANIFEST = "manifest.json"
STORE, ENGINE = "chatops.db", "engine.db"


def backup(store: Store, folder: Path, *, now: datetime) -> Path:
    """Copy the store, the engine's database and the sealed segments into a new folder in *folder*; return it.

    The copies are of one moment: nobody writes the store meanwhile, and the engine is never ahead of the store,
    since each step writes the store first. Goes on beside a running bot. The signing key is not copied: who has
    both could sign whatever they like. Raises: PermanentError.
    """
    data_dir = store.path.parent
    final = folder / f"clearml-chatops-{now:%Y%m%dT%H%M%SZ}"
    draft = final.with_suffix(".draft")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        with store.writing():  # holds the others off; the copies are made by connections that only read
            for name in (ENGINE, STORE):
                if (data_dir / name).exists():
                    _vacuum_into(data_dir / name, draft / name)
            if (data_dir / SEGMENTS).is_dir():
                shutil.copytree(data_dir / SEGMENTS, draft / SEGMENTS, ignore=shutil.ignore_patterns("*.draft"))
        verdict = verify(draft / STORE)
        if not verdict.ok:
            raise PermanentError(
                f"backing up: the audit trail does not verify ({verdict.problems[0].detail})",
                next_action=f"run `clearml-chatops audit verify`; the copy is kept in {draft}",
            )
        manifest = {
            "made_at": now.isoformat(timespec="seconds"),
            "audit_rows": verdict.rows,
            "audit_head": verdict.head,
            "files": {str(path.relative_to(draft)): _sha256(path) for path in _files(draft)},
        }
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
        for path in _files(draft):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        draft.replace(final)
    except (OSError, sqlite3.Error) as error:
        raise PermanentError(
            f"backing up into {folder}: {reason_of(error) if isinstance(error, OSError) else error}",
            next_action="check the folder and its disk",
        ) from error
    return final


def restore(made: Path, data_dir: Path, *, now: datetime) -> Path | None:
    """Put the backup *made* in place of what is in *data_dir*; return where that was moved, None if there was none.

    The caller holds the data folder's lock: no bot runs. Raises: PermanentError, and has changed nothing.
    """
    manifest = _manifest_of(made)
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = data_dir / f"restoring-{now:%Y%m%dT%H%M%SZ}"
    try:
        for name in manifest["files"]:
            target = fresh / name
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copy2(made / name, target)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise PermanentError(
            f"restoring {made}: {reason_of(error)}", next_action=f"look at the disk of {data_dir}; nothing was changed"
        ) from error
    aside = data_dir / f"before-restore-{now:%Y%m%dT%H%M%SZ}"
    present = [path for path in _state(data_dir) if path.exists()]
    if present:
        aside.mkdir(mode=0o700)
    for path in present:
        path.replace(aside / path.name)
    for path in fresh.iterdir():
        path.replace(data_dir / path.name)
    fresh.rmdir()
    return aside if present else None


def head_of(path: Path) -> tuple[int, str]:
    """Return the newest row of the trail in *path* and its hash; 0 and "" where there is none, or it is damaged."""
    if not path.exists():
        return 0, ""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return trail.head(Database(database))
    except sqlite3.DatabaseError:
        return 0, ""


def _manifest_of(made: Path) -> dict[str, Any]:
    """Return the backup's manifest, all of it checked. Raises: PermanentError."""
    next_action = "name another folder that `clearml-chatops backup` made; nothing was changed"
    try:
        manifest = json.loads((made / MANIFEST).read_text())
        names = [str(name) for name in manifest["files"]]
        strange = [name for name in names if Path(name).is_absolute() or ".." in Path(name).parts]
        wrong = strange or [name for name in names if _sha256(made / name) != manifest["files"][name]]
        head = str(manifest["audit_head"])
    except OSError as error:
        what = f"{error.filename or made}: {reason_of(error)}"
        raise PermanentError(
            f"restoring {made}: it is no backup that is whole ({what})", next_action=next_action
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentError(f"restoring {made}: its {MANIFEST} cannot be used", next_action=next_action) from error
    if wrong:
        raise PermanentError(
            f"restoring {made}: it was changed since it was made: {', '.join(wrong)}", next_action=next_action
        )
    if not verify(made / STORE, head).ok:
        raise PermanentError(f"restoring {made}: its audit trail does not verify", next_action=next_action)
    return {"files": names}


def _state(data_dir: Path) -> Iterator[Path]:
    for name in (STORE, ENGINE):
        yield from (data_dir / f"{name}{ending}" for ending in ("", "-wal", "-shm"))
    yield data_dir / SEGMENTS


def _vacuum_into(source: Path, target: Path) -> None:
    with contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as database:
        database.execute("VACUUM INTO ?", [str(target)])
    target.chmod(0o600)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
