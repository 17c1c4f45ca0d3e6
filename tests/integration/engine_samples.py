"""A small world for the engine: an operation whose steps write files, so that what ran can be counted."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

from commands.grammar import Invocation, parse
from commands.tenants import TenantCreate
from policies.approvals import Actor, Refusal
from policies.loader import PolicyVersion, default_text, load
from policies.policy import Policy
from provisioning.clients.clearml import ClearML
from provisioning.clock import Clock, SystemClock
from provisioning.engine import Engine
from provisioning.errors import PermanentError
from provisioning.jobs.job import Job, StepState
from provisioning.jobs.runner import Runner
from provisioning.operations.base import Draft
from provisioning.plan import Observation, Outputs, Presence, Step
from provisioning.planner import Planner
from provisioning.redact import Redactor
from provisioning.service import JobService, Requested
from provisioning.steps.base import StepRun
from provisioning.store import Store
from tests.fakes import FakePeople

DANA = Actor(id="UDANA", name="dana", roles=frozenset({"operator"}))
OLAF = Actor(id="UOLAF", name="olaf", roles=frozenset({"operator"}))
PIA = Actor(id="UPIA", name="pia", roles=frozenset({"approver"}))
PAUL = Actor(id="UPAUL", name="paul", roles=frozenset({"approver"}))
ADA = Actor(id="UADA", name="ada", roles=frozenset({"admin", "operator"}))
VERA = Actor(id="UVERA", name="vera", roles=frozenset({"viewer"}))
STAFF = {
    "operator": frozenset({"UDANA", "UOLAF", "UADA"}),
    "approver": frozenset({"UPIA", "UPAUL", *(f"U{number}" for number in range(16))}),
    "admin": frozenset({"UADA"}),
    "viewer": frozenset({"UVERA"}),
}

FREE_POLICY = load(
    "version: 1\nrules:\n  - {name: all-may, roles: [viewer, operator, approver, admin], effect: allow}\n"
)
DEFAULT_POLICY = load(default_text())

Shape = Mapping[str, Sequence[str]]  # step id → the ids it needs
IN_A_ROW: Shape = {"one": (), "two": ("one",), "three": ("two",), "four": ("three",), "five": ("four",)}


@dataclass
class FileAction:
    """Writes a file. Each apply and undo leaves a line in the log, whatever becomes of it.

    A step whose id is in *holds* waits, the first time, until it is killed, cancelled or let go.
    """

    folder: Path
    holds: frozenset[str] = frozenset()
    problems: dict[str, list[Exception]] = field(default_factory=dict)  # step id → raised one after the other
    undo_problems: dict[str, list[Exception]] = field(default_factory=dict)
    let_go: threading.Event = field(default_factory=threading.Event)
    more_outputs: Outputs = field(default_factory=dict)
    kind: str = "test.file"

    def observe(self, inputs: dict[str, Any]) -> Observation:
        file = Path(inputs["file"])
        if not file.exists():
            return Observation(presence=Presence.ABSENT)
        return Observation(presence=Presence.PRESENT, detail="written", outputs={"text": file.read_text()})

    def apply(self, inputs: dict[str, Any], run: StepRun) -> Outputs:
        self.write(f"apply {run.job_id} {run.step_id}")
        held = Path(f"{inputs['file']}.held")
        if run.step_id in self.holds and not held.exists():
            held.touch()
            while not self.let_go.wait(0.01):
                if run.cancelled():
                    raise PermanentError("the child was killed")
        if self.problems.get(run.step_id):
            raise self.problems[run.step_id].pop(0)
        run.note(f"writing {run.step_id}")
        Path(inputs["file"]).write_text(f"{run.step_id} after {inputs.get('before', 'nothing')}")
        self.write(f"done {run.job_id} {run.step_id}")
        return {"text": Path(inputs["file"]).read_text(), **self.more_outputs}

    def undo(self, inputs: dict[str, Any], outputs: Outputs, run: StepRun) -> None:
        self.write(f"undo {run.job_id} {run.step_id}")
        if self.undo_problems.get(run.step_id):
            raise self.undo_problems[run.step_id].pop(0)
        Path(inputs["file"]).unlink(missing_ok=True)

    def write(self, line: str) -> None:
        log = os.open(self.folder / "log", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        os.write(log, f"{time.monotonic():.4f} {line}\n".encode())
        os.close(log)


@dataclass
class FileOperation:
    """`tenant create`, with steps that write files."""

    folder: Path
    shape: Shape
    port_range: dict[str, int] | None = None
    goes_on: bool = False
    chains_at_once: int | None = None  # of steps whose ids begin with the same letter
    command: str = "tenant create"
    args: type[TenantCreate] = TenantCreate

    def draft(self, args: TenantCreate, facts: Any) -> Draft | Refusal:
        if isinstance(facts, Refusal):
            return facts
        steps = []
        for step_id, needs in self.shape.items():
            inputs: dict[str, Any] = {"file": str(self.folder / f"{args.name}-{step_id}")}
            if self.port_range:
                inputs["port_range"] = self.port_range
            if needs:
                inputs["before"] = {"$ref": f"{needs[0]}.text"}
            steps.append(
                Step(
                    id=step_id,
                    kind="test.file",
                    title=f"Write {step_id}",
                    needs=tuple(needs),
                    inputs=inputs,
                    timeout_s=30,
                    chain=step_id[0] if self.chains_at_once else "",
                )
            )
        return Draft(
            subject=args.name,
            summary=f"Create tenant {args.name}",
            steps=tuple(steps),
            warnings=tuple(facts),
            goes_on=self.goes_on,
            chains_at_once=self.chains_at_once,
        )


@dataclass
class Facts:
    """What the operation decides by: warnings, or why it must not be. Raises what is in *problems* first."""

    said: tuple[str, ...] | Refusal = ()
    problems: list[Exception] = field(default_factory=list)

    def gather(self, operation: str, args: Any) -> Any:
        if self.problems:
            raise self.problems.pop(0)
        return self.said


class World:
    """Store, engine and service over one folder."""

    def __init__(
        self,
        folder: Path,
        *,
        shape: Shape = IN_A_ROW,
        holds: frozenset[str] = frozenset(),
        policy: Policy = FREE_POLICY,
        clock: Clock | None = None,
        clearml: object = None,
        max_parallel_jobs: int = 8,
        database_url: str | None = None,
        engine: Callable[..., Engine] = Engine,
        action: type[FileAction] = FileAction,
    ) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.clock = clock or SystemClock()
        self.action = action(folder, holds=holds)
        self.facts = Facts()
        self.policy = policy
        self.people = FakePeople(roles=dict(STAFF))
        self.store = Store(folder / "chatops.db", clock=self.clock, redact=Redactor())
        self.operation = FileOperation(folder, shape)
        self.planner = Planner(
            actions={"test.file": self.action},
            facts=self.facts,
            operations={"tenant create": self.operation},
        )
        self.runner = Runner(self.store, {"test.file": self.action}, self.planner.replan, self.clock, delay_scale=0.01)
        self.engine = engine(
            self.runner, data_dir=folder, max_parallel_jobs=max_parallel_jobs, database_url=database_url
        )
        self.service = JobService(
            store=self.store,
            engine=self.engine,
            planner=self.planner,
            policy=lambda: PolicyVersion(policy=self.policy, text="", digest="p" * 64),
            clearml=cast("ClearML", clearml),
            clock=self.clock,
            people=self.people,
        )

    def __enter__(self) -> Self:
        self.service.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.engine.stop(0.0, abort_s=5.0)
        self.store.close()

    def ask(self, tenant: str = "acme", actor: Actor = DANA, channel: str | None = None) -> Job:
        answer = self.service.request(invocation(tenant), actor, channel)
        assert isinstance(answer, Requested), answer
        return answer.job

    def ended(self, job: Job, timeout_s: float = 30) -> Job:
        assert self.engine.wait(job.id, timeout_s), self.store.job(job.id)
        return self.store.job(job.id)

    def held(self, tenant: str, step_id: str, timeout_s: float = 30) -> None:
        """Wait until the step holds."""
        wait_until_held(self.folder, tenant, step_id, timeout_s)

    def until(self, job: Job, step_id: str, state: StepState, timeout_s: float = 30) -> None:
        """Wait until the step of the job stands so."""
        until = time.monotonic() + timeout_s
        while self.store.job(job.id).status(step_id).state is not state:
            assert time.monotonic() < until, self.store.job(job.id)
            time.sleep(0.01)

    def log(self) -> list[str]:
        """Return what ran, in order, without the times."""
        file = self.folder / "log"
        return [line.partition(" ")[2] for line in file.read_text().splitlines()] if file.exists() else []

    def actions(self, job: Job) -> list[str]:
        """Return the job's audit rows: ``step.done one``."""
        rows = self.store.audit_rows(job=job.id, limit=1000)
        return [f"{row['action']} {row['step'] or ''}".strip() for row in rows]


def invocation(tenant: str = "acme", more: str = "") -> Invocation:
    parsed = parse(f"tenant create {tenant} --admin-email ana@{tenant}.example {more}")
    assert isinstance(parsed, Invocation), parsed
    return parsed


def wait_until_held(folder: Path, tenant: str, step_id: str, timeout_s: float = 30) -> None:
    """Wait until the step of the tenant's job holds, in whatever process."""
    until = time.monotonic() + timeout_s
    while not (folder / f"{tenant}-{step_id}.held").exists():
        assert time.monotonic() < until, f"{step_id} of {tenant} never began"
        time.sleep(0.01)
