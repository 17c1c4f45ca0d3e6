"""What people may do with jobs, through the service: real store, real engine, real policy; the world is files."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from policies.approvals import Actor, Refusal
from policies.loader import load
from provisioning.clients.clearml import CredentialInfo, Credentials
from provisioning.errors import PermanentError, UnreachableError
from provisioning.jobs.job import Job, JobState
from provisioning.redact import Redactor
from provisioning.service import Changed, DryRun, NothingToDo, Requested
from provisioning.store import Change, Store
from tests.integration.engine_samples import (
    ADA,
    DANA,
    DEFAULT_POLICY,
    FREE_POLICY,
    OLAF,
    PAUL,
    PIA,
    VERA,
    World,
    invocation,
)

ONE = {"one": ()}
TWO_APPROVERS = load("version: 1\nrules:\n  - {name: two, effect: approve, approvals: {roles: [approver], count: 2}}\n")
MANY_APPROVERS = load(
    "version: 1\nrules:\n  - {name: ten, effect: approve, approvals: {roles: [approver], count: 10}}\n"
)


class TurnedClock:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 5, 9, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


def refusal(answer: object) -> str:
    assert isinstance(answer, Refusal), answer
    return str(answer)


def done(answer: object) -> Job:
    assert isinstance(answer, Job), answer
    return answer


def approve(world: World, job: Job, actor: Actor = PIA) -> Job | Refusal:
    return world.service.vote(job.id, actor, approve=True, seen_digest=job.digest)


def all_actions(world: World) -> Counter[str]:
    return Counter(row["action"] for row in world.store.audit_rows(limit=1000))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A service whose engine does not run: the store alone decides."""
    made = World(tmp_path, shape=ONE, policy=DEFAULT_POLICY, clock=TurnedClock())
    yield made
    made.close()


def test_a_request_waits_until_it_is_approved_and_then_runs(tmp_path: Path) -> None:
    """One approver's click, and the job runs to its end."""
    with World(tmp_path, shape=ONE, policy=DEFAULT_POLICY) as world:
        job = world.ask(channel="C1")
        assert job.state is JobState.AWAITING_APPROVAL
        assert job.approval is not None
        assert world.log() == []
        assert done(approve(world, job)).state is JobState.QUEUED
        assert world.ended(job).state is JobState.SUCCEEDED
        assert world.actions(job)[:3] == ["job.requested", "job.approved", "job.started"]


def test_approvals_survive_a_restart(tmp_path: Path) -> None:
    """A vote before the restart counts after it, and the last one starts the job."""
    with World(tmp_path, shape=ONE, policy=TWO_APPROVERS) as world:
        job = world.ask()
        assert done(approve(world, job, PIA)).state is JobState.AWAITING_APPROVAL
    with World(tmp_path, shape=ONE, policy=TWO_APPROVERS) as world:
        assert "voted already" in refusal(approve(world, job, PIA))
        done(approve(world, job, PAUL))
        assert world.ended(job).state is JobState.SUCCEEDED
        assert all_actions(world)["job.approved"] == 2


def test_an_approval_that_never_reached_the_engine_is_submitted_at_start(world: World) -> None:
    """A crash between the vote's commit and the engine loses nothing."""
    job = world.ask()
    assert done(approve(world, job)).state is JobState.QUEUED
    with world:
        assert world.ended(job).state is JobState.SUCCEEDED


def test_the_same_click_counts_once(world: World) -> None:
    """Slack may deliver a click twice."""
    world.policy = TWO_APPROVERS
    job = world.ask()
    done(approve(world, job))
    assert "voted already" in refusal(approve(world, job))
    assert len(world.store.job(job.id).votes) == 1
    assert all_actions(world)["job.approved"] == 1
    assert all_actions(world)["vote.refused"] == 1


def test_nobody_approves_their_own_request(world: World) -> None:
    """Whatever the roles; and a viewer approves nothing."""
    job = world.ask(actor=ADA)
    assert "your own request" in refusal(approve(world, job, ADA))
    assert "approver" in refusal(approve(world, job, VERA))
    assert world.store.job(job.id).state is JobState.AWAITING_APPROVAL


def test_votes_of_many_threads_count_once_each(world: World) -> None:
    """Eight people vote, each from two threads at once: eight votes, and eight refusals."""
    world.policy = MANY_APPROVERS
    job = world.ask()
    people = [Actor(id=f"U{n % 8}", name=f"p{n % 8}", roles=frozenset({"approver"})) for n in range(16)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda actor: approve(world, job, actor), people))
    assert Counter(type(answer).__name__ for answer in answers) == {"Job": 8, "Refusal": 8}
    voters = Counter(vote.actor.id for vote in world.store.job(job.id).votes)
    assert voters == {f"U{n}": 1 for n in range(8)}
    assert all_actions(world)["job.approved"] == 8


def test_a_vote_counts_no_more_once_its_right_is_lost(tmp_path: Path) -> None:
    """Who was deactivated, or left the group, between their vote and the one that would complete it."""
    with World(tmp_path, shape=ONE, policy=TWO_APPROVERS) as world:
        job = world.ask()
        done(approve(world, job, PIA))
        world.people.roles["approver"] -= {PIA.id}
        after = done(approve(world, job, PAUL))
        assert after.state is JobState.AWAITING_APPROVAL
        assert [(vote.actor.id, vote.lapsed) for vote in after.votes] == [(PIA.id, True), (PAUL.id, False)]
        rows = [row for row in world.store.audit_rows(job=job.id) if row["action"] in {"job.approved", "vote.lapsed"}]
        assert [(row["action"], row["actor"], row["outcome"]) for row in rows] == [
            ("job.approved", PIA.id, "1 of 2"),
            ("job.approved", PAUL.id, "1 of 2"),
            ("vote.lapsed", PIA.id, "the right was lost"),
        ]
        world.people.roles["approver"] |= {PIA.id}
        done(approve(world, job, PIA))
        assert world.ended(job).state is JobState.SUCCEEDED, "who has the right again may vote again"


def test_what_its_requester_may_no_longer_ask_for_is_not_approved(world: World) -> None:
    """Who was deactivated, or lost every role, while their request waited; denied it can be."""
    job = world.ask()
    world.people.roles["operator"] -= {DANA.id}
    assert "has lost every role that they asked with" in refusal(approve(world, job, PIA))
    assert world.store.job(job.id).votes == ()
    world.people.roles["operator"] |= {DANA.id}
    assert done(approve(world, job, PIA)).state is JobState.QUEUED


def test_a_denial_stands_whatever_becomes_of_who_denied(world: World) -> None:
    world.policy = TWO_APPROVERS
    job = world.ask()
    done(world.service.vote(job.id, PIA, approve=False, seen_digest=job.digest, reason="no"))
    world.people.roles["approver"] -= {PIA.id}
    assert "was denied" in refusal(approve(world, job, PAUL))


def test_a_racing_last_vote_queues_the_job_once(tmp_path: Path) -> None:
    """Of sixteen people who approve at the same moment one is enough: the job runs once."""
    with World(tmp_path, shape=ONE, policy=DEFAULT_POLICY) as world:
        job = world.ask()
        people = [Actor(id=f"U{n}", name=f"p{n}", roles=frozenset({"approver"})) for n in range(16)]
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda actor: approve(world, job, actor), people))
        assert sum(isinstance(answer, Job) for answer in answers) == 1
        assert world.ended(job).state is JobState.SUCCEEDED
        assert world.log() == ["apply job-1 one", "done job-1 one"]


def test_a_deny_ends_the_request(world: World) -> None:
    """With its reason; and the tenant is free again."""
    job = world.ask()
    denied = done(world.service.vote(job.id, PIA, approve=False, seen_digest=job.digest, reason="not this quarter"))
    assert denied.state is JobState.DENIED
    assert denied.failure is not None
    assert denied.failure.what == "denied by @pia: not this quarter"
    assert "was denied" in refusal(approve(world, job, PAUL))
    assert world.ask().number == 2


def test_a_vote_on_another_plan_does_not_count(world: World) -> None:
    """What they saw is what they approve."""
    job = world.ask()
    answer = world.service.vote(job.id, PIA, approve=True, seen_digest="0" * 64)
    assert "no longer the one that you saw" in refusal(answer)


def test_an_expired_request_cannot_be_approved(world: World) -> None:
    """Neither by a late click nor after the sweep, which frees the tenant."""
    clock = world.clock
    assert isinstance(clock, TurnedClock)
    late, swept = world.ask("late"), world.ask("swept")
    clock.time += timedelta(hours=25)
    assert "has expired" in refusal(approve(world, late))
    assert world.store.job(late.id).state is JobState.EXPIRED
    world.service.sweep()
    assert world.store.job(swept.id).state is JobState.EXPIRED
    assert all_actions(world)["job.expired"] == 2


def test_one_open_job_for_each_tenant(world: World) -> None:
    """The second request is told who holds the tenant and which command frees it; another tenant is free."""
    first = world.ask()
    answer = world.service.request(invocation(), OLAF, None)
    assert refusal(answer) == "tenant acme is locked by job 1 (@dana): wait, or /clearml job cancel 1"
    assert all_actions(world)["command.denied"] == 1
    assert world.ask("other").number == 2
    assert done(world.service.cancel(first.id, OLAF)).state is JobState.CANCELLED
    assert world.ask().number == 3


def test_racing_requests_make_one_job(world: World) -> None:
    """Sixteen people ask for the same tenant at the same moment."""
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _n: world.service.request(invocation(), DANA, None), range(16)))
    assert Counter(type(answer).__name__ for answer in answers) == {"Requested": 1, "Refusal": 15}
    assert len(world.store.jobs()) == 1


def test_a_failed_job_holds_its_tenant_until_somebody_decides(tmp_path: Path) -> None:
    """Half-made things are not built over: retry, roll back or leave first."""
    with World(tmp_path, shape=ONE) as world:
        world.action.problems["one"] = [PermanentError("refused")]
        job = world.ended(world.ask())
        answer = world.service.request(invocation(), OLAF, None)
        assert "which has failed: /clearml job retry 1, job rollback 1 or job leave 1" in refusal(answer)
        assert "nothing to cancel" in refusal(world.service.cancel(job.id, DANA))
        left = done(world.service.leave(job.id, OLAF))
        assert left.state is JobState.CANCELLED
        assert left.failure is not None
        assert left.failure.what == "Write one: refused"
        assert world.ended(world.ask()).state is JobState.SUCCEEDED
        assert "only a failed job" in refusal(world.service.retry(job.id, DANA))


def test_who_has_no_right_is_refused_and_that_is_audited(world: World) -> None:
    """With the role that is needed. Nothing is planned for them."""
    world.facts.problems = [AssertionError("it must not be planned")]
    assert "role" in refusal(world.service.request(invocation(), VERA, None))
    row = world.store.audit_rows()[-1]
    assert (row["action"], row["actor"], row["subject"]) == ("command.denied", "UVERA", "acme")
    world.facts.problems.clear()
    job = world.ask()
    assert "role" in refusal(world.service.cancel(job.id, VERA))
    assert world.store.job(job.id).state is JobState.AWAITING_APPROVAL
    assert all_actions(world)["command.denied"] == 2


def test_what_the_operation_refuses_is_audited(world: World) -> None:
    """A guardrail's reason reaches the asker as it is."""
    world.facts.said = Refusal(reason="kube-system is reserved", next_action="choose another name")
    answer = world.service.request(invocation(), DANA, None)
    assert refusal(answer) == "kube-system is reserved: choose another name"
    assert world.store.audit_rows()[-1]["detail"]["why"] == "kube-system is reserved"


def test_a_world_that_cannot_be_read_is_an_error_and_audited(world: World) -> None:
    """It is no refusal: asking again later may work."""
    world.facts.problems = [UnreachableError("reading ClearML: connection refused")]
    with pytest.raises(UnreachableError):
        world.service.request(invocation(), DANA, None)
    assert world.store.audit_rows()[-1]["action"] == "command.failed"
    assert world.store.jobs() == ()


def test_a_dry_run_stores_no_job(world: World) -> None:
    """It shows the plan, also while another job holds the tenant."""
    world.ask()
    answer = world.service.request(invocation(more="--dry-run"), DANA, None)
    assert isinstance(answer, DryRun)
    assert [step.id for step in answer.plan.steps] == ["one"]
    assert len(world.store.jobs()) == 1


def test_what_was_seen_is_what_is_asked_for(world: World) -> None:
    """Who has seen a plan gets a job of that plan; another plan is shown first, and on record."""
    seen = world.service.request(invocation(more="--dry-run"), DANA, None)
    assert isinstance(seen, DryRun)
    answer = world.service.request(invocation(), DANA, None, seen_digest="0" * 64)
    assert isinstance(answer, Changed)
    assert answer.plan.digest == seen.plan.digest
    assert world.store.jobs() == ()
    assert world.store.audit_rows()[-1]["action"] == "command.plan_changed"
    asked = world.service.request(invocation(), DANA, None, seen_digest=seen.plan.digest)
    assert isinstance(asked, Requested)


def test_nothing_to_do_stores_no_job(world: World) -> None:
    """A finished tenant is asked for again."""
    (world.folder / "acme-one").write_text("there")
    answer = world.service.request(invocation(), DANA, None)
    assert isinstance(answer, NothingToDo)
    assert world.store.jobs() == ()


def test_the_requester_withdraws_and_others_do_not(world: World) -> None:
    """Cancel does the same for the requester, as long as the request waits."""
    job = world.ask()
    assert "@dana's request" in refusal(world.service.withdraw(job.id, OLAF))
    assert done(world.service.cancel(job.id, DANA)).state is JobState.WITHDRAWN
    assert "was withdrawn" in refusal(world.service.withdraw(job.id, DANA))
    approver = Actor(id="UAPP", name="app", roles=frozenset({"approver"}))
    second = world.ask()
    assert "role" in refusal(world.service.cancel(second.id, approver))


def test_a_queued_job_is_cancelled_before_it_begins(world: World) -> None:
    """The engine has it already, or gets it at start; it does nothing."""
    world.policy = FREE_POLICY
    job = world.ask()
    assert done(world.service.cancel(job.id, DANA)).state is JobState.CANCELLED
    with world:
        assert world.store.job(job.id).state is JobState.CANCELLED
        world.engine.submit(job)
        assert world.ended(world.ask("other")).state is JobState.SUCCEEDED
        assert world.log() == ["apply job-2 one", "done job-2 one"]


def test_leases_go_with_the_job(tmp_path: Path) -> None:
    """A request holds its ports; a withdrawn one gives them up; a finished tenant keeps them for good."""
    with World(tmp_path, shape=ONE, policy=DEFAULT_POLICY) as world:
        world.operation.port_range = {"start": 30100, "size": 10}
        job = world.ask()
        assert [str(lease.ports) for lease in world.store.leases()] == ["30100-30110"]
        taken = world.service.request(invocation("other"), DANA, None)
        assert "which tenant acme holds" in refusal(taken)
        world.service.withdraw(job.id, DANA)
        assert world.store.leases() == ()
        job = world.ask("other")
        approve(world, job)
        world.ended(job)
        (lease,) = world.store.leases()
        assert (lease.tenant, lease.expires_at) == ("other", None)


@dataclass
class FakeClearML:
    """Keys of one user, as the real client's methods make and revoke them."""

    keys: dict[str, str] = field(default_factory=dict)  # access key → label
    made: int = 0
    problem: Exception | None = None

    def create_credentials(self, user_id: str, label: str) -> Credentials:
        if self.problem:
            raise self.problem
        assert user_id == "user-1"
        self.made += 1
        self.keys[f"K{self.made}"] = label
        return Credentials(access_key=f"K{self.made}", secret_key=SecretStr(f"S{self.made}"), label=label)

    def credentials(self, user_id: str) -> tuple[CredentialInfo, ...]:
        return tuple(CredentialInfo(access_key=key, label=label) for key, label in self.keys.items())

    def revoke_credentials(self, user_id: str, access_key: str) -> None:
        del self.keys[access_key]


def test_who_may_look_at_nothing_any_more_sees_no_credentials(tmp_path: Path) -> None:
    """A requester who has lost every role since, and who may still click."""
    with World(tmp_path, shape=ONE, policy=DEFAULT_POLICY) as world:
        job = world.ask()
        done(approve(world, job))
        world.ended(job)
        answer = world.service.reveal(job.id, DANA.model_copy(update={"roles": frozenset()}))
        assert "needs the role" in refusal(answer)
        assert all_actions(world)["credentials.refused"] == 1


def test_credentials_are_revealed_once_to_the_requester_alone(tmp_path: Path) -> None:
    """Made at the click; a click that died half-way leaves no key; what could not be shown can be shown again."""
    clearml = FakeClearML(keys={"K0": "clearml-chatops: revealed", "KA": "clearml-chatops: agent"})
    with World(tmp_path, shape={"admin_user": ()}, clearml=clearml) as world:
        world.action.more_outputs = {"id": "user-1"}
        job = world.ask()
        assert "no credentials to show" in refusal(world.service.reveal(job.id, DANA))
        world.ended(job)
        assert "only @dana" in refusal(world.service.reveal(job.id, ADA))
        clearml.problem = UnreachableError("no answer")
        with pytest.raises(UnreachableError):
            world.service.reveal(job.id, DANA)
        clearml.problem = None
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _n: world.service.reveal(job.id, DANA), range(8)))
        (shown,) = [answer for answer in answers if isinstance(answer, Credentials)]
        assert set(clearml.keys) == {"KA", shown.access_key}
        world.service.unreveal(job.id, shown.access_key)
        assert set(clearml.keys) == {"KA"}
        again = world.service.reveal(job.id, DANA)
        assert isinstance(again, Credentials)
        assert again.secret_key.get_secret_value() not in world.store.job(job.id).model_dump_json()
        assert all_actions(world)["credentials.revealed"] == 2


def test_two_processes_show_one_key(tmp_path: Path) -> None:
    """The other one was quicker, while this one made its key: this one's is revoked, and not shown."""
    clearml = FakeClearML()
    with World(tmp_path, shape={"admin_user": ()}, clearml=clearml) as world:
        world.action.more_outputs = {"id": "user-1"}
        job = world.ended(world.ask())
        make = clearml.create_credentials

        def and_the_other(user_id: str, label: str) -> Credentials:
            made = make(user_id, label)
            other = Store(world.store.path, clock=world.clock, redact=Redactor())
            revealed = {"revealed_at": world.clock.now()}
            other.update_job(job.id, lambda job: Change(job=job.model_copy(update=revealed)))
            other.close()
            return made

        clearml.create_credentials = and_the_other  # type: ignore[method-assign]
        assert "were shown at" in refusal(world.service.reveal(job.id, DANA))
        assert clearml.keys == {}


def test_a_job_that_the_engine_gave_up_is_failed_by_the_sweep(tmp_path: Path) -> None:
    """It does not hold its tenant for ever: it can be retried."""
    with World(tmp_path, shape=ONE) as world:
        world.runner._begin = lambda job_id, attempt: {"ok": False, "undo": False, "waves": []}  # type: ignore[method-assign]  # a workflow that ends, and writes nothing
        answer = world.service.request(invocation(), DANA, None)
        assert isinstance(answer, Requested)
        job = answer.job
        assert not world.engine.wait(job.id, 1.0)
        world.service.sweep()
        job = world.store.job(job.id)
        assert job.state is JobState.FAILED
        del world.runner._begin
        done(world.service.retry(job.id, DANA))
        assert world.ended(job).state is JobState.SUCCEEDED
