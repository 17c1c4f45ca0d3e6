"""Any sequence of commands on tenants, with crashes inside steps, failures and hand-made changes between, ends well:
planning what is recorded plans nothing, and no two leases overlap.

Real store, runner, planner, operations, steps and ClearML client; the rest are strict stand-ins.
"""

import tempfile
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from policies.approvals import Refusal
from provisioning import job_decisions
from provisioning.errors import TemporaryError
from provisioning.jobs import Job, JobState
from provisioning.plan import Outputs
from provisioning.steps.base import StepRun
from sandbox.clearml.api import create_app
from sandbox.clearml.state import ClearMLState
from sandbox.serving import LoopbackServer
from tests.integration.tenant_world import Crash, World
from tests.integration.test_tenant_delete import _job, pod

TENANTS = st.sampled_from(["acme", "beta", "gamma"])
CRASHES = st.none() | st.integers(0, 9)  # the step that the process dies in, after its work is done
RESIZES = st.sampled_from(
    ["--max-resources 5", "--ports --max-services 20", "--no-ports", "--queues 1", "--max-pods 7"]
)
PEOPLE = st.sampled_from(
    ["add {0} bo@{0}.example --role admin", "remove {0} bo@{0}.example", "role {0} bo@{0}.example user"]
)
DOMAINS = st.sampled_from(["add {0} {0}-labs.example", "remove {0} {0}-labs.example", "remove {0} {0}.example"])


class Sequences(RuleBasedStateMachine):
    """Commands in any order. ``dirty`` are tenants that somebody changed by hand, or whose job was rolled back."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="tenant-sequences-")
        self.state = ClearMLState(clock=lambda: 1_000_000.0)
        self.server = LoopbackServer(create_app(self.state))
        self.world = World(Path(self.folder.name), self.server.start(), self.state)
        self.world.cluster.all_pods += [
            pod("clearml", f"clearml-clearml-enterprise-{part}-5d9f-x2x", owner="ReplicaSet")
            for part in ("apiserver", "fileserver")
        ]
        self.world.cluster.answer_exec = lambda argv: _job(self.world, argv)
        self.dirty: set[str] = set()

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

    @rule(tenant=TENANTS, ports=st.booleans(), crash=CRASHES)
    def create(self, tenant: str, ports: bool, crash: int | None) -> None:
        self.carry_out(
            tenant, f"tenant create {tenant} --admin-email ana@{tenant}.example{' --ports' if ports else ''}", crash
        )

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
        if isinstance(plan, Refusal) or plan.is_noop:
            return
        job = self.world.job(plan)
        if helm_fails:
            self.dirty.add(tenant)  # what helm did before it failed stays
            with mock.patch.object(self.world.helm, "upgrade_install", side_effect=_timed_out()):
                job = self.world.run(job)
            if job.state is JobState.FAILED:
                decision = job_decisions.retry if goes_on else job_decisions.roll_back
                job = self.world.run(self.world.decide(job, decision))
                assert job.state is (JobState.SUCCEEDED if goes_on else JobState.ROLLED_BACK), job.failure
        else:
            job = self.run(job, crash)
        if job.state is JobState.SUCCEEDED and (text.startswith("tenant fix") or "delete" in text):
            self.dirty.discard(tenant)

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
            self.world.cluster.answer_exec = lambda argv: _job(self.world, argv)
            job = self.world.store.job(job.id)
        if not job.state.is_final:
            job = self.world.run(job)
        assert job.state is JobState.SUCCEEDED, (job.command, job.failure, [one.failure for one in job.steps])
        return job


def _timed_out() -> TemporaryError:
    return TemporaryError("installing the agent: timed out waiting", delay_s=0)


TestSequences = Sequences.TestCase
TestSequences.settings = settings(
    max_examples=8,
    stateful_step_count=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
