"""What `tenant import` decides by: a tenant as somebody made it by hand. Independent facts are asked for together."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from commands.fleet import TenantImport
from policies.approvals import Refusal
from provisioning.clients.clearml_records import EmailHolder
from provisioning.facts.tenant_create import TenantCreateFacts
from provisioning.operations.agent_values import CREDENTIALS_SECRET
from provisioning.operations.tenant_import import FoundRelease, ImportFacts, inferred_from
from provisioning.sources import Sources

PARALLEL_QUESTIONS = 8
AGENT_IN_CHART_NAME = "agent"  # the agent's charts changed names; all of them have this in it


class TenantImportFacts:
    """Gathers. Thread-safe."""

    command = "tenant import"

    def __init__(self, sources: Sources, create: TenantCreateFacts) -> None:
        self._sources = sources
        self._create = create

    def gather(self, args: TenantImport) -> ImportFacts:
        """Return the facts. Raises: ChatopsError."""
        with ThreadPoolExecutor(PARALLEL_QUESTIONS, thread_name_prefix="facts") as pool:
            company = pool.submit(self._sources.clearml.company_by_name, args.name)
            holder = pool.submit(self._sources.clearml.email_holder, args.admin_email)
            namespace = pool.submit(self._sources.cluster.namespace, args.name)
            policies = pool.submit(self._sources.cluster.network_policies, args.name)
            agents = pool.submit(lambda: tuple(self._agents(args.name)))
            kept = pool.submit(self._sources.cluster.secret, args.name, CREDENTIALS_SECRET)
        own, admin, space = company.result(), holder.result(), namespace.result()
        facts = ImportFacts(
            agent_release=self._sources.configuration.agent.release,
            platform_namespaces=(
                self._sources.configuration.ingress_namespace,
                self._sources.configuration.redis.namespace,
            ),
            is_recorded=self._sources.store.tenant(args.name) is not None,
            company_id=own.id if own else None,
            admin_company=admin.company.id if admin else None,
            namespace_labels=space["labels"] if space else None,
            agents=agents.result(),
            policies=frozenset(one.name for one in policies.result()),
            key_is_kept=kept.result() is not None,
        )
        if own is not None and admin is not None and admin.company.id == own.id:
            facts = self._as_admin(facts, admin)
        return self._compared(args, facts)

    def _agents(self, name: str) -> Iterator[FoundRelease]:
        for release in self._sources.helm.releases(name):
            if release.namespace == name and AGENT_IN_CHART_NAME in release.chart:
                values = self._sources.helm.values(name, release.name)
                yield FoundRelease(name=release.name, chart=release.chart, status=release.status, values=values)

    def _as_admin(self, facts: ImportFacts, admin: EmailHolder) -> ImportFacts:
        return replace(
            facts,
            admin_name=admin.user.name,
            domains=tuple(sorted(self._sources.clearml.domains(admin.user.id))),
            queues=tuple(sorted(queue.name for queue in self._sources.clearml.queues(admin.user.id))),
        )

    def _compared(self, args: TenantImport, facts: ImportFacts) -> ImportFacts:
        """Add what `tenant create` would decide by, where a spec can be inferred at all."""
        if len(facts.agents) != 1:
            return facts
        inferred = inferred_from(args, facts)
        return facts if isinstance(inferred, Refusal) else replace(facts, create=self._create.gather(inferred.spec))
