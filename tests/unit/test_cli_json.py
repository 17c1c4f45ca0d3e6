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
from bot.oidc.issuers import Oidc
from commands import grammar
from commands.catalog import CATALOG
from policies.approvals import Actor, Refusal
from provisioning.errors import ChatopsError, PermanentError, TemporaryError, UnreachableError
from provisioning.jobs.job import Failure, Job, JobState
from provisioning.jobs.pending import pending_for
from provisioning.queries.registry import MAKERS
from provisioning.redact import Redactor
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
        settings=SimpleNamespace(oidc=Oidc(), same_person={}),
        redact=Redactor(),
    )

    @contextmanager
    def given(*, as_json: bool) -> Iterator[Any]:
        yield made

    monkeypatch.setattr(cli_jobs, "_core", given)
    return made


def ran(*words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--json"])


def error_of(told: Result) -> dict[str, str]:
    """Return the error, which is all that standard error has."""
    (line,) = told.stderr.splitlines()
    error: dict[str, str] = json.loads(line)["error"]
    return error


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
    assert error_of(told) == {"code": "refused", "message": "not you", "next": "ask an admin"}


@pytest.mark.parametrize("words", [("tenant", "create", "Acme_Co"), ("jobs", "…"), ("tenant", "crate")])
def test_wrong_usage_has_its_code(words: tuple[str, ...], core: SimpleNamespace) -> None:
    """2, with what is wrong on standard error."""
    told = ran(*words)
    assert (told.exit_code, told.stdout) == (2, "")
    assert error_of(told)["code"] == "usage"


UNREACHABLE = UnreachableError("asking the cluster", next_action="see doctor")


@pytest.mark.parametrize(
    ("name", "raised", "code"),
    [
        *((name, UNREACHABLE, "unreachable") for name in ASKED),
        ("jobs", TemporaryError("asking ClearML: 429", next_action="see doctor"), "try_again"),
        ("jobs", PermanentError("asking ClearML: 403", next_action="see doctor"), "failed"),
    ],
)
def test_what_fails_is_one_object_on_standard_error(
    name: str, raised: ChatopsError, code: str, core: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the command; standard output stays empty."""
    monkeypatch.setattr(core.people, "actor", MagicMock(side_effect=raised))
    told = ran(*words_of(name))
    assert (told.exit_code, told.stdout) == (1, "")
    assert error_of(told) == {"code": code, "message": raised.what, "next": "see doctor"}


def test_a_fault_is_an_incident_that_the_log_has_more_of(
    core: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is JSON, too, a line each, and the error comes last."""
    monkeypatch.setattr(core.people, "actor", MagicMock(side_effect=ZeroDivisionError("of ours")))
    told = ran("jobs")
    assert (told.exit_code, told.stdout) == (1, "")
    logged, error = map(json.loads, told.stderr.splitlines())
    assert error["error"]["code"] == "fault"
    assert logged["message"] == f"incident {error['error']['incident']}"
    assert "ZeroDivisionError: of ours" in logged["exception"]


def test_a_job_that_fails_is_printed_and_is_an_error(core: SimpleNamespace) -> None:
    """Standard output has the job, whole; standard error its steps as notes, and why it failed."""
    failed = job(JobState.FAILED).model_copy(
        update={"failure": Failure(what="helm failed", next_action="/clearml job retry 41", details="no such chart")}
    )
    core.service.retry.return_value = failed
    core.store.job.return_value = core.store.job_by_number.return_value = failed
    told = ran("job", "retry", "41")
    assert told.exit_code == 1
    assert json.loads(told.stdout)["state"] == "failed"
    *notes, last = map(json.loads, told.stderr.splitlines())
    assert notes
    assert all(set(note) == {"note"} for note in notes)
    assert last["error"] == {
        "code": "job_failed",
        "message": "helm failed",
        "next": "clearml-chatops job retry 41",
        "details": "no such chart",
    }


def test_a_job_that_is_not_there(core: SimpleNamespace) -> None:
    core.store.job_by_number.return_value = None
    for words in (("job", "show", "7"), ("approve", "7"), ("deny", "7")):
        assert error_of(ran(*words))["code"] == "not_found"
