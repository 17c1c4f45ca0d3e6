"""What facts and queries are read from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from provisioning.channels import Channels
    from provisioning.clients.clearml import ClearML
    from provisioning.clients.interfaces import ClusterReads, HelmReads
    from provisioning.configuration import Provisioning
    from provisioning.store import Store


class Sources(Protocol):
    """What facts and queries are read from. Shared by all threads. Who has them may make each at its first use."""

    @property
    def configuration(self) -> "Provisioning": ...
    @property
    def clearml(self) -> "ClearML": ...
    @property
    def cluster(self) -> "ClusterReads": ...
    @property
    def helm(self) -> "HelmReads": ...
    @property
    def store(self) -> "Store": ...
    @property
    def channels(self) -> "Channels | None":
        """Return what knows the workspace's channels; None where no workspace is set."""


@dataclass(frozen=True, kw_only=True)
class GivenSources:
    """Sources that are there already."""

    configuration: "Provisioning"
    clearml: "ClearML"
    cluster: "ClusterReads"
    helm: "HelmReads"
    store: "Store"
    channels: "Channels | None" = None
