"""`tenant upgrade`: a tenant's agent on another version of its chart, its values as they are. Pure."""

from commands.tenant_lifecycle import TenantUpgrade
from policies.approvals import Refusal
from provisioning.operations.base import Draft
from provisioning.operations.chart_facts import ChartFacts
from provisioning.operations.release_steps import DEPLOYED, ROLLBACK_MARGIN_S
from provisioning.operations.tenant_checks import chart_refusal
from provisioning.operations.tenant_existing import agent_refusal, not_recorded, record_step, world_refusal
from provisioning.operations.tenant_facts import AgentRelease, ExistingTenant
from provisioning.operations.tenant_spec import changed
from provisioning.plan import Step


class UpgradeTenant:
    """The chart's version only: `tenant resize` changes values."""

    command = "tenant upgrade"
    args = TenantUpgrade

    def draft(self, args: TenantUpgrade, facts: ExistingTenant | None) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        if facts is None:
            return not_recorded(args.name)
        refusal = world_refusal(facts) or agent_refusal(facts) or chart_refusal(args.chart_version, facts.world)
        release, chart = facts.world.release, facts.world.chart
        if refusal or release is None:
            return refusal or not_recorded(args.name)  # without a release agent_refusal has refused
        if refusal := _release_refusal(args, release, chart) or _unknown_refusal(facts):
            return refusal
        step = _upgrade_step(facts, release)
        # The version that a tenant was moved to, or held on by name, is its own from then on.
        holds = release.chart_version != chart.version or args.chart_version or facts.spec.chart_version
        spec = changed(facts.spec, {"chart_version": chart.version}) if holds else facts.spec
        older = _order(chart.version) < _order(release.chart_version)
        return Draft(
            subject=args.name,
            summary=f"Upgrade tenant {args.name}: chart {chart.name} {release.chart_version} → {chart.version},"
            " values stay",
            steps=(step, record_step(spec, facts, [step])),
            warnings=(
                (f"Chart {chart.version} is older than {release.chart_version}, which runs: this takes it back",)
                if older
                else ()
            ),
        )


def _release_refusal(args: TenantUpgrade, release: AgentRelease, chart: ChartFacts) -> Refusal | None:
    if release.status != DEPLOYED:
        return Refusal(
            reason=f"the agent's release of tenant {args.name} is {release.status}, not deployed: its values may be"
            " half of a change",
            next_action=f"run /clearml tenant fix {args.name} first",
        )
    if release.chart != chart.name:
        return Refusal(
            reason=f"the agent of tenant {args.name} runs chart {release.chart}, and {chart.name} is configured:"
            " that is no other version, but another chart",
            next_action=f"run /clearml tenant fix {args.name}: it brings the configured chart with its own values",
        )
    if _order(chart.version) < _order(release.chart_version) and not args.allow_downgrade:
        return Refusal(
            reason=f"the agent of tenant {args.name} runs chart {release.chart_version}, and {chart.version} is older",
            next_action="say --allow-downgrade if that is meant, or name another --chart-version",
        )
    return None


def _unknown_refusal(facts: ExistingTenant) -> Refusal | None:
    if not facts.unknown_keys:
        return None
    chart, name = facts.world.chart, facts.spec.name
    return Refusal(
        reason=f"chart {chart.name} {chart.version} knows no {', '.join(facts.unknown_keys)}, which tenant {name}"
        " has set: helm would ignore that",
        next_action="name another --chart-version, or ask an admin for a chart that fits",
    )


def _upgrade_step(facts: ExistingTenant, release: AgentRelease) -> Step:
    agent, chart = facts.world.configuration.agent, facts.world.chart
    return Step(
        id="agent",
        kind="helm.upgraded",
        title=f"Upgrade agent {agent.release} to chart {chart.name} {chart.version}",
        inputs={
            "namespace": facts.spec.name,
            "release": agent.release,
            "chart": "agent",
            "chart_name": chart.name,
            "chart_version": chart.version,
            "chart_sha256": chart.sha256,
            "back_to": release.revision,
            "wait_s": agent.timeout_s,
        },
        undo=f"helm goes back to revision {release.revision}",
        timeout_s=2 * agent.timeout_s + ROLLBACK_MARGIN_S,
    )


def _order(version: str) -> tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]:
    """Return what versions are ordered by: numbers, then a release behind its candidates, as SemVer has it."""
    release, _, candidate = version.removeprefix("v").partition("+")[0].partition("-")
    numbers = tuple(int(part) for part in release.split(".") if part.isdigit())
    parts = tuple(
        (not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in candidate.split(".") if part
    )
    return numbers, not candidate, parts
