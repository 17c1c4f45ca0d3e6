"""The steps that make a tenant and change it: each said once, for whatever command plans it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from pydantic import JsonValue

from commands.arguments import name_from
from commands.tenants import TenantCreate
from policies.approvals import Refusal
from policies.network import tenant_policies
from provisioning.capacity.admission import admission
from provisioning.chart_values import unknown_keys
from provisioning.manifests import as_json
from provisioning.operations.agent_values import (
    DEFAULT_QUEUE,
    OPEN_MAPS,
    FractionQueue,
    Sessions,
    agent_values,
)
from provisioning.operations.release_steps import release_step
from provisioning.operations.tenant_checks import chart_refusal, choose_ports
from provisioning.operations.tenant_facts import TenantFacts
from provisioning.operations.tenant_queues import choose_queues
from provisioning.operations.tenant_spec import Reference
from provisioning.plan import Admission, Step
from provisioning.port_ranges import PortRange

KEYS_GONE = "Leave this job; /clearml tenant fix {tenant} makes the agent's keys again, then ask for it again"


@dataclass(frozen=True, kw_only=True)
class Agent:
    """What a tenant's agent release is to be."""

    queues: tuple[FractionQueue, ...]
    ports: PortRange | None
    values: dict[str, JsonValue]  # secrets by name
    warnings: tuple[str, ...] = ()  # of its queues

    @property
    def queue_names(self) -> tuple[str, ...]:
        return (DEFAULT_QUEUE, *(queue.name for queue in self.queues))


def room(spec: TenantCreate, facts: TenantFacts, agent: Agent) -> Admission | None:
    """Return whether what *spec* allows the tenant fits on the GPUs; None where it has no GPU queues."""
    if facts.gpus is None or not agent.queues:
        return None
    shares = {queue.resource: queue.share for queue in agent.queues}
    return admission(facts.gpus, facts.limits, spec.name, spec.max_resources, shares)


def choose_agent(spec: TenantCreate, facts: TenantFacts) -> Agent | Refusal:
    """Return the agent that *spec* asks for in this cluster, or why there can be none."""
    if refusal := chart_refusal(spec.chart_version, facts):
        return refusal
    shares = () if spec.queues == "none" else tuple(Decimal(share) for share in spec.queues)
    chosen = choose_queues(
        shares,
        facts.mig_nodes,
        asked_for="queues" in spec.model_fields_set,
        max_resources=spec.max_resources,
    )
    if isinstance(chosen, Refusal):
        return chosen
    ports = choose_ports(spec, facts)
    if isinstance(ports, Refusal):
        return ports
    values = _values(spec, facts, chosen.queues, ports)
    if unknown := unknown_keys(values, facts.chart.values, open_maps=OPEN_MAPS):
        return Refusal(
            reason=f"chart {facts.chart.name} {facts.chart.version} knows no {', '.join(unknown)}: helm would"
            " ignore what is set there",
            next_action="ask an admin to configure an agent chart that fits (AGENT__CHART__REFERENCE)",
        )
    return Agent(queues=chosen.queues, ports=ports, values=values, warnings=chosen.warnings)


def _values(
    spec: TenantCreate, facts: TenantFacts, queues: tuple[FractionQueue, ...], ports: PortRange | None
) -> dict[str, JsonValue]:
    configuration = facts.configuration
    return agent_values(
        tenant=spec.name,
        server=configuration.clearml,
        agent=configuration.agent,
        redis=configuration.redis,
        queues=queues,
        max_resources=spec.max_resources,
        max_pods=spec.max_pods,
        sessions=Sessions(
            port_mode_enabled=ports is not None,
            agent_id=spec.name,
            external_ip=configuration.ports.external_ip if ports else None,
            starting_port=ports.start if ports else None,
            max_services=ports.size if ports else None,
        ),
    ).as_json()


def agent_step(tenant: str, facts: TenantFacts, agent: Agent, *, needs: Iterable[str], makes_keys: bool = True) -> Step:
    """Return the step that makes the agent's release so, and goes back to what was there where there was one.

    *makes_keys*: a step of the same plan makes the agent's keys, again where they are gone.
    """
    configuration, ports = facts.configuration.agent, agent.ports
    return release_step(
        "agent",
        called=f"agent {configuration.release}",
        tenant=tenant,
        release=configuration.release,
        chart=facts.chart,
        present=facts.release,
        values=agent.values,
        wait_s=configuration.timeout_s,
        needs=needs,
        more={
            "port_range": {"start": ports.start, "size": ports.size} if ports else None,
            **({} if makes_keys else {"if_key_gone": KEYS_GONE.format(tenant=tenant)}),
        },
    )


def queues_step(names: Sequence[str], user_id: Reference, *, needs: Iterable[str] = ()) -> Step:
    return Step(
        id="queues",
        kind="clearml.queues",
        title=f"Create queues {', '.join(names)}",
        needs=tuple(needs),
        inputs={"user_id": user_id, "names": [*names]},
        undo="stay with their company",
    )


def policies_step(
    tenant: str, facts: TenantFacts, *, ports: bool, had_ports: bool | None, needs: Iterable[str] = ()
) -> Step:
    """Return the tenant's isolation. *had_ports*: whether it had ports before; None where it had no policies."""
    ingress = facts.configuration.ingress_namespace
    manifests = tenant_policies(tenant, ingress_namespace=ingress, ports=ports)
    names = {manifest["metadata"]["name"] for manifest in manifests}
    most = tenant_policies(tenant, ingress_namespace=ingress, ports=True)
    before = () if had_ports is None else tenant_policies(tenant, ingress_namespace=ingress, ports=had_ports)
    allowed = f"its own pods, {ingress}" + (", session ports" if ports else "")
    return Step(
        id="policies",
        kind="k8s.network_policies",
        title=f"Isolate namespace {tenant}: nothing comes in but from {allowed}",
        needs=tuple(needs),
        inputs={
            "namespace": tenant,
            "manifests": as_json(manifests),
            "gone": as_json([one for one in most if one["metadata"]["name"] not in names]),
            "before": as_json(before),
        },
        undo="deleted" if had_ports is None else "as before",
    )


def domains_step(
    user_id: Reference,
    domains: Sequence[str],
    *,
    gone: Sequence[str] = (),
    before: Sequence[str] = (),
    needs: Iterable[str] = (),
) -> Step:
    """Return the step on the whitelist. *before*: the domains that are recorded, which undo leaves."""
    if gone:
        title = f"Let people of {', '.join(gone)} sign in no longer"
        undo = "put back on the whitelist"
    else:
        title = f"Let people of {', '.join(domains)} sign in"
        undo = "the added domains are taken off the whitelist"
    return Step(
        id="domains",
        kind="clearml.domains",
        title=title,
        needs=tuple(needs),
        inputs={"user_id": user_id, "domains": [*domains], "gone": [*gone], "before": [*before]},
        undo=undo,
    )


def users_step(
    company_id: Reference,
    admin_user_id: Reference,
    *,
    title: str,
    undo: str,
    users: Sequence[str] = (),
    gone: Sequence[str] = (),
    before: Mapping[str, str | None] = MappingProxyType({}),
    needs: Iterable[str] = (),
) -> Step:
    """Return the step on further users: *users* as ``address:role``, *gone* as addresses.

    *before*: address → role as it is, None for nobody; left out where that is not known.
    """
    wanted: dict[str, JsonValue] = {}
    for user in users:
        email, _, role = user.rpartition(":")
        wanted[email] = {"name": name_from(email), "role": role}
    return Step(
        id="users",
        kind="clearml.users",
        title=title,
        needs=tuple(needs),
        inputs={
            "company_id": company_id,
            "admin_user_id": admin_user_id,
            "users": wanted,
            "gone": [*gone],
            "before": dict(before),
        },
        undo=undo,
    )


def limits_step(
    company_id: Reference, spec: TenantCreate, before: TenantCreate | None, *, needs: Iterable[str] = ()
) -> Step | None:
    """Return the step that sets how many users and apps the company may have; None where the spec leaves both."""
    wanted, had = _limits(spec), {} if before is None else _limits(before)
    if not wanted:
        return None
    said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in wanted.items())
    return Step(
        id="limits",
        kind="clearml.company_settings",
        title=f"Set the company's limits: {said}",
        needs=tuple(needs),
        inputs={"company_id": company_id, "settings": as_json(wanted), "before": as_json(had)},
        undo="set as recorded before, where that is known",
    )


def _limits(spec: TenantCreate) -> dict[str, int]:
    said = {"allowed_users": spec.max_users, "max_running_apps": spec.max_apps}
    return {name: value for name, value in said.items() if value is not None}
