"""The verifier as a program.

    python audit_verify.py chatops.db --key audit.pub --head 5f3a…      # the bot's database, a backup, or a segment
    python audit_verify.py acme.jsonl --key audit.pub                   # what `audit export` wrote

`clearml-chatops audit verifier` prints it as one file: `formats`, `verifier` and this.
"""

import argparse
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from provisioning.evidence.formats import read_key
from provisioning.evidence.verifier import Verdict, verify


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
    except (OSError, sqlite3.DatabaseError, ValueError) as error:
        print(f"{given.file} cannot be checked: {error}", file=sys.stderr)  # noqa: T201 - a command prints
        return 2
    print("\n".join(told(verdict)))  # noqa: T201
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    sys.exit(main())
