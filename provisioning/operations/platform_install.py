"""`platform install`: what is missing of the platform is installed, in the order of what needs what. Pure."""

from commands.platform import SUBJECT, Component, PlatformInstall
from policies.approvals import Refusal
from provisioning.operations.base import Draft
from provisioning.operations.platform_checks import (
    chosen,
    dependency_refusal,
    first_refusal,
    generatable,
    missing,
    warnings,
)
from provisioning.operations.platform_facts import PlatformFacts
from provisioning.operations.platform_releases import secrets_of_release
from provisioning.operations.platform_steps import (
    API_STEP,
    SECRETS_STEP,
    api_step,
    applications_step,
    namespace_need,
    namespace_steps,
    policy_steps,
    release_step,
    secrets_step,
)
from provisioning.plan import Step

UNDO = "uninstalled, if this job installed it"


class InstallPlatform:
    """The operation. A release that is deployed stays as it is: `platform upgrade` changes it."""

    command = "platform install"
    args = PlatformInstall

    def draft(self, args: PlatformInstall, facts: PlatformFacts) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        components = chosen(facts.spec, args.component)
        if isinstance(components, Refusal):
            return components
        if refusal := (
            dependency_refusal(facts, components) or first_refusal(facts, components, generate=args.generate_secrets)
        ):
            return refusal
        made = secrets_to_make(facts, components)
        return Draft(
            subject=SUBJECT,
            summary=f"Install the platform: {', '.join(components)}",
            steps=tuple(_steps(facts, components, made)),
            warnings=tuple(warnings(facts, components)),
            goes_on=True,
        )


def secrets_to_make(facts: PlatformFacts, components: tuple[Component, ...]) -> tuple[str, ...]:
    """Return the names of the secrets that are missing and ours to make."""
    releases = [one for one in components if one in facts.spec.releases()]
    needed = dict.fromkeys(name for one in releases for name in secrets_of_release(facts, one))
    return tuple(name for name in missing(facts, needed) if generatable(name))


def _steps(facts: PlatformFacts, components: tuple[Component, ...], made: tuple[str, ...]) -> list[Step]:
    steps = list(namespace_steps(facts, components, made))
    namespaces = frozenset(step.id for step in steps)
    if made:
        steps.append(secrets_step(made))
    if Component.POLICIES in components:
        steps += policy_steps(facts, namespaces)
    for component in components:
        if component not in facts.spec.releases():
            continue
        needs = [namespace_need(facts, component)]
        if set(made) & set(secrets_of_release(facts, component)):
            needs.append(SECRETS_STEP)
        chart, part = facts.charts[component], facts.spec.part(component)
        steps.append(
            release_step(
                facts,
                component,
                title=f"Install {component} ({chart.name} {chart.version}) as {part.namespace}/{part.release}",
                among=components,
                undo=UNDO,
                needs=tuple(needs),
                keep=True,
            )
        )
    if Component.SERVER in components or Component.APPLICATIONS in components:
        before = (Component.SERVER.field,) if Component.SERVER in components else ()
        steps.append(api_step(facts, needs=before))
    if Component.APPLICATIONS in components:
        steps.append(applications_step(facts.spec, needs=(API_STEP,)))
    return steps
