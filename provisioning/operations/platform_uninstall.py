"""`platform uninstall`: what is installed is removed, dependents first. Refused while tenants exist. Pure."""

from collections.abc import Iterator

from commands.platform import SUBJECT, Component, PlatformUninstall
from policies.approvals import Refusal
from provisioning.manifests import as_json
from provisioning.operations.base import Draft
from provisioning.operations.platform_checks import chosen
from provisioning.operations.platform_facts import PlatformFacts
from provisioning.operations.platform_releases import NEEDS
from provisioning.operations.platform_steps import guarded
from provisioning.plan import Step
from provisioning.wording import listed

SHOWN_TENANTS = 5
MARGIN_S = 60


class UninstallPlatform:
    """The operation. Namespaces stay: their volumes and Secrets hold what nobody can make again."""

    command = "platform uninstall"
    args = PlatformUninstall

    def draft(self, args: PlatformUninstall, facts: PlatformFacts) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        components = chosen(facts.spec, args.component)
        if isinstance(components, Refusal):
            return components
        if refusal := _tenants_refusal(args, facts) or _dependents_refusal(facts, components):
            return refusal
        return Draft(
            subject=SUBJECT,
            summary=f"Uninstall the platform: {', '.join(reversed(components))}",
            steps=tuple(_steps(facts, components)),
            warnings=tuple(_warnings(facts, components)),
            goes_on=True,
        )


def _tenants_refusal(args: PlatformUninstall, facts: PlatformFacts) -> Refusal | None:
    if not facts.tenants or args.force:
        return None
    return Refusal(
        reason=f"tenants stand on this platform: {_some(facts.tenants)}",
        next_action="delete them first, or say --force to take it away under them",
    )


def _dependents_refusal(facts: PlatformFacts, components: tuple[Component, ...]) -> Refusal | None:
    for component in components:
        for dependent, needed in NEEDS.items():
            if component in needed and dependent in facts.releases and dependent not in components:
                return Refusal(
                    reason=f"{dependent} needs {component} and is installed",
                    next_action=f"run platform uninstall {dependent} first",
                )
    return None


def _steps(facts: PlatformFacts, components: tuple[Component, ...]) -> Iterator[Step]:
    releases = [one for one in reversed(components) if one in facts.spec.releases()]
    for component in releases:
        part = facts.spec.part(component)
        dependents = tuple(one.field for one in releases if component in NEEDS.get(one, ()))
        yield Step(
            id=component.field,
            kind="helm.uninstalled",
            destroys=True,
            title=f"Uninstall {component} ({part.namespace}/{part.release})",
            needs=dependents,
            inputs={"namespace": part.namespace, "release": part.release, "wait_s": part.timeout_s},
            undo=f"cannot be undone once it is gone: platform install {component} installs it again",
            timeout_s=part.timeout_s + MARGIN_S,
        )
    if Component.POLICIES in components:
        for component, namespace, manifests in guarded(facts):
            yield Step(
                id=f"policies_{component.field}",
                kind="k8s.no_network_policies",
                title=f"Take the limits on who reaches {component} out of namespace {namespace}",
                needs=tuple(one.field for one in releases if one is component),
                inputs={"namespace": namespace, "manifests": as_json(manifests)},
                undo="set again, as the spec has them",
            )


def _warnings(facts: PlatformFacts, components: tuple[Component, ...]) -> Iterator[str]:
    if facts.tenants:
        yield f"Tenants stand on this platform and will not work any more: {_some(facts.tenants)}"
    namespaces = sorted({facts.spec.part(one).namespace for one in components if one in facts.spec.releases()})
    if namespaces:
        yield (
            f"The namespaces stay, with their volumes and Secrets: {', '.join(namespaces)}. To lose that data too,"
            " delete them with kubectl"
        )
    if Component.GPU_OPERATOR in components:
        yield "CustomResourceDefinitions stay: helm removes none. MIG modes of the nodes stay as they are"


def _some(names: tuple[str, ...]) -> str:
    return listed(names, SHOWN_TENANTS)
