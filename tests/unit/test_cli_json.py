"""`--json` on every command of the catalog: standard output is JSON, one object a line, whatever the answer is."""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from typer.testing import CliRunner, Result

from bot import cli_jobs
from bot.cli import app
from commands import grammar
from commands.catalog import CATALOG
from policies.approvals import Actor, Refusal
from provisioning.jobs.job import Job, JobState
from provisioning.jobs.pending import pending_for
from provisioning.queries.registry import MAKERS
from provisioning.reports import Report
from provisioning.service import DryRun, Requested
from tests.unit.job_samples import job

# `audit` and `doctor` are commands of their own there, with tests of their own.
ASKED = [name for name in CATALOG if name not in {"audit", "doctor"}]
ARGUMENTS = {
    "tenant import": "acme --admin-email ana@acme.example",
    "tenant apply": "'name: acme'",
    "job review": "41 --note looked",
}


def words_of(name: str) -> list[str]:
    """Return a command line that is complete: the catalog's own example of it."""
    spec = CATALOG[name]
    texts = [*spec.examples, f"{name} {ARGUMENTS.get(name, '')}", f"{name} 41", f"{name} acme", f"{name} gpu-1"]
    text = next(text for text in texts if isinstance(grammar.parse(text), grammar.Invocation))
    return shlex.split(text)


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A core that answers everything at once, and lets everybody."""
    done = job(JobState.SUCCEEDED)
    report = Report(title="T", summary="s", parts=(), data={"there": True})
    service = MagicMock()
    for verb in ("vote", "review", "leave", "cancel", "retry", "roll_back"):
        getattr(service, verb).return_value = done
    service.request.return_value = Requested(done)
    service.pending.return_value = pending_for(Actor(id="os:ana", name="ana", roles=frozenset()), (job(),), ())
    store = MagicMock()
    store.job.return_value = store.job_by_number.return_value = done
    store.jobs.return_value = (done,)
    made = SimpleNamespace(
        service=service,
        store=store,
        permissions=MagicMock(refusal_to_read=lambda *_: None),
        people=SimpleNamespace(actor=lambda one: Actor(id=one, name=one, roles=frozenset({"admin"}))),
        queries={name: MagicMock(answer=lambda *_: report) for name in MAKERS},
        clock=MagicMock(),
        allowance=MagicMock(take=lambda _: None),
    )

    @contextmanager
    def given() -> Iterator[Any]:
        yield made

    monkeypatch.setattr(cli_jobs, "_core", given)
    return made


def ran(*words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--json"])


@pytest.mark.parametrize("name", ASKED)
def test_what_is_printed_is_json(name: str, core: SimpleNamespace) -> None:
    """For reads, requests, jobs and votes alike; progress goes to standard error."""
    told = ran(*words_of(name))
    assert told.exit_code == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.parametrize("verb", ["approve", "deny"])
def test_a_votes_answer_is_the_job(verb: str, core: SimpleNamespace) -> None:
    """As `job show --json` prints it."""
    told = ran(verb, "41")
    assert told.exit_code == 0, told.stderr
    assert Job.model_validate_json(told.stdout).number == 41


def test_a_dry_run_and_a_refusal(core: SimpleNamespace) -> None:
    """A plan is JSON, too; a refusal prints nothing on standard output, and its code is 1."""
    core.service.request.return_value = DryRun(job().plan)
    told = ran("tenant", "create", "acme", "--admin-email", "ana@acme.example", "--dry-run")
    assert json.loads(told.stdout)["summary"] == "Create tenant acme"
    core.service.request.return_value = Refusal(reason="not you", next_action="ask an admin")
    told = ran("tenant", "create", "acme", "--admin-email", "ana@acme.example")
    assert (told.exit_code, told.stdout) == (1, "")
    assert "next: ask an admin" in told.stderr


@pytest.mark.parametrize("words", [("tenant", "create", "Acme_Co"), ("jobs", "…"), ("tenant", "crate")])
def test_wrong_usage_has_its_code(words: tuple[str, ...], core: SimpleNamespace) -> None:
    """2, with what is wrong on standard error."""
    told = ran(*words)
    assert (told.exit_code, told.stdout) == (2, "")
    assert told.stderr
