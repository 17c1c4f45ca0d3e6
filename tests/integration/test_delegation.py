"""A lent right: one vote for lender and holder together, never the requester's, gone with the lender's own."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from commands.approvals import ApprovalDelegate, ApprovalRecall
from commands.grammar import Invocation, UsageError, parse
from policies.approvals import Actor, Refusal
from policies.loader import load
from provisioning.jobs.job import Job, JobState
from provisioning.store import Delegation
from tests.integration.engine_samples import DANA, PAUL, PIA, VERA, World
from tests.integration.store_samples import TurnedClock

TWO = load(
    "rules:\n- {name: lend, commands: ['approval *'], roles: [approver], effect: allow}\n"
    "- {name: two, commands: [tenant create], effect: approve, approvals: {roles: [approver], count: 2}}\n"
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, shape={"one": ()}, policy=TWO, clock=TurnedClock())
    made.people.roles = {"operator": frozenset({DANA.id}), "approver": frozenset({PIA.id, PAUL.id})}
    yield made
    made.close()


def lend(world: World, text: str, actor: Actor = PIA) -> Delegation | Refusal:
    found = parse(f"approval delegate {text}")
    assert isinstance(found, Invocation), found
    assert isinstance(found.args, ApprovalDelegate)
    return world.service.lend_vote(found, found.args, actor, "C1")


def recall(world: World, holder: Actor, actor: Actor = PIA) -> int | Refusal:
    found = parse(f"approval recall {holder.id}")
    assert isinstance(found, Invocation), found
    assert isinstance(found.args, ApprovalRecall)
    return world.service.recall_vote(found, found.args, actor, "C1")


def vote(world: World, job: Job, actor: Actor, *, approve: bool = True) -> Job | Refusal:
    return world.service.vote(job.id, actor, approve=approve, seen_digest=job.digest)


def said(answer: object) -> str:
    assert isinstance(answer, Refusal), answer
    return str(answer)


def test_a_lent_right_is_one_vote_of_two_people(world: World) -> None:
    """The holder votes for the lender; then neither votes again. It is shown and audited."""
    job = world.ask()
    assert "needs the role" in said(vote(world, job, VERA))
    assert isinstance(lend(world, f"{VERA.id} --for 2"), Delegation)
    assert [one.id for one in world.service.pending(VERA).yours] == [job.id]
    after = vote(world, job, VERA)
    assert isinstance(after, Job)
    assert after.state is JobState.AWAITING_APPROVAL
    behalf = after.votes[0].behalf
    assert behalf is not None
    assert (after.votes[0].actor.id, behalf.id) == (VERA.id, PIA.id)
    assert "voted already" in said(vote(world, job, VERA))
    assert "voted already" in said(vote(world, job, PIA))
    assert world.service.pending(VERA).yours == world.service.pending(PIA).yours == ()
    done = vote(world, job, PAUL)
    assert isinstance(done, Job)
    assert done.state is JobState.QUEUED
    rows = {row["action"]: row for row in world.store.audit_rows(limit=100)}
    assert rows["approval.delegated"]["detail"]["to"] == VERA.id
    assert [
        row["detail"].get("on_behalf_of") for row in world.store.audit_rows() if row["action"] == "job.approved"
    ] == [
        PIA.id,
        None,
    ]


def test_the_requester_neither_lends_nor_borrows(world: World) -> None:
    """Neither for the job, nor by a right that was lent for a time before."""
    both = DANA.model_copy(update={"roles": DANA.roles | {"approver"}})
    world.people.roles = {"approver": frozenset({PIA.id, DANA.id})}
    assert isinstance(lend(world, f"{DANA.id} --for 2"), Delegation)
    assert isinstance(lend(world, f"{VERA.id} --for 2", both), Delegation)
    job = world.ask(actor=both)
    assert "your own request" in said(vote(world, job, both))
    assert "needs the role" in said(vote(world, job, VERA))
    assert "nobody decides on their own request" in said(lend(world, f"{DANA.id} --job {job.number}"))
    assert "nobody decides on their own request" in said(lend(world, f"{VERA.id} --job {job.number}", both))
    assert world.store.job(job.id).votes == ()


def test_a_right_that_the_lender_has_lost_is_gone_for_the_holder(world: World) -> None:
    """Rights are those of the click, whoever uses them; and what was borrowed is not lent on."""
    job = world.ask()
    lend(world, f"{VERA.id} --for 2")
    assert "approver" in said(lend(world, f"U0OTHER --job {job.number}", VERA))
    world.people.roles = {"approver": frozenset({PAUL.id})}
    assert "needs the role approver, and you have no role" in said(vote(world, job, VERA))
    assert world.store.job(job.id).votes == ()


def test_it_ends_with_its_time_with_its_job_or_by_recall(world: World) -> None:
    clock = world.clock
    assert isinstance(clock, TurnedClock)
    first, second = world.ask("first"), world.ask("second")
    lent = lend(world, f"{VERA.id} --job {first.number}")
    assert isinstance(lent, Delegation)
    assert first.approval is not None
    assert (lent.job, lent.until) == (first.id, first.approval.expires_at)
    assert "needs the role" in said(vote(world, second, VERA))
    assert recall(world, VERA) == 1
    assert "needs the role" in said(vote(world, first, VERA))
    assert "lent nothing" in said(recall(world, VERA))
    lend(world, f"{VERA.id} --for 1")
    clock.time += timedelta(hours=1)
    assert "needs the role" in said(vote(world, first, VERA))


def test_who_has_no_right_lends_none(world: World) -> None:
    """By the policy; and for a job that asks for another role, or waits no more."""
    job = world.ask()
    assert "approver" in said(lend(world, f"{PAUL.id} --for 2", VERA))
    assert "yourself" in said(lend(world, f"{PIA.id} --for 2"))
    vote(world, job, PIA, approve=False)
    assert "does not wait for approval" in said(lend(world, f"{VERA.id} --job {job.number}"))
    assert "does not wait for approval" in said(lend(world, f"{VERA.id} --job 99"))


@pytest.mark.parametrize(
    "text", ["U0VERA", "U0VERA --job 1 --for 2", "U0VERA --for 0", "U0VERA --for 400", "vera --for 2"]
)
def test_a_right_is_lent_to_one_person_and_bounded(text: str) -> None:
    assert isinstance(parse(f"approval delegate {text}"), UsageError)
