"""`tenant resize`: limits, queues, session ports, users and apps of a tenant that is recorded. Pure."""

from collections.abc import Iterable

from commands.tenant_changes import TenantResize
from commands.tenants import TenantCreate
from policies.approvals import Refusal
from provisioning.operations.base import Draft
from provisioning.operations.tenant_checks import external_ip_refusal, port_warnings, text
from provisioning.operations.tenant_existing import (
    agent_refusal,
    not_recorded,
    record_step,
    version_refusal,
    world_refusal,
)
from provisioning.operations.tenant_facts import ExistingTenant
from provisioning.operations.tenant_merge import merged
from provisioning.operations.tenant_steps import (
    Agent,
    agent_step,
    choose_agent,
    limits_step,
    policies_step,
    queues_step,
    room,
)
from provisioning.plan import Step


class ResizeTenant:
    """Limits, queues, session ports, users and apps."""

    command = "tenant resize"
    args = TenantResize

    def draft(self, args: TenantResize, facts: ExistingTenant | None) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        if facts is None:
            return not_recorded(args.name)
        spec = merged(args, facts.spec)
        if isinstance(spec, Refusal):
            return spec
        refusal = (
            world_refusal(facts)
            or agent_refusal(facts)
            or version_refusal(facts)
            or external_ip_refusal(spec, facts.world)
            or _idle_ports_refusal(args, spec)
        )
        if refusal:
            return refusal
        agent = choose_agent(spec, facts.world)
        if isinstance(agent, Refusal):
            return agent
        return Draft(
            subject=args.name,
            summary=f"Resize tenant {args.name}: {_said(args, agent)}",
            steps=_resize_steps(spec, facts, agent),
            warnings=(*agent.warnings, *_resize_warnings(facts, spec, agent)),
            admission=room(spec, facts.world, agent),
        )


def _resize_steps(spec: TenantCreate, facts: ExistingTenant, agent: Agent) -> tuple[Step, ...]:
    steps = [
        policies_step(spec.name, facts.world, ports=agent.ports is not None, had_ports=facts.spec.ports),
        queues_step(agent.queue_names, facts.admin_user_id),
        agent_step(spec.name, facts.world, agent, needs=("policies", "queues"), makes_keys=False),
    ]
    if limits := limits_step(facts.company_id, spec, facts.spec):
        steps.append(limits)
    return (*steps, record_step(spec, facts, steps))


def _said(args: TenantResize, agent: Agent) -> str:
    said: list[str] = []
    if args.max_resources is not None:
        said.append(f"at most {text(args.max_resources)} GPUs")
    if args.max_pods is not None:
        said.append(f"{args.max_pods} pods a queue")
    if args.queues is not None:
        said.append(f"queues {', '.join(agent.queue_names)}")
    if args.ports is not None or args.port_start is not None or args.max_services is not None:
        ports = agent.ports
        said.append("no session ports" if ports is None else f"session ports {ports.start + 1}-{ports.last}")
    limits = (("users", args.max_users), ("running apps", args.max_apps))
    said += [f"at most {limit} {what}" for what, limit in limits if limit is not None]
    return "; ".join(said)


def _resize_warnings(facts: ExistingTenant, spec: TenantCreate, agent: Agent) -> Iterable[str]:
    held, ports = facts.world.held, agent.ports
    if held is not None and held != ports:
        now = "no ports" if ports is None else f"{ports.start + 1}-{ports.last}"
        yield f"Sessions that are open lose their ports: {held.start + 1}-{held.last} become {now}"
    before = choose_agent(facts.spec, facts.world)
    if isinstance(before, Agent):
        for name in before.queue_names:
            if name not in agent.queue_names:
                yield f"Queue {name} stays in ClearML, and no agent serves it any more: tasks in it wait for ever"
    if spec.max_resources < facts.spec.max_resources:
        yield f"Tasks that run now go on, also above the new limit of {text(spec.max_resources)} GPUs"
    if ports is not None:
        yield from port_warnings(facts.world, ports)


def _idle_ports_refusal(args: TenantResize, spec: TenantCreate) -> Refusal | None:
    if args.max_services is not None and not spec.ports:
        return Refusal(
            reason=f"tenant {args.name} has no session ports that --max-services could count",
            next_action="say --ports too, or leave --max-services out",
        )
    return None
