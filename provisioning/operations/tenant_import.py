"""`tenant import`: record a tenant that was made by hand, and label its namespace. Nothing else of it changes. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from commands.fleet import TenantImport
from policies.approvals import Refusal
from policies.guardrails import name_refusal
from policies.network import TENANT_LABEL, tenant_labels, tenant_policies
from provisioning.chart_values import differing_values
from provisioning.operations.base import Draft
from provisioning.operations.tenant_create import CreateTenant
from provisioning.operations.tenant_facts import TenantFacts
from provisioning.operations.tenant_inference import Inferred, infer
from provisioning.operations.tenant_spec import recorded, spec_step
from provisioning.plan import Step
from provisioning.wording import listed

SHOWN_FIELDS = 6


@dataclass(frozen=True, kw_only=True)
class FoundRelease:
    """One helm release of the namespace. ``values`` hold secrets."""

    name: str
    chart: str
    status: str
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ImportFacts:
    """What is there of a tenant of that name, made by whomever."""

    agent_release: str  # what this bot calls agents' releases
    platform_namespaces: tuple[str, ...]  # of the platform itself: never a tenant's
    is_recorded: bool = False
    company_id: str | None = None
    admin_company: str | None = None  # whose user has the address; None: nobody has it
    admin_name: str = ""
    domains: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()  # in ClearML
    namespace_labels: Mapping[str, str] | None = None  # None where there is no such namespace
    agents: tuple[FoundRelease, ...] = ()
    policies: frozenset[str] = frozenset()  # names
    key_is_kept: bool = False  # in the Secret that this bot keeps agents' keys in
    create: TenantFacts | None = None  # what `tenant create` would decide by; None where nothing could be inferred


class ImportTenant:
    """The operation."""

    command = "tenant import"
    args = TenantImport

    def draft(self, args: TenantImport, facts: ImportFacts) -> Draft | Refusal:
        """Return the steps that record what was inferred, or what stands against it."""
        if refusal := name_refusal(args.name, also=facts.platform_namespaces) or _refusal(args, facts):
            return refusal
        inferred = inferred_from(args, facts)
        if isinstance(inferred, Refusal):
            return inferred
        spec = inferred.spec
        ports = (
            f"session ports {inferred.ports.start + 1}-{inferred.ports.last}" if inferred.ports else "no session ports"
        )
        queues = spec.queues if isinstance(spec.queues, str) else ", ".join(spec.queues)
        return Draft(
            subject=args.name,
            summary=(
                f"Import tenant {args.name}: GPU shares {queues}; at most {spec.max_resources:f} GPUs; sign-in for"
                f" {', '.join(spec.domains)}; {ports}"
            ),
            steps=tuple(_steps(args, facts, inferred)),
            warnings=tuple(_warnings(args, facts, inferred)),
        )


def inferred_from(args: TenantImport, facts: ImportFacts) -> Inferred | Refusal:
    """Return the spec that the tenant's agent says."""
    (agent,) = facts.agents
    return infer(
        name=args.name,
        email=args.admin_email,
        admin_name=facts.admin_name,
        domains=facts.domains,
        values=agent.values,
    )


def _refusal(args: TenantImport, facts: ImportFacts) -> Refusal | None:
    name = args.name
    if facts.is_recorded:
        return Refusal(
            reason=f"tenant {name} is recorded already",
            next_action=f"tenant drift {name} compares it with the record, tenant fix {name} mends it",
        )
    if facts.company_id is None:
        return Refusal(
            reason=f"ClearML has no company {name}",
            next_action="a tenant's company, namespace and record have one name: rename the company in ClearML",
        )
    if facts.admin_company is None:
        return Refusal(
            reason=f"ClearML knows no user {args.admin_email}",
            next_action=f"name an admin of company {name}: ClearML shows a company to its users only",
        )
    if facts.admin_company != facts.company_id:
        return Refusal(
            reason=f"{args.admin_email} is a user of another company ({facts.admin_company})",
            next_action=f"name an admin of company {name} ({facts.company_id})",
        )
    if facts.namespace_labels is None:
        return Refusal(
            reason=f"there is no namespace {name}",
            next_action=f"a tenant's namespace has its name; for a new agent run tenant create {name}",
        )
    if (owner := facts.namespace_labels.get(TENANT_LABEL, name)) != name:
        return Refusal(
            reason=f"namespace {name} says that it is tenant {owner}'s",
            next_action=f"find out whose it is; kubectl label namespace {name} {TENANT_LABEL}- takes the label off",
        )
    return _agent_refusal(name, facts)


def _agent_refusal(name: str, facts: ImportFacts) -> Refusal | None:
    if len(facts.agents) != 1:
        listed = ", ".join(agent.name for agent in facts.agents) or "none"
        return Refusal(
            reason=f"namespace {name} must have one agent's release to read the spec from; it has {listed}",
            next_action="install or uninstall agents with helm until there is one",
        )
    (agent,) = facts.agents
    if agent.name != facts.agent_release:
        return Refusal(
            reason=f"the agent's release is called {agent.name}, and this bot's are {facts.agent_release}:"
            " it would install a second agent beside it",
            next_action=f"install it anew as {facts.agent_release}, or ask an admin to set AGENT__RELEASE",
        )
    if agent.status != "deployed":
        return Refusal(
            reason=f"release {name}/{agent.name} is {agent.status}", next_action="get it deployed with helm first"
        )
    return None


def _steps(args: TenantImport, facts: ImportFacts, inferred: Inferred) -> Iterator[Step]:
    spec, ports = inferred.spec, inferred.ports
    yield Step(
        id="company",
        kind="clearml.company",
        title=f"Take up company {args.name}",
        inputs={"name": args.name},
        undo="stays as it is",
    )
    yield Step(
        id="admin_user",
        kind="clearml.admin_user",
        title=f"Take up admin {spec.admin_name} <{spec.admin_email}>",
        needs=("company",),
        inputs={"company_id": {"$ref": "company.id"}, "email": spec.admin_email, "name": spec.admin_name},
        undo="stays as it is",
    )
    yield Step(
        id="namespace",
        kind="k8s.namespace",
        title=f"Label namespace {args.name} as this tenant's",
        inputs={"name": args.name, "labels": dict(tenant_labels(args.name))},
        undo="the labels stay",
        timeout_s=180,
    )
    yield Step(
        id="agent",
        kind="helm.adopted",
        title=f"Take up agent {facts.agent_release} as it is",
        inputs={
            "namespace": args.name,
            "release": facts.agent_release,
            "port_range": {"start": ports.start, "size": ports.size} if ports else None,
        },
        undo="its ports are free for others again" if ports else "",
    )
    yield spec_step(
        spec,
        before=None,
        company_id={"$ref": "company.id"},
        admin_user_id={"$ref": "admin_user.id"},
        after=("company", "admin_user", "namespace", "agent"),
    )


def _warnings(args: TenantImport, facts: ImportFacts, inferred: Inferred) -> Iterator[str]:
    for note in inferred.notes:
        yield note[:1].upper() + note[1:]
    if not facts.key_is_kept:
        yield "The agent's key is not kept where this bot keeps keys: tenant fix makes a new one for the agent"
    expected = tenant_policies(args.name, ingress_namespace="", ports=inferred.ports is not None)
    if missing := [one["metadata"]["name"] for one in expected if one["metadata"]["name"] not in facts.policies]:
        yield f"NetworkPolicies are missing: {', '.join(missing)}"
    yield from _differences(args, facts, inferred)


def _differences(args: TenantImport, facts: ImportFacts, inferred: Inferred) -> Iterator[str]:
    """Yield how the tenant differs from what `tenant create` would make of the record."""
    if facts.create is None:
        return
    as_ours = replace(facts.create, recorded=recorded(inferred.spec), namespace_labels={TENANT_LABEL: args.name})
    made = CreateTenant().draft(inferred.spec, as_ours)
    if isinstance(made, Refusal):
        yield f"Recorded so, tenant fix {args.name} would be refused: {made.reason}"
        return
    steps = {step.id: step for step in made.steps}
    wanted = steps["queues"].inputs["names"]
    if isinstance(wanted, list) and (lost := [name for name in facts.queues if name not in wanted]):
        yield f"Queues stay in ClearML and are not recorded: {', '.join(lost)}"
    (agent,) = facts.agents
    differing = differing_values(_plain(agent.values), _plain(steps["agent"].inputs["values"]))
    if differing:
        yield (
            f"{len(differing)} values of the agent are not as this bot sets them"
            f" ({listed(list(differing), SHOWN_FIELDS)}):"
            f" tenant fix {args.name} would change them, with an approval of its own"
        )


def _plain(value: Any) -> Any:
    """Return values with secrets by name as one leaf: whether they differ is not known here."""
    match value:
        case {"$secret": _}:
            return "by name"
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value
