"""Every action that a plan may name, by its kind."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pydantic import SecretStr

from provisioning.clients.applications import Applications
from provisioning.clients.interfaces import ClusterWrites, HelmWrites, KubectlWrites
from provisioning.clock import Clock
from provisioning.configuration import Chart, Provisioning
from provisioning.named_secrets import NamedSecrets
from provisioning.steps.account_steps import CompanySettings, Users
from provisioning.steps.adopted_release import AdoptedRelease
from provisioning.steps.application_steps import UploadedApplications
from provisioning.steps.base import StepAction
from provisioning.steps.clearml_steps import AdminUser, AgentCredentials, Company, Domains, Queues
from provisioning.steps.digest_steps import KeepDigest, RunDigestNow
from provisioning.steps.helm_steps import HelmRelease, HelmUninstalled
from provisioning.steps.kubernetes_steps import Namespace, NetworkPolicies, NoNetworkPolicies
from provisioning.steps.mig_steps import MigMode, Reboot, RebootIfPending, Reboots, Smi
from provisioning.steps.node_steps import Cordon, Drain, Label, Nodes, Uncordon
from provisioning.steps.platform_steps import ApiAnswers, GeneratedSecrets
from provisioning.steps.removal_steps import AbsentCompany, AbsentNamespace, CompanyData, ServerJobs
from provisioning.steps.rotation_steps import NewKey, OldKeyRevoked, WorkerBack
from provisioning.steps.router_steps import RouterRemoved
from provisioning.steps.scale_steps import Scaled
from provisioning.steps.spec_steps import ForgetSpec, RecordSpec
from provisioning.steps.upgrade_steps import HelmUpgraded

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML
    from provisioning.store import Store


def build_actions(
    *,
    configuration: Provisioning,
    clearml: "ClearML",
    cluster: ClusterWrites,
    helm: HelmWrites,
    kubectl: KubectlWrites,
    store: "Store",
    clock: Clock,
    applications: Applications | None = None,
    learn: Callable[[SecretStr], None] = lambda _secret: None,
) -> Mapping[str, StepAction]:
    """Return kind → action. The clients are shared by all threads.

    Args:
        applications: None for what only looks at tenants.
        learn: redacts what is read from the cluster.
    """
    secrets = NamedSecrets(cluster, configuration.secrets(), learn=learn)
    jobs = ServerJobs(cluster, kubectl, configuration.server)
    releases = HelmRelease(helm, charts=_charts(configuration), secrets=secrets)
    uninstalled = HelmUninstalled(helm)
    actions: tuple[StepAction, ...] = (
        Company(clearml),
        AdminUser(clearml),
        AgentCredentials(clearml, cluster),
        Domains(clearml),
        Queues(clearml),
        Users(clearml),
        CompanySettings(clearml),
        Namespace(cluster),
        NetworkPolicies(cluster, kubectl),
        AdoptedRelease(helm),
        RecordSpec(store, clock),
        ForgetSpec(store),
        KeepDigest(store, clock),
        RunDigestNow(store, clock),
        Scaled(cluster),
        NewKey(clearml, cluster),
        WorkerBack(clearml, cluster),
        OldKeyRevoked(clearml, cluster),
        AbsentNamespace(cluster),
        AbsentCompany(clearml, jobs),
        CompanyData(jobs),
        releases,
        RouterRemoved(uninstalled, releases),
        uninstalled,
        HelmUpgraded(helm, charts={"agent": configuration.agent.chart}, key=configuration.clearml.secret_key),
        NoNetworkPolicies(cluster, kubectl),
        GeneratedSecrets(cluster),
        ApiAnswers(clearml),
    )
    if applications is not None:
        upload = UploadedApplications(applications, cluster, server=configuration.clearml, secrets=secrets)
        actions = (*actions, upload)
    return {action.kind: action for action in actions}


def build_node_actions(*, nodes: Nodes, smi: Smi, reboots: Reboots) -> Mapping[str, StepAction]:
    """Return kind → action of everything that is done to nodes."""
    actions: tuple[StepAction, ...] = (
        Cordon(nodes),
        Drain(nodes),
        MigMode(smi),
        RebootIfPending(smi, nodes),
        Label(nodes),
        Uncordon(nodes),
        Reboot(nodes, reboots),
    )
    return {action.kind: action for action in actions}


def _charts(configuration: Provisioning) -> dict[str, Chart]:
    """Return the configured charts by the names that plans have for them."""
    charts = {"agent": configuration.agent.chart}
    return charts if configuration.router is None else {**charts, "router": configuration.router.chart}
