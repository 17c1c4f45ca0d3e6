"""The policy's file is read again when it changes; a bad one leaves the old one; every version is kept."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from provisioning.errors import PermanentError
from provisioning.policy_source import PolicySource
from provisioning.store import Store
from provisioning.store.policy_versions import PolicyVersions
from tests.integration.store_samples import TurnedClock, open_store

FIRST = "rules:\n- {name: first, effect: allow}\n"
SECOND = "rules:\n- {name: second, effect: allow}\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _rows(store: Store) -> list[tuple[str, Any]]:
    return [(row["action"], row["detail"].get("policy")) for row in store.audit_rows()]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path, TurnedClock())


def _write(file: Path, text: str) -> None:
    """As editors and ConfigMaps do: another file takes the name."""
    new = file.with_suffix(".new")
    new.write_text(text)
    os.replace(new, file)  # noqa: PTH105 - the point of the test


def test_a_new_version_counts_at_once_and_is_kept(store: Store, tmp_path: Path) -> None:
    """With a row in the audit trail each; the digest is the file's SHA-256."""
    file = tmp_path / "policy.yaml"
    _write(file, FIRST)
    source = PolicySource(file, store, in_use=True)
    assert source.current().digest == _digest(FIRST)
    assert not source.refresh()
    _write(file, SECOND)
    assert source.refresh()
    assert [rule.name for rule in source.current().policy.rules] == ["second"]
    assert _rows(store) == [("policy.loaded", _digest(FIRST)), ("policy.loaded", _digest(SECOND))]
    for text in (FIRST, SECOND):
        stored = PolicyVersions(store).find(_digest(text)[:12])
        assert stored is not None
        assert stored.text == text
    in_use = PolicyVersions(store).in_use()
    assert in_use is not None
    assert in_use.digest == _digest(SECOND)


@pytest.mark.parametrize("bad", ["rules:\n- {name: a, effect: alow}\n", "", "rules: [", "\x00", "x" * 1_100_000])
def test_a_bad_file_leaves_the_old_version(store: Store, tmp_path: Path, bad: str) -> None:
    """It is said once, with the line, in status and the audit trail; and a mended file is taken."""
    file = tmp_path / "policy.yaml"
    _write(file, FIRST)
    source = PolicySource(file, store, in_use=True)
    _write(file, bad)
    assert not source.refresh()
    assert not source.refresh()
    assert source.current().digest == _digest(FIRST)
    assert str(file) in source.status().problem
    assert [action for action, _ in _rows(store)] == ["policy.loaded", "policy.refused"]
    _write(file, SECOND)
    assert source.refresh()
    assert source.status().problem == ""


def test_a_file_that_is_gone_leaves_the_old_version(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    _write(file, FIRST)
    source = PolicySource(file, store, in_use=True)
    file.unlink()
    assert not source.refresh()
    assert "No such file" in source.status().problem
    assert source.current().digest == _digest(FIRST)
    _write(file, FIRST)
    assert not source.refresh()
    assert source.status().problem == ""


def test_nothing_starts_without_a_policy(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("rules: []\n")
    with pytest.raises(PermanentError, match=r"line 1: rules: 0 rules"):
        PolicySource(file, store)


def test_only_a_running_bot_uses_a_policy(store: Store, tmp_path: Path) -> None:
    """The command line leaves a row for a version that nobody saw before, once, and takes nothing into use."""
    file = tmp_path / "policy.yaml"
    _write(file, FIRST)
    for _ in range(2):
        PolicySource(file, store)
    assert _rows(store) == [("policy.seen", _digest(FIRST))]
    assert PolicyVersions(store).in_use() is None
    PolicySource(file, store).use()
    PolicySource(file, store).use()
    assert _rows(store)[1:] == [("policy.loaded", _digest(FIRST))]
