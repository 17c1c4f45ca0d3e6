"""A job's whole life, in any order, with a crash or a drain at any call: against a small model of what must hold.

Real store, runner, service and policy; the world is files, and the engine is DBOS's promise done by hand: what a run
has recorded is not called again, what was interrupted is.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from commands.approvals import ApprovalDelegate
from policies.approvals import Refusal
from policies.loader import load
from provisioning.engine import Engine, Fate
from provisioning.errors import PermanentError
from provisioning.evidence import verifier
from provisioning.jobs import waits
from provisioning.jobs.attempts import Interrupted
from provisioning.jobs.delegation import Delegations
from provisioning.jobs.job import Job, JobState
from provisioning.jobs.runner import Begun, Done, Runner, how_ended
from provisioning.plan import Outputs
from provisioning.service import NothingToDo, Requested
from provisioning.steps.base import StepRun, StepWaits
from provisioning.store import Delegation
from tests.integration.engine_samples import DANA, FileAction, World, invocation
from tests.integration.store_samples import TurnedClock
from tests.integration.tenant_world import Crash

SHAPE = {"one": (), "two": ("one",), "three": ("one",), "four": ("two", "three")}
STEPS = st.sampled_from(sorted(SHAPE))
NEEDED = 2
POLICY = load(
    "rules:\n- {name: two, commands: [tenant create], effect: approve, approvals: {roles: [approver], count: 2}}\n"
    "- {name: rest, effect: allow}\n"
)
PEOPLE = ("UDANA", "UPIA", "UPAUL", "U0", "UOLAF")  # who asks, three approvers, and one who is none
PERSONS = st.sampled_from(PEOPLE)
MAY_BECOME = {
    JobState.AWAITING_APPROVAL: {"queued", "denied", "expired", "withdrawn", "cancelled"},
    JobState.QUEUED: {"running", "cancelled"},
    JobState.RUNNING: {"succeeded", "failed", "cancelled", "waiting"},
    JobState.WAITING: {"queued"},
    JobState.FAILED: {"queued", "rolling_back", "cancelled"},
    JobState.ROLLING_BACK: {"rolled_back", "failed"},
}


@dataclass
class Careful(FileAction):
    """Knows what may be done when; dies once its work is done where it is told to."""

    dies: set[str] = field(default_factory=set)

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        assert not Path(inputs["file"]).exists(), f"{run.step_id} was done, and is done again"
        assert all(self.is_there(need) for need in SHAPE[run.step_id]), f"{run.step_id} begins before what it needs"
        outputs = super().apply(inputs, run)
        self.die(run)
        return outputs

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        assert not any(self.is_there(step) for step, needs in SHAPE.items() if run.step_id in needs)
        super().undo(inputs, outputs, run)
        self.die(run)

    def is_there(self, step_id: str) -> bool:
        return (self.folder / f"acme-{step_id}").exists()

    def die(self, run: StepRun) -> None:
        if run.step_id in self.dies:
            raise Crash


class ByHand:
    """Runs what was submitted when it is told to, call by call, and remembers what DBOS would."""

    def __init__(self) -> None:
        self.runner: Any = None
        self.is_running = True
        self.takes = True  # False: the process dies before it has submitted
        self.runs: dict[str, tuple[str, int]] = {}
        self.recorded: dict[str, dict[str, Any]] = {}
        self.ended: set[str] = set()

    def over(self, runner: Runner, **_words: object) -> Engine:
        self.runner = runner
        return cast("Engine", self)

    def start(self) -> None: ...

    def stop(self, *_: object, **__: object) -> None: ...

    def cancel(self, job_id: str) -> None:
        self.runner.cancel(job_id)

    def submit(self, job: Job) -> None:
        if self.takes:
            self.runs.setdefault(_run_of(job), (job.id, job.attempt))

    def look(self, job: Job) -> Fate:
        run = _run_of(job)
        if run not in self.runs:
            return Fate.UNKNOWN
        return Fate.ENDED if run in self.ended else Fate.ALIVE

    @property
    def due(self) -> list[str]:
        return [run for run in self.runs if run not in self.ended]

    def go(self, run: str, pick: Callable[[list[str]], str], before_call: Callable[[], None]) -> None:
        """Carry a run on. What is raised leaves it as a dead process would."""
        job_id, attempt = self.runs[run]
        recorded = self.recorded.setdefault(run, {})

        def call(name: str, function: Callable[..., Any], *args: Any) -> Any:
            if name not in recorded:
                before_call()
                recorded[name] = function(*args)
            return recorded[name]

        begun: Begun = call("begin", self.runner.begin, job_id, attempt)
        if begun["ok"]:
            schedule = self.runner.schedule(job_id, attempt, begun)
            step = self.runner.undo_step if begun["undo"] else self.runner.run_step
            under_way: list[str] = list(schedule.begin())
            while under_way:
                under_way.remove(step_id := pick(under_way))
                done: Done = call(f"step:{step_id}", step, job_id, step_id, attempt)
                schedule.ended(step_id, how_ended(done))
                under_way += schedule.begin()
            call("finish", self.runner.finish, job_id, attempt)
        self.ended.add(run)


def _run_of(job: Job) -> str:
    return f"{job.id}:{job.attempt}:{job.wakes}"


class Life(RuleBasedStateMachine):
    """One tenant's jobs, one after the other. ``voices`` are those whose right stands for the open one."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="job-life-")
        self.at_once = mock.patch.object(waits, "LOOK_EVERY_S", 0.0)
        self.at_once.start()
        self.clock = TurnedClock()
        self.engine = ByHand()
        self.job: Job | None = None
        self.lent: list[Delegation] = []
        self.staff = {"operator": {"UDANA"}, "approver": {"UPIA", "UPAUL", "U0"}}
        self.world: World | None = None
        self.restart()

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        try:
            self.comes_to_an_end()
            assert verifier.verify(self.store.path).ok
        finally:
            self.at_once.stop()
            self.store.close()
            self.folder.cleanup()

    # -- people ---------------------------------------------------------------------------------------------

    @precondition(lambda self: self.job is None or self.job.state.is_final)
    @rule(approved=st.sampled_from([True, True, True, False]))
    def request(self, approved: bool) -> None:
        """*approved*: by the two who mostly do, at once, as far as they may."""
        left = self.files()
        answer = self.here.service.request(invocation(), DANA, None)
        if len(left) == len(SHAPE):
            assert isinstance(answer, NothingToDo)
            for step in SHAPE:  # somebody takes it away by hand, so that there is something to do again
                (self.here.folder / f"acme-{step}").unlink()
            self.store.release_leases("acme")
            self.job = None  # what it had left is there no more
            return
        assert isinstance(answer, Requested), answer
        self.job, self.left = answer.job, left
        self.voices: list[tuple[str, str]] = []  # by whose right, and who clicked
        self.seen = [answer.job.state]
        for person in ("UPIA", "UPAUL") if approved else ():
            if self.awaits:
                self.vote(person, approve=True, stale=1, lost=False)

    @precondition(lambda self: self.awaits)
    @rule(
        person=PERSONS, approve=st.sampled_from([True, True, True, False]), stale=st.integers(0, 5), lost=st.booleans()
    )
    def vote(self, person: str, approve: bool, stale: int, lost: bool) -> None:
        """*stale* 0: they have seen another plan; *lost*: the process dies before the engine hears of it."""
        job = self.current
        assert job.approval is not None
        # Whose right is gone when somebody approves counts no more, and may vote again once they have it again.
        counted = [one for one in self.voices if not approve or self.holds(one[0], "approver")]
        voice = self.voice_of(person, job, {who for one in counted for who in one})
        may = voice is not None and stale and self.clock.now() < job.approval.expires_at
        if approve and not self.holds("UDANA", "operator"):
            may = False
        self.engine.takes = not lost
        seen = job.digest if stale else "0" * 64
        answer = self.here.service.vote(job.id, self.actor(person), approve=approve, seen_digest=seen)
        self.engine.takes = True
        assert isinstance(answer, Job) is bool(may), answer
        if not isinstance(answer, Job) or voice is None:
            return
        if not approve:
            assert answer.state is JobState.DENIED
            return
        self.voices = [*counted, (voice, person)]
        assert answer.state is (JobState.QUEUED if len(self.voices) >= NEEDED else JobState.AWAITING_APPROVAL)

    @rule(lender=PERSONS, holder=PERSONS, hours=st.integers(1, 30))
    def delegate(self, lender: str, holder: str, hours: int) -> None:
        args = ApprovalDelegate(person=holder, hours=hours)
        answer = Delegations(store=self.store, people=self.here.people, clock=self.clock).lend(args, self.actor(lender))
        assert isinstance(answer, Refusal) is (lender == holder)
        if isinstance(answer, Delegation):
            again = [one for one in self.lent if (one.lender, one.holder) != (lender, holder)]
            self.lent = [*again, answer]

    @rule(person=PERSONS, role=st.sampled_from(["operator", "approver"]))
    def lose_or_get_a_role(self, person: str, role: str) -> None:
        if person != "UOLAF" and (role == "approver") is (person != "UDANA"):
            self.staff[role] ^= {person}
            self.here.people.roles.update({name: frozenset(ids) for name, ids in self.staff.items()})

    @precondition(lambda self: self.job is not None)
    @rule(
        what=st.sampled_from(["withdraw", "cancel", "retry", "retry", "retry", "roll_back", "leave"]),
        lost=st.booleans(),
    )
    def decide(self, what: str, lost: bool) -> None:
        before = self.current.state
        self.engine.takes = not lost
        answer = getattr(self.here.service, what)(self.current.id, DANA)
        self.engine.takes = True
        may = {
            "withdraw": before is JobState.AWAITING_APPROVAL,
            "cancel": not before.is_final and before not in {JobState.FAILED, JobState.ROLLING_BACK},
        }.get(what, before is JobState.FAILED)
        if what == "cancel" and may and self.current.state is before and isinstance(answer, Refusal):
            assert self.current.cancelled_by is not None, answer
        else:
            assert isinstance(answer, Job) is may, (what, before, answer)

    # -- the engine -----------------------------------------------------------------------------------------

    @precondition(lambda self: self.engine.due)
    @rule(
        fails=st.sets(STEPS, max_size=1),
        stuck=st.sets(STEPS, max_size=1),
        waits_=st.sets(STEPS, max_size=1),
        dies=st.sets(STEPS, max_size=1),
        stops_before=st.none() | st.integers(1, 8),
        drains=st.booleans(),
        cancelled_before=st.none() | st.integers(1, 8),
        data=st.data(),
    )
    def run(
        self,
        fails: set[str],
        stuck: set[str],
        waits_: set[str],
        dies: set[str],
        stops_before: int | None,
        drains: bool,
        cancelled_before: int | None,
        data: st.DataObject,
    ) -> None:
        """Go on with what is submitted, until it ends, or the process does."""
        action = cast("Careful", self.here.action)
        action.problems = {step: [PermanentError("refused")] for step in fails}
        action.problems |= {step: [StepWaits("the door", give_up_s=3600)] for step in waits_ - fails}
        action.undo_problems = {step: [PermanentError("stuck")] for step in stuck}
        action.dies = dies
        calls = 0

        def before_call() -> None:
            nonlocal calls
            calls += 1
            if calls == cancelled_before:
                self.here.service.cancel(self.current.id, DANA)
            if calls == stops_before:
                if drains:
                    self.here.runner.stop()
                    return  # the call itself finds out
                raise Crash

        try:
            self.engine.go(self.engine.due[0], lambda steps: data.draw(st.sampled_from(sorted(steps))), before_call)
        except (Crash, Interrupted):
            self.restart()
        finally:
            action.dies = set()
            self.here.runner.resume()

    @rule()
    def restart(self) -> None:
        """Another process on what is stored; it sweeps as it starts."""
        if self.world is not None:
            self.world.store.close()
        self.world = World(
            Path(self.folder.name),
            shape=SHAPE,
            policy=POLICY,
            clock=self.clock,
            engine=self.engine.over,
            action=Careful,
        )
        self.world.operation.port_range = {"start": 31_000, "size": 10}
        setattr(self.world.action, "may_go_on", lambda _inputs: True)  # noqa: B010 - FileAction has none
        self.world.people.roles = {name: frozenset(ids) for name, ids in self.staff.items()}
        with self.world.store.reading() as db:
            db.execute("PRAGMA synchronous = OFF")  # nobody pulls the plug here
        self.world.store.on_change(self.heard)
        self.world.service.start()

    @rule(hours=st.sampled_from([0, 0, 1, 25]))
    def time_passes(self, hours: int) -> None:
        self.clock.turn(hours=hours)
        self.here.service.sweep()

    # -- what always holds ----------------------------------------------------------------------------------

    def heard(self, job: Job) -> None:
        """Each change of state is one of those that job.py draws."""
        if self.job is not None and job.id == self.job.id and job.state is not self.seen[-1]:
            assert job.state.value in MAY_BECOME[self.seen[-1]], (self.seen[-1], job.state)
            self.seen.append(job.state)
            if job.state is JobState.RUNNING:
                assert len(self.voices) >= NEEDED, "it runs, and nobody has approved it"

    @invariant()
    def what_has_ended_is_as_it_says(self) -> None:
        if getattr(self, "job", None) is None:
            return
        self.job = job = self.current
        match job.state:
            case JobState.SUCCEEDED:
                assert self.files() == set(SHAPE)
            case JobState.ROLLED_BACK | JobState.DENIED | JobState.EXPIRED | JobState.WITHDRAWN:
                assert self.files() == self.left
        held = [lease.expires_at for lease in self.store.leases() if lease.job == job.id]
        if job.state is JobState.SUCCEEDED:
            assert held == [None]
        elif not job.state.is_final:
            assert len(held) == 1
        elif job.is_untouched:
            assert held == []

    @invariant()
    def evidence_is_told_once(self) -> None:
        if getattr(self, "job", None) is None:
            return
        rows = self.store.audit_rows(job=self.current.id, limit=1000)
        told = [(row["action"], row["step"], row["attempt"]) for row in rows if row["step"]]
        assert len(told) == len(set(told))
        states = [row["action"].removeprefix("job.") for row in rows if row["action"].startswith("job.")]
        assert states.count("approved") >= len(self.voices)

    # -- inside ---------------------------------------------------------------------------------------------

    @property
    def here(self) -> World:
        assert self.world is not None
        return self.world

    @property
    def store(self) -> Any:
        return self.here.store

    @property
    def current(self) -> Job:
        assert self.job is not None
        return self.here.store.job(self.job.id)

    @property
    def awaits(self) -> bool:
        return self.job is not None and self.current.state is JobState.AWAITING_APPROVAL

    def files(self) -> set[str]:
        return {step for step in SHAPE if (self.here.folder / f"acme-{step}").exists()}

    def holds(self, person: str, role: str) -> bool:
        return person in self.staff[role]

    def actor(self, person: str) -> Any:
        return self.here.people.actor(person)

    def voice_of(self, person: str, job: Job, counted: set[str]) -> str | None:
        """Return by whose right the person may vote now, or None."""
        if person == job.requester.id or person in counted:
            return None
        if self.holds(person, "approver"):
            return person
        now: datetime = self.clock.now()
        lenders = (one.lender for one in self.lent if one.holder == person and one.until > now)
        return next(
            (one for one in lenders if one != job.requester.id and one not in counted and self.holds(one, "approver")),
            None,
        )

    def comes_to_an_end(self) -> None:
        """Without faults, what is under way ends, and holds nobody up."""
        if self.job is None:
            return
        action = cast("Careful", self.here.action)
        action.problems, action.undo_problems = {}, {}
        for _ in range(4):
            self.clock.turn(seconds=10)
            self.here.service.sweep()
            for run in self.engine.due:
                self.engine.go(run, lambda steps: steps[0], lambda: None)
        self.what_has_ended_is_as_it_says()
        last = self.current
        assert last.state in {JobState.AWAITING_APPROVAL, JobState.FAILED} or last.state.is_final
        if last.state is JobState.FAILED:
            self.here.service.roll_back(last.id, DANA)
            self.engine.go(self.engine.due[-1], lambda steps: steps[0], lambda: None)
            back = self.current
            assert back.state is JobState.ROLLED_BACK, back.failure
            assert self.files() == self.left


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
