"""What `tenant fix` decides by: the tenant's record, and what `tenant create` would look at for it."""

from commands.fleet import TenantFix
from commands.tenants import TenantCreate
from provisioning.facts.tenant_create import TenantCreateFacts
from provisioning.operations.tenant_fix import Recorded
from provisioning.sources import Sources


class TenantFixFacts:
    """Gathers. Thread-safe."""

    command = "tenant fix"

    def __init__(self, sources: Sources, create: TenantCreateFacts) -> None:
        self._sources = sources
        self._create = create

    def gather(self, args: TenantFix) -> Recorded | None:
        """Return None where nothing is recorded. Raises: ChatopsError."""
        record = self._sources.store.tenant(args.name)
        if record is None:
            return None
        spec = TenantCreate.model_validate(record.request)
        return Recorded(spec=spec, facts=self._create.gather(spec))
