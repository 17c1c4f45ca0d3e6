"""What operations decide by, gathered through the clients."""

from typing import TYPE_CHECKING, Any

from provisioning.configuration import Provisioning

if TYPE_CHECKING:
    from commands.catalog import CommandArgs
    from provisioning.clients.clearml import ClearML
    from provisioning.clients.cluster import ClusterClient
    from provisioning.clients.helm import Helm
    from provisioning.store import Store


class FactsGatherer:
    """Gathers an operation's facts, independent ones at the same time."""

    def __init__(
        self,
        *,
        configuration: Provisioning,
        clearml: "ClearML",
        cluster: "ClusterClient",
        helm: "Helm",
        store: "Store",
    ) -> None:
        self._configuration = configuration
        self._clearml = clearml
        self._cluster = cluster
        self._helm = helm
        self._store = store

    def gather(self, operation: str, args: "CommandArgs") -> Any:
        """Return the facts. Raises: ChatopsError; KeyError for an unknown operation."""
        raise NotImplementedError
