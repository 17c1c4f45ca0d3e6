"""Every action that a plan may name, by its kind."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from provisioning.clients.interfaces import ClusterWrites, HelmWrites, KubectlWrites
from provisioning.clock import Clock
from provisioning.configuration import Provisioning
from provisioning.named_secrets import NamedSecrets
from provisioning.steps.account_steps import CompanySettings, Users
from provisioning.steps.adopted_release import AdoptedRelease
from provisioning.steps.base import StepAction
from provisioning.steps.clearml_steps import AdminUser, AgentCredentials, Company, Domains, Queues
from provisioning.steps.digest_steps import KeepDigest, RunDigestNow
from provisioning.steps.helm_steps import HelmRelease
from provisioning.steps.kubernetes_steps import Namespace, NetworkPolicies
from provisioning.steps.spec_steps import ForgetSpec, RecordSpec

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
) -> Mapping[str, StepAction]:
    """Return kind → action. The clients are shared by all threads."""
    secrets = NamedSecrets(cluster, configuration.secrets())
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
        HelmRelease(helm, charts={"agent": configuration.agent.chart}, secrets=secrets),
    )
    return {action.kind: action for action in actions}
