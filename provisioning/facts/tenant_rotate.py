"""What `tenant rotate` decides by: the tenant, its agent's keys by fingerprint, and whether a worker reports in."""

from collections.abc import Iterator, Mapping
from typing import Any

from commands.tenant_lifecycle import TenantRotate
from provisioning.facts.tenant_existing import ExistingTenantFacts
from provisioning.operations.agent_values import CREDENTIALS_SECRET
from provisioning.operations.tenant_create import CREDENTIALS_LABEL
from provisioning.operations.tenant_facts import AgentKeys, RotatedTenant
from provisioning.sources import Sources
from provisioning.steps.clearml_steps import ACCESS_KEY
from provisioning.steps.rotation_steps import PREVIOUS_ACCESS_KEY, fingerprint


class TenantRotateFacts:
    """Gathers them. Thread-safe."""

    command = "tenant rotate"

    def __init__(self, sources: Sources, existing: ExistingTenantFacts) -> None:
        self._sources = sources
        self._existing = existing

    def gather(self, args: TenantRotate) -> RotatedTenant | None:
        """Return the facts; None where no such tenant is recorded. Raises: ChatopsError."""
        tenant = self._existing.gather(args)
        if tenant is None:
            return None
        if tenant.world.company_id != tenant.company_id:
            return RotatedTenant(tenant=tenant)  # its admin cannot be acted for
        return RotatedTenant(
            tenant=tenant,
            keys=self._keys(args.name, tenant.admin_user_id),
            workers=len(self._sources.clearml.workers(tenant.admin_user_id)),
        )

    def _keys(self, namespace: str, admin_user_id: str) -> AgentKeys | None:
        stored = self._sources.cluster.secret(namespace, CREDENTIALS_SECRET) or {}
        if ACCESS_KEY not in stored:
            return None
        present = fingerprint(stored[ACCESS_KEY].get_secret_value())
        previous = stored.get(PREVIOUS_ACCESS_KEY)
        old = present if previous is None else fingerprint(previous.get_secret_value())
        found = self._sources.clearml.credentials(admin_user_id)
        live = {fingerprint(one.access_key) for one in found}
        ours = {fingerprint(one.access_key) for one in found if one.label == CREDENTIALS_LABEL}
        return AgentKeys(
            old=old,
            others=tuple(sorted(ours - {old, present})),
            is_live=bool({old, present} & live),
            is_unfinished=old != present,
            releases=self._users(namespace, {old, present}),
        )

    def _users(self, namespace: str, keys: set[str]) -> tuple[str, ...]:
        helm = self._sources.helm  # the listing of stored releases leaves secrets out
        return tuple(
            sorted(
                release.name
                for release in helm.releases(namespace)
                if any(fingerprint(text) in keys for text in _texts(helm.values(namespace, release.name)))
            )
        )


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for item in value.values():
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)
