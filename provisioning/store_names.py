"""Names that are in a store, read without opening it: for the shell's completion, which neither writes nor waits."""

import sqlite3
from contextlib import closing
from pathlib import Path

_ASKED = {
    "tenants": "SELECT name FROM tenants ORDER BY name LIMIT 1000",
    "jobs": "SELECT number FROM jobs ORDER BY number DESC LIMIT 50",
    "digests": "SELECT name FROM digests ORDER BY name LIMIT 1000",
    "policies": "SELECT substr(digest, 1, 12) FROM policies ORDER BY first_seen_at DESC LIMIT 50",
    "people": "SELECT holder FROM delegations UNION SELECT requester FROM jobs ORDER BY 1 LIMIT 1000",
}


def names_in(path: Path, kind: str) -> list[str]:
    """Return the names of *kind*, jobs and policies newest first. Empty where they cannot be read."""
    asked = _ASKED.get(kind)
    if asked is None or not path.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)) as db:
            return [str(name) for (name,) in db.execute(asked)]
    except sqlite3.Error:
        return []
