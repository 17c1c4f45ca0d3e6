"""A world with a service and an engine over it, as the composition root makes them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from commands.catalog import CATALOG
from commands.grammar import Invocation, build, parse
from policies.approvals import Refusal
from policies.loader import PolicyVersion
from policies.policy import Policy
from provisioning.clients.helm_releases import Release
from provisioning.engine import Engine
from provisioning.errors import PermanentError
from provisioning.fleet.snapshot import planner_of_one_moment
from provisioning.jobs.job import Job
from provisioning.jobs.runner import Runner
from provisioning.planner import Planner
from provisioning.service import Answer, JobService, Requested
from provisioning.steps.batch_steps import ApplyTenant, JobsOfOthers
from provisioning.steps.registry import build_actions
from tests.fakes import FakeKubectl, FakePeople
from tests.integration.engine_samples import DANA, FREE_POLICY
from tests.integration.tenant_world import World


@dataclass
class Office:
    """A world with a service and an engine."""

    world: World
    service: JobService
    engine: Engine
    policy: Policy = FREE_POLICY

    def ask(self, specs: str) -> Answer:
        """Apply a file."""
        invocation = build(CATALOG["tenant apply"], {"specs": specs})
        assert isinstance(invocation, Invocation), invocation
        return self.service.request(invocation, DANA, None)

    def say(self, text: str) -> Answer:
        invocation = parse(text)
        assert isinstance(invocation, Invocation), invocation
        return self.service.request(invocation, DANA, None)

    def asked(self, specs: str) -> Job:
        return stored(self.ask(specs))

    def ended(self, job: Job) -> Job:
        assert self.engine.wait(job.id, 60)
        return self.world.store.job(job.id)

    def part(self, batch: Job, name: str) -> Job:
        """Return the tenant's newest job of the batch."""
        return next(job for job in self.world.store.jobs(subject=name) if job.batch == batch.id)


@contextmanager
def opened(world: World, policy: Policy = FREE_POLICY, *, max_parallel_jobs: int = 8) -> Iterator[Office]:
    """Put a service and an engine over the world, as the composition root does."""
    kubectl = FakeKubectl(world.cluster)
    clients: dict[str, Any] = {
        "configuration": world.configuration,
        "clearml": world.clearml,
        "cluster": world.cluster,
        "helm": world.helm,
        "kubectl": kubectl,
        "store": world.store,
        "clock": world.clock,
    }
    actions = dict(build_actions(**clients))
    planner = Planner(actions=actions, facts=world.planner._facts)
    runner = Runner(world.store, actions, planner.replan, world.clock, delay_scale=0.0)
    engine = Engine(runner, data_dir=world.folder, max_parallel_jobs=max_parallel_jobs)
    actions[ApplyTenant.kind] = ApplyTenant(
        planner=planner,
        planner_of_one_moment=partial(planner_of_one_moment, world.sources, kubectl=kubectl, clock=world.clock),
        store=world.store,
        clock=world.clock,
        engine=JobsOfOthers(submit=engine.submit, cancel=engine.cancel),
        lease_ttl_s=3600,
    )
    service = JobService(
        store=world.store,
        engine=engine,
        planner=planner,
        policy=lambda: PolicyVersion(policy=policy, text="", digest="p" * 64),
        clearml=world.clearml,
        people=FakePeople({"operator": frozenset({"UDANA"})}),
        clock=world.clock,
        lease_ttl_s=3600,
    )
    service.start()
    try:
        yield Office(world=world, service=service, engine=engine, policy=policy)
    finally:
        engine.stop(0.0, abort_s=5.0)


def stored(answer: Answer) -> Job:
    assert isinstance(answer, Requested), answer
    return answer.job


def refused(answer: object) -> str:
    assert isinstance(answer, Refusal), answer
    return str(answer)


def helm_that_fails(world: World, monkeypatch: pytest.MonkeyPatch, namespace: str) -> Callable[[], None]:
    """Let helm fail for one tenant until the returned function is called."""
    install, broken = world.helm.upgrade_install, True

    def upgrade_install(where: str, *args: Any, **named: Any) -> Release:
        if broken and where == namespace:
            raise PermanentError(f"installing {where}/clearml-agent: the chart refuses a value")
        return install(where, *args, **named)

    def mend() -> None:
        nonlocal broken
        broken = False

    monkeypatch.setattr(world.helm, "upgrade_install", upgrade_install)
    return mend
