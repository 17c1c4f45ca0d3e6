"""What `tenant apply` decides by: the file, and for each tenant in it what `tenant create` decides by."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

from commands.fleet import TenantApply
from provisioning.clients.interfaces import ClusterReads, HelmReads
from provisioning.configuration import Provisioning
from provisioning.facts.tenant_create import TenantCreateFacts
from provisioning.fleet import spec_files
from provisioning.fleet.moment import remembering_clearml, remembering_cluster, remembering_helm, remembering_store
from provisioning.operations.tenant_apply import ApplyFacts, Wanted

if TYPE_CHECKING:
    from provisioning.clients.clearml import ClearML
    from provisioning.store import Store

PARALLEL_TENANTS = 4  # each looks at several things at the same time itself


class TenantApplyFacts:
    """Gathers; what several tenants look at is read once. Thread-safe."""

    command = "tenant apply"

    def __init__(
        self,
        *,
        configuration: Provisioning,
        clearml: "ClearML",
        cluster: ClusterReads,
        helm: HelmReads,
        store: "Store",
    ) -> None:
        self._configuration = configuration
        self._clearml = clearml
        self._cluster = cluster
        self._helm = helm
        self._store = store

    def gather(self, args: TenantApply) -> ApplyFacts:
        """Return the facts, or what is wrong with the file. Raises: ChatopsError."""
        try:
            specs = spec_files.read(args.specs)
        except spec_files.SpecFileError as error:
            return ApplyFacts(problems=tuple(map(str, error.problems)))
        create = TenantCreateFacts(
            configuration=self._configuration,
            clearml=cast("ClearML", remembering_clearml(self._clearml)),
            cluster=cast("ClusterReads", remembering_cluster(self._cluster)),
            helm=cast("HelmReads", remembering_helm(self._helm)),
            store=cast("Store", remembering_store(self._store)),
        )
        with ThreadPoolExecutor(PARALLEL_TENANTS, thread_name_prefix="apply") as pool:
            found = tuple(pool.map(create.gather, specs))
        return ApplyFacts(
            wanted=tuple(Wanted(spec=spec, facts=facts) for spec, facts in zip(specs, found, strict=True)),
            at_once=self._configuration.max_parallel_jobs,
            install_s=self._configuration.agent.timeout_s,
        )
