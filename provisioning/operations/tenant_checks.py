"""Why a tenant may not be created as asked, and what its approver should know. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from commands.tenants import TenantCreate
from policies.approvals import Refusal
from policies.guardrails import (
    STATIC_BAND_END,
    domain_refusal,
    email_refusal,
    name_refusal,
    ports_refusal,
    public_secret_refusal,
)
from policies.network import TENANT_LABEL
from provisioning.configuration import Provisioning, setting_of
from provisioning.operations.agent_values import DEFAULT_QUEUE, DEFAULT_QUEUE_SHARE
from provisioning.operations.tenant_facts import TenantFacts
from provisioning.port_ranges import PortRange, conflicts, next_free
from provisioning.wording import listed

PLACEHOLDER_IP = "0.0.0.0"  # noqa: S104 - what the guide prints; it is refused
SHOWN_CONFLICTS = 3
_ITS_OWN = "its own sessions at present, which only a range apart or of the same start can follow,"


def first_refusal(args: TenantCreate, facts: TenantFacts) -> Refusal | None:
    """Return why the tenant may not be created, the gravest reason first; None where it may."""
    platform = facts.configuration
    return (
        name_refusal(args.name, also=(platform.ingress_namespace, platform.redis.namespace))
        or public_secret_refusal(secrets_of(platform))
        or email_refusal(args.admin_email)
        or domain_refusal(args.domains)
        or external_ip_refusal(args, facts)
        or _namespace_refusal(args, facts)
        or _company_refusal(args, facts)
        or _email_refusal(args, facts)
        or _domain_taken_refusal(args, facts)
    )


def secrets_of(configuration: Provisioning) -> dict[str, str]:
    """Return every secret of the configuration by its setting: ``REDIS__PASSWORD``."""
    return {setting_of(name): secret.get_secret_value() for name, secret in configuration.secrets().items()}


def choose_ports(args: TenantCreate, facts: TenantFacts) -> PortRange | Refusal | None:
    """Return the envelope of the tenant's sessions: the one asked for, its own, or the next free one.

    None where no ports are asked for.
    """
    chosen = _choose_ports(args, facts)
    held = facts.held
    if held is None or not isinstance(chosen, PortRange) or chosen.start == held.start or not chosen.overlaps(held):
        return chosen
    # helm moves Services one by one: what one of them takes must not be what a later one still has.
    return _choose_ports(args, replace(facts, leased=None, taken_ports=(*facts.taken_ports, (_ITS_OWN, held))))


def _choose_ports(args: TenantCreate, facts: TenantFacts) -> PortRange | Refusal | None:
    if not args.ports:
        return None
    pool = facts.configuration.ports
    if args.port_start is not None:
        return _asked_for(PortRange(args.port_start, args.max_services), facts)
    if facts.leased is not None:
        own = PortRange(facts.leased.start, args.max_services)
        if not _in_the_way(own, facts) and own.last <= pool.last:
            return own
    free = next_free(
        first=pool.first,
        last=pool.last,
        size=args.max_services,
        taken=[envelope for _, envelope in facts.taken_ports],
        live=[port for _, port in facts.live_ports],
    )
    if free is None:
        return Refusal(
            reason=f"no {args.max_services + 1} ports in a row are free between {pool.first} and {pool.last}",
            next_action="ask for fewer --max-services, or ask an admin to widen the pool (PORTS__FIRST, PORTS__LAST)",
        )
    return free


def warnings(args: TenantCreate, facts: TenantFacts, ports: PortRange | None) -> Iterator[str]:
    """Yield what an approver should know of the tenant as it would be made, queues apart."""
    redis = facts.configuration.redis
    yield (
        f"All tenants share one Redis password and database {redis.db}: that is weak isolation, whoever"
        " learns it in one tenant reaches the others' agent data"
    )
    yield from unread_warnings(facts, args.domains)
    if not facts.redis_namespace_exists:
        yield f"Namespace {redis.namespace} is not there: the NetworkPolicy that guards Redis is left out"
    yield (
        f"Queue {DEFAULT_QUEUE} has no GPU, yet each of its tasks counts {DEFAULT_QUEUE_SHARE} toward the limit"
        f" of {text(args.max_resources)}"
    )
    if ports is not None:
        yield from port_warnings(facts, ports)


def unread_warnings(facts: TenantFacts, domains: Sequence[str]) -> Iterator[str]:
    """Yield what nobody could check about *domains*."""
    if facts.unread_companies and domains:  # not named: one more or less of them must not void an approval
        yield (
            "Companies on this server that this bot did not make cannot be read: make sure that none of them"
            f" signs in people of {', '.join(domains)}"
        )


def port_warnings(facts: TenantFacts, ports: PortRange) -> Iterator[str]:
    """Yield what an approver should know of the tenant's session ports."""
    for sentence in facts.unread_ports:
        yield sentence[:1].upper() + sentence[1:]
    if facts.configuration.ports.external_ip is None:
        advertised = _external_ip(facts) or "no address"
        yield f"No external IP is configured (PORTS__EXTERNAL_IP): the chart advertises {advertised}"
    if ports.last > STATIC_BAND_END:
        yield (
            f"Ports {ports} are reserved here, not in Kubernetes: it may hand one of them to another Service"
            " before the agent's are made"
        )


def text(number: Decimal) -> str:
    """Return *number* without trailing zeros: ``3``, ``0.5``."""
    return f"{number.normalize():f}"


def _asked_for(wanted: PortRange, facts: TenantFacts) -> PortRange | Refusal:
    pool = facts.configuration.ports
    if refusal := ports_refusal(wanted.start, wanted.size, first=pool.first, last=pool.last):
        return refusal
    if reasons := _in_the_way(wanted, facts):
        return Refusal(
            reason=f"ports {wanted} are not free: {listed(reasons, SHOWN_CONFLICTS)}",
            next_action="leave --port-start out to get the next free range, or choose another",
        )
    return wanted


def _in_the_way(wanted: PortRange, facts: TenantFacts) -> list[str]:
    return list(conflicts(wanted, taken=facts.taken_ports, live=facts.live_ports))


def _external_ip(facts: TenantFacts) -> str | None:
    """Return the address that sessions will be advertised at: the setting, or the chart's default."""
    if facts.configuration.ports.external_ip is not None:
        return facts.configuration.ports.external_ip
    glue = facts.chart.values.get("agentk8sglue")
    sessions = glue.get("sessions") if isinstance(glue, Mapping) else None
    return str(sessions["externalIP"]) if isinstance(sessions, Mapping) and sessions.get("externalIP") else None


def chart_refusal(version: str | None, facts: TenantFacts) -> Refusal | None:
    """Return why the agent's chart is not to be had in *version*; None: any is right."""
    if version is None or facts.chart.version == version:
        return None
    return Refusal(
        reason=f"the configured chart {facts.chart.name} is {facts.chart.version}: there is no version {version} of it"
        " where it lies",
        next_action=f"say --chart-version {facts.chart.version}, or ask an admin to configure where all versions lie"
        " (AGENT__CHART__REFERENCE)",
    )


def external_ip_refusal(args: TenantCreate, facts: TenantFacts) -> Refusal | None:
    """Return why no sessions can be offered: nobody could reach them."""
    if args.ports and _external_ip(facts) == PLACEHOLDER_IP:
        return Refusal(
            reason=f"sessions would be advertised at {PLACEHOLDER_IP}, a placeholder that no user can reach",
            next_action="ask an admin to set PORTS__EXTERNAL_IP to the address of a node, or leave --ports out",
        )
    return None


def _namespace_refusal(args: TenantCreate, facts: TenantFacts) -> Refusal | None:
    if facts.namespace_labels is None:
        return None
    if facts.namespace_is_terminating:
        return Refusal(
            reason=f"namespace {args.name} is being deleted",
            next_action="wait until it is gone, then run the command again",
        )
    if not facts.namespace_is_ours(args.name):
        return Refusal(
            reason=f"namespace {args.name} exists and was not made for this tenant",
            next_action=(
                "choose another name; if it is the tenant's, an admin can say so:"
                f" kubectl label namespace {args.name} {TENANT_LABEL}={args.name}"
            ),
        )
    return None


def _company_refusal(args: TenantCreate, facts: TenantFacts) -> Refusal | None:
    ours = facts.namespace_is_ours(args.name) or facts.is_recorded or facts.made_by_job is not None
    if facts.company_id is None or ours:
        return None
    return Refusal(
        reason=f"ClearML has a company {args.name} already ({facts.company_id}), and not by this bot",
        next_action=(
            "choose another name; if it is this tenant's, an admin can say so by making its namespace:"
            f" kubectl create namespace {args.name} && kubectl label namespace {args.name}"
            f" {TENANT_LABEL}={args.name}"
        ),
    )


def _email_refusal(args: TenantCreate, facts: TenantFacts) -> Refusal | None:
    if facts.email_holder is None:
        return None
    return Refusal(
        reason=f"{args.admin_email} is a user of company {facts.email_holder} already",
        next_action="choose another --admin-email: an address belongs to one user of the whole server",
    )


def _domain_taken_refusal(args: TenantCreate, facts: TenantFacts) -> Refusal | None:
    for domain in args.domains:
        if holder := facts.domain_holders.get(domain):
            return Refusal(
                reason=f"domain {domain} is whitelisted for company {holder} already",
                next_action="choose another --domain: with one domain on two tenants, sign-in is unstable",
            )
    return None
