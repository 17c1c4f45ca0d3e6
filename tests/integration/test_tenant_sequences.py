"""Any sequence of commands on tenants, with crashes inside steps, failures and hand-made changes between, ends well:
planning what is recorded plans nothing, and no two leases overlap.

Real store, runner, planner, operations, steps and ClearML client; the rest are strict stand-ins.
"""

import tempfile
from contextlib import suppress
from itertools import combinations, count
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from commands.tenants import TenantCreate
from policies.approvals import Refusal
from provisioning.errors import TemporaryError
from provisioning.fleet import spec_files
from provisioning.jobs import decisions
from provisioning.jobs.job import Job, JobState
from provisioning.plan import Outputs, Plan
from provisioning.steps.base import StepRun
from provisioning.steps.batch_steps import ApplyTenant, JobsOfOthers
from sandbox.clearml.api import create_app
from sandbox.clearml.state import ClearMLState
from sandbox.serving import LoopbackServer
from tests.integration.tenant_world import Crash, World
from tests.integration.test_tenant_delete import _job, pod

AGENT = "clearml-agent"
TENANTS = st.sampled_from(["acme", "acme", "beta", "gamma"])  # acme and beta are there from the beginning
CRASHES = st.none() | st.integers(0, 9)  # the step that the process dies in, after its work is done
RESIZES = st.sampled_from(
    ["--max-resources 5", "--ports --max-services 20", "--no-ports", "--queues 1", "--max-pods 7"]
)
PEOPLE = st.sampled_from(
    ["add {0} bo@{0}.example --role admin", "remove {0} bo@{0}.example", "role {0} bo@{0}.example user"]
)
VERSIONS = st.sampled_from(["1.1.0", "1.2.0"])
ROUTERS = st.sampled_from(["", " --no-router", " --router-host {0}-apps.platform.example"])
SETTINGS = {
    "agent": {"chart": {"reference": "/charts/agent-{version}.tgz", "version": "1.0.0"}, "timeout_s": 1},
    "router": {"chart": {"reference": "clearml-task-traffic-router"}, "signing_key": "a-signing-secret"},
}
DOMAINS = st.sampled_from(["add {0} {0}-labs.example", "remove {0} {0}-labs.example", "remove {0} {0}.example"])


class Sequences(RuleBasedStateMachine):
    """Commands in any order. ``dirty`` are tenants that somebody changed by hand, or whose job was rolled back."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="tenant-sequences-")
        ticks = count(1_000_000)
        self.state = ClearMLState(clock=lambda: float(next(ticks)))
        self.server = LoopbackServer(create_app(self.state))
        self.world = World(Path(self.folder.name), self.server.start(), self.state, settings=SETTINGS)
        self.go_on()
        self.world.cluster.all_pods += [
            pod("clearml", f"clearml-clearml-enterprise-{part}-5d9f-x2x", owner="ReplicaSet")
            for part in ("apiserver", "fileserver")
        ]
        self.dirty: set[str] = set()
        for tenant in ("acme", "beta"):
            self.carry_out(tenant, f"tenant create {tenant} --admin-email ana@{tenant}.example --ports", None)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            for record in self.world.store.tenants():
                self.carry_out(record.name, f"tenant fix {record.name}", None)
                assert self.world.plan(f"tenant fix {record.name}").is_noop
                drift = self.world.report(f"tenant drift {record.name}").data
                assert isinstance(drift, dict)
                assert drift["drift"] is False
        finally:
            self.world.clearml.close()
            self.world.store.close()
            self.server.stop()
            self.folder.cleanup()

    # -- commands -------------------------------------------------------------------------------------------

    @rule(tenant=TENANTS, ports=st.booleans(), router=ROUTERS, crash=CRASHES)
    def create(self, tenant: str, ports: bool, router: str, crash: int | None) -> None:
        words = (" --ports" if ports else "") + router.format(tenant)
        self.carry_out(tenant, f"tenant create {tenant} --admin-email ana@{tenant}.example{words}", crash)

    @rule(tenant=TENANTS, verb=st.sampled_from(["suspend", "resume"]), crash=CRASHES)
    def scale(self, tenant: str, verb: str, crash: int | None) -> None:
        self.carry_out(tenant, f"tenant {verb} {tenant}", crash)

    @rule(tenant=TENANTS, version=VERSIONS, crash=CRASHES)
    def upgrade(self, tenant: str, version: str, crash: int | None) -> None:
        self.carry_out(tenant, f"tenant upgrade {tenant} --chart-version {version}", crash)

    @rule(tenant=TENANTS, crash=CRASHES)
    def rotate(self, tenant: str, crash: int | None) -> None:
        """Where the agent runs, it reports in with whatever key helm gave it."""
        releases = self.world.cluster.releases
        if (tenant, AGENT) in releases and self.world.cluster.scaled.get((tenant, AGENT), 1):
            self.state.agents[tenant] = lambda: str(releases[tenant, AGENT].values["clearml"]["agentk8sglueKey"])
        self.carry_out(tenant, f"tenant rotate {tenant}", crash)
        self.state.agents.pop(tenant, None)

    @rule(tenant=TENANTS, crash=CRASHES)
    def take_up(self, tenant: str, crash: int | None) -> None:
        """What is recorded of a tenant is lost: it is as if somebody had made it by hand, and is imported."""
        if self.world.store.tenant(tenant) is None:
            return
        self.world.store.forget_tenant(tenant)
        self.world.store.release_leases(tenant)
        self.dirty.add(tenant)  # how it was made may be more than its agent says
        self.carry_out(tenant, f"tenant import {tenant} --admin-email ana@{tenant}.example", crash)

    @rule(tenant=TENANTS, pods=st.integers(3, 6), crash=CRASHES)
    def apply(self, tenant: str, pods: int, crash: int | None) -> None:
        """All that is exported, with one tenant changed or added, is applied as one batch."""
        specs = {one.name: TenantCreate.model_validate(one.request) for one in self.world.store.tenants()}
        if not self.dirty & set(specs):
            same = (
                self.world.planner.plan("tenant apply", {"specs": spec_files.write(specs.values())}) if specs else None
            )
            assert same is None or (isinstance(same, Plan) and same.is_noop)
        before = specs.get(tenant) or TenantCreate.model_validate(
            {"name": tenant, "admin_email": f"ana@{tenant}.example"}
        )
        specs[tenant] = before.model_copy(update={"max_pods": pods})
        plan = self.world.planner.plan("tenant apply", {"specs": spec_files.write(specs.values())})
        job = self.carry_out_plan(plan, crash)
        if job is not None and job.state is JobState.SUCCEEDED:
            self.dirty -= set(specs)

    @rule(tenant=TENANTS, words=RESIZES, crash=CRASHES)
    def resize(self, tenant: str, words: str, crash: int | None) -> None:
        self.carry_out(tenant, f"tenant resize {tenant} {words}", crash)

    @rule(tenant=TENANTS, words=PEOPLE, crash=CRASHES)
    def people(self, tenant: str, words: str, crash: int | None) -> None:
        self.carry_out(tenant, f"tenant user {words.format(tenant)}", crash)

    @rule(tenant=TENANTS, words=DOMAINS, crash=CRASHES)
    def domains(self, tenant: str, words: str, crash: int | None) -> None:
        self.carry_out(tenant, f"tenant domains {words.format(tenant)}", crash)

    @rule(tenant=TENANTS, crash=CRASHES)
    def fix(self, tenant: str, crash: int | None) -> None:
        self.carry_out(tenant, f"tenant fix {tenant}", crash)

    @rule(tenant=TENANTS, crash=CRASHES)
    def delete(self, tenant: str, crash: int | None) -> None:
        self.carry_out(tenant, f"tenant delete {tenant} --confirm {tenant}", crash)

    @rule(tenant=TENANTS, words=RESIZES, goes_on=st.booleans())
    def fail(self, tenant: str, words: str, goes_on: bool) -> None:
        """helm fails; then somebody retries, or rolls back."""
        self.carry_out(tenant, f"tenant resize {tenant} {words}", None, helm_fails=True, goes_on=goes_on)

    # -- hands ----------------------------------------------------------------------------------------------

    @rule(tenant=TENANTS, what=st.sampled_from(["policy", "value", "queue", "key"]))
    def spoil(self, tenant: str, what: str) -> None:
        """Somebody changes a tenant behind everybody's back."""
        cluster = self.world.cluster
        if self.world.store.tenant(tenant) is None or (
            "clearml-agent" not in [n for s, n in cluster.releases if s == tenant]
        ):
            return
        self.dirty.add(tenant)
        match what:
            case "policy":
                cluster.policies.pop((tenant, "default-deny-ingress"), None)
            case "value":
                cluster.releases[tenant, "clearml-agent"].values["agentk8sglue"]["debugMode"] = True
            case "queue":
                self.state.companies_by_id[self.world.company(tenant)["id"]].queues.pop("default", None)
            case _:
                cluster.secrets.pop((tenant, "clearml-agent-credentials"), None)

    # -- what always holds ----------------------------------------------------------------------------------

    @invariant()
    def no_two_leases_overlap(self) -> None:
        if hasattr(self, "world"):
            for one, other in combinations(self.world.store.leases(), 2):
                assert one.tenant == other.tenant or not one.ports.overlaps(other.ports), (one, other)

    @invariant()
    def who_is_recorded_is_as_recorded(self) -> None:
        if not hasattr(self, "world"):
            return
        for record in self.world.store.tenants():
            if record.name not in self.dirty:
                due = [step for step in self.world.plan(f"tenant fix {record.name}").steps if not step.is_noop]
                assert due == [], (record.name, [(step.id, step.found) for step in due])

    # -- inside ---------------------------------------------------------------------------------------------

    def carry_out(
        self, tenant: str, text: str, crash: int | None, *, helm_fails: bool = False, goes_on: bool = True
    ) -> None:
        """Ask, and carry the job to an end, whatever happens on the way. Refusals are answers too."""
        plan = self.world.answer(text)
        if not helm_fails:
            job = self.carry_out_plan(plan, crash)
            if (
                job is not None
                and job.state is JobState.SUCCEEDED
                and (text.startswith("tenant fix") or "delete" in text)
            ):
                self.dirty.discard(tenant)
            return
        if isinstance(plan, Plan) and not plan.is_noop:
            job = self.world.job(plan)
            self.dirty.add(tenant)  # what helm did before it failed stays
            with mock.patch.object(self.world.helm, "upgrade_install", side_effect=_timed_out()):
                job = self.world.run(job)
            if job.state is JobState.FAILED:
                goes_on = goes_on and not self.has_lost_its_key(tenant)
                decision = decisions.retry if goes_on else decisions.roll_back
                job = self.world.run(self.world.decide(job, decision))
                assert job.state is (JobState.SUCCEEDED if goes_on else JobState.ROLLED_BACK), job.failure

    def has_lost_its_key(self, tenant: str) -> bool:
        """Return whether only `tenant fix` helps: other commands do not make another key, and say so."""
        return (tenant, "clearml-agent-credentials") not in self.world.cluster.secrets

    def carry_out_plan(self, plan: Plan | Refusal, crash: int | None) -> Job | None:
        """Carry it to its end; None where there is nothing to do."""
        if isinstance(plan, Refusal) or plan.is_noop:
            return None
        return self.run(self.world.job(plan), crash)

    def go_on(self) -> None:
        """Give the world's process what its jobs need besides the clients: the server's pods, and a batch's engine."""
        world = self.world
        world.cluster.answer_exec = lambda argv: _job(self.world, argv)
        actions: Any = world.actions  # the runner's and the planner's own
        actions[ApplyTenant.kind] = ApplyTenant(
            planner=world.planner,
            planner_of_one_moment=lambda: world.planner,
            store=world.store,
            clock=world.clock,
            engine=JobsOfOthers(submit=lambda part: _ignore(world.run(part)), cancel=_ignore),
            lease_ttl_s=3600,
        )

    def run(self, job: Job, crash: int | None) -> Job:
        """Run the job; where *crash* says so, the process dies in that step and another one goes on."""
        if crash is not None and crash < len(job.plan.steps):
            step = job.plan.steps[crash]
            action: Any = self.world.actions[step.kind]
            real = action.apply

            def dies(inputs: dict[str, Any], run: StepRun) -> Outputs:
                outputs: Outputs = real(inputs, run)
                if run.step_id == step.id:
                    raise Crash
                return outputs

            action.apply = dies
            with suppress(Crash):
                self.world.run(job)
            self.world.restart()
            self.go_on()
            job = self.world.store.job(job.id)
        if not job.state.is_final:
            job = self.world.run(job)
        if job.state is JobState.FAILED and self.has_lost_its_key(job.plan.subject):
            back = self.world.run(self.world.decide(job, decisions.roll_back))
            assert back.state is JobState.ROLLED_BACK, back.failure
            return back
        assert job.state is JobState.SUCCEEDED, (job.command, job.failure, [one.failure for one in job.steps])
        return job


def _ignore(_what: object) -> None:
    """A part of a batch is run to its end where it is submitted; nothing is left to be done."""


def _timed_out() -> TemporaryError:
    return TemporaryError("installing the agent: timed out waiting", delay_s=0)


TestSequences = Sequences.TestCase
TestSequences.settings = settings(
    phases=[Phase.generate],  # shrinking a failure takes longer than CI has
    max_examples=6,
    stateful_step_count=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
