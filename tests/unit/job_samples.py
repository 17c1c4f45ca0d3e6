"""Jobs in every state, small and hostile, for tests of what is shown."""

from datetime import UTC, datetime, timedelta
from typing import Any

from policies.approvals import Actor, Approval, Vote
from provisioning.jobs.job import Failure, Job, JobState, Place, StepState, StepStatus
from provisioning.plan import Observation, Plan, Presence, Step

NOW = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
ANA = Actor(id="U0000ANA", name="ana", roles=frozenset({"operator"}))
PIA = Actor(id="U0000PIA", name="pia", roles=frozenset({"approver"}))
HOSTILE = "<!channel> <@U1> <#C1> <https://evil.example|click> <!subteam^S1> & `tick` *b* ```\n\x00\u202e\ud800"

STEPS = (
    Step(id="company", kind="k", title="Create company acme", undo="delete company acme"),
    Step(
        id="release",
        kind="k",
        title="Install release clearml-agent",
        needs=("company",),
        found=Observation(
            presence=Presence.DIFFERS,
            detail="revision 3 deployed",
            differences={"queues.1": ("a", "b"), "image.tag": (None, "1.24"), "x": (1, 2), "y": (3, 4)},
        ),
        inputs={"chart": "agent"},
    ),
    Step(id="queue", kind="k", title="Create queue acme-1", found=Observation(presence=Presence.PRESENT)),
)


def job(state: JobState = JobState.AWAITING_APPROVAL, *, steps: tuple[Step, ...] = STEPS, **fields: Any) -> Job:
    plan = Plan(
        operation="tenant create",
        subject="acme",
        summary=fields.pop("summary", "Create tenant acme"),
        request={"name": "acme"},
        steps=steps,
        warnings=fields.pop("warnings", ()),
    )
    known: dict[str, Any] = {
        "id": "job-41",
        "number": 41,
        "command": "tenant create acme --admin-email ana@acme.example",
        "requester": ANA,
        "plan": plan,
        "digest": plan.digest,
        "state": state,
        "created_at": NOW,
        "updated_at": NOW,
        "revision": 3,
        "approval": Approval(
            rule="changes-need-one-approver",
            approver_roles=frozenset({"approver", "admin"}),
            count=1,
            expires_at=NOW + timedelta(hours=24),
        ),
        "steps": tuple(StepStatus(step_id=step.id) for step in steps),
        "place": Place(channel="C0000001"),
    }
    return Job(**(known | fields))


def failed_job(**fields: Any) -> Job:
    """Return a job whose second step failed, in the words of helm."""
    failure = Failure(
        what="helm upgrade clearml-agent: timed out waiting for the condition",
        next_action="look at the pods of namespace acme, then Retry",
        details="Error: UPGRADE FAILED\nlast line <of> helm & co",
        retryable=True,
    )
    steps = (
        StepStatus(
            step_id="company",
            state=StepState.DONE,
            started_at=NOW - timedelta(seconds=70),
            finished_at=NOW - timedelta(seconds=67),
            applied=True,
        ),
        StepStatus(
            step_id="release",
            state=StepState.FAILED,
            started_at=NOW - timedelta(seconds=65),
            finished_at=NOW,
            failure=failure,
            applied=True,
        ),
        StepStatus(step_id="queue", state=StepState.SKIPPED),
    )
    whole = failure.model_copy(update={"what": f"Install release clearml-agent: {failure.what}"})
    return job(JobState.FAILED, failure=whole).model_copy(update={"steps": steps, **fields})


def hostile_job(state: JobState, *, many: int = 60, long: int = 5000) -> Job:
    """Return a job whose every text is long and means harm."""
    bad = HOSTILE * (long // len(HOSTILE))
    steps = tuple(
        Step(
            id=f"step-{number}",
            kind="k",
            title=bad,
            undo=bad,
            inputs={"text": HOSTILE.replace("\ud800", "") * 50},
            found=Observation(
                presence=Presence.DIFFERS if number % 2 else Presence.ABSENT,
                detail=bad,
                differences={f"{bad}{index}": (bad, bad) for index in range(30)} if number % 2 else {},
            ),
        )
        for number in range(many)
    )
    failure = Failure(what=bad, next_action=bad, details=bad)
    votes = tuple(
        Vote(actor=Actor(id=f"os:{HOSTILE}", name=bad), approve=True, at=NOW, digest="d", reason=bad) for _ in range(12)
    )
    statuses = tuple(
        StepStatus(
            step_id=step.id,
            state=list(StepState)[number % len(StepState)],
            started_at=NOW - timedelta(hours=3),
            note=bad,
            failure=failure,
            applied=True,
        )
        for number, step in enumerate(steps)
    )
    plan = Plan.model_construct(
        operation="tenant create", subject=bad, summary=bad, request={}, steps=steps, warnings=(bad,) * 30
    )
    return job(state).model_copy(
        update={
            "plan": plan,
            "digest": "d" * 64,
            "command": bad,
            "requester": Actor(id=HOSTILE, name=bad),
            "steps": statuses,
            "votes": votes,
            "failure": failure,
            "superseded_by": bad,
            "cancelled_by": Actor(id=HOSTILE, name=bad),
        }
    )
