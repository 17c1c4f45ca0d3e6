"""What `tenant delete` decides by: what there is of the tenant, and whether it is at work."""

from commands.tenant_lifecycle import TenantDelete
from policies.network import TENANT_LABEL
from provisioning.facts.tenant_create import maker
from provisioning.operations.tenant_delete import DoomedTenant
from provisioning.server_pods import running_pod
from provisioning.sources import Sources

AT_WORK = frozenset({"Pending", "Running", "Unknown"})


class TenantDeleteFacts:
    """Gathers. Thread-safe."""

    command = "tenant delete"

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def gather(self, args: TenantDelete) -> DoomedTenant:
        """Return the facts. Raises: ChatopsError."""
        configuration, name = self._sources.configuration, args.name
        space = self._sources.cluster.namespace(name)
        company_id = self._company(name)
        resources = None if company_id is None else self._sources.clearml.tenant_resources(company_id)
        return DoomedTenant(
            reserved=(configuration.ingress_namespace, configuration.redis.namespace, configuration.server.namespace),
            is_recorded=self._sources.store.tenant(name) is not None,
            made_by_job=maker(self._sources.store.jobs(subject=name)),
            namespace_owner=None if space is None else space["labels"].get(TENANT_LABEL, ""),
            releases=() if space is None else self._releases(name),
            company_id=company_id,
            task_pods=() if space is None else self._task_pods(name),
            resources=resources or (),
            has_tenants_api=resources is not None,
            can_run_jobs=self._can_run_jobs(),
        )

    def _company(self, name: str) -> str | None:
        """Return the id of the company: the recorded one, or the active one of that name."""
        record = self._sources.store.tenant(name)
        recorded = None if record is None else record.outputs.get("company", {}).get("id")
        active = [one for one in self._sources.clearml.companies() if one.active]
        if any(one.id == recorded for one in active):
            return str(recorded)
        found = self._sources.clearml.company_by_name(name) if any(_same(one.name, name) for one in active) else None
        return None if found is None else found.id

    def _releases(self, namespace: str) -> tuple[str, ...]:
        """Return the namespace's releases: the agent's last, since what routes to its sessions goes first."""
        agent = self._sources.configuration.agent.release
        return tuple(
            sorted((one.name for one in self._sources.helm.releases(namespace)), key=lambda one: (one == agent, one))
        )

    def _task_pods(self, namespace: str) -> tuple[str, ...]:
        """Return the pods that no controller looks after: the agent makes tasks and sessions so."""
        return tuple(
            sorted(pod.name for pod in self._sources.cluster.pods(namespace) if not pod.owner and pod.phase in AT_WORK)
        )

    def _can_run_jobs(self) -> bool:
        server = self._sources.configuration.server
        return all(
            running_pod(self._sources.cluster, server.namespace, prefix) is not None
            for prefix in (server.apiserver, server.fileserver)
        )


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
