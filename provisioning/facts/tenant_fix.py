"""What `tenant fix` decides by: the records, and what `tenant create` would look at for each of them."""

from commands.fleet import TenantFix
from commands.tenants import TenantCreate
from provisioning.errors import PermanentError
from provisioning.facts.tenant_batch import gather_all
from provisioning.facts.tenant_create import TenantCreateFacts
from provisioning.fleet.moment import of_one_moment
from provisioning.operations.tenant_fix import FixFacts
from provisioning.operations.tenant_spec import of_record
from provisioning.sources import Sources


class TenantFixFacts:
    """Gathers. Thread-safe."""

    command = "tenant fix"

    def __init__(self, sources: Sources, create: TenantCreateFacts) -> None:
        self._sources = sources
        self._create = create

    def gather(self, args: TenantFix) -> FixFacts:
        """Return the facts; nothing is recorded of a tenant that is not there. Raises: ChatopsError."""
        store, configuration = self._sources.store, self._sources.configuration
        if args.name is None:
            records, create = store.tenants(), TenantCreateFacts(of_one_moment(self._sources))
        else:
            record, create = store.tenant(args.name), self._create
            records = () if record is None else (record,)
        specs: list[TenantCreate] = []
        unreadable: list[str] = []
        for one in records:
            try:
                specs.append(of_record(one.name, one.request))
            except PermanentError as error:
                if args.name is not None:
                    raise
                unreadable.append(str(error))
        return FixFacts(
            recorded=gather_all(create, specs),
            unreadable=tuple(unreadable),
            at_once=configuration.max_parallel_jobs,
            install_s=configuration.agent.timeout_s,
        )
