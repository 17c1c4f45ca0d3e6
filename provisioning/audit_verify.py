"""Checks the audit trail of clearml-chatops offline: with the file, the public key and this one module.

    python audit_verify.py chatops.db --key audit.pub --head 5f3a…      # the bot's database, a backup, or a segment
    python audit_verify.py acme.jsonl --key audit.pub                   # what `audit export --proofs` wrote

It needs Python 3.11 and `cryptography`, reads only, and imports nothing else of the product.

ROWS are chained. The hash of a row is the SHA-256 of the JSON array of its columns in the order of FIELDS, the last
of which, ``prev``, is the hash of the row before. Changing, removing or inserting a row breaks the chain there.

CHECKPOINTS are signed (Ed25519). The body of one is a JSON object: ``first`` and ``last`` row that it adds, ``head``
(the hash of its last row), ``root`` (of a Merkle tree over the hashes of its rows), ``prev`` (the SHA-256 of the body
of the checkpoint before), ``key`` (its signer's public key, hex). Whoever rewrites rows that were signed needs the
private key. Where the key changed, the first checkpoint of the new one names ``previous_key`` and is signed by both,
so that knowing either public key is enough to follow the change in both directions.

SEGMENTS hold rows that were sealed away. The row ``audit.sealed`` names the file and its SHA-256, and is itself
chained and signed; the last checkpoint of the segment stays behind and says what the next row must follow.

EXPORTS hold the rows of one tenant. With each row stands its path through the Merkle tree of a checkpoint, so that
it is checked without anybody else's rows. That no row was left out of an export is not shown: for that, verify the
database that it came from.

What no file can show by itself: that its newest rows were cut off. Keep a head elsewhere and give it with --head.
"""

import argparse
import hashlib
import json
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

GENESIS = "0" * 64  # what the first row, and the first checkpoint, follow
TABLE = "audit"
CHECKPOINTS = "audit_checkpoints"
SEGMENT = "audit_segment"  # a table that only a segment has
SEGMENTS = "audit-segments"  # the folder of sealed segments, beside the database
SEALED = "audit.sealed"  # the action of the row that names a segment

# The columns in the order in which they are hashed; "hash" itself comes after them and is not.
FIELDS = (
    "seq", "at", "action", "actor", "actor_name", "subject", "job", "step", "attempt", "outcome", "rule",
    "plan_digest", "detail", "prev",
)  # fmt: skip

Kind = Literal["changed", "removed", "inserted", "head", "checkpoint", "signature", "key", "segment", "proof"]


@dataclass(frozen=True, kw_only=True)
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


# -- what is hashed and signed --------------------------------------------------------------------------------


def row_hash(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the row's canonical JSON, its ``prev`` included, 64 hex digits."""
    canonical = json.dumps([row[name] for name in FIELDS], ensure_ascii=False, separators=(",", ":"))
    return _sha256(canonical.encode("utf-8", errors="surrogatepass"))


def leaf(hash_of_row: str) -> bytes:
    """Return a leaf of the Merkle tree. Leaves and nodes are told apart by their first byte, as in RFC 9162."""
    return hashlib.sha256(b"\x00" + bytes.fromhex(hash_of_row)).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Return the node above two others."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def layers(hashes: Sequence[str]) -> list[list[bytes]]:
    """Return the tree over *hashes*, leaves first, the root alone last. A node without a partner moves up as it is."""
    found = [[leaf(one) for one in hashes]]
    while len(found[-1]) > 1:
        below = found[-1]
        pairs = [node(*below[place : place + 2]) for place in range(0, len(below) - 1, 2)]
        found.append(pairs + below[len(pairs) * 2 :])
    return found


def root_by(hash_of_row: str, path: Iterable[Sequence[str]]) -> str:
    """Return the root that *path* leads to from a row: pairs of ``left`` or ``right`` and the neighbour's hash."""
    at = leaf(hash_of_row)
    for side, neighbour in path:
        other = bytes.fromhex(neighbour)
        at = node(other, at) if side == "left" else node(at, other)
    return at.hex()


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One signed checkpoint, as stored. *body* is the text that was signed, the rest is read from it."""

    body: str
    signature: str
    previous_signature: str | None
    number: int
    first: int
    last: int
    head: str
    root: str
    prev: str
    key: str
    previous_key: str | None

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> "Checkpoint":
        """Parse a row of the table, or a line of an export. Raises: ValueError, KeyError, TypeError."""
        body = json.loads(record["body"])
        return cls(
            body=str(record["body"]),
            signature=str(record["signature"]),
            previous_signature=record["previous_signature"],
            number=int(body["number"]),
            first=int(body["first"]),
            last=int(body["last"]),
            head=str(body["head"]),
            root=str(body["root"]),
            prev=str(body["prev"]),
            key=str(body["key"]),
            previous_key=body.get("previous_key"),
        )

    @property
    def digest(self) -> str:
        return _sha256(self.body.encode())

    @property
    def is_signed(self) -> bool:
        """Return whether the key that it names signed it."""
        return _signed(self.key, self.signature, self.body)

    @property
    def is_vouched_for(self) -> bool:
        """Return whether the key before signed it too."""
        return self.previous_key is not None and _signed(self.previous_key, self.previous_signature or "", self.body)


def trusted_keys(checkpoints: Iterable[Checkpoint], given: Iterable[str]) -> set[str]:
    """Return *given* and the keys that they lead to: a key vouches for its successor, and names its predecessor."""
    changes = [one for one in checkpoints if one.previous_key is not None and one.is_signed]
    trusted = set(given)
    while True:
        found = {str(one.previous_key) for one in changes if one.key in trusted}
        found |= {one.key for one in changes if one.previous_key in trusted and one.is_vouched_for}
        if found <= trusted:
            return trusted
        trusted |= found


def read_key(text: str) -> str:
    """Return a public key as 64 hex digits, from PEM or hex. Raises: ValueError."""
    if "BEGIN PUBLIC KEY" in text:
        key = load_pem_public_key(text.encode())
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("it is no Ed25519 key")
        return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    if len(bytes.fromhex(text.strip())) != 32:
        raise ValueError("a public key is 64 hex digits, or PEM")
    return text.strip().lower()


# -- verifying ------------------------------------------------------------------------------------------------


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
    return _Export(keys).verify(path) if is_export else _Trail(keys, expected_head).verify(path)


@dataclass(kw_only=True)
class _Piece:
    """One file of the chain."""

    connection: sqlite3.Connection
    checkpoints: list[Checkpoint]
    first: int | None  # row, None where there is none
    sealed: Mapping[object, Mapping[str, Any]]  # last row of a segment → what the row about it says
    is_segment: bool


class _Trail:
    """Verifies a database with the segments that lie beside it."""

    def __init__(self, keys: Sequence[str], expected_head: str | None) -> None:
        self._given = tuple(keys)
        self._expected_head = expected_head
        self._problems: list[Problem] = []
        self._notes: list[str] = []
        self._rows = self._seq = self._signed = 0
        self._head = GENESIS
        self._head_seen = expected_head in {None, GENESIS}

    def verify(self, path: Path) -> Verdict:
        pieces = [_open(path, self._problem)]
        try:
            self._add_segments(pieces, path.parent / SEGMENTS)
            checkpoints = {one.number: one for piece in pieces for one in piece.checkpoints}
            ordered = [checkpoints[number] for number in sorted(checkpoints)]
            trusted = self._check_signatures(ordered)
            self._begin(pieces, {one.last: one for one in ordered})
            waiting = [one for one in ordered if one.last > self._seq]
            for piece in pieces:
                self._check_rows(piece, waiting, trusted)
            for one in waiting:
                self._problem(one.last, "removed", f"checkpoint {one.number} signed rows up to here, and they are gone")
        finally:
            for piece in pieces:
                piece.connection.close()
        if not self._head_seen:
            detail = "that was kept outside is not in the chain: rows were cut off or written anew"
            self._problem(self._seq + 1, "head", f"the head {str(self._expected_head)[:12]}… {detail}")
        if loose := self._seq - self._signed:
            self._notes.append(f"the last {loose} rows are chained, but stand under no trusted checkpoint yet")
        return _verdict(self._rows, self._head, self._signed, self._problems, self._notes)

    def _problem(self, seq: int, kind: Kind, detail: str) -> None:
        self._problems.append(Problem(seq=seq, kind=kind, detail=detail))

    def _add_segments(self, pieces: list[_Piece], folder: Path) -> None:
        """Put the sealed segments that are here before the file that names them."""
        while (first := pieces[0].first) is not None and first > 1:
            named = next((piece.sealed[first - 1] for piece in pieces if first - 1 in piece.sealed), None)
            if named is None:
                return
            file = folder / Path(str(named.get("file"))).name
            if not file.is_file():
                self._notes.append(f"rows {named.get('first')} to {first - 1} are sealed in {file.name}: not here")
                return
            if _sha256(file.read_bytes()) != named.get("sha256"):
                self._problem(first - 1, "segment", f"{file.name} is not the file that was sealed")
            pieces.insert(0, _open(file, self._problem))
            if (pieces[0].first or first) >= first:
                self._problem(first - 1, "segment", f"{file.name} does not hold the rows before {first}")
                pieces.pop(0).connection.close()
                return

    def _begin(self, pieces: list[_Piece], by_last: Mapping[int, Checkpoint]) -> None:
        """Go on after the rows that are not here, where a checkpoint says what the next one follows."""
        first = pieces[0].first
        if first is None or first <= 1:
            return
        anchor = by_last.get(first - 1)
        declared = any(first - 1 in piece.sealed for piece in pieces)
        if anchor is None or not (declared or pieces[0].is_segment):
            return  # then they were not sealed, but removed
        self._seq, self._head, self._signed = anchor.last, anchor.head, anchor.last
        self._notes.append(f"rows 1 to {anchor.last} are elsewhere; checkpoint {anchor.number} stands for them")
        self._head_seen = self._head_seen or self._expected_head == anchor.head

    def _check_signatures(self, checkpoints: Sequence[Checkpoint]) -> set[str]:
        """Check each signature and the checkpoints' own chain. Returns the keys whose word counts."""
        trusted = trusted_keys(checkpoints, self._given) if self._given else {one.key for one in checkpoints}
        if not self._given and checkpoints:
            self._notes.append("no key was given: the signatures fit the keys in the file, whosever those are")
        if self._given and not checkpoints:
            self._problem(0, "key", "a key was given, but nothing in the file is signed")
        for before, one in zip([None, *checkpoints], checkpoints, strict=False):
            if not one.is_signed:
                self._problem(one.last, "signature", f"checkpoint {one.number} is not signed by the key that it names")
            elif one.key not in trusted:
                self._problem(one.last, "key", f"checkpoint {one.number} is signed by {one.key[:16]}…, not trusted")
            if before is None:
                fits = one.number > 1 or (one.prev == GENESIS and one.first == 1)
            else:
                fits = one.prev == before.digest and one.number == before.number + 1 and one.first == before.last + 1
                if before.key not in {one.key, one.previous_key}:
                    self._problem(one.last, "key", f"the key changed at checkpoint {one.number} without a word")
            if not fits or one.last < one.first:
                self._problem(one.last, "checkpoint", f"checkpoint {one.number} does not follow the one before it")
        return trusted

    def _check_rows(self, piece: _Piece, waiting: list[Checkpoint], trusted: set[str]) -> None:
        """Check the rows of *piece*; take the checkpoints that end in it from *waiting*."""
        hashes: list[str] = []  # since the last checkpoint
        for row in piece.connection.execute(f"SELECT * FROM {TABLE} ORDER BY seq"):  # noqa: S608 - our own name
            self._rows, seq = self._rows + 1, int(row["seq"])
            if seq > self._seq + 1:
                gone = f"{self._seq + 1}" if seq == self._seq + 2 else f"{self._seq + 1} to {seq - 1}"
                self._problem(self._seq + 1, "removed", f"row {gone} is missing")
            if row_hash(row) != row["hash"]:
                self._problem(seq, "changed", "its content is not what its hash was made of")
            elif row["prev"] != self._head and seq == self._seq + 1:
                why = "it does not follow the row before it: a row was inserted, or written anew, here or before"
                self._problem(seq, "inserted", why)
            self._head, self._seq = str(row["hash"]), seq
            self._head_seen = self._head_seen or self._head == self._expected_head
            hashes.append(self._head)
            while waiting and waiting[0].last <= seq:
                one = waiting.pop(0)
                if one.last == seq and one.head == self._head and one.root == _root(hashes):
                    self._signed = seq if one.is_signed and one.key in trusted else self._signed
                else:
                    why = f"these are not the rows that checkpoint {one.number} signed (row {one.first} to {one.last})"
                    self._problem(one.last, "checkpoint", why)
                hashes.clear()


class _Export:
    """Verifies an export: each row by its own path to a signed checkpoint."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._given = tuple(keys)

    def verify(self, path: Path) -> Verdict:
        problems: list[Problem] = []
        rows, signed, head, before, bare = 0, 0, GENESIS, 0, 0
        checkpoints = {one.number: one for one in map(Checkpoint.read, _lines(path, "checkpoint"))}
        trusted = trusted_keys(checkpoints.values(), self._given) if self._given else None
        tenant = next(_lines(path, "export"), {}).get("tenant")
        for line in _lines(path, "row"):
            row, proof = line["row"], line["proof"]
            rows, seq, head = rows + 1, int(row["seq"]), str(row["hash"])
            why = "" if proof is None else _unproven(row, proof, checkpoints.get(proof["checkpoint"]), trusted)
            if row_hash(row) != head:
                problems.append(Problem(seq=seq, kind="changed", detail="its content is not what its hash was made of"))
            elif seq <= before or (tenant is not None and row["subject"] != tenant):
                problems.append(Problem(seq=seq, kind="inserted", detail="it does not belong here"))
            elif why:
                problems.append(Problem(seq=seq, kind="proof", detail=why))
            elif proof is not None:
                signed = seq
            bare, before = bare + (proof is None), seq
        notes = [] if self._given else ["no key was given: the signatures fit the keys in the file, whosever those are"]
        notes += [f"{bare} rows carry no proof"] if bare else []
        if self._given and rows and not signed:
            problems.append(Problem(seq=0, kind="key", detail="a key was given, but no row stands under its signature"))
        return _verdict(rows, head, signed, problems, [*notes, f"an export of tenant {tenant}: these rows are genuine"])


def _unproven(row: Mapping[str, Any], proof: Mapping[str, Any], by: Checkpoint | None, trusted: set[str] | None) -> str:
    """Return why *proof* does not show that *row* was signed, or ""."""
    if by is None or not by.first <= int(row["seq"]) <= by.last:
        return "its checkpoint is not in the file"
    if root_by(str(row["hash"]), proof["path"]) != by.root:
        return f"its path does not lead to the root of checkpoint {by.number}"
    if not by.is_signed or (trusted is not None and by.key not in trusted):
        return f"checkpoint {by.number} is not signed by a trusted key"
    return ""


def _open(path: Path, problem: Any) -> _Piece:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.row_factory = lambda cursor, row: {each[0]: row[place] for place, each in enumerate(cursor.description)}
    tables = {one["name"] for one in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    checkpoints = []
    if CHECKPOINTS in tables:
        for record in connection.execute(f"SELECT * FROM {CHECKPOINTS} ORDER BY number"):  # noqa: S608
            try:
                checkpoints.append(Checkpoint.read(record))
            except (ValueError, KeyError, TypeError):
                problem(int(record["last"]), "checkpoint", f"checkpoint {record['number']} cannot be read")
    sealed = {}
    for row in connection.execute(f"SELECT detail FROM {TABLE} WHERE action = ?", [SEALED]):  # noqa: S608
        detail = _object(row["detail"])
        sealed[detail.get("last")] = detail
    return _Piece(
        connection=connection,
        checkpoints=checkpoints,
        first=connection.execute(f"SELECT min(seq) AS first FROM {TABLE}").fetchone()["first"],  # noqa: S608
        sealed=sealed,
        is_segment=SEGMENT in tables,
    )


def _lines(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for text in file:
            line = _object(text)
            if line.get("type") == kind:
                yield line


def _object(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _root(hashes: Sequence[str]) -> str:
    try:
        return layers(hashes)[-1][0].hex()
    except ValueError:  # a hash that is none
        return ""


def _signed(key: str, signature: str, body: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), body.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _verdict(rows: int, head: str, signed: int, problems: Iterable[Problem], notes: Iterable[str]) -> Verdict:
    return Verdict(rows=rows, head=head, signed=signed, problems=tuple(problems), notes=tuple(notes))


# -- the command ----------------------------------------------------------------------------------------------


def told(verdict: Verdict) -> list[str]:
    """Return the verdict as lines for people."""
    found = [f"row {one.seq} {one.kind}: {one.detail}" for one in verdict.problems]
    state = "whole" if verdict.ok else "NOT WHOLE"
    last = f"{verdict.rows} rows, the chain is {state}, signed up to row {verdict.signed}, head {verdict.head}"
    return [*found, *(f"note: {note}" for note in verdict.notes), last]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns its exit code: 0 whole, 1 not, 2 cannot be read."""
    parser = argparse.ArgumentParser(description="Check an audit trail of clearml-chatops, offline.")
    parser.add_argument("file", type=Path, help="a database, a sealed segment, or an export (JSON Lines)")
    parser.add_argument("--key", type=Path, action="append", default=[], help="a trusted public key: PEM or hex")
    parser.add_argument("--head", help="a head that was kept outside the file, 64 hex digits")
    given = parser.parse_args(arguments)
    try:
        verdict = verify(given.file, given.head, [read_key(path.read_text()) for path in given.key])
    except (OSError, sqlite3.DatabaseError, ValueError, KeyError, TypeError) as error:
        print(f"{given.file} cannot be checked: {error}", file=sys.stderr)  # noqa: T201 - a command prints
        return 2
    print("\n".join(told(verdict)))  # noqa: T201
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    sys.exit(main())
