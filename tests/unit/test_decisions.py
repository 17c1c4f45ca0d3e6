"""What a job becomes by what people say, in each of its states: pure, without a store or an engine."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from policies.approvals import Actor, Refusal
from provisioning.jobs import decisions
from provisioning.jobs.asking_again import go_on_with, not_approved
from provisioning.jobs.job import BreakGlass, Failure, Job, JobState, StepState, StepStatus
from provisioning.jobs.votes import vote
from provisioning.plan import Plan
from provisioning.store import Change
from tests.unit.job_samples import ANA, NOW, PIA, STEPS, failed_job, job

LATER = NOW + timedelta(minutes=5)
TOUCHED = (StepStatus(step_id="company", state=StepState.DONE, applied=True), *job().steps[1:])


def changed(answer: Change | Refusal | None) -> Job:
    assert isinstance(answer, Change), answer
    assert answer.job.updated_at == LATER
    return answer.job


def refused(answer: Change | Refusal | None) -> Refusal:
    assert isinstance(answer, Refusal), answer
    return answer


def action(answer: Change | Refusal | None) -> str:
    assert isinstance(answer, Change)
    assert answer.event is not None
    return answer.event.action


@pytest.mark.parametrize(
    ("state", "next_action"),
    [
        (JobState.AWAITING_APPROVAL, "wait, or /clearml job cancel 41"),
        (JobState.WAITING, "wait, or /clearml job cancel 41"),
        (JobState.ROLLING_BACK, "wait until it is rolled back"),
        (JobState.SUCCEEDED, "run the command again where it is still wanted"),
    ],
)
def test_who_is_refused_is_told_what_helps_in_that_state(state: JobState, next_action: str) -> None:
    assert refused(decisions.retry(job(state), PIA, LATER)).next_action == next_action


@pytest.mark.parametrize("decide", [decisions.retry, decisions.roll_back, decisions.leave])
@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.FAILED])
def test_only_what_has_failed_is_retried_rolled_back_or_left(decide: Callable[..., Any], state: JobState) -> None:
    """And whoever tries is told how the job stands, and what there is to do."""
    answer = refused(decide(job(state), PIA, LATER))
    assert answer.reason.startswith(f"job 41 {decisions.SPOKEN[state]}, and only a failed job")
    assert answer.next_action


def test_a_retry_looks_at_what_is_done_and_begins_what_is_not() -> None:
    """What was applied stays known, so that it can still be undone; why it failed does not stay."""
    again = changed(decisions.retry(failed_job(cancelled_by=PIA), ANA, LATER))
    assert (again.state, again.attempt, again.failure, again.cancelled_by) == (JobState.QUEUED, 2, None, None)
    company, release, queue = again.steps
    assert (company, queue) == (failed_job().steps[0], failed_job().steps[2])
    assert release == StepStatus(step_id="release", applied=True)


def test_a_roll_back_is_another_attempt() -> None:
    back = changed(decisions.roll_back(failed_job(cancelled_by=PIA), ANA, LATER))
    assert (back.state, back.attempt, back.cancelled_by) == (JobState.ROLLING_BACK, 2, None)
    assert back.steps == failed_job().steps
    assert back.failure == failed_job().failure


def test_what_was_left_says_what_stays() -> None:
    """Of its steps those that had begun to change something; where there is none, that nothing was changed."""
    left = changed(decisions.leave(failed_job(), PIA, LATER))
    assert left.state is JobState.CANCELLED
    assert left.failure is not None
    assert left.failure.what.endswith("timed out waiting for the condition")
    assert not left.failure.retryable
    assert "stays: Create company acme" in left.failure.next_action
    assert "Install release clearml-agent" in left.failure.next_action
    assert "Create queue" not in left.failure.next_action
    bare = changed(decisions.leave(job(JobState.FAILED), PIA, LATER))
    assert bare.failure is not None
    assert bare.failure.next_action.startswith("@pia left it, and nothing was changed")


@pytest.mark.parametrize(
    ("given", "actor", "state", "said"),
    [
        (job(), ANA, JobState.WITHDRAWN, "job.withdrawn"),
        (job(), PIA, JobState.CANCELLED, "job.cancelled"),
        (job(JobState.QUEUED), ANA, JobState.CANCELLED, "job.cancelled"),
        (job(JobState.QUEUED).model_copy(update={"steps": TOUCHED}), ANA, JobState.QUEUED, None),
        (job(JobState.RUNNING), PIA, JobState.RUNNING, None),
        (job(JobState.WAITING), PIA, JobState.QUEUED, None),
        (job(JobState.WAITING, cancelled_by=ANA), PIA, JobState.QUEUED, None),
    ],
)
def test_a_job_is_cancelled_at_once_where_it_has_changed_nothing(
    given: Job, actor: Actor, state: JobState, said: str | None
) -> None:
    """Else it is asked to stop, by whom, before its next step; one that waits is woken to do so."""
    answer = decisions.cancel(given, actor, LATER)
    assert changed(answer).state is state
    assert action(answer) == (said or "job.cancel_requested")
    assert changed(answer).cancelled_by == (None if said else actor)
    assert changed(answer).wakes == (given.state is JobState.WAITING)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (job(JobState.RUNNING, cancelled_by=PIA), "is being cancelled already"),
        (job(JobState.QUEUED, cancelled_by=PIA).model_copy(update={"steps": TOUCHED}), "is being cancelled already"),
        (job(JobState.ROLLING_BACK), "is being rolled back: there is nothing to cancel"),
        (failed_job(), "has failed: there is nothing to cancel"),
        (job(JobState.SUCCEEDED), "has succeeded: there is nothing to cancel"),
    ],
)
def test_what_cannot_be_cancelled_is_said(given: Job, said: str) -> None:
    assert said in str(refused(decisions.cancel(given, ANA, LATER)))


def test_only_the_requester_withdraws_and_only_what_waits() -> None:
    """Others are told what is theirs to do."""
    assert changed(decisions.withdraw(job(), ANA, LATER)).state is JobState.WITHDRAWN
    assert "Deny it, or" in str(refused(decisions.withdraw(job(), PIA, LATER)))
    assert "only what waits for approval" in str(refused(decisions.withdraw(job(JobState.RUNNING), ANA, LATER)))


def test_what_went_ahead_is_reviewed_once_by_somebody_else() -> None:
    glass = BreakGlass(rule="two", told_roles=frozenset({"admin"}))
    ahead = job(JobState.SUCCEEDED, break_glass=glass)
    assert "took the ordinary way" in str(refused(decisions.review(job(), PIA, "fine", LATER)))
    assert "you have broken the glass yourself" in str(refused(decisions.review(ahead, ANA, "fine", LATER)))
    reviewed = changed(decisions.review(ahead, PIA, "fine", LATER))
    assert reviewed.break_glass is not None
    assert (reviewed.break_glass.reviewed_by, reviewed.break_glass.note) == (PIA, "fine")
    assert (reviewed.break_glass.reviewed_at, reviewed.break_glass.rule) == (LATER, "two")
    third = Actor(id="U0THIRD", name="third", roles=frozenset({"admin"}))
    assert "was reviewed by @pia already" in str(refused(decisions.review(reviewed, third, "", LATER)))


def test_a_request_expires_at_its_moment_and_not_before() -> None:
    """What has been decided does not expire, nor what nobody was asked about."""
    ends = NOW + timedelta(hours=24)
    assert decisions.expire(job(), ends - timedelta(microseconds=1)) is None
    expired = decisions.expire(job(), ends)
    assert expired is not None
    assert expired.job.state is JobState.EXPIRED
    assert decisions.expire(job(JobState.QUEUED), ends) is None
    assert decisions.expire(job(approval=None), ends) is None


def test_what_nobody_waits_for_any_more_is_withdrawn_where_it_has_changed_nothing() -> None:
    asker = job(JobState.CANCELLED).model_copy(update={"number": 7})
    gone = changed(decisions.moot(job(), asker, LATER))
    assert gone.state is JobState.WITHDRAWN
    assert gone.failure is not None
    assert gone.failure.what == "job 7 was cancelled and waits for this no more"
    assert decisions.moot(job(JobState.QUEUED), asker, LATER) is None
    assert decisions.moot(job().model_copy(update={"steps": TOUCHED}), asker, LATER) is None


@pytest.mark.parametrize(
    ("operation", "subject", "said"),
    [
        ("tenant create", "acme", "tenant acme is locked by"),
        ("platform install", "platform", "platform is locked by"),
        ("node reboot", "reboot/gpu-1", "the reboot of gpu-1 is locked by"),
        ("node mig", "node/gpu-1", "node gpu-1 is locked by"),
        ("node mig", "gpu-1", "a set of nodes is locked by"),
        ("digest add", "digest:morning", "digest morning is locked by"),
    ],
)
def test_whoever_comes_second_is_told_what_is_locked_by_whom(operation: str, subject: str, said: str) -> None:
    """And what frees it: time, or the command that ends a failed job."""
    holder = job(JobState.RUNNING)
    holder = holder.model_copy(
        update={"plan": holder.plan.model_copy(update={"operation": operation, "subject": subject})}
    )
    assert decisions.busy(holder).reason == f"{said} job 41 (@ana)"
    assert decisions.busy(holder).next_action == "wait, or /clearml job cancel 41"
    failed = decisions.busy(holder.model_copy(update={"state": JobState.FAILED}))
    assert failed.reason.endswith("which has failed")
    assert failed.next_action == "/clearml job retry 41, job rollback 41 or job leave 41"


TODAY = Plan(operation="tenant create", subject="acme", summary="Create the rest", request={}, steps=STEPS[2:])


def goes_on(given: Job, **named: Any) -> Change | None:
    known = {"attempt": 1, "approval": None, "place": None, "policy": "p", "why": "image.tag differs", "now": LATER}
    return go_on_with(given, TODAY, **(known | named))


def test_a_job_goes_on_with_what_is_another_today_where_nobody_has_to_be_asked() -> None:
    running = changed(goes_on(job(JobState.RUNNING)))
    assert (running.state, running.plan, running.digest, running.attempt) == (
        JobState.RUNNING,
        TODAY,
        TODAY.digest,
        1,
    )


def test_else_it_waits_for_them_and_remembers_what_they_had_approved() -> None:
    """Votes on the old plan do not count for the new one; its next attempt begins once they have approved."""
    before = job(JobState.RUNNING, reminded_at=NOW, escalated_at=NOW)
    before = before.model_copy(update={"votes": (_voted(),)})
    asking = changed(goes_on(before, approval=job().approval))
    assert (asking.state, asking.attempt, asking.votes) == (JobState.AWAITING_APPROVAL, 2, ())
    assert (asking.approved_plan, asking.plan) == (before.plan, TODAY)
    assert (asking.reminded_at, asking.escalated_at) == (None, None)


@pytest.mark.parametrize("given", [job(JobState.RUNNING, attempt=2), job(JobState.QUEUED), job(JobState.FAILED)])
def test_a_run_that_is_over_changes_no_plan(given: Job) -> None:
    assert goes_on(given) is None


def test_who_does_not_approve_the_rest_gets_the_old_plan_back() -> None:
    """It has failed and can be tried, undone or left; what had not begun has simply ended."""
    no = Failure(what="denied by @pia")
    assert not_approved(job(), JobState.DENIED, no) == {"state": JobState.DENIED, "failure": no}
    old = job().plan
    fields = not_approved(job(approved_plan=old).model_copy(update={"plan": TODAY}), JobState.DENIED, no)
    assert (fields["state"], fields["plan"], fields["digest"], fields["approved_plan"]) == (
        JobState.FAILED,
        old,
        old.digest,
        None,
    )
    assert fields["failure"].what == "what differs from the approved plan: denied by @pia"


def _voted(**named: Any) -> Any:
    answer = vote(job(), PIA, approve=True, seen_digest=job().digest, reason="", now=LATER, **named)
    return changed(answer).votes[0]


def test_the_last_approval_queues_and_a_denial_ends() -> None:
    answer = vote(job(), PIA, approve=True, seen_digest=job().digest, reason=" fine ", now=LATER)
    assert changed(answer).state is JobState.QUEUED
    assert action(answer) == "job.approved"
    assert changed(answer).votes[0].reason == "fine"
    denied = vote(job(), PIA, approve=False, seen_digest=job().digest, reason="too big", now=LATER)
    assert changed(denied).state is JobState.DENIED
    assert action(denied) == "job.denied"
    failure = changed(denied).failure
    assert failure is not None
    assert failure.what == "denied by @pia: too big"


@pytest.mark.parametrize(
    "given", [job(JobState.RUNNING), job(JobState.DENIED), job(JobState.QUEUED), job(approval=None)]
)
def test_what_does_not_wait_for_approval_is_not_voted_on(given: Job) -> None:
    answer = refused(vote(given, PIA, approve=True, seen_digest=given.digest, reason="", now=LATER))
    assert answer.next_action == "there is nothing to decide any more"


@pytest.mark.parametrize(
    ("approve", "reason", "outcome", "detail"),
    [
        (True, "", "1 of 1", {"on_behalf_of": PIA.id}),
        (True, "fine", "1 of 1", {"reason": "fine", "on_behalf_of": PIA.id}),
        (False, "", "denied", {"on_behalf_of": PIA.id}),
    ],
)
def test_the_audit_says_what_was_voted_why_and_by_whose_right(
    *, approve: bool, reason: str, outcome: str, detail: dict[str, str]
) -> None:
    """Only what was said: who gave no reason is not quoted with an empty one."""
    vera = Actor(id="U0VERA", name="vera")
    answer = vote(job(), vera, approve=approve, seen_digest=job().digest, reason=reason, now=LATER, lent=[PIA])
    assert isinstance(answer, Change)
    assert answer.event is not None
    assert (answer.event.actor, answer.event.outcome, answer.event.detail) == (vera.id, outcome, detail)
    assert answer.event.rule == "changes-need-one-approver"
    if not approve:
        assert answer.job.failure is not None
        assert answer.job.failure.what == "denied by @vera"


def test_a_lent_right_is_used_only_where_there_is_none_of_ones_own() -> None:
    """And of several lenders the first whose right still counts."""
    vera = Actor(id="U0VERA", name="vera")
    dan = Actor(id="U0DAN", name="dan", roles=frozenset({"approver"}))
    assert _voted(lent=[dan]).behalf is None
    answer = vote(job(), vera, approve=True, seen_digest=job().digest, reason="", now=LATER, lent=[ANA, PIA], rights={})
    assert changed(answer).votes[0].behalf == PIA
    none = vote(job(), vera, approve=True, seen_digest=job().digest, reason="", now=LATER, lent=[ANA])
    assert "@ana has asked for it" in str(refused(none))


def test_a_vote_tells_of_those_before_it_that_have_lapsed_once() -> None:
    """Whoever has lost the right since is audited with the vote that finds it out, and not with the next."""
    approval = job().approval
    assert approval is not None
    two = job(approval=approval.model_copy(update={"count": 2}))
    first = changed(vote(two, PIA, approve=True, seen_digest=two.digest, reason="", now=LATER))
    others = [Actor(id=f"U0{name}", name=name, roles=frozenset({"approver"})) for name in ("DAN", "EVE")]
    rights: dict[str, frozenset[str]] = {PIA.id: frozenset()}
    second = vote(first, others[0], approve=True, seen_digest=two.digest, reason="", now=LATER, rights=rights)
    assert changed(second).state is JobState.AWAITING_APPROVAL
    assert isinstance(second, Change)
    assert [event.action for event in second.extra] == ["vote.lapsed"]
    third = vote(changed(second), others[1], approve=True, seen_digest=two.digest, reason="", now=LATER, rights=rights)
    assert changed(third).state is JobState.QUEUED
    assert isinstance(third, Change)
    assert list(third.extra) == []
