"""`platform upgrade`: what is installed becomes as the spec says, chart versions and values told apart. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue, SecretStr

from commands.platform import SUBJECT, Component, PlatformUpgrade
from policies.approvals import Refusal
from provisioning.chart_values import differing_values, filled_in
from provisioning.operations.base import Draft
from provisioning.operations.platform_checks import chosen, first_refusal, warnings
from provisioning.operations.platform_facts import PlatformFacts
from provisioning.operations.platform_releases import whole_values
from provisioning.operations.platform_steps import (
    API_STEP,
    api_step,
    applications_step,
    policy_steps,
    release_step,
)
from provisioning.operations.release_steps import DEPLOYED, way_back
from provisioning.plan import Step
from provisioning.platform.incompatibilities import version_number


@dataclass(frozen=True, kw_only=True)
class ReleaseChange:
    """How one installed release differs from the spec."""

    component: Component
    revision: int
    status: str
    version_is: str
    version_shall: str
    values: Mapping[str, tuple[JsonValue, JsonValue]]  # path → (is, shall); secrets are •••

    @property
    def changes_version(self) -> bool:
        return self.version_is != self.version_shall

    @property
    def is_nothing(self) -> bool:
        return not self.changes_version and not self.values and self.status == DEPLOYED

    def __str__(self) -> str:
        """Return it for a step's title."""
        count = f"{len(self.values)} value{'s' if len(self.values) != 1 else ''}"
        versions = f"chart {self.version_is} → {self.version_shall}"
        match (self.changes_version, bool(self.values)):
            case (True, True):
                return f"Upgrade {self.component}: {versions}, and change {count}"
            case (True, False):
                return f"Upgrade {self.component}: {versions}, values stay"
            case (False, True):
                return f"Change {count} of {self.component}, chart {self.version_is} stays"
            case _ if self.status != DEPLOYED:
                return f"Mend {self.component}: its release is {self.status}"
            case _:
                return f"Leave {self.component} as it is, chart {self.version_is}"


class UpgradePlatform:
    """The operation. What is not installed is left out: `platform install` installs it."""

    command = "platform upgrade"
    args = PlatformUpgrade

    def draft(self, args: PlatformUpgrade, facts: PlatformFacts) -> Draft | Refusal:
        """Return the steps, or the first reason against them."""
        components = chosen(facts.spec, args.component)
        if isinstance(components, Refusal):
            return components
        absent = [one for one in components if one in facts.spec.releases() and one not in facts.releases]
        if args.component in absent or (absent and not facts.releases):
            return Refusal(
                reason=f"{', '.join(absent)}: not installed, so there is nothing to upgrade",
                next_action=f"run platform install{f' {args.component}' if args.component else ''}",
            )
        present = tuple(one for one in components if one not in absent)
        if refusal := first_refusal(facts, present, generate=False):
            return refusal
        changes = tuple(change_of(facts, one, values_only=args.values_only) for one in present if one in facts.releases)
        if args.values_only:
            changes = tuple(one for one in changes if not (one.is_nothing and _is_another_file(facts, one)))
            if refusal := _file_refusal(facts, changes):
                return refusal
        return Draft(
            subject=SUBJECT,
            summary=_summary(changes),
            steps=tuple(_steps(facts, present, changes)),
            warnings=(*_apart(changes), *_left_out(absent), *warnings(facts, present)),
            goes_on=True,
        )


def change_of(facts: PlatformFacts, component: Component, *, values_only: bool = False) -> ReleaseChange:
    """Return how the release differs. Raises: KeyError where it is not installed or was not looked at."""
    release, chart = facts.releases[component], facts.charts[component]
    shall = filled_in(whole_values(facts, component), lambda name: facts.secrets.get(name, SecretStr("")))
    return ReleaseChange(
        component=component,
        revision=release.revision,
        status=release.status,
        version_is=release.chart_version,
        version_shall=release.chart_version if values_only else chart.version,
        values=differing_values(dict(facts.given_values[component]), shall),
    )


def _file_refusal(facts: PlatformFacts, changes: tuple[ReleaseChange, ...]) -> Refusal | None:
    for change in changes:
        if _is_another_file(facts, change):
            chart = facts.charts[change.component]
            return Refusal(
                reason=f"{change.component} runs chart {change.version_is}, and its file holds {chart.version}: the"
                " values cannot be changed alone",
                next_action=f"name the file of {change.version_is} in the spec, or leave --values-only out",
            )
    return None


def _is_another_file(facts: PlatformFacts, change: ReleaseChange) -> bool:
    """Return whether the chart that runs cannot be had: a file holds one version."""
    return facts.charts[change.component].version != change.version_is


def _summary(changes: tuple[ReleaseChange, ...]) -> str:
    versions = [f"{one.component} {one.version_is} → {one.version_shall}" for one in changes if one.changes_version]
    values = [f"{one.component} ({len(one.values)})" for one in changes if one.values]
    said = [
        *([f"versions: {', '.join(versions)}"] if versions else []),
        *([f"values: {', '.join(values)}"] if values else []),
    ]
    return f"Upgrade the platform: {'; '.join(said) or 'no release differs from the spec'}"


def _apart(changes: tuple[ReleaseChange, ...]) -> Iterator[str]:
    for one in changes:
        if one.changes_version and one.values:
            yield (
                f"{one.component}: chart version and values change at once, so a failure could come from either."
                f" To keep them apart, run platform upgrade {one.component} --values-only first"
            )
        if version_number(one.version_shall) < version_number(one.version_is):
            yield f"{one.component}: chart {one.version_shall} is older than {one.version_is}, which is installed"


def _left_out(absent: list[Component]) -> Iterator[str]:
    if absent:
        yield f"Not installed, and left out: {', '.join(absent)}. platform install installs them"


def _steps(
    facts: PlatformFacts, components: tuple[Component, ...], changes: tuple[ReleaseChange, ...]
) -> Iterator[Step]:
    if Component.POLICIES in components:
        yield from policy_steps(facts, frozenset())
    for change in changes:
        back_to, undo = way_back(change)
        yield release_step(
            facts,
            change.component,
            title=str(change),
            among=[one.component for one in changes],
            undo=undo,
            back_to=back_to,
            version=change.version_shall,
        )
    if Component.SERVER in {one.component for one in changes} or Component.APPLICATIONS in components:
        before = tuple(one.component.field for one in changes if one.component is Component.SERVER)
        yield api_step(facts, needs=before)
    if Component.APPLICATIONS in components:
        yield applications_step(facts.spec, needs=(API_STEP,))
