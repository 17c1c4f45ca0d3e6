"""Exports: one tenant's rows are proved without anybody else's; CSV runs nothing."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.evidence import formats, verifier
from provisioning.evidence.export import as_csv, as_json_lines, path_of
from provisioning.evidence.formats import layers, root_by
from provisioning.evidence.segments import seal
from provisioning.evidence.trail import Event
from tests.integration.evidence_samples import TENANTS, Trail
from tests.integration.store_samples import ANA, START

Line = dict[str, Any]


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    """Twenty rows of three tenants under two checkpoints, with a new key between them."""
    made = Trail(tmp_path)
    made.write(13)
    made.signed.make()
    made.keyring.rotate()
    made.write(7)
    made.signed.make()
    return made


def _export(trail: Trail, tenant: str | None) -> tuple[Path, list[Line]]:
    path = trail.folder / "export.jsonl"
    with path.open("w") as file:
        as_json_lines(trail.store, file, tenant=tenant)
    return path, [json.loads(line) for line in path.read_text().splitlines()]


def test_one_tenants_rows_are_proved_without_the_others(trail: Trail) -> None:
    """No other tenant's row is in the file, and each public key of its history is enough."""
    path, lines = _export(trail, "acme")
    rows = [line["row"] for line in lines if line["type"] == "row"]
    assert [row["seq"] for row in rows] == [1, 4, 7, 10, 13, 14, 17, 20]
    text = path.read_text()
    assert all(tenant not in text for tenant in TENANTS if tenant != "acme")
    previous = trail.keyring.previous()
    assert previous is not None
    for key in (trail.public, previous.public):
        verdict = verifier.verify(path, keys=[key])
        assert (verdict.problems, verdict.rows, verdict.signed) == ((), 8, 20)
    assert not verifier.verify(path, keys=["ab" * 32]).ok


def _row(lines: list[Line], place: int) -> Line:
    return [line for line in lines if line["type"] == "row"][place]


def _change_row(lines: list[Line]) -> None:
    _row(lines, 2)["row"]["actor"] = "UEVIL"


def _change_row_and_hash(lines: list[Line]) -> None:
    row = _row(lines, 2)["row"]
    row["actor"] = "UEVIL"
    row["hash"] = formats.row_hash(row)


def _change_path(lines: list[Line]) -> None:
    _row(lines, 2)["proof"]["path"][0][1] = "00" * 32


def _swap_proofs(lines: list[Line]) -> None:
    one, other = _row(lines, 1), _row(lines, 2)
    one["proof"], other["proof"] = other["proof"], one["proof"]


def _drop_checkpoint(lines: list[Line]) -> None:
    lines.remove(next(line for line in lines if line["type"] == "checkpoint"))


def _forge_root(lines: list[Line]) -> None:
    checkpoint = next(line for line in lines if line["type"] == "checkpoint")
    body = json.loads(checkpoint["body"])
    body["root"] = "00" * 32
    checkpoint["body"] = json.dumps(body, sort_keys=True, separators=(",", ":"))


def _repeat_row(lines: list[Line]) -> None:
    lines.append(_row(lines, 0))


def _rename_tenant(lines: list[Line]) -> None:
    lines[0]["tenant"] = "globex"


@pytest.mark.parametrize(
    "forge",
    [
        _change_row,
        _change_row_and_hash,
        _change_path,
        _swap_proofs,
        _drop_checkpoint,
        _forge_root,
        _repeat_row,
        _rename_tenant,
    ],
)
def test_a_forged_export_is_found(trail: Trail, forge: Callable[[list[Line]], None]) -> None:
    path, lines = _export(trail, "acme")
    forge(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = verifier.verify(path, keys=[trail.public])
    assert not found.ok
    assert not any("these rows are genuine" in note and "not all" not in note for note in found.notes)


def test_sealed_rows_are_in_the_export(trail: Trail) -> None:
    trail.clock.turn(days=1)
    seal(trail.store, trail.signed, before=START.replace(day=6), actor=ANA)
    path, lines = _export(trail, "acme")
    assert [line["row"]["seq"] for line in lines if line["type"] == "row"] == [1, 4, 7, 10, 13, 14, 17, 20]
    assert verifier.verify(path, keys=[trail.public]).problems == ()


def test_rows_that_are_not_signed_yet_say_so(trail: Trail) -> None:
    trail.write(1)
    path, _ = _export(trail, "acme")
    verdict = verifier.verify(path, keys=[trail.public])
    assert (verdict.problems, "1 rows carry no proof" in verdict.notes) == ((), True)


def test_a_spreadsheet_runs_nothing(trail: Trail) -> None:
    for text in ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1"):
        trail.store.record(Event(action="test", actor="UANA", actor_name=text, subject="acme"))
    out = io.StringIO()
    assert as_csv(trail.store, out, tenant="acme") == 13
    out.seek(0)
    cells = [cell for row in csv.reader(out) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]


@given(st.lists(st.binary(min_size=32, max_size=32).map(bytes.hex), min_size=1, max_size=40), st.data())
def test_every_path_leads_to_the_root_and_to_no_other(hashes: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(hashes) - 1))
    root = layers(hashes)[-1][0].hex()
    path = path_of(hashes, place)
    assert root_by(hashes[place], path) == root
    assert root_by("00" * 32, path) != root or hashes[place] == "00" * 32
