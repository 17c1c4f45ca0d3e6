"""What commands on a recorded tenant decide by."""

from commands.tenant_changes import TenantArgs, TenantDomains, TenantUser, TenantUserAdd
from commands.tenant_lifecycle import TenantUpgrade
from commands.tenants import TenantCreate
from provisioning.chart_values import unknown_keys
from provisioning.facts.tenant_create import TenantCreateFacts
from provisioning.operations.agent_values import OPEN_MAPS
from provisioning.operations.tenant_facts import ExistingTenant, TenantFacts
from provisioning.operations.tenant_merge import merged
from provisioning.operations.tenant_spec import of_record
from provisioning.sources import Sources


class ExistingTenantFacts:
    """Gathers what *command* on a recorded tenant decides by. Thread-safe.

    Args:
        router: whether its router matters, too.
    """

    def __init__(self, command: str, sources: Sources, *, world: TenantCreateFacts, router: bool = False) -> None:
        self.command = command
        self._router = router
        self._sources = sources
        self._world = world

    def gather(self, args: TenantArgs) -> ExistingTenant | None:
        """Return the facts; None where no such tenant is recorded. Raises: ChatopsError."""
        record = self._sources.store.tenant(args.name)
        if record is None:
            return None
        spec = of_record(record.name, record.request)
        shall_be = merged(args, spec)
        admin_user_id = str(record.outputs["admin_user"]["id"])
        world = self._world.look(
            shall_be if isinstance(shall_be, TenantCreate) else spec, email=_email(args, spec), router=self._router
        )
        return ExistingTenant(
            spec=spec,
            company_id=str(record.outputs["company"]["id"]),
            admin_user_id=admin_user_id,
            world=world,
            users=self._users(admin_user_id) if isinstance(args, TenantUser) else (),
            is_suspended=self._is_suspended(args.name, world.configuration.agent.release),
            unknown_keys=self._unknown_keys(args.name, world) if isinstance(args, TenantUpgrade) else (),
        )

    def _unknown_keys(self, tenant: str, world: TenantFacts) -> tuple[str, ...]:
        if world.release is None:
            return ()
        given = self._sources.helm.values(tenant, world.configuration.agent.release)
        return unknown_keys(given, world.chart.values, open_maps=OPEN_MAPS)

    def _is_suspended(self, namespace: str, release: str) -> bool:
        agents = [
            one for one in self._sources.cluster.deployments() if (one.namespace, one.release) == (namespace, release)
        ]
        return bool(agents) and all(one.replicas == 0 for one in agents)

    def _users(self, admin_user_id: str) -> tuple[tuple[str, str], ...]:
        return tuple((user.email, user.role) for user in self._sources.clearml.users(admin_user_id) if user.email)


def _email(args: TenantArgs, spec: TenantCreate) -> str | None:
    """Return the address to look for in other companies; None where they need not be looked at."""
    match args:
        case TenantUserAdd():
            return args.email
        case TenantDomains():
            return spec.admin_email
        case _:
            return None
