"""The command line of the evidence: keys, exports, seals, backups; with nothing but the data folder."""

import base64
import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from provisioning.data_folder import locked
from provisioning.evidence.trail import Event
from tests.integration.store_samples import open_store

SETTINGS = {
    "CLEARML__API_URL": "https://api.example.com",
    "CLEARML__WEB_URL": "https://app.example.com",
    "CLEARML__FILES_URL": "https://files.example.com",
    "CLEARML__ACCESS_KEY": "KEY",
    "CLEARML__SECRET_KEY": "s3cret-of-the-system",
    "AGENT__CHART__REFERENCE": "/charts/agent",
    "REDIS__PASSWORD": "p4ssword-of-redis",
}

Run = Callable[..., str]


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trail of six rows, of January."""
    folder = tmp_path / "data"
    for name, value in {**SETTINGS, "DATA_DIR": str(folder)}.items():
        monkeypatch.setenv(f"CLEARML_CHATOPS_{name}", value)
    store = open_store(folder)
    for number in range(6):
        store.record(Event(action="test.done", actor="UANA", subject=("acme", "globex")[number % 2]))
    store.close()
    return folder


@pytest.fixture
def run(data_dir: Path) -> Run:
    def run(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, list(words), catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    return run


def test_who_asks_is_the_process_user_whatever_the_environment_says(
    run: Run, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    """A vote on the command line counts as os:USER's: LOGNAME and USER, which anybody can set, name nobody."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    run("audit", "list", "--json")
    row = json.loads(run("audit", "list", "--action", "report", "--limit", "1", "--json"))
    assert row["actor"] == f"os:{pwd.getpwuid(os.getuid()).pw_name}"


def test_an_auditor_checks_an_export_with_the_public_key(run: Run, data_dir: Path, tmp_path: Path) -> None:
    """The key is made at first use; the export of one tenant verifies with it, and with the key before it."""
    old, new, out = tmp_path / "old.pub", tmp_path / "new.pub", tmp_path / "acme.jsonl"
    old.write_text(run("audit", "key", "public"))
    new.write_text(run("audit", "key", "rotate"))
    run("audit", "export", str(out), "--tenant", "acme")
    for key in (old, new):
        assert "the chain is whole" in run("audit", "verify", str(out), "--key", str(key))
        assert json.loads(run("audit", "verify", "--key", str(key), "--json"))["ok"]
    assert run("audit", "export", "-", "--tenant", "acme", "--format", "csv").count("UANA") == 3
    assert "no format" in run("audit", "export", str(out), "--format", "xml", code=2)
    verifier = run("audit", "verifier")
    compile(verifier, "audit_verify.py", "exec")


def test_reading_and_exporting_are_audited(run: Run) -> None:
    assert run("audit", "list", "acme", "--actor", "uana").count("test.done") == 3
    run("audit", "export", "-")
    said = run("audit", "list", "--action", "report", "--json")
    assert json.loads(said.splitlines()[0])["detail"] == {"command": "audit acme --actor uana --limit 50"}
    assert "audit.exported" in run("audit", "list", "--action", "audit")
    assert "no time" in run("audit", "list", "--since", "yesterday", code=2)


@pytest.mark.parametrize("written", ["{0}", "said:{0}!", "{1}"])
def test_a_secret_that_was_typed_is_not_kept(run: Run, data_dir: Path, written: str) -> None:
    """Which rows were asked for is audited; a secret of the settings is hidden there, whatever it looks like."""
    secret = SETTINGS["REDIS__PASSWORD"]
    encoded = base64.b64encode(secret.encode()).decode()
    run("audit", "list", "--text", written.format(secret, encoded))
    run("backup", str(data_dir.parent / f"of-{secret}"))
    kept = b"".join(path.read_bytes() for path in data_dir.glob("chatops.db*"))
    assert secret.encode() not in kept
    assert encoded[:12].encode() not in kept
    assert run("audit", "list", "--action", "report.read").count("report.read") == 2, "that one, and this one"


def test_without_settings_shapes_are_hidden(run: Run, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a copy of the data folder nothing says what the secrets are."""
    monkeypatch.delenv("CLEARML_CHATOPS_REDIS__PASSWORD")
    run("audit", "list", "--text", "xoxb-1234567890-abcdefghij")
    assert b"xoxb-1234567890" not in b"".join(path.read_bytes() for path in data_dir.glob("chatops.db*"))


def test_old_rows_are_sealed_and_verified_across(run: Run, data_dir: Path, tmp_path: Path) -> None:
    assert "rows 1 to 6 are sealed" in run("audit", "seal", "--before", "1d")
    (tmp_path / "key.pub").write_text(run("audit", "key", "public"))
    said = run("audit", "verify", "--key", str(tmp_path / "key.pub"))
    assert "7 rows, the chain is whole" in said
    segment = next((data_dir / "audit-segments").glob("*.db"))
    assert "6 rows, the chain is whole, signed up to row 6" in run("audit", "verify", str(segment))
    assert run("audit", "list", "--db", str(segment), "--text", "globex").count("test.done") == 3
    assert "no rows before" in run("audit", "seal", "--before", "2026-01-01", code=1)


def test_a_backup_comes_back_and_not_under_a_running_bot(run: Run, data_dir: Path, tmp_path: Path) -> None:
    made = run("backup", str(tmp_path / "backups")).strip()
    run("audit", "list")
    with locked(data_dir, doing="testing"):
        assert "restoring a backup: process" in run("restore", made, code=1)
    replaced = json.loads(run("audit", "verify", "--json"))
    assert "what was there is in" in run("restore", made)
    before, restored = map(json.loads, run("audit", "list", "--limit", "2", "--json").splitlines())
    assert (before["action"], restored["action"]) == ("backup.made", "backup.restored")
    assert before["actor"] == restored["actor"] == f"os:{pwd.getpwuid(os.getuid()).pw_name}"
    assert restored["detail"]["replaced_head"] == replaced["head"], "the rows that went can be held against it"


def test_where_there_is_nothing_the_next_step_is_said(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARML_CHATOPS_DATA_DIR", str(tmp_path / "empty"))
    assert "CLEARML_CHATOPS_DATA_DIR" in run("backup", str(tmp_path), code=1)
    assert "CLEARML_CHATOPS_DATA_DIR" in run("audit", "export", "-", code=3)
    run("audit", "verify", code=2)


def test_an_export_without_the_sealed_rows_says_so(run: Run, data_dir: Path, tmp_path: Path) -> None:
    """To who makes it and to who verifies it: an auditor must not take a part for all."""
    out, key = tmp_path / "acme.jsonl", tmp_path / "key.pub"
    run("audit", "seal", "--before", "1d")
    key.write_text(run("audit", "key", "public"))
    assert "are not in it" not in run("audit", "export", str(out), "--tenant", "acme")
    assert "are not in it" not in run("audit", "verify", str(out), "--key", str(key))
    (data_dir / "audit-segments").rename(tmp_path / "elsewhere")
    assert "rows 1 to 6 are not in it" in run("audit", "export", str(out))
    said = run("audit", "verify", str(out), "--key", str(key))
    assert "rows before 7 were elsewhere when it was made, and are not in it" in said


def test_nobody_else_can_read_an_export(run: Run, tmp_path: Path) -> None:
    """Nor one that is written over a file that they could; and nothing of that file is left."""
    out = tmp_path / "acme.jsonl"
    out.write_text("x" * 100_000)
    out.chmod(0o644)
    run("audit", "export", str(out), "--tenant", "acme")
    assert out.stat().st_mode & 0o777 == 0o600
    assert "x" * 10 not in out.read_text()


def test_a_search_that_finds_nothing_says_so(run: Run) -> None:
    assert "there are no such rows" in run("audit", "list", "--text", "' OR 1=1 --")
