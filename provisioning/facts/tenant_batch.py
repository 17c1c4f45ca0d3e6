"""What `tenant create` decides by, for many tenants at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from commands.tenants import TenantCreate
from provisioning.facts.tenant_create import TenantCreateFacts
from provisioning.operations.tenant_batch import Wanted

PARALLEL_TENANTS = 4  # each looks at several things at the same time itself


def gather_all(create: TenantCreateFacts, specs: Sequence[TenantCreate]) -> tuple[Wanted, ...]:
    """Return each spec with what `tenant create` decides by, a few at a time. Raises: ChatopsError."""
    with ThreadPoolExecutor(PARALLEL_TENANTS, thread_name_prefix="tenants") as pool:
        found = tuple(pool.map(create.gather, specs))
    return tuple(Wanted(spec=spec, facts=facts) for spec, facts in zip(specs, found, strict=True))
