"""`tenant create`: company, admin, credentials, SSO domains, namespace, isolation, agent, queues. Pure."""

from decimal import Decimal
from typing import Any

from pydantic import JsonValue

from commands.tenants import TenantCreate
from policies.approvals import Refusal
from policies.network import redis_policy, tenant_labels, tenant_policies
from provisioning.chart_values import unknown_keys
from provisioning.operations.agent_values import (
    CREDENTIALS_SECRET,
    DEFAULT_QUEUE,
    OPEN_MAPS,
    FractionQueue,
    Sessions,
    agent_values,
)
from provisioning.operations.base import Draft
from provisioning.operations.tenant_checks import choose_ports, first_refusal, text, warnings
from provisioning.operations.tenant_facts import TenantFacts
from provisioning.operations.tenant_queues import choose_queues
from provisioning.operations.tenant_spec import spec_step
from provisioning.plan import Step
from provisioning.port_ranges import PortRange

CREDENTIALS_LABEL = "clearml-chatops: agent"  # what a key in ClearML is ours by
REDIS_CLIENTS = ("clearml", "clearml-billing")  # namespaces of the platform that use the shared Redis
ROLLBACK_MARGIN_S = 60


class CreateTenant:
    """The operation. Its plan for a finished tenant has nothing to do."""

    command = "tenant create"
    args = TenantCreate

    def draft(self, args: TenantCreate, facts: TenantFacts) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        if refusal := first_refusal(args, facts):
            return refusal
        shares = () if args.queues == "none" else tuple(Decimal(share) for share in args.queues)
        chosen = choose_queues(
            shares,
            facts.mig_nodes,
            asked_for="queues" in args.model_fields_set,
            max_resources=args.max_resources,
        )
        if isinstance(chosen, Refusal):
            return chosen
        ports = choose_ports(args, facts)
        if isinstance(ports, Refusal):
            return ports
        values = _values(args, facts, chosen.queues, ports)
        if unknown := unknown_keys(values, facts.chart.values, open_maps=OPEN_MAPS):
            return Refusal(
                reason=f"chart {facts.chart.name} {facts.chart.version} knows no {', '.join(unknown)}: helm would"
                " ignore what is set there",
                next_action="ask an admin to configure an agent chart that fits (agent.chart)",
            )
        return Draft(
            subject=args.name,
            summary=_summary(args, chosen.queues, ports),
            steps=tuple(_steps(args, facts, chosen.queues, ports, values)),
            warnings=(*chosen.warnings, *warnings(args, facts, ports)),
        )


def _summary(args: TenantCreate, queues: tuple[FractionQueue, ...], ports: PortRange | None) -> str:
    names = ", ".join([DEFAULT_QUEUE, *(queue.name for queue in queues)])
    sessions = f"session ports {ports.start + 1}-{ports.last}" if ports else "no session ports"
    return (
        f"Create tenant {args.name}: queues {names}; at most {text(args.max_resources)} GPUs; sign-in for"
        f" {', '.join(args.domains)}; {sessions}"
    )


def _values(
    args: TenantCreate, facts: TenantFacts, queues: tuple[FractionQueue, ...], ports: PortRange | None
) -> dict[str, JsonValue]:
    configuration = facts.configuration
    return agent_values(
        tenant=args.name,
        server=configuration.clearml,
        agent=configuration.agent,
        redis=configuration.redis,
        queues=queues,
        max_resources=args.max_resources,
        max_pods=args.max_pods,
        sessions=Sessions(
            port_mode_enabled=ports is not None,
            agent_id=args.name,
            external_ip=configuration.ports.external_ip if ports else None,
            starting_port=ports.start if ports else None,
            max_services=ports.size if ports else None,
        ),
    ).as_json()


def _steps(
    args: TenantCreate,
    facts: TenantFacts,
    queues: tuple[FractionQueue, ...],
    ports: PortRange | None,
    values: dict[str, JsonValue],
) -> list[Step]:
    tenant, configuration = args.name, facts.configuration
    admin: dict[str, JsonValue] = {"$ref": "admin_user.id"}
    names = [DEFAULT_QUEUE, *(queue.name for queue in queues)]
    steps = [
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
            inputs=_json({"name": tenant, "labels": tenant_labels(tenant)}),
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
        *_policy_steps(args, facts, ports),
        Step(
            id="credentials",
            kind="clearml.credentials",
            title=f"Make the agent's credentials and keep them in Secret {CREDENTIALS_SECRET}",
            needs=("admin_user", "namespace"),
            inputs={
                "user_id": admin,
                "namespace": tenant,
                "secret": CREDENTIALS_SECRET,
                "label": CREDENTIALS_LABEL,
                "secret_labels": _json(tenant_labels(tenant)),
            },
            undo="revoked, and the Secret deleted",
        ),
        Step(
            id="domains",
            kind="clearml.domains",
            title=f"Let people of {', '.join(args.domains)} sign in",
            needs=("admin_user",),
            inputs={"user_id": admin, "domains": list(args.domains)},
            undo="the added domains are taken off the whitelist",
        ),
        Step(
            id="agent",
            kind="helm.release",
            title=f"Install agent {configuration.agent.release} ({facts.chart.name} {facts.chart.version})",
            needs=("credentials", "policies"),
            inputs={
                "namespace": tenant,
                "release": configuration.agent.release,
                "chart": "agent",
                "chart_name": facts.chart.name,
                "chart_version": facts.chart.version,
                "values": values,
                "wait_s": configuration.agent.timeout_s,
                "port_range": {"start": ports.start, "size": ports.size} if ports else None,
            },
            undo="uninstalled, if this job installed it",
            timeout_s=2 * configuration.agent.timeout_s + ROLLBACK_MARGIN_S,
        ),
        Step(
            id="queues",
            kind="clearml.queues",
            title=f"Create queues {', '.join(names)}",
            needs=("admin_user",),
            inputs={"user_id": admin, "names": [*names]},
            undo="stay with their company",
        ),
    ]
    record = spec_step(
        args,
        before=facts.recorded,
        company_id={"$ref": "company.id"},
        admin_user_id=admin,
        after=[step.id for step in steps],
    )
    return [*steps, record]


def _policy_steps(args: TenantCreate, facts: TenantFacts, ports: PortRange | None) -> list[Step]:
    configuration = facts.configuration
    manifests = tenant_policies(args.name, ingress_namespace=configuration.ingress_namespace, ports=ports is not None)
    allowed = f"its own pods, {configuration.ingress_namespace}" + (", session ports" if ports else "")
    steps = [
        Step(
            id="policies",
            kind="k8s.network_policies",
            title=f"Isolate namespace {args.name}: nothing comes in but from {allowed}",
            needs=("namespace",),
            inputs={"namespace": args.name, "manifests": _json(manifests)},
            undo="deleted",
        )
    ]
    if facts.redis_namespace_exists:
        redis = configuration.redis
        guard = redis_policy(redis.namespace, port=redis.port, clients=REDIS_CLIENTS)
        steps.append(
            Step(
                id="redis_policy",
                kind="k8s.network_policies",
                title=f"Let only tenants, {' and '.join(REDIS_CLIENTS)} reach Redis in {redis.namespace}",
                inputs={"namespace": redis.namespace, "manifests": _json([guard]), "shared": True},
                undo="stays: it guards the other tenants too",
            )
        )
    return steps


def _json(value: Any) -> Any:
    """Return *value* with lists for tuples: a plan is compared with its JSON."""
    match value:
        case dict():
            return {key: _json(item) for key, item in value.items()}
        case list() | tuple():
            return [_json(item) for item in value]
        case _:
            return value
