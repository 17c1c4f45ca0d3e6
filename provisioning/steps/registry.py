"""Every action that a plan may name, by its kind."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from provisioning.configuration import Provisioning
from provisioning.steps.base import StepAction

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML
    from provisioning.clients.cluster import ClusterClient
    from provisioning.clients.helm import Helm
    from provisioning.clients.kubectl import Kubectl


def build_actions(
    *,
    configuration: Provisioning,
    clearml: "ClearML",
    cluster: "ClusterClient",
    helm: "Helm",
    kubectl: "Kubectl",
) -> Mapping[str, StepAction]:
    """Return kind → action. The clients are shared by all threads."""
    return {}
