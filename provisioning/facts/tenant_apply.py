"""What `tenant apply` decides by: the file, and for each tenant in it what `tenant create` decides by."""

from commands.fleet import TenantApply
from provisioning.facts.tenant_batch import gather_all
from provisioning.facts.tenant_create import TenantCreateFacts
from provisioning.fleet import spec_files
from provisioning.fleet.moment import of_one_moment
from provisioning.operations.tenant_apply import ApplyFacts
from provisioning.sources import Sources


class TenantApplyFacts:
    """Gathers; what several tenants look at is read once. Thread-safe."""

    command = "tenant apply"

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def gather(self, args: TenantApply) -> ApplyFacts:
        """Return the facts, or what is wrong with the file. Raises: ChatopsError."""
        try:
            specs = spec_files.read(args.specs)
        except spec_files.SpecFileError as error:
            return ApplyFacts(problems=tuple(map(str, error.problems)))
        return ApplyFacts(
            wanted=gather_all(TenantCreateFacts(of_one_moment(self._sources)), specs),
            at_once=self._sources.configuration.max_parallel_jobs,
            install_s=self._sources.configuration.agent.timeout_s,
        )
