"""`tenant rotate`: another key for a tenant's agent; the old one is revoked once the new one is proven. Pure."""

from pydantic import JsonValue

from commands.tenant_lifecycle import TenantRotate
from policies.approvals import Refusal
from policies.network import tenant_labels
from provisioning.operations.agent_values import CREDENTIALS_SECRET
from provisioning.operations.base import Draft
from provisioning.operations.tenant_create import CREDENTIALS_LABEL
from provisioning.operations.tenant_existing import agent_refusal, not_recorded, version_refusal, world_refusal
from provisioning.operations.tenant_facts import AgentKeys, ExistingTenant, RotatedTenant
from provisioning.operations.tenant_steps import Agent, agent_step, as_json, choose_agent
from provisioning.plan import Step

WAIT_MARGIN_S = 30


class RotateTenant:
    command = "tenant rotate"
    args = TenantRotate

    def draft(self, args: TenantRotate, facts: RotatedTenant | None) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        if facts is None:
            return not_recorded(args.name)
        tenant = facts.tenant
        if refusal := world_refusal(tenant) or agent_refusal(tenant) or version_refusal(tenant):
            return refusal
        if tenant.spec.router_host is not None:
            return _has_router(args.name)
        keys = facts.keys
        if keys is None or not keys.is_live:
            return _no_key(args.name)
        agent = choose_agent(tenant.spec, tenant.world)
        if isinstance(agent, Refusal):
            return agent
        return Draft(
            subject=args.name,
            summary=_summary(args.name, keys),
            steps=_steps(tenant, keys, agent, waits=facts.workers > 0 and args.wait_worker),
            warnings=_warnings(args, facts),
        )


def _summary(name: str, keys: AgentKeys) -> str:
    if keys.is_unfinished:
        return f"Rotate the agent's key of tenant {name}: go on with the new key of a rotation that was left"
    return f"Rotate the agent's key of tenant {name}: make another, prove it, then revoke the old one"


def _warnings(args: TenantRotate, facts: RotatedTenant) -> tuple[str, ...]:
    pods = "Tasks that already run keep the old key in their pods: once it is revoked, those that still report fail"
    if not args.wait_worker:
        proof = "No worker is waited for, as asked: that its pods become ready is all that proves the new key"
    elif facts.workers == 0:
        proof = (
            f"No worker of tenant {args.name} reported in within the last hour, so none is waited for: that its pods"
            " become ready is all that proves the new key"
        )
    else:
        return (pods,)
    return (proof, pods)


def _steps(tenant: ExistingTenant, keys: AgentKeys, agent: Agent, *, waits: bool) -> tuple[Step, ...]:
    name = tenant.spec.name
    rotation: dict[str, JsonValue] = {
        "user_id": tenant.admin_user_id,
        "namespace": name,
        "secret": CREDENTIALS_SECRET,
        "label": CREDENTIALS_LABEL,
        "secret_labels": as_json(tenant_labels(name)),
        "old": keys.old,
        "others": [*keys.others],
    }
    upgrade = agent_step(name, tenant.world, agent, needs=("new_key",))
    steps = [
        Step(
            id="new_key",
            kind="clearml.new_key",
            title=f"Make a new key and keep it in Secret {CREDENTIALS_SECRET}, beside the old one",
            inputs=rotation,
            undo="the old key goes back into the Secret, then the new one is revoked",
        ),
        upgrade.model_copy(
            update={
                "title": f"Give agent {tenant.world.configuration.agent.release} the new key",
                "inputs": upgrade.inputs | {"renewed": {f"{name}/{CREDENTIALS_SECRET}/access_key": keys.old}},
            }
        ),
    ]
    if waits:
        wait_s = tenant.world.configuration.agent.timeout_s
        steps.append(
            Step(
                id="worker",
                kind="clearml.worker_back",
                title="See a worker report in with the new key",
                needs=("agent",),
                inputs=rotation | {"wait_s": wait_s},
                timeout_s=wait_s + WAIT_MARGIN_S,
            )
        )
    steps.append(
        Step(
            id="old_key",
            kind="clearml.old_key_revoked",
            title="Revoke the old key",
            needs=(steps[-1].id,),
            inputs=rotation,
            undo="cannot be undone once the old key is revoked: Retry goes on",
        )
    )
    return tuple(steps)


def _has_router(name: str) -> Refusal:
    return Refusal(
        reason=f"tenant {name} has a router, which uses the same key and is not rotated with the agent yet: it would"
        " stop when the old key is revoked",
        next_action="rotate by hand: a new key into both releases first, then revoke the old one in ClearML",
    )


def _no_key(name: str) -> Refusal:
    return Refusal(
        reason=f"Secret {CREDENTIALS_SECRET} of tenant {name} holds no valid key that could be replaced",
        next_action=f"run /clearml tenant fix {name}: it makes a key and gives it to the agent",
    )
