"""Signed checkpoints: whoever rewrites what was signed needs the key, and a key can be followed to the next."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli_audit import program
from provisioning.configuration import AuditTrail
from provisioning.errors import PermanentError
from provisioning.evidence import verifier
from provisioning.evidence.export import as_json_lines
from provisioning.evidence.formats import read_key, root_of
from provisioning.evidence.keys import Keyring, new_pem
from tests.integration.evidence_samples import Trail, chain_anew, forging


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    """Twelve rows under two checkpoints, of seven rows and of five."""
    made = Trail(tmp_path)
    made.write(7)
    made.signed.tick()
    made.write(5)
    made.signed.tick()
    return made


def test_what_is_signed_verifies_with_the_public_key(trail: Trail) -> None:
    verdict = trail.verify(trail.public)
    assert (verdict.problems, verdict.rows, verdict.signed, verdict.notes) == ((), 12, 12, ())
    trail.write(2)
    assert trail.verify(trail.public).notes == (
        "the last 2 rows are chained, but stand under no trusted checkpoint yet",
    )


def test_a_checkpoint_is_due_after_so_many_rows_or_so_much_time(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    assert trail.signed.tick() is None, "nothing to sign"
    trail.write(4)
    assert trail.signed.tick() is None, "neither five rows nor a minute"
    trail.clock.turn(seconds=60)
    by_time = trail.signed.tick()
    trail.write(5)
    by_rows = trail.signed.tick()
    trail.write(1)
    by_hand = trail.signed.make()
    spans = [(one.first, one.last) for one in (by_time, by_rows, by_hand) if one is not None]
    assert spans == [(1, 4), (5, 9), (10, 10)]
    assert trail.signed.make() is None


def test_a_trail_that_was_rewritten_throughout_is_found(trail: Trail) -> None:
    """Its chain is whole: only the signatures tell."""
    with forging(trail.path) as raw:
        raw.execute("UPDATE audit SET actor = 'UEVIL' WHERE seq = 9")
        chain_anew(raw)
    assert trail.found(trail.public) == [(12, "checkpoint")]
    with forging(trail.path) as raw:
        raw.execute("DELETE FROM audit_checkpoints")
    assert trail.found() == [], "without a key, and without checkpoints, it is a good chain"
    assert trail.found(trail.public) == [(0, "key")]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE audit_checkpoints SET signature = '00' WHERE number = 1", (7, "signature")),
        (
            "UPDATE audit_checkpoints SET body = replace(body, '\"last\":7', '\"last\":6') WHERE number = 1",
            (6, "signature"),
        ),
        ("UPDATE audit_checkpoints SET body = 'no json' WHERE number = 2", (12, "checkpoint")),
        ("DELETE FROM audit_checkpoints WHERE number = 1", (12, "checkpoint")),
        ("DELETE FROM audit WHERE seq > 10", (12, "removed")),
        ("DELETE FROM audit WHERE seq <= 7", (1, "removed")),
        ("DELETE FROM audit WHERE seq <= 7; DELETE FROM audit_checkpoints WHERE number = 1", (1, "removed")),
    ],
)
def test_forged_checkpoints_and_cut_rows_are_found(trail: Trail, statement: str, found: tuple[int, str]) -> None:
    with forging(trail.path) as raw:
        raw.executescript(statement)
    assert found in trail.found(trail.public)


def test_somebody_elses_key_signs_nothing(trail: Trail, tmp_path: Path) -> None:
    """A trail that was written anew and signed by its forger verifies by itself, and not with the true key."""
    forger = Keyring(AuditTrail(signing_key=new_pem()), tmp_path)
    with forging(trail.path) as raw:
        raw.execute("DELETE FROM audit WHERE seq = 12")
        raw.execute("DELETE FROM audit_checkpoints")
    trail.with_keys(forger).make()
    assert trail.found() == []
    assert trail.found(trail.public) == [(11, "key")]


def test_a_rotated_key_is_followed_in_both_directions(trail: Trail) -> None:
    """The first checkpoint of the new key is signed by both: either public key is enough, and a third is not."""
    old = trail.public
    keys = [old]
    for _ in range(2):
        keys.append(trail.keyring.rotate().public)
        trail.write(3)
        trail.signed.make()
    for key in keys:
        verdict = trail.verify(key)
        assert (verdict.problems, verdict.signed) == ((), 18)
    stranger = Keyring(AuditTrail(signing_key=new_pem()), trail.folder).current().public
    assert {kind for _, kind in trail.found(stranger)} == {"key"}


def test_a_rotation_that_a_crash_interrupted_does_not_hinder_the_next(trail: Trail) -> None:
    """It died while it kept the old key beside the file."""
    old = trail.public
    os.link(trail.keyring.file, trail.keyring.file.with_name("audit.key.retiring"))
    for _ in range(2):
        trail.keyring.rotate()
        trail.write(1)
        trail.signed.make()
    assert trail.found(old) == []


def test_a_key_that_changed_without_the_old_one_is_said(trail: Trail) -> None:
    old = trail.public
    trail.keyring.file.unlink()
    trail.write(1)
    trail.signed.make()
    assert (13, "key") in trail.found(old)
    assert (13, "key") in trail.found(trail.public)


def test_a_key_that_was_replaced_signs_nothing_that_comes_after(trail: Trail) -> None:
    """Stolen later, it adds no checkpoint beside the true ones, whatever that claims of who vouches for it."""
    old = trail.keyring.current()
    trail.keyring.rotate()
    trail.write(2)
    trail.signed.make()
    honest = trail.public
    trail.write(1, actor="UEVIL")
    before = trail.signed.newest()
    assert before is not None
    rows = trail.store.audit_rows(limit=1)
    body = {
        "number": before.number + 1,
        "first": before.last + 1,
        "last": before.last + 1,
        "head": rows[0]["hash"],
        "root": root_of([rows[0]["hash"]]),
        "prev": before.digest,
        "key": old.public,
        "previous_key": honest,
    }
    text = json.dumps(body)
    with forging(trail.path) as raw:
        forged = [before.number + 1, before.last + 1, text, old.sign(text), old.sign(text)]
        raw.execute("INSERT INTO audit_checkpoints VALUES (?, ?, ?, ?, ?)", forged)
    for key in (honest, old.public):
        assert set(trail.found(key)) == {(15, "key")}
        assert trail.verify(key).signed == 14


def test_a_second_line_of_keys_is_found(trail: Trail) -> None:
    """Whoever stole a key that was replaced cannot have it replaced by one of their own as well."""
    stolen, thief = trail.keyring.current(), Keyring(AuditTrail(signing_key=new_pem()), trail.folder).current()
    trail.keyring.rotate()
    trail.write(1)
    trail.signed.make()
    out = trail.folder / "export.jsonl"
    with out.open("w") as file:
        as_json_lines(trail.store, file, tenant=None)
    assert verifier.verify(out, keys=[trail.public]).ok
    body = {"number": 2, "first": 1, "last": 1, "head": "", "root": "", "prev": ""}
    text = json.dumps({**body, "key": thief.public, "previous_key": stolen.public})
    line = {"type": "checkpoint", "body": text, "signature": thief.sign(text), "previous_signature": stolen.sign(text)}
    with out.open("a") as file:
        file.write(json.dumps({**line, "number": 2}) + "\n")
    verdict = verifier.verify(out, keys=[trail.public])
    assert "two lines of keys" in verdict.problems[0].detail


def test_keys_come_from_a_secret_too_and_overlap(trail: Trail) -> None:
    """The new value beside the old one, for as long as it takes to sign once."""
    old_pem = trail.keyring.file.read_text()
    settings = AuditTrail(signing_key=new_pem(), previous_signing_key=old_pem)
    old, keyring = trail.public, Keyring(settings, trail.folder)
    trail.write(1)
    trail.with_keys(keyring).make()
    trail.write(1)
    trail.with_keys(Keyring(AuditTrail(signing_key=settings.signing_key), trail.folder)).make()
    assert trail.found(old) == []
    assert trail.found(keyring.current().public) == []
    with pytest.raises(PermanentError, match=r"AUDIT__SIGNING_KEY"):
        keyring.rotate()


def test_a_key_file_is_private_and_one_that_is_not_is_refused(trail: Trail) -> None:
    assert trail.keyring.file.stat().st_mode & 0o777 == 0o600
    trail.keyring.file.chmod(0o644)
    with pytest.raises(PermanentError, match="open to others"):
        trail.keyring.current()
    trail.keyring.file.chmod(0o600)
    trail.keyring.file.write_text("-----BEGIN PRIVATE KEY-----\nbm8=\n-----END PRIVATE KEY-----\n")
    with pytest.raises(PermanentError, match="no Ed25519 private key") as caught:
        trail.keyring.current()
    assert "bm8=" not in str(caught.value)


def test_the_verifier_stands_alone(trail: Trail, tmp_path: Path) -> None:
    """One file, run by itself: nothing of the product is imported, and its exit code says what it found."""
    alone = tmp_path / "auditor" / "verify.py"
    alone.parent.mkdir()
    alone.write_text(program())
    imports = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
        for node in ast.walk(ast.parse(alone.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    foreign = {name.split(".")[0] for name in imports} - set(sys.stdlib_module_names)
    assert foreign == {"cryptography"}
    (alone.parent / "audit.pub").write_text(trail.keyring.current().public_pem)
    trail.store.close()

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-I", str(alone), str(trail.path), *words]
        return subprocess.run(command, cwd=alone.parent, capture_output=True, text=True, timeout=60, check=False)

    good = run("--key", "audit.pub")
    assert (good.returncode, "12 rows, the chain is whole, signed up to row 12" in good.stdout) == (0, True)
    with forging(trail.path) as raw:
        raw.execute("UPDATE audit SET outcome = 'x' WHERE seq = 3")
    bad = run("--key", "audit.pub")
    assert (bad.returncode, "row 3 changed" in bad.stdout, "NOT WHOLE" in bad.stdout) == (1, True, True)
    assert run("--key", "missing.pub").returncode == 2


def test_public_keys_are_read_from_pem_and_hex(trail: Trail) -> None:
    assert read_key(trail.keyring.current().public_pem) == trail.public == read_key(f" {trail.public.upper()}\n")
    for wrong in ("", "zz", "00", trail.keyring.file.read_text()):
        with pytest.raises(ValueError, match=r".*"):
            read_key(wrong)
