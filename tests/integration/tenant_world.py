"""Everything around one bot: real store, planner, runner and ClearML client; strict stand-ins for the rest."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from commands.grammar import Invocation, parse
from policies.approvals import Actor, Refusal
from provisioning.clients.applications import Applications
from provisioning.clients.clearml import ClearML
from provisioning.clients.nvidia_smi import NvidiaSmi
from provisioning.clients.process import ChildProcesses
from provisioning.configuration import Provisioning
from provisioning.facts import FactsGatherer
from provisioning.fleet.snapshot import planner_of_one_moment
from provisioning.jobs.job import Job, JobState
from provisioning.jobs.runner import Runner
from provisioning.known_users import KnownUsers
from provisioning.plan import Outputs, Plan
from provisioning.plan_ports import port_ranges_of
from provisioning.planner import Planner
from provisioning.policy_source import PolicySource
from provisioning.queries.base import Asked
from provisioning.queries.registry import build_queries
from provisioning.reports import Report
from provisioning.sources import GivenSources
from provisioning.steps.base import StepRun
from provisioning.steps.registry import build_actions
from provisioning.store import Change
from sandbox.clearml.state import ClearMLState
from tests.fakes import FakeCluster, FakeHelm, FakeKubectl, FakePeople
from tests.integration.store_samples import ANA, TurnedClock, create, open_store


@dataclass(frozen=True, kw_only=True)
class GivenQuerySources(GivenSources):
    """What queries read from, all of it there already."""

    planner: Planner
    smi: NvidiaSmi
    planner_of_one_moment: Callable[[], Planner]
    policy: PolicySource
    people: FakePeople


ACME = "tenant create acme --admin-email ana@acme.example"
SECRETS = {"redis": "a-redis-password", "image": "a-registry-token"}


class Crash(BaseException):
    """The process died here: nothing catches it."""


@dataclass
class World:
    """Everything around one bot. ``restart`` is another process on the same store."""

    folder: Path
    url: str
    state: ClearMLState
    cluster: FakeCluster = field(default_factory=FakeCluster)
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.helm = FakeHelm(self.cluster)
        self.clock = TurnedClock()
        self.store = open_store(self.folder, self.clock)
        self._start()

    def restart(self) -> None:
        """Go on as another process would: nothing is known but what is stored."""
        self.clearml.close()
        self._start()

    def _start(self) -> None:
        self.configuration = Provisioning.model_validate(
            {
                "data_dir": self.folder,
                "clearml": {
                    "api_url": self.url,
                    "web_url": "https://app.platform.example",
                    "files_url": "https://files.platform.example",
                    "access_key": self.state.system_key,
                    "secret_key": self.state.system_secret,
                    "timeout_s": 2,
                },
                "agent": {"chart": {"reference": "agent"}, "image_password": SECRETS["image"]},
                "redis": {"password": SECRETS["redis"]},
                "ports": {"external_ip": "203.0.113.10"},
            }
            | self.settings
        )
        self.clearml = ClearML(self.configuration.clearml, known_users=KnownUsers(self.store))
        self.actions = actions = build_actions(
            configuration=self.configuration,
            clearml=self.clearml,
            cluster=self.cluster,
            helm=self.helm,
            kubectl=FakeKubectl(self.cluster),
            applications=Applications(ChildProcesses(self.configuration.data_dir / "children")),
            store=self.store,
            clock=self.clock,
        )
        self.sources = GivenSources(
            configuration=self.configuration,
            clearml=self.clearml,
            cluster=self.cluster,
            helm=self.helm,
            store=self.store,
        )
        self.planner = Planner(actions=actions, facts=FactsGatherer(self.sources))
        self.queries = build_queries(
            GivenQuerySources(
                configuration=self.configuration,
                clearml=self.clearml,
                cluster=self.cluster,
                helm=self.helm,
                store=self.store,
                planner=self.planner,
                smi=NvidiaSmi(self.cluster, FakeKubectl(self.cluster), namespace="gpu-operator"),
                planner_of_one_moment=partial(
                    planner_of_one_moment, self.sources, kubectl=FakeKubectl(self.cluster), clock=self.clock
                ),
                policy=PolicySource(None, self.store),
                people=FakePeople({"operator": frozenset({"UDANA"})}),
            )
        )
        self.runner = Runner(self.store, actions, self.planner.replan, self.clock, delay_scale=0.0)

    def answer(self, text: str) -> Plan | Refusal:
        invocation = parse(text)
        assert isinstance(invocation, Invocation), invocation
        return self.planner.plan(invocation.spec.name, invocation.args)

    def plan(self, text: str) -> Plan:
        answer = self.answer(text)
        assert isinstance(answer, Plan), answer
        return answer

    def refusal(self, text: str) -> Refusal:
        answer = self.answer(text)
        assert isinstance(answer, Refusal)
        return answer

    def job(self, plan: Plan) -> Job:
        return create(
            self.store,
            plan.subject,
            plan=plan,
            state=JobState.QUEUED,
            approval=None,
            leases=port_ranges_of(plan) or (),
            lease_ttl_s=3600,
        )

    def run(self, job: Job) -> Job:
        """Carry the job's present attempt through, as the engine does."""
        begun = self.runner.begin(job.id, job.attempt)
        for step_id in (step_id for wave in begun["waves"] for step_id in wave):
            run = self.runner.undo_step if begun["undo"] else self.runner.run_step
            if not run(job.id, step_id, job.attempt)["ok"]:
                break
        if begun["ok"]:
            self.runner.finish(job.id, job.attempt)
        return self.store.job(job.id)

    def decide(self, job: Job, decision: Callable[[Job, Actor, datetime], Change | Refusal]) -> Job:
        """Let somebody click a button of the failed job."""

        def change(fresh: Job) -> Change:
            answer = decision(fresh, ANA, self.clock.now())
            assert isinstance(answer, Change), answer
            return answer

        return self.store.update_job(job.id, change)

    def as_change(self, job: Job) -> Change:
        """Return the change that stores *job* as it is given."""
        return Change(job=job)

    def crash_after(self, step_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the process die right after the step's work is done and before anybody has heard of it."""
        action = self.actions[self.kind_of(step_id)]
        apply = action.apply

        def dies(inputs: dict[str, Any], run: StepRun) -> Outputs:
            outputs = apply(inputs, run)
            if run.step_id == step_id:
                raise Crash
            return outputs

        monkeypatch.setattr(action, "apply", dies)

    def kind_of(self, step_id: str) -> str:
        """Return the kind of the newest job's step."""
        return self.store.jobs(limit=1)[0].plan.step(step_id).kind

    def make(self, text: str) -> Job:
        done = self.run(self.job(self.plan(text)))
        assert done.state is JobState.SUCCEEDED, done.failure
        return done

    def ask(self, text: str) -> Report | Refusal:
        """Let somebody run a command that only reads."""
        invocation = parse(text)
        assert isinstance(invocation, Invocation), invocation
        asked = Asked(actor=ANA, now=self.clock.now(), channel=None)
        return self.queries[invocation.spec.name].answer(invocation.args, asked)

    def report(self, text: str) -> Report:
        answer = self.ask(text)
        assert isinstance(answer, Report), answer
        return answer

    def company(self, name: str) -> dict[str, Any]:
        (found,) = (one for one in self.state.companies() if one["name"] == name)
        return found
