"""What facts and queries are read from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioning.clients.interfaces import ClusterReads, HelmReads
from provisioning.configuration import Provisioning

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML
    from provisioning.store import Store


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What facts and queries are read from. Shared by all threads."""

    configuration: Provisioning
    clearml: "ClearML"
    cluster: ClusterReads
    helm: HelmReads
    store: "Store"
