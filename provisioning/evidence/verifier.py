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
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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


# -- what is hashed and signed --------------------------------------------------------------------------------


def row_hash(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the row's canonical JSON, its ``prev`` included, 64 hex digits."""
    canonical = json.dumps([row[name] for name in FIELDS], ensure_ascii=False, separators=(",", ":"))
    return _sha256(canonical.encode("utf-8", errors="surrogatepass")).hex()


def layers(hashes: Sequence[str]) -> list[list[bytes]]:
    """Return the Merkle tree over *hashes*: leaves first, the root alone last. A node without a partner moves up as it
    is. Leaves begin with the byte 0 and nodes with 1, as in RFC 9162. Raises: ValueError for a hash that is none."""
    found = [[_sha256(b"\x00" + bytes.fromhex(one)) for one in hashes]]
    while len(below := found[-1]) > 1:
        pairs = [_sha256(b"\x01" + below[at] + below[at + 1]) for at in range(0, len(below) - 1, 2)]
        found.append(pairs + below[len(pairs) * 2 :])
    return found


def root_by(hash_of_row: str, path: Iterable[Sequence[str]]) -> str:
    """Return the root that *path* leads to from a row: pairs of ``left`` or ``right`` and the neighbour's hash."""
    at = layers([hash_of_row])[0][0]
    for side, neighbour in path:
        other = bytes.fromhex(neighbour)
        at = _sha256(b"\x01" + (other + at if side == "left" else at + other))
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
        return _sha256(self.body.encode()).hex()

    @property
    def is_signed(self) -> bool:
        """Return whether the key that it names signed it."""
        return self._is_signed_by(self.key, self.signature)

    @property
    def is_vouched_for(self) -> bool:
        """Return whether the key before signed it too."""
        return self._is_signed_by(self.previous_key, self.previous_signature)

    def _is_signed_by(self, key: str | None, signature: str | None) -> bool:
        from cryptography.exceptions import InvalidSignature  # only here: the store, which knows the columns, is light
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            signer = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key or ""))
            signer.verify(bytes.fromhex(signature or ""), self.body.encode())
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True


def trusted_keys(checkpoints: Sequence[Checkpoint], given: Sequence[str]) -> set[str]:
    """Return *given* and the keys that they lead to: a key vouches for its successor, and names its predecessor.

    Where none is given, every key in the file is believed; the verdict says so.
    """
    if not given:
        return {one.key for one in checkpoints}
    trusted: set[str] = set()
    found = set(given)
    while found - trusted:
        trusted |= found
        for one in checkpoints:
            if one.previous_key is not None and one.is_signed and one.key in trusted:
                found.add(one.previous_key)
            if one.previous_key in trusted and one.is_signed and one.is_vouched_for:
                found.add(one.key)
    return trusted


def read_key(text: str) -> str:
    """Return a public key as 64 hex digits, from PEM or hex. Raises: ValueError."""
    if "BEGIN PUBLIC KEY" in text:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

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
    checked = _Checked(keys, expected_head)
    (checked.export if is_export else checked.trail)(path)
    return Verdict(
        rows=checked.rows,
        head=checked.head,
        signed=checked.signed,
        problems=tuple(checked.problems),
        notes=tuple(checked.notes),
    )


class _Checked:
    """What was found so far: row *seq* with hash *head* is the last one that was read."""

    def __init__(self, keys: Sequence[str], expected_head: str | None) -> None:
        self._keys, self._expected = keys, expected_head
        self._head_seen = expected_head in {None, GENESIS}
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.rows = self.seq = self.signed = 0
        self.head = GENESIS

    def _problem(self, seq: int, kind: Kind, detail: str) -> None:
        self.problems.append(Problem(seq, kind, detail))

    def _trust(self, checkpoints: Sequence[Checkpoint]) -> set[str]:
        if checkpoints and not self._keys:
            self.notes.append("no key was given: the signatures fit the keys in the file, whosever those are")
        return trusted_keys(checkpoints, self._keys)

    # -- a database or a segment, with the segments beside it

    def trail(self, path: Path) -> None:
        with ExitStack() as opened:
            files = [opened.enter_context(closing(_File(path)))]
            while files[0].first > 1 and (before := self._segment_before(files, path.parent / SEGMENTS)) is not None:
                files.insert(0, opened.enter_context(closing(before)))
            records = {record["number"]: record for file in files for record in file.checkpoints}
            checkpoints = list(self._readable(records[number] for number in sorted(records)))
            trusted = self._trust(checkpoints)
            if self._keys and not checkpoints:
                self._problem(0, "key", "a key was given, but nothing in the file is signed")
            self._check_signatures(checkpoints, trusted)
            self._begin(files, checkpoints)
            waiting = [one for one in checkpoints if one.last > self.seq]
            self._check_rows((row for file in files for row in file.rows()), waiting, trusted)
        if not self._head_seen:
            detail = "that was kept outside is not in the chain: rows were cut off or written anew"
            self._problem(self.seq + 1, "head", f"the head {str(self._expected)[:12]}… {detail}")
        if loose := self.seq - self.signed:
            self.notes.append(f"the last {loose} rows are chained, but stand under no trusted checkpoint yet")

    def _segment_before(self, files: "list[_File]", folder: Path) -> "_File | None":
        """Return the sealed segment whose rows come before those of *files*, where they name it and it is here."""
        last = files[0].first - 1
        named = next((file.sealed[last] for file in files if last in file.sealed), None)
        if named is None:
            return None
        path = folder / Path(str(named.get("file"))).name
        if not path.is_file():
            self.notes.append(f"rows {named.get('first')} to {last} are sealed in {path.name}: not here")
            return None
        if _sha256(path.read_bytes()).hex() != named.get("sha256"):
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
            except (ValueError, KeyError, TypeError):
                self._problem(int(record["last"]), "checkpoint", f"checkpoint {record['number']} cannot be read")

    def _check_signatures(self, checkpoints: Sequence[Checkpoint], trusted: set[str]) -> None:
        """Check each signature, whose it is, and that each checkpoint follows the one before."""
        for before, one in zip([None, *checkpoints], checkpoints, strict=False):
            if not one.is_signed:
                self._problem(one.last, "signature", f"checkpoint {one.number} is not signed by the key that it names")
            elif one.key not in trusted:
                self._problem(one.last, "key", f"checkpoint {one.number} is signed by {one.key[:16]}…, not trusted")
            if before is None:
                follows = one.number > 1 or (one.prev == GENESIS and one.first == 1)
            else:
                follows = (one.prev, one.number, one.first) == (before.digest, before.number + 1, before.last + 1)
                if before.key not in {one.key, one.previous_key}:
                    self._problem(one.last, "key", f"the key changed at checkpoint {one.number} without a word")
            if not follows or one.last < one.first:
                self._problem(one.last, "checkpoint", f"checkpoint {one.number} does not follow the one before it")

    def _begin(self, files: "list[_File]", checkpoints: Sequence[Checkpoint]) -> None:
        """Go on after rows that were sealed and are not here: a checkpoint says what the next one follows."""
        before = files[0].first - 1
        anchor = next((one for one in checkpoints if one.last == before), None)
        declared = files[0].is_segment or any(before in file.sealed for file in files)
        if anchor is None or not declared:
            return  # rows that are not here, and that nobody declared sealed, were removed
        self.seq, self.head, self.signed = anchor.last, anchor.head, anchor.last
        self.notes.append(f"rows 1 to {anchor.last} are elsewhere; checkpoint {anchor.number} stands for them")
        self._head_seen = self._head_seen or self._expected == anchor.head

    def _check_rows(self, rows: Iterable[dict[str, Any]], waiting: list[Checkpoint], trusted: set[str]) -> None:
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
                if (one.last, one.head, one.root) != (seq, self.head, _root(hashes)):
                    why = f"these are not the rows that checkpoint {one.number} signed (row {one.first} to {one.last})"
                    self._problem(one.last, "checkpoint", why)
                elif one.is_signed and one.key in trusted:
                    self.signed = seq
                hashes.clear()
        for one in waiting:
            self._problem(one.last, "removed", f"checkpoint {one.number} signed rows up to here, and they are gone")

    # -- an export: each row by its own path to a signed checkpoint

    def export(self, path: Path) -> None:
        checkpoints = {one.number: one for one in map(Checkpoint.read, _lines(path, "checkpoint"))}
        trusted = self._trust(list(checkpoints.values()))
        tenant = next(_lines(path, "export"), {}).get("tenant")
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
            elif why := _unproven(row, proof, checkpoints.get(proof["checkpoint"]), trusted):
                self._problem(self.seq, "proof", why)
            else:
                self.signed = self.seq
        if bare:
            self.notes.append(f"{bare} rows carry no proof")
        if self._keys and self.rows and not self.signed:
            self._problem(0, "key", "a key was given, but no row stands under its signature")
        self.notes.append(f"an export of tenant {tenant}: these rows are genuine")


def _unproven(row: Mapping[str, Any], proof: Mapping[str, Any], by: Checkpoint | None, trusted: set[str]) -> str:
    """Return why *proof* does not show that *row* was signed, or ""."""
    if by is None or not by.first <= int(row["seq"]) <= by.last:
        return "its checkpoint is not in the file"
    if root_by(str(row["hash"]), proof["path"]) != by.root:
        return f"its path does not lead to the root of checkpoint {by.number}"
    if not by.is_signed or by.key not in trusted:
        return f"checkpoint {by.number} is not signed by a trusted key"
    return ""


class _File:
    """A database or a segment, opened to be read."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        self._db.row_factory = lambda cursor, row: {each[0]: row[at] for at, each in enumerate(cursor.description)}
        tables = {one["name"] for one in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        self.is_segment = SEGMENT in tables
        self.checkpoints = list(self._select(f"* FROM {CHECKPOINTS}")) if CHECKPOINTS in tables else []
        self.first = next(self._select(f"min(seq) AS first FROM {TABLE}"))["first"] or 0  # 0: no rows
        named = self._select(f"detail FROM {TABLE} WHERE action = '{SEALED}'")
        # last row of a segment → what the row about it says
        self.sealed = {detail.get("last"): detail for detail in (_object(row["detail"]) for row in named)}

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


def _root(hashes: Sequence[str]) -> str:
    try:
        return layers(hashes)[-1][0].hex()
    except ValueError:  # a hash that is none
        return ""


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


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
