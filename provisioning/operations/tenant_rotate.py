"""`tenant rotate`: another key for agent and router; the old one is revoked once the new one is proven. Pure.

The agent gets it first and the router only once a worker has used it: what then is seen of the new key is the agent's.
"""

from pydantic import JsonValue

from commands.tenant_lifecycle import TenantRotate
from policies.approvals import Refusal
from policies.network import tenant_labels
from provisioning.manifests import as_json
from provisioning.operations.agent_values import CREDENTIALS_SECRET
from provisioning.operations.base import Draft
from provisioning.operations.tenant_create import CREDENTIALS_LABEL
from provisioning.operations.tenant_existing import agent_refusal, not_recorded, version_refusal, world_refusal
from provisioning.operations.tenant_facts import AgentKeys, ExistingTenant, RotatedTenant
from provisioning.operations.tenant_router import Router, choose_router, router_step
from provisioning.operations.tenant_steps import Agent, agent_step, choose_agent
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
        keys = facts.keys
        if keys is None or not keys.is_live:
            return _no_key(args.name)
        router = _choose_router(tenant)
        if isinstance(router, Refusal):
            return router
        if refusal := _other_users_refusal(tenant, keys):
            return refusal
        agent = choose_agent(tenant.spec, tenant.world)
        if isinstance(agent, Refusal):
            return agent
        return Draft(
            subject=args.name,
            summary=_summary(args.name, keys, "agent" if router is None else "agent and router"),
            steps=_steps(tenant, keys, agent, router, waits=facts.workers > 0 and args.wait_worker),
            warnings=_warnings(args, facts),
        )


def _summary(name: str, keys: AgentKeys, whose: str) -> str:
    if keys.is_unfinished:
        return f"Rotate the key of tenant {name}'s {whose}: go on with the new key of a rotation that was left"
    return f"Rotate the key of tenant {name}'s {whose}: make another, prove it, then revoke the old one"


def _choose_router(tenant: ExistingTenant) -> Router | Refusal | None:
    """Return the router as it is, for it gets the new key and nothing else; None where there is none."""
    name, host, seen = tenant.spec.name, tenant.spec.router_host, tenant.world.router
    if seen is None:
        if host is None:
            return None
        return Refusal(
            reason=f"tenant {name} has a router at {host}, and no router is configured any more: it would stop when"
            " the old key is revoked",
            next_action="ask an admin to set ROUTER__CHART__REFERENCE and the other ROUTER settings as they were",
        )
    release = seen.release
    if release is None and host is None:
        return None
    why = ""
    if release is None:
        why = f"the router of tenant {name} at {host} is not installed"
    elif host is None:
        why = f"tenant {name} has a router that its record does not know"
    elif (release.chart, release.chart_version) != (seen.chart.name, seen.chart.version):
        why = (
            f"the router of tenant {name} runs chart {release.chart} {release.chart_version}, and {seen.chart.name}"
            f" {seen.chart.version} is configured: two changes at once would hide each other"
        )
    if why:
        return Refusal(reason=why, next_action=f"run /clearml tenant fix {name} first: it brings what is recorded")
    return choose_router(tenant.spec, tenant.world)


def _other_users_refusal(tenant: ExistingTenant, keys: AgentKeys) -> Refusal | None:
    """Return why the key cannot be revoked: something uses it that this does not know how to give another."""
    configuration = tenant.world.configuration
    known = {configuration.agent.release, configuration.router.release if configuration.router else None}
    others = [release for release in keys.releases if release not in known]
    if not others:
        return None
    return Refusal(
        reason=f"release {', '.join(others)} in namespace {tenant.spec.name} uses the same key, and would stop when it"
        " is revoked",
        next_action="give it a key of its own, or uninstall it; then rotate again",
    )


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


def _steps(
    tenant: ExistingTenant, keys: AgentKeys, agent: Agent, router: Router | None, *, waits: bool
) -> tuple[Step, ...]:
    name = tenant.spec.name
    configuration = tenant.world.configuration
    rotation: dict[str, JsonValue] = {
        "user_id": tenant.admin_user_id,
        "namespace": name,
        "secret": CREDENTIALS_SECRET,
        "label": CREDENTIALS_LABEL,
        "secret_labels": as_json(tenant_labels(name)),
        "old": keys.old,
        "others": [*keys.others],
    }
    renewed: dict[str, JsonValue] = {f"{name}/{CREDENTIALS_SECRET}/access_key": keys.old}

    def renewing(step: Step, what: str) -> Step:
        return step.model_copy(
            update={"title": f"Give {what} the new key", "inputs": step.inputs | {"renewed": renewed}}
        )

    steps = [
        Step(
            id="new_key",
            kind="clearml.new_key",
            title=f"Make a new key and keep it in Secret {CREDENTIALS_SECRET}, beside the old one",
            inputs=rotation,
            undo="the old key goes back into the Secret, then the new one is revoked",
        ),
        renewing(agent_step(name, tenant.world, agent, needs=("new_key",)), f"agent {configuration.agent.release}"),
    ]
    if waits:
        wait_s = configuration.agent.timeout_s
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
    if router is not None and configuration.router is not None:
        upgrade = router_step(name, tenant.world, router, needs=(steps[-1].id,))
        steps.append(renewing(upgrade, f"router {configuration.router.release} at {router.host}"))
    steps.append(
        Step(
            id="old_key",
            kind="clearml.old_key_revoked",
            title="Revoke the old key",
            needs=(steps[-1].id,),
            inputs=rotation,
            destroys=True,
            undo="cannot be undone once the old key is revoked: Retry goes on",
        )
    )
    return tuple(steps)


def _no_key(name: str) -> Refusal:
    return Refusal(
        reason=f"Secret {CREDENTIALS_SECRET} of tenant {name} holds no valid key that could be replaced",
        next_action=f"run /clearml tenant fix {name}: it makes a key and gives it to the agent",
    )
