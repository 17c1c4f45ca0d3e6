"""The composition of everything below Slack: clients, planner, runner, engine, service."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from pydantic import SecretStr

from bot import doctor
from bot.people import Everybody
from bot.settings import Settings
from bot.slack.client import web_client
from bot.slack.identity import Identity
from policies.guardrails import public_secret_refusal
from provisioning import tools
from provisioning.clients.applications import Applications
from provisioning.clients.clearml import ClearML
from provisioning.clients.cluster import ClusterClient
from provisioning.clients.cluster_nodes import ClusterNodes
from provisioning.clients.helm import Helm
from provisioning.clients.kubectl import Kubectl
from provisioning.clients.nvidia_smi import NvidiaSmi
from provisioning.clients.process import ChildProcesses
from provisioning.clients.reboot_command import RebootCommand
from provisioning.clock import Clock, ShiftedClock, SystemClock
from provisioning.engine import Engine
from provisioning.errors import PermanentError
from provisioning.evidence.checkpoints import Checkpoints
from provisioning.evidence.keys import Keyring
from provisioning.facts import FactsGatherer
from provisioning.facts.node_mig import node_facts
from provisioning.fleet.snapshot import planner_of_one_moment
from provisioning.known_users import KnownUsers
from provisioning.planner import Planner
from provisioning.policy_source import PolicySource
from provisioning.ports.survey import PortSurvey
from provisioning.queries.base import Query
from provisioning.queries.doctor import DoctorQuery
from provisioning.queries.registry import build_queries
from provisioning.queries.sources import QuerySources
from provisioning.redact import Redactor
from provisioning.runner import Runner
from provisioning.service import JobService
from provisioning.sources import Sources
from provisioning.steps.batch_steps import ApplyTenant, JobsOfOthers
from provisioning.steps.registry import build_actions, build_node_actions
from provisioning.store import Store
from provisioning.store.samples import Samples
from provisioning.trends.sampler import Measuring, Sampler

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Core:
    """What Slack's edge and the command line share."""

    settings: Settings
    clock: Clock
    redact: Redactor
    store: Store
    checkpoints: Checkpoints
    children: ChildProcesses
    helm: Helm
    kubectl: Kubectl
    cluster: ClusterClient
    clearml: ClearML
    engine: Engine
    service: JobService
    queries: Mapping[str, Query]
    sampler: Sampler
    people: Everybody
    identity: Identity | None  # None without Slack
    policy: PolicySource

    def close(self) -> None:
        """Stop the engine, then close what it used."""
        self.engine.stop()
        self.clearml.close()
        self.store.close()


def build(settings: Settings) -> Core:
    """Put it together; nothing runs yet.

    Raises: PermanentError where a setting cannot be used: a public secret, a policy that is none, no helm.
    """
    secrets = _secrets(settings)
    if refused := public_secret_refusal(secrets):
        raise PermanentError(refused.reason, next_action=refused.next_action)
    redact = Redactor(secrets.values())
    clock: Clock = ShiftedClock(settings.clock_offset_file) if settings.clock_offset_file else SystemClock()
    configuration = settings.provisioning()
    data_dir = configuration.data_dir
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    helm_path, kubectl_path = tools.locate(settings.tools)
    store = Store(data_dir / "chatops.db", clock=clock, redact=redact)
    checkpoints = Checkpoints(
        store,
        Keyring(settings.audit, data_dir),
        clock,
        every_rows=settings.audit.checkpoint_rows,
        every_s=settings.audit.checkpoint_s,
    )
    policy = PolicySource(settings.policy_file, store)
    identity = (
        Identity(web_client(settings.slack), allow_guests=settings.slack.allow_guests) if settings.slack else None
    )
    people = Everybody(settings.roles, lambda: policy.current().policy, identity)
    children = ChildProcesses(data_dir / "children")
    kubeconfig, context = settings.cluster.kubeconfig, settings.cluster.context
    helm = Helm(helm_path, children, kubeconfig=kubeconfig, context=context, home=data_dir / "helm")
    kubectl = Kubectl(kubectl_path, children, kubeconfig=kubeconfig, context=context)
    cluster = ClusterClient(settings.cluster)
    smi = NvidiaSmi(cluster, kubectl, namespace=settings.nodes.operator_namespace)
    clearml = ClearML(settings.clearml, known_users=KnownUsers(store), learn=redact.learn)
    nodes = ClusterNodes(settings.cluster)
    reboots = RebootCommand(settings.nodes.reboot_command, children)
    actions = {
        **build_actions(
            configuration=configuration,
            clearml=clearml,
            cluster=cluster,
            helm=helm,
            kubectl=kubectl,
            applications=Applications(children),
            store=store,
            clock=clock,
            learn=redact.learn,
        ),
        **build_node_actions(nodes=nodes, smi=smi, reboots=reboots),
    }
    facts = FactsGatherer(
        Sources(configuration=configuration, clearml=clearml, cluster=cluster, helm=helm, store=store),
        more=node_facts(configuration=settings.nodes, cluster=cluster, nodes=nodes, smi=smi, store=store),
    )
    planner = Planner(actions=actions, facts=facts)
    engine = Engine(
        Runner(store, actions, planner.replan, clock),
        data_dir=data_dir,
        database_url=settings.engine.database_url,
        executor_id=settings.engine.executor_id,
        max_parallel_jobs=settings.max_parallel_jobs,
        before_launch=lambda: _reap(children),
    )
    look = partial(
        planner_of_one_moment,
        configuration=configuration,
        clearml=clearml,
        cluster=cluster,
        helm=helm,
        kubectl=kubectl,
        store=store,
        clock=clock,
    )
    actions[ApplyTenant.kind] = ApplyTenant(  # the last: its steps are jobs, which need all of the others
        planner=planner,
        planner_of_one_moment=look,
        store=store,
        clock=clock,
        engine=JobsOfOthers(submit=engine.submit, cancel=engine.cancel),
        lease_ttl_s=settings.lease_ttl_s,
    )
    service = JobService(
        store=store,
        engine=engine,
        planner=planner,
        policy=policy.current,
        people=people,
        clearml=clearml,
        clock=clock,
        lease_ttl_s=settings.lease_ttl_s,
        cluster=settings.cluster.name,
    )
    queries = build_queries(
        QuerySources(
            configuration=configuration,
            clearml=clearml,
            cluster=cluster,
            helm=helm,
            store=store,
            planner=planner,
            smi=smi,
            planner_of_one_moment=look,
            policy=policy,
            people=people,
        )
    )
    queries = {**queries, DoctorQuery.command: DoctorQuery(partial(doctor.looks, settings))}
    return Core(
        settings=settings,
        clock=clock,
        redact=redact,
        store=store,
        checkpoints=checkpoints,
        children=children,
        helm=helm,
        kubectl=kubectl,
        cluster=cluster,
        clearml=clearml,
        engine=engine,
        service=service,
        queries=queries,
        people=people,
        identity=identity,
        policy=policy,
        sampler=Sampler(
            measuring=Measuring(
                survey=PortSurvey(pool=configuration.ports, cluster=cluster, store=store), cluster=cluster, store=store
            ),
            samples=Samples(store),
            clock=clock,
            every_s=settings.sample_every_s,
        ),
    )


def _reap(children: ChildProcesses) -> None:
    for line in children.reap_orphans():
        log.warning("cleaned up after a crash: %s", line)


def _secrets(settings: Settings) -> dict[str, str]:
    """Return every secret of the settings by its name."""
    found: dict[str, SecretStr | None] = {
        **settings.provisioning().secrets(),
        "engine.database_url": settings.engine.database_url,
        "audit.signing_key": settings.audit.signing_key,
        "audit.previous_signing_key": settings.audit.previous_signing_key,
    }
    if settings.slack is not None:
        found |= {
            "slack.bot_token": settings.slack.bot_token,
            "slack.app_token": settings.slack.app_token,
            "slack.signing_secret": settings.slack.signing_secret,
        }
    return {name: value.get_secret_value() for name, value in found.items() if value is not None}
