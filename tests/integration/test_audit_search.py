"""Searching the trail: by whom, what, when and words; no text breaks out of the query."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands import grammar
from commands.audit import AuditArgs
from commands.catalog import CATALOG
from commands.grammar import Invocation, UsageError
from provisioning.evidence.search import Wanted, wanted_by
from provisioning.evidence.trail import READ, Event
from provisioning.store import Store
from tests.integration.store_samples import START, TurnedClock, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Six rows, an hour apart."""
    clock = TurnedClock()
    made = open_store(tmp_path, clock)
    for event in (
        Event(action="job.requested", actor="UANA", actor_name="ana", subject="acme", job="job-1",
              detail={"command": "tenant create acme --domain acme.example"}),
        Event(action="job.denied", actor="UBEN", actor_name="Ben", subject="acme", job="job-1",
              detail={"reason": "Über quota, ask 100% first"}),
        Event(action="job_x.denied", actor="UANA", subject="globex", detail={"why": "no_such thing"}),
        Event(action="command.denied", actor="UANA", detail={"command": "tenant delete acme"}),
        Event(action=READ, actor="UBEN", detail={"command": "audit"}),
        Event(action="job.requested", actor="os:root", subject="globex", detail={"command": "tenant_create"}),
    ):  # fmt: skip
        made.record(event)
        clock.turn(hours=1)
    return made


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("audit", [1, 2, 3, 4, 6]),
        ("audit acme", [1, 2]),
        ("audit --actor ana", [1]),
        ("audit --actor <@UANA>", [1, 3, 4]),
        ("audit --actor @ben", [2]),
        ("audit --action job", [1, 2, 6]),
        ("audit --action job.denied", [2]),
        ("audit --action report.read", [5]),
        ("audit --action report", [5]),
        ("audit --command 'tenant create'", [1]),
        ("audit --command 'tenant_create'", [6]),
        ("audit --command '%'", []),
        ("audit --since 3h", [4, 6]),
        ("audit --since 2026-01-05T10:00 --until 2026-01-05T13:00+01:00", [2, 3]),
        ("audit --text uber", [2]),
        ("audit --text 'quota 100%'", [2]),
        ("audit --text 'quota AND'", []),
        ("audit --text 'tenant acme'", [1, 4]),
        ("audit --limit 2", [4, 6]),
        ("audit acme --actor ana --action job --text domain", [1]),
    ],
)
def test_rows_are_found(store: Store, asked: str, found: list[int]) -> None:
    invocation = grammar.parse(asked)
    assert isinstance(invocation, Invocation), invocation
    assert isinstance(invocation.args, AuditArgs)
    wanted = wanted_by(invocation.args, START + timedelta(hours=6))
    assert [row["seq"] for row in store.find_audit_rows(wanted)] == found


@pytest.mark.parametrize(
    "asked",
    [
        "audit --since yesterday",
        "audit --since 99999d",
        "audit --until 2026-13-01",
        "audit --text '\"'",
        'audit --action "job\' OR 1=1"',
        "audit --limit 0",
    ],
)
def test_what_cannot_be_meant_is_said(asked: str) -> None:
    assert isinstance(grammar.parse(asked), UsageError)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.text(min_size=1, max_size=60))
def test_no_text_breaks_the_search(store: Store, text: str) -> None:
    """The words are words, whatever they hold: quotes, operators of the index, wildcards."""
    invocation = grammar.build(CATALOG["audit"], {"text": text})
    if isinstance(invocation, Invocation) and isinstance(invocation.args, AuditArgs):
        store.find_audit_rows(wanted_by(invocation.args, START))
    store.find_audit_rows(Wanted(actor=text, action=text, command=text, subject=text))
