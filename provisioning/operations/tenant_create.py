"""`tenant create`: company, admin, credentials, SSO domains, namespace, isolation, agent, router, queues. Pure."""

from pydantic import JsonValue

from commands.tenants import TenantCreate
from policies.approvals import Refusal
from policies.network import tenant_labels
from provisioning.errors import PermanentError
from provisioning.manifests import as_json
from provisioning.operations.agent_values import CREDENTIALS_SECRET
from provisioning.operations.base import Draft
from provisioning.operations.redis_guard import redis_clients, redis_guard
from provisioning.operations.tenant_checks import first_refusal, text, warnings
from provisioning.operations.tenant_facts import TenantFacts
from provisioning.operations.tenant_router import (
    Router,
    choose_removal,
    choose_router,
    removal_warnings,
    router_step,
)
from provisioning.operations.tenant_spec import changed, of_record, spec_step
from provisioning.operations.tenant_steps import (
    Agent,
    agent_step,
    choose_agent,
    domains_step,
    limits_step,
    policies_step,
    queues_step,
    room,
    users_step,
)
from provisioning.plan import Step

CREDENTIALS_LABEL = "clearml-chatops: agent"  # what a key in ClearML is ours by


class CreateTenant:
    """The operation. Its plan for a finished tenant has nothing to do."""

    command = "tenant create"
    args = TenantCreate

    def draft(self, args: TenantCreate, facts: TenantFacts) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        if refusal := first_refusal(args, facts):
            return refusal
        agent = choose_agent(args, facts)
        if isinstance(agent, Refusal):
            return agent
        router = choose_router(args, facts)
        if isinstance(router, Refusal):
            return router
        removal = choose_removal(args, facts)
        if isinstance(removal, Refusal):
            return removal
        return Draft(
            subject=args.name,
            summary=_summary(args, agent, router),
            steps=tuple(_steps(args, facts, agent, router, removal)),
            warnings=(
                *agent.warnings,
                *(router.warnings if router else ()),
                *removal_warnings(args, removal),
                *warnings(args, facts, agent.ports),
            ),
            admission=room(args, facts, agent),
        )


def _summary(args: TenantCreate, agent: Agent, router: Router | None) -> str:
    ports = agent.ports
    sessions = f"session ports {ports.start + 1}-{ports.last}" if ports else "no session ports"
    sign_in = f"sign-in for {', '.join(args.domains)}" if args.domains else "no sign-in by SSO"
    return (
        f"Create tenant {args.name}: queues {', '.join(agent.queue_names)}; at most {text(args.max_resources)} GPUs;"
        f" {sign_in}; {sessions}" + (f"; router at {router.host}" if router else "")
    )


def _steps(
    args: TenantCreate, facts: TenantFacts, agent: Agent, router: Router | None, removal: Step | None
) -> list[Step]:
    admin: dict[str, JsonValue] = {"$ref": "admin_user.id"}
    company: dict[str, JsonValue] = {"$ref": "company.id"}
    before = _before(args.name, facts)
    redis = _redis_steps(facts)
    guards = ("policies", *(step.id for step in redis))
    known = before.domains if before else ()
    domains = [domains_step(admin, args.domains, before=known, needs=("admin_user",))] if args.domains else []
    steps = [
        *_account_steps(args),
        policies_step(
            args.name,
            facts,
            ports=agent.ports is not None,
            had_ports=None if facts.recorded is None else facts.recorded.get("ports") is True,
            needs=("namespace",),
        ),
        *redis,
        _credentials_step(args.name, admin),
        *domains,
        queues_step(agent.queue_names, admin, needs=("admin_user",)),
        agent_step(args.name, facts, agent, needs=("credentials", "queues", *guards)),
        *([router_step(args.name, facts, router, needs=("credentials", *guards))] if router else []),
        *([removal] if removal else []),
    ]
    if args.users:
        steps.append(
            users_step(
                company,
                admin,
                title=f"Make further users {', '.join(args.users)}",
                undo="those that this job made are deleted",
                users=args.users,
                before=_nobody(args) if facts.company_id is None else {},
                needs=("admin_user",),
            )
        )
    if limits := limits_step(company, args, before, needs=("company",)):
        steps.append(limits)
    # The host is said in the record, so that no other default ever moves a router that people have links to.
    spec = changed(args, {"router_host": router.host}) if router else args
    record = spec_step(
        spec, before=facts.recorded, company_id=company, admin_user_id=admin, after=[step.id for step in steps]
    )
    return [*steps, record]


def _before(tenant: str, facts: TenantFacts) -> TenantCreate | None:
    """Return what is recorded; None where nothing is, or nothing that can be read: then this command mends it."""
    try:
        return None if facts.recorded is None else of_record(tenant, facts.recorded)
    except PermanentError:
        return None


def _nobody(args: TenantCreate) -> dict[str, str | None]:
    """Return that none of the further users is there, as in a company that is not there."""
    return {user.rpartition(":")[0]: None for user in args.users}


def _account_steps(args: TenantCreate) -> list[Step]:
    tenant = args.name
    return [
        Step(
            id="company",
            kind="clearml.company",
            title=f"Create company {tenant}",
            inputs={"name": tenant},
            undo="stays: the server has no call to delete it; the next `tenant create` takes it up",
        ),
        Step(
            id="namespace",
            kind="k8s.namespace",
            title=f"Create namespace {tenant}",
            inputs=as_json({"name": tenant, "labels": tenant_labels(tenant)}),
            undo="deleted, with everything in it, if this job made it",
            timeout_s=180,
        ),
        Step(
            id="admin_user",
            kind="clearml.admin_user",
            title=f"Create admin {args.admin_name} <{args.admin_email}>",
            needs=("company",),
            inputs={
                "company_id": {"$ref": "company.id"},
                "email": args.admin_email,
                "name": args.admin_name,
            },
            undo="deleted, if this job made it",
        ),
    ]


def _credentials_step(tenant: str, admin: dict[str, JsonValue]) -> Step:
    return Step(
        id="credentials",
        kind="clearml.credentials",
        title=f"Make the agent's credentials and keep them in Secret {CREDENTIALS_SECRET}",
        needs=("admin_user", "namespace"),
        inputs={
            "user_id": admin,
            "namespace": tenant,
            "secret": CREDENTIALS_SECRET,
            "label": CREDENTIALS_LABEL,
            "secret_labels": as_json(tenant_labels(tenant)),
        },
        undo="revoked, and the Secret deleted",
    )


def _redis_steps(facts: TenantFacts) -> list[Step]:
    if not facts.redis_namespace_exists:
        return []
    redis = facts.configuration.redis
    guard, clients = redis_guard(facts.configuration, redis.namespace), redis_clients(facts.configuration)
    return [
        Step(
            id="redis_policy",
            kind="k8s.network_policies",
            title=f"Let only tenants, {' and '.join(clients)} reach Redis in {redis.namespace}",
            inputs={"namespace": redis.namespace, "manifests": as_json([guard]), "shared": True},
            undo="stays: it guards the other tenants too",
        )
    ]
