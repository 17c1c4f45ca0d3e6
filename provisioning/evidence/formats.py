"""The audit trail of clearml-chatops: what is hashed, and what is signed. `verifier` checks it.

ROWS are chained. The hash of a row is the SHA-256 of the JSON array of its columns in the order of FIELDS, the last
of which, ``prev``, is the hash of the row before. Changing, removing or inserting a row breaks the chain there.

CHECKPOINTS are signed (Ed25519). The body of one is a JSON object: ``first`` and ``last`` row that it adds, ``head``
(the hash of its last row), ``root`` (of a Merkle tree over the hashes of its rows), ``prev`` (the SHA-256 of the body
of the checkpoint before), ``key`` (its signer's public key, hex). Whoever rewrites rows that were signed needs the
private key. Where the key changed, the first checkpoint of the new one names ``previous_key`` and is signed by both:
knowing either public key is enough, and a key that was replaced signs nothing that comes after.

This, `verifier` and `command` are the program that auditors get, in one file: it needs Python 3.11 and `cryptography`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

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


def sha256(content: bytes) -> bytes:
    """Return the digest, 32 bytes."""
    return hashlib.sha256(content).digest()


def row_hash(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the row's canonical JSON, its ``prev`` included, 64 hex digits."""
    canonical = json.dumps([row[name] for name in FIELDS], ensure_ascii=False, separators=(",", ":"))
    return sha256(canonical.encode("utf-8", errors="surrogatepass")).hex()


def layers(hashes: Sequence[str]) -> list[list[bytes]]:
    """Return the Merkle tree over *hashes*: leaves first, the root alone last. A node without a partner moves up as it
    is. Leaves begin with the byte 0 and nodes with 1, as in RFC 9162. Raises: ValueError for a hash that is none."""
    found = [[sha256(b"\x00" + bytes.fromhex(one)) for one in hashes]]
    while len(below := found[-1]) > 1:
        pairs = [sha256(b"\x01" + below[at] + below[at + 1]) for at in range(0, len(below) - 1, 2)]
        found.append(pairs + below[len(pairs) * 2 :])
    return found


def root_of(hashes: Sequence[str]) -> str:
    """Return the root of the tree over *hashes*, 64 hex digits; "" where there are none, or one is no hash."""
    try:
        return layers(hashes)[-1][0].hex() if hashes else ""
    except ValueError:
        return ""


def root_by(hash_of_row: str, path: Iterable[Sequence[str]]) -> str:
    """Return the root that *path* leads to from a row: pairs of ``left`` or ``right`` and the neighbour's hash."""
    at = layers([hash_of_row])[0][0]
    for side, neighbour in path:
        other = bytes.fromhex(neighbour)
        at = sha256(b"\x01" + (other + at if side == "left" else at + other))
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
        """Parse a row of the table, or a line of an export. Raises: ValueError, KeyError, TypeError, OverflowError."""
        said = json.loads(record["body"])
        fields: dict[str, Any] = {name: int(said[name]) for name in ("number", "first", "last")}
        fields |= {name: str(said[name]) for name in ("head", "root", "prev", "key")}
        fields |= {name: str(record[name]) for name in ("body", "signature")}
        return cls(**fields, previous_signature=record["previous_signature"], previous_key=said.get("previous_key"))

    @property
    def digest(self) -> str:
        return sha256(self.body.encode()).hex()

    @cached_property
    def is_signed(self) -> bool:
        """Return whether the key that it names signed it."""
        return _is_signed_by(self.key, self.signature, self.body)

    @cached_property
    def is_change(self) -> bool:
        """Return whether it puts its key in place of the one before: both signed it."""
        vouched = _is_signed_by(self.previous_key, self.previous_signature, self.body)
        return self.is_signed and vouched and self.previous_key != self.key


class Keys:
    """Which keys are trusted, and for which checkpoints: the *given* ones, and those that a change leads to from them,
    forwards and backwards. Where none is given every key in the file is believed; the verdict says so."""

    def __init__(self, checkpoints: Sequence[Checkpoint], given: Sequence[str]) -> None:
        changes = sorted((one for one in checkpoints if one.is_change), key=lambda one: one.number)
        self._trusted = {str(key) for key in given or {one.key for one in checkpoints}}
        for one in (*changes, *reversed(changes)):
            if self._trusted & (pair := {one.key, str(one.previous_key)}):
                self._trusted |= pair
        # key → the numbers at which it comes into use (True) or is replaced (False)
        self._turns: dict[str, list[tuple[int, bool]]] = {key: [] for key in self._trusted}
        for one in (one for one in changes if one.key in self._trusted):
            self._turns[str(one.previous_key)].append((one.number, False))
            self._turns[one.key].append((one.number, True))
        # A key that comes into use, or is replaced, twice in a row: somebody has made a second line of keys.
        self.forked = [key for key, turns in self._turns.items() if any(a[1] == b[1] for a, b in pairwise(turns))]

    def vouch_for(self, one: Checkpoint) -> bool:
        """Return whether a trusted key signed it while that key was in use."""
        if not one.is_signed or one.key not in self._trusted:
            return False
        turns = self._turns[one.key]
        until_then = [comes for number, comes in turns if number <= one.number]
        return until_then[-1] if until_then else not (turns and turns[0][1])


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


def _is_signed_by(key: str | None, signature: str | None, body: str) -> bool:
    from cryptography.exceptions import InvalidSignature  # only here: the store, which knows the columns, is light
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key or "")).verify(
            bytes.fromhex(signature or ""), body.encode()
        )
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
