"""The composition of everything below Slack: clients, planner, runner, engine, service.

Each part is made, and its module imported, at its first use: a report on the command line should not wait for what
only jobs need. A bot makes all of them as it starts.
"""

import logging
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from bot.people import Everybody
from bot.settings import Settings
from policies.guardrails import public_secret_refusal
from provisioning.clock import Clock, ShiftedClock, SystemClock
from provisioning.configuration import setting_of
from provisioning.errors import PermanentError
from provisioning.permissions import Permissions
from provisioning.policy_source import PolicySource
from provisioning.queries.base import Query
from provisioning.queries.registry import build_queries
from provisioning.redact import Redactor
from provisioning.store import Allowance, Store

if TYPE_CHECKING:
    from pathlib import Path

    from bot.slack.channels import SlackChannels
    from bot.slack.identity import Identity
    from provisioning.clients.clearml import ClearML
    from provisioning.clients.cluster import ClusterClient
    from provisioning.clients.cluster_nodes import ClusterNodes
    from provisioning.clients.helm import Helm
    from provisioning.clients.kubectl import Kubectl
    from provisioning.clients.nvidia_smi import NvidiaSmi
    from provisioning.clients.process import ChildProcesses
    from provisioning.engine import Engine
    from provisioning.evidence.checkpoints import Checkpoints
    from provisioning.planner import Planner
    from provisioning.queries.sources import QuerySources
    from provisioning.service import JobService
    from provisioning.steps.base import StepAction
    from provisioning.trends.sampler import Sampler

log = logging.getLogger(__name__)


class Core:
    """What Slack's edge and the command line share; nothing runs yet.

    Parts are made one at a time; `make_all` before threads share them.
    Raises: PermanentError where a setting cannot be used: a public secret, a policy that is none; helm, when asked for.
    """

    def __init__(self, settings: Settings) -> None:
        secrets = settings.secrets()
        if refused := public_secret_refusal({setting_of(name): value for name, value in secrets.items()}):
            raise PermanentError(refused.reason, next_action=refused.next_action)
        self.settings = settings
        self.configuration = settings.provisioning()
        self.redact = Redactor(secrets.values())
        self.clock: Clock = ShiftedClock(settings.clock_offset_file) if settings.clock_offset_file else SystemClock()
        self._data_dir = self.configuration.data_dir
        self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.store = Store(self._data_dir / "chatops.db", clock=self.clock, redact=self.redact)
        self.policy = PolicySource(settings.policy_file, self.store)
        self.people = Everybody(settings.roles, lambda: self.policy.current().policy, lambda: self.identity)
        self.permissions = Permissions(
            store=self.store, policy=self.policy.current, clock=self.clock, cluster=settings.cluster.name
        )

    def make_all(self) -> None:
        """Make every part now. Raises: PermanentError where one cannot be: no helm, say."""
        for name, part in vars(type(self)).items():
            if isinstance(part, cached_property):
                getattr(self, name)

    def close(self) -> None:
        """Stop the engine, then close what was used."""
        made = vars(self)
        if "engine" in made:
            self.engine.stop()
        if "clearml" in made:
            self.clearml.close()
        self.store.close()

    @cached_property
    def identity(self) -> "Identity | None":
        """Who people are in Slack; None without Slack."""
        if self.settings.slack is None:
            return None
        from bot.slack.client import web_client
        from bot.slack.identity import Identity

        return Identity(web_client(self.settings.slack), allow_guests=self.settings.slack.allow_guests)

    @cached_property
    def channels(self) -> "SlackChannels | None":
        """What is known of the workspace's channels; None without Slack."""
        if self.settings.slack is None:
            return None
        from bot.slack.channels import SlackChannels
        from bot.slack.client import web_client

        return SlackChannels(web_client(self.settings.slack))

    @cached_property
    def allowance(self) -> Allowance:
        """How much one person may ask for."""
        return Allowance(self.store, self.settings.requests_per_minute)

    @cached_property
    def checkpoints(self) -> "Checkpoints":
        from provisioning.evidence.checkpoints import Checkpoints
        from provisioning.evidence.keys import Keyring

        audit = self.settings.audit
        return Checkpoints(
            self.store,
            Keyring(audit, self._data_dir),
            self.clock,
            every_rows=audit.checkpoint_rows,
            every_s=audit.checkpoint_s,
        )

    @cached_property
    def children(self) -> "ChildProcesses":
        from provisioning.clients.process import ChildProcesses

        return ChildProcesses(self._data_dir / "children")

    @cached_property
    def _tools(self) -> "tuple[Path, Path]":
        """helm and kubectl."""
        from provisioning import tools

        return tools.locate(self.settings.tools)

    @cached_property
    def helm(self) -> "Helm":
        from provisioning.clients.helm import Helm

        cluster = self.settings.cluster
        return Helm(
            self._tools[0],
            self.children,
            kubeconfig=cluster.kubeconfig,
            context=cluster.context,
            home=self._data_dir / "helm",
        )

    @cached_property
    def kubectl(self) -> "Kubectl":
        from provisioning.clients.kubectl import Kubectl

        cluster = self.settings.cluster
        return Kubectl(self._tools[1], self.children, kubeconfig=cluster.kubeconfig, context=cluster.context)

    @cached_property
    def cluster(self) -> "ClusterClient":
        from provisioning.clients.cluster import ClusterClient

        return ClusterClient(self.settings.cluster)

    @cached_property
    def smi(self) -> "NvidiaSmi":
        from provisioning.clients.nvidia_smi import NvidiaSmi

        return NvidiaSmi(self.cluster, self.kubectl, namespace=self.settings.nodes.operator_namespace)

    @cached_property
    def clearml(self) -> "ClearML":
        from provisioning.clients.clearml import ClearML
        from provisioning.known_users import KnownUsers

        return ClearML(self.settings.clearml, known_users=KnownUsers(self.store), learn=self.redact.learn)

    @cached_property
    def _nodes(self) -> "ClusterNodes":
        from provisioning.clients.cluster_nodes import ClusterNodes

        return ClusterNodes(self.settings.cluster)

    @cached_property
    def _actions(self) -> "dict[str, StepAction]":
        """Kind of step → action; those of batches come with the engine."""
        from provisioning.clients.applications import Applications
        from provisioning.clients.reboot_command import RebootCommand
        from provisioning.steps.registry import build_actions, build_node_actions

        return {
            **build_actions(
                configuration=self.configuration,
                clearml=self.clearml,
                cluster=self.cluster,
                helm=self.helm,
                kubectl=self.kubectl,
                applications=Applications(self.children),
                store=self.store,
                clock=self.clock,
                learn=self.redact.learn,
            ),
            **build_node_actions(
                nodes=self._nodes,
                smi=self.smi,
                reboots=RebootCommand(self.settings.nodes.reboot_command, self.children),
            ),
        }

    @cached_property
    def planner(self) -> "Planner":
        from provisioning.facts import FactsGatherer
        from provisioning.facts.node_mig import node_facts
        from provisioning.planner import Planner

        more = node_facts(
            configuration=self.settings.nodes,
            cluster=self.cluster,
            nodes=self._nodes,
            smi=self.smi,
            store=self.store,
        )
        return Planner(actions=self._actions, facts=FactsGatherer(self, more=more))

    def planner_of_one_moment(self) -> "Planner":
        """Return a planner that reads each thing once: for many plans."""
        from provisioning.fleet.snapshot import planner_of_one_moment

        return planner_of_one_moment(self, kubectl=self.kubectl, clock=self.clock)

    @cached_property
    def engine(self) -> "Engine":
        from provisioning.engine import Engine
        from provisioning.jobs.runner import Runner

        return Engine(
            Runner(self.store, self._actions, self.planner.replan, self.clock),
            data_dir=self._data_dir,
            database_url=self.settings.engine.database_url,
            executor_id=self.settings.engine.executor_id,
            max_parallel_jobs=self.settings.max_parallel_jobs,
            before_launch=lambda: _reap(self.children),
        )

    @cached_property
    def service(self) -> "JobService":
        from provisioning.service import JobService
        from provisioning.steps.batch_steps import ApplyTenant, JobsOfOthers

        # The last action: its steps are jobs, which need all of the others.
        self._actions[ApplyTenant.kind] = ApplyTenant(
            planner=self.planner,
            planner_of_one_moment=self.planner_of_one_moment,
            store=self.store,
            clock=self.clock,
            engine=JobsOfOthers(submit=self.engine.submit, cancel=self.engine.cancel),
            lease_ttl_s=self.settings.lease_ttl_s,
        )
        return JobService(
            store=self.store,
            engine=self.engine,
            planner=self.planner,
            policy=self.policy.current,
            people=self.people,
            clearml=self.clearml,
            clock=self.clock,
            permissions=self.permissions,
            lease_ttl_s=self.settings.lease_ttl_s,
        )

    @cached_property
    def queries(self) -> Mapping[str, Query]:
        """Command → what answers it."""

        def doctor(_sources: "QuerySources") -> Query:
            from bot.doctor import looks
            from provisioning.queries.doctor import DoctorQuery

            return DoctorQuery(lambda: looks(self.settings))

        return build_queries(self, {"doctor": doctor})

    @cached_property
    def sampler(self) -> "Sampler":
        from provisioning.ports.survey import PortSurvey
        from provisioning.store.samples import Samples
        from provisioning.trends.sampler import Measuring, Sampler

        survey = PortSurvey(pool=self.configuration.ports, cluster=self.cluster, store=self.store)
        return Sampler(
            measuring=Measuring(survey=survey, cluster=self.cluster, store=self.store),
            samples=Samples(self.store),
            clock=self.clock,
            every_s=self.settings.sample_every_s,
        )


def build(settings: Settings) -> Core:
    """Put all of it together, for a bot; nothing runs yet. Raises: PermanentError."""
    core = Core(settings)
    core.make_all()
    return core


def _reap(children: "ChildProcesses") -> None:
    for line in children.reap_orphans():
        log.warning("cleaned up after a crash: %s", line)
