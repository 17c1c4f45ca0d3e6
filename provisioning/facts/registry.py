"""Every operation's facts, by the name of its command."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from commands.spec import CommandArgs
from provisioning.clients.interfaces import ClusterReads, HelmReads
from provisioning.configuration import Provisioning
from provisioning.facts.digests import DigestFactsSource
from provisioning.facts.platform import PlatformFactsGatherer
from provisioning.facts.tenant_apply import TenantApplyFacts
from provisioning.facts.tenant_create import TenantCreateFacts
from provisioning.facts.tenant_delete import TenantDeleteFacts
from provisioning.facts.tenant_existing import ExistingTenantFacts
from provisioning.facts.tenant_fix import TenantFixFacts
from provisioning.facts.tenant_import import TenantImportFacts
from provisioning.facts.tenant_rotate import TenantRotateFacts

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML
    from provisioning.store import Store

ON_TENANTS = (
    "tenant resize",
    "tenant domains add",
    "tenant domains remove",
    "tenant user add",
    "tenant user remove",
    "tenant user role",
    "tenant suspend",
    "tenant resume",
    "tenant upgrade",
)


class Facts(Protocol):
    """Where one operation's facts come from."""

    @property
    def command(self) -> str:
        """Return the operation's command."""

    def gather(self, args: Any) -> Any:
        """Return what the operation decides by. Raises: ChatopsError."""


class FactsGatherer:
    """Gathers any operation's facts. Thread-safe."""

    def __init__(
        self,
        *,
        configuration: Provisioning,
        clearml: "ClearML",
        cluster: ClusterReads,
        helm: HelmReads,
        store: "Store",
        more: Sequence[Facts] = (),
    ) -> None:
        tenant_create = TenantCreateFacts(
            configuration=configuration, clearml=clearml, cluster=cluster, helm=helm, store=store
        )
        tenant_import = TenantImportFacts(
            configuration=configuration, clearml=clearml, cluster=cluster, helm=helm, store=store, create=tenant_create
        )
        doomed = TenantDeleteFacts(
            configuration=configuration, clearml=clearml, cluster=cluster, helm=helm, store=store
        )
        existing = [
            ExistingTenantFacts(command, world=tenant_create, clearml=clearml, cluster=cluster, helm=helm, store=store)
            for command in ON_TENANTS
        ]
        rotated = TenantRotateFacts(
            ExistingTenantFacts(
                "tenant rotate", world=tenant_create, clearml=clearml, cluster=cluster, helm=helm, store=store
            ),
            clearml=clearml,
            cluster=cluster,
        )
        digests = (DigestFactsSource(f"digest {verb}", store) for verb in ("add", "remove", "pause", "resume", "run"))
        platform = (
            PlatformFactsGatherer(
                command,
                configuration=configuration,
                cluster=cluster,
                helm=helm,
                store=store,
                looks_at_charts=command != "platform uninstall",
            )
            for command in ("platform install", "platform upgrade", "platform uninstall")
        )
        every: tuple[Facts, ...] = (
            tenant_create,
            TenantFixFacts(tenant_create, store),
            tenant_import,
            doomed,
            *existing,
            rotated,
            *digests,
            *platform,
            *more,
            TenantApplyFacts(configuration=configuration, clearml=clearml, cluster=cluster, helm=helm, store=store),
        )
        self._facts: Mapping[str, Facts] = {facts.command: facts for facts in every}

    def gather(self, operation: str, args: CommandArgs) -> Any:
        """Return the facts. Raises: ChatopsError; KeyError for an unknown operation."""
        return self._facts[operation].gather(args)
