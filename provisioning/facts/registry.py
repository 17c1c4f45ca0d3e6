"""Every operation's facts, by the name of its command."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from commands.spec import CommandArgs
from provisioning.facts.digests import DigestFactsSource
from provisioning.facts.platform import PlatformFactsGatherer
from provisioning.facts.tenant_apply import TenantApplyFacts
from provisioning.facts.tenant_create import TenantCreateFacts
from provisioning.facts.tenant_delete import TenantDeleteFacts
from provisioning.facts.tenant_existing import ExistingTenantFacts
from provisioning.facts.tenant_fix import TenantFixFacts
from provisioning.facts.tenant_import import TenantImportFacts
from provisioning.facts.tenant_rotate import TenantRotateFacts
from provisioning.sources import Sources

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

    def __init__(self, sources: Sources, *, more: Sequence[Facts] = ()) -> None:
        tenant_create = TenantCreateFacts(sources)
        existing = [ExistingTenantFacts(command, sources, world=tenant_create) for command in ON_TENANTS]
        rotated = ExistingTenantFacts("tenant rotate", sources, world=tenant_create, router=True)
        digests = (DigestFactsSource(f"digest {verb}", sources) for verb in ("add", "remove", "pause", "resume", "run"))
        platform = (
            PlatformFactsGatherer(command, sources, looks_at_charts=command != "platform uninstall")
            for command in ("platform install", "platform upgrade", "platform uninstall")
        )
        every: tuple[Facts, ...] = (
            tenant_create,
            TenantFixFacts(sources, tenant_create),
            TenantImportFacts(sources, tenant_create),
            TenantDeleteFacts(sources),
            *existing,
            TenantRotateFacts(sources, rotated),
            *digests,
            *platform,
            *more,
            TenantApplyFacts(sources),
        )
        self._facts: Mapping[str, Facts] = {facts.command: facts for facts in every}

    def gather(self, operation: str, args: CommandArgs) -> Any:
        """Return the facts. Raises: ChatopsError; KeyError for an unknown operation."""
        return self._facts[operation].gather(args)
