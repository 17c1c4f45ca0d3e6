"""Fuzzing, bounded: every seed, and mutations of them. `python -m tests.fuzz.harness` goes on for longer."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioning.evidence import verifier
from tests.fuzz.targets import PIECES, TARGETS, seeds
from tests.integration.evidence_samples import Trail

EXAMPLES = 150


@pytest.mark.parametrize(
    ("target", "seed"), [(name, seed) for name in TARGETS for seed in seeds(name)], ids=lambda given: str(given)[:30]
)
def test_every_seed_is_taken(target: str, seed: bytes) -> None:
    TARGETS[target](seed)


@st.composite
def _mutated(draw: st.DrawFn, target: str) -> bytes:
    data = draw(st.sampled_from(seeds(target)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 12)))
        piece = draw(st.sampled_from(PIECES[target]) | st.binary(max_size=4))
        data = data[:start] + piece * draw(st.sampled_from([1, 1, 1, 2, 50])) + data[stop:]
    return data


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_mutations_are_taken(target: str) -> None:
    """Also of what was once a find: new finds go to tests/fuzz/seeds."""

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_mutated(target) | st.binary(max_size=200))
    def fuzz(data: bytes) -> None:
        TARGETS[target](data)

    fuzz()


def _rows(path: Path) -> list[Any] | None:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT * FROM audit ORDER BY seq").fetchall()
    except (sqlite3.DatabaseError, ValueError):
        return None
    finally:
        connection.close()


def test_no_flipped_byte_of_a_database_goes_unseen(tmp_path: Path) -> None:
    """The verifier finds it, cannot read the file, or the rows are what they were: the byte held nothing of them."""
    trail = Trail(tmp_path)
    trail.write(12)
    trail.signed.make()
    key, file = trail.public, tmp_path / "flipped.db"
    with trail.store.reading() as db:
        db.execute("VACUUM INTO ?", [str(file)])
    trail.store.close()
    whole, rows = file.read_bytes(), _rows(file)
    assert verifier.verify(file, keys=[key]).ok

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(1, 255)), min_size=1, max_size=4))
    def flip(flips: list[tuple[int, int]]) -> None:
        changed = bytearray(whole)
        for place, bits in flips:
            changed[place] ^= bits
        file.write_bytes(changed)
        try:
            verdict = verifier.verify(file, keys=[key])
        except (sqlite3.DatabaseError, ValueError, KeyError, TypeError):
            return
        if verdict.ok and verdict.rows == len(rows or ()):
            assert _rows(file) == rows

    flip()
