"""Checks the audit trail of clearml-chatops offline: with the file and the public key, reading only.

A DATABASE holds rows and checkpoints. Every row is hashed anew and must follow the one before; every checkpoint must
be signed by a key that was trusted then, follow the one before, and have signed just these rows.

SEGMENTS hold rows that were sealed away. The row ``audit.sealed`` names the file and its SHA-256, and is itself
chained and signed; the last checkpoint of the segment stays behind and says what the next row must follow.

EXPORTS hold the rows of one tenant. With each row stands its path through the Merkle tree of a checkpoint, so that
it is checked without anybody else's rows. Not shown is that no row was left out, nor, where a key was stolen after it
was replaced, that its rows are the true ones: for both, verify the database that the export came from.

What no file can show by itself: that its newest rows were cut off. Keep a head elsewhere and give it with --head.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from provisioning.evidence.formats import (
    CHECKPOINTS,
    GENESIS,
    SEALED,
    SEGMENT,
    SEGMENTS,
    TABLE,
    Checkpoint,
    Keys,
    root_by,
    root_of,
    row_hash,
    sha256,
)

Kind = Literal["changed", "removed", "inserted", "head", "checkpoint", "signature", "key", "segment", "proof"]


@dataclass(frozen=True)
class Problem:
    """What is wrong at row *seq* (0: not at one row)."""

    seq: int
    kind: Kind
    detail: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found. ``head`` is the last row's hash; rows up to ``signed`` stand under a trusted signature."""

    rows: int
    head: str
    signed: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


def verify(path: Path, expected_head: str | None = None, keys: Sequence[str] = ()) -> Verdict:
    """Check the database, segment or export at *path*, reading only.

    Args:
        expected_head: a head that was kept outside the file: a row with that hash must be in the chain.
        keys: public keys that are trusted, hex. Without any, signatures are checked, but not whose they are.

    Raises: FileNotFoundError; sqlite3.DatabaseError, ValueError where it is neither.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    with path.open("rb") as file:
        is_export = file.read(1) == b"{"
    checked = _Checked(keys, expected_head)
    try:
        (checked.export if is_export else checked.trail)(path)
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"it is not of the shape of a trail: {type(error).__name__} {error}") from error
    found = {name: getattr(checked, name) for name in ("rows", "head", "signed")}
    return Verdict(**found, problems=tuple(checked.problems), notes=tuple(checked.notes))


class _Checked:
    """What was found so far: row *seq* with hash *head* is the last one that was read."""

    def __init__(self, keys: Sequence[str], expected_head: str | None) -> None:
        self._given, self._expected = keys, expected_head
        self._head_seen = expected_head in {None, GENESIS}
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.rows = self.seq = self.signed = 0
        self.head = GENESIS

    def _problem(self, seq: int, kind: Kind, detail: str) -> None:
        self.problems.append(Problem(seq, kind, detail))

    def _keys(self, checkpoints: Sequence[Checkpoint]) -> Keys:
        keys = Keys(checkpoints, self._given)
        if checkpoints and not self._given:
            self.notes.append("no key was given: the signatures fit the keys in the file, whosever those are")
        for key in keys.forked:
            self._problem(0, "key", f"{key[:16]}… was replaced twice, or comes twice: there are two lines of keys")
        return keys

    def trail(self, path: Path) -> None:
        """Check a database or a segment, with the sealed segments beside it."""
        with ExitStack() as opened:
            files = [opened.enter_context(closing(_File(path)))]
            while files[0].first > 1 and (before := self._segment_before(files, path.parent / SEGMENTS)) is not None:
                files.insert(0, opened.enter_context(closing(before)))
            records = {record["number"]: record for file in files for record in file.checkpoints}
            checkpoints = list(self._readable(records[number] for number in sorted(records)))
            keys = self._keys(checkpoints)
            if self._given and not checkpoints:
                self._problem(0, "key", "a key was given, but nothing in the file is signed")
            self._check_signatures(checkpoints, keys)
            declared = self._begin(files, checkpoints)
            waiting = [one for one in checkpoints if one.last > self.seq]
            self._check_rows((row for file in files for row in file.rows()), waiting, keys)
        if not self._head_seen:
            detail = "that was kept outside is not in the chain: rows were cut off or written anew"
            self._problem(self.seq + 1, "head", f"the head {str(self._expected)[:12]}… {detail}")
        if declared > self.signed:
            self._problem(declared, "segment", "rows are elsewhere, and the row that says so is not signed (yet)")
        if loose := self.seq - self.signed:
            self.notes.append(f"the last {loose} rows are chained, but stand under no trusted checkpoint yet")

    def _segment_before(self, files: "list[_File]", folder: Path) -> "_File | None":
        """Return the sealed segment whose rows come before those of *files*, where they name it and it is here."""
        last = files[0].first - 1
        _, named = next((file.sealed[last] for file in files if last in file.sealed), (0, None))
        if named is None:
            return None
        path = folder / Path(str(named.get("file"))).name
        if not path.is_file():
            self.notes.append(f"rows {named.get('first')} to {last} are sealed in {path.name}: not here")
            return None
        if sha256(path.read_bytes()).hex() != named.get("sha256"):
            self._problem(last, "segment", f"{path.name} is not the file that was sealed")
        found = _File(path)
        if 0 < found.first <= last:
            return found
        found.close()
        self._problem(last, "segment", f"{path.name} does not hold the rows before {last + 1}")
        return None

    def _readable(self, records: Iterable[Mapping[str, Any]]) -> Iterator[Checkpoint]:
        for record in records:
            try:
                yield Checkpoint.read(record)
            except (ValueError, KeyError, TypeError, OverflowError):
                self._problem(int(record["last"]), "checkpoint", f"checkpoint {record['number']} cannot be read")

    def _check_signatures(self, checkpoints: Sequence[Checkpoint], keys: Keys) -> None:
        """Check each signature, whose it is, and that each checkpoint follows the one before."""
        for before, one in zip([None, *checkpoints], checkpoints, strict=False):
            if not one.is_signed:
                self._problem(one.last, "signature", f"checkpoint {one.number} is not signed by the key that it names")
            elif not keys.vouch_for(one):
                self._problem(
                    one.last, "key", f"checkpoint {one.number} is signed by {one.key[:16]}…, not trusted then"
                )
            if before is None:
                follows = one.number > 1 or (one.prev == GENESIS and one.first == 1)
            else:
                follows = (one.prev, one.number, one.first) == (before.digest, before.number + 1, before.last + 1)
                if one.key != before.key and not (one.is_change and one.previous_key == before.key):
                    self._problem(one.last, "key", f"the key changed at checkpoint {one.number} without a word")
            if not follows or one.last < one.first:
                self._problem(one.last, "checkpoint", f"checkpoint {one.number} does not follow the one before it")

    def _begin(self, files: "list[_File]", checkpoints: Sequence[Checkpoint]) -> int:
        """Go on after rows that were sealed and are not here: a checkpoint says what the next one follows.
        Returns the row that says where they went."""
        before = files[0].first - 1
        anchor = next((one for one in checkpoints if one.last == before), None)
        declared = next((file.sealed[before][0] for file in files if before in file.sealed), 0)
        if anchor is None or not (declared or files[0].is_segment):
            return 0  # rows that are not here, and that nobody declared sealed, were removed
        self.seq, self.head, self.signed = anchor.last, anchor.head, anchor.last
        self.notes.append(f"rows 1 to {anchor.last} are elsewhere; checkpoint {anchor.number} stands for them")
        self._head_seen = self._head_seen or self._expected == anchor.head
        return declared

    def _check_rows(self, rows: Iterable[dict[str, Any]], waiting: list[Checkpoint], keys: Keys) -> None:
        """Check each row, that it follows the one before, and that checkpoints signed just these rows."""
        hashes: list[str] = []  # since the last checkpoint
        for row in rows:
            before, seq = self.seq, int(row["seq"])
            if seq > before + 1:
                gone = f"{before + 1}" if seq == before + 2 else f"{before + 1} to {seq - 1}"
                self._problem(before + 1, "removed", f"row {gone} is missing")
            if row_hash(row) != row["hash"]:
                self._problem(seq, "changed", "its content is not what its hash was made of")
            elif row["prev"] != self.head and seq == before + 1:
                why = "it does not follow the row before it: a row was inserted, or written anew, here or before"
                self._problem(seq, "inserted", why)
            self.rows, self.head, self.seq = self.rows + 1, str(row["hash"]), seq
            self._head_seen = self._head_seen or self.head == self._expected
            hashes.append(self.head)
            while waiting and waiting[0].last <= seq:
                one = waiting.pop(0)
                if (one.last, one.head, one.root) != (seq, self.head, root_of(hashes)):
                    why = f"these are not the rows that checkpoint {one.number} signed (row {one.first} to {one.last})"
                    self._problem(one.last, "checkpoint", why)
                elif keys.vouch_for(one):
                    self.signed = seq
                hashes.clear()
        for one in waiting:
            self._problem(one.last, "removed", f"checkpoint {one.number} signed rows up to here, and they are gone")

    def export(self, path: Path) -> None:
        """Check an export: each row by its own path to a signed checkpoint."""
        checkpoints = {one.number: one for one in map(Checkpoint.read, _lines(path, "checkpoint"))}
        keys = self._keys(list(checkpoints.values()))
        head = next(_lines(path, "export"), {})
        tenant, first = head.get("tenant"), head.get("from", 1)
        bare = 0
        for line in _lines(path, "row"):
            row, proof, before = line["row"], line["proof"], self.seq
            self.rows, self.seq, self.head = self.rows + 1, int(row["seq"]), str(row["hash"])
            bare += proof is None
            if row_hash(row) != self.head:
                self._problem(self.seq, "changed", "its content is not what its hash was made of")
            elif self.seq <= before or (tenant is not None and row["subject"] != tenant):
                self._problem(self.seq, "inserted", "it does not belong here")
            elif proof is None:
                continue
            elif why := _unproven(row, proof, checkpoints.get(proof["checkpoint"]), keys):
                self._problem(self.seq, "proof", why)
            else:
                self.signed = self.seq
        if bare:
            self.notes.append(f"{bare} rows carry no proof")
        if self._given and self.rows and not self.signed:
            self._problem(0, "key", "a key was given, but no row stands under its signature")
        if first != 1:
            self.notes.append(f"it says that rows before {first} were elsewhere when it was made, and are not in it")
        genuine = "not all of these rows are genuine" if self.problems else "these rows are genuine"
        self.notes.append(f"an export of {'all rows' if tenant is None else f'tenant {tenant}'}: {genuine}")


def _unproven(row: Mapping[str, Any], proof: Mapping[str, Any], by: Checkpoint | None, keys: Keys) -> str:
    """Return why *proof* does not show that *row* was signed, or ""."""
    if by is None or not by.first <= int(row["seq"]) <= by.last:
        return "its checkpoint is not in the file"
    if root_by(str(row["hash"]), proof["path"]) != by.root:
        return f"its path does not lead to the root of checkpoint {by.number}"
    return "" if keys.vouch_for(by) else f"checkpoint {by.number} is not signed by a key that was trusted then"


class _File:
    """A database or a segment, opened to be read."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        self._db.row_factory = lambda cursor, row: {each[0]: row[at] for at, each in enumerate(cursor.description)}
        tables = {one["name"] for one in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        self.is_segment = SEGMENT in tables
        self.checkpoints = list(self._select(f"* FROM {CHECKPOINTS}")) if CHECKPOINTS in tables else []
        self.first = next(self._select(f"min(seq) AS first FROM {TABLE}"))["first"] or 0  # 0: no rows
        named = self._select(f"seq, detail FROM {TABLE} WHERE action = '{SEALED}'")
        # last row of a segment → the row about it, and what that says
        self.sealed = {
            said.get("last"): (seq, said) for seq, said in ((row["seq"], _object(row["detail"])) for row in named)
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        return self._select(f"* FROM {TABLE} ORDER BY seq")

    def _select(self, what: str) -> Iterator[dict[str, Any]]:
        return self._db.execute(f"SELECT {what}")

    def close(self) -> None:
        self._db.close()


def _lines(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from (line for line in map(_object, file) if line.get("type") == kind)


def _object(text: Any) -> dict[str, Any]:
    """Return the JSON object in *text*; an empty one where it is none."""
    try:
        found = json.loads(text)
    except (ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
