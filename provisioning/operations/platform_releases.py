"""The platform's releases as inputs of the step that installs them, and what stands against one. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from commands.platform import Component
from policies.approvals import Refusal
from provisioning.chart_values import merged, overridden, secret_names, unknown_keys
from provisioning.operations.platform_facts import PlatformFacts
from provisioning.platform.server_variables import repeated_variables
from provisioning.platform.spec import PlatformSpec
from provisioning.platform.values import values_of

ROLLBACK_MARGIN_S = 60
NEEDS: Mapping[Component, tuple[Component, ...]] = {
    Component.CDMO: (Component.GPU_OPERATOR,),
    Component.SERVER: (Component.BILLING,),  # the API server points at billing's Kafka and Redis
    Component.APPLICATIONS: (Component.SERVER,),
}
# What a chart calls itself: another one, by a mistake in the spec, would be installed in its place.
_CALLED = {
    Component.GPU_OPERATOR: "gpu-operator",
    Component.CDMO: "mig-operator",
    Component.REDIS: "redis",
    Component.BILLING: "billing",
    Component.SERVER: "clearml",
}
OCI = "oci://"
_TELLING = ("password", "passwd", "secret", "token", "apikey", "privatekey")
IF_KEY_GONE = "put it there, then Retry; or Leave this job, and ask again with --generate-secrets"


def whole_values(facts: PlatformFacts, component: Component) -> dict[str, JsonValue]:
    """Return what the component's release is given: the values file's, and ours over them."""
    chart = facts.charts[component]
    return merged(values_of(facts.spec, component, chart.values), facts.more_values.get(component, {}))


def release_inputs(
    facts: PlatformFacts,
    component: Component,
    *,
    keep: bool = False,
    back_to: int | None = None,
    version: str | None = None,
) -> dict[str, JsonValue]:
    """Return the inputs of ``helm.release``. *version*: of the chart that was looked at, where it is not the spec's."""
    part, chart = facts.spec.part(component), facts.charts[component]
    return {
        "namespace": part.namespace,
        "release": part.release,
        "chart": chart_input(facts.spec, component, version=version),
        "chart_name": chart.name,
        "chart_version": version or chart.version,
        "chart_sha256": chart.sha256,
        "values": whole_values(facts, component),
        "wait_s": part.timeout_s,
        "keep": keep,
        "back_to": back_to,
        "if_key_gone": IF_KEY_GONE,
    }


def step_timeout_s(facts: PlatformFacts, component: Component) -> int:
    """Return how long the step may take: helm waits, goes back where that fails, and waits again."""
    return 2 * facts.spec.part(component).timeout_s + ROLLBACK_MARGIN_S


def chart_input(spec: PlatformSpec, component: Component, *, version: str | None = None) -> dict[str, JsonValue]:
    """Return where the chart lies, credentials by name."""
    reference, repo, username, password = located(spec, component, version=version)
    return {
        "reference": reference,
        "version": version or spec.part(component).chart.version,
        "repo": repo,
        "username": {"$secret": username} if username else None,
        "password": {"$secret": password} if password else None,
    }


def located(
    spec: PlatformSpec, component: Component, *, version: str | None = None
) -> tuple[str, str | None, str | None, str | None]:
    """Return reference, repo, and the names of user and password: as helm takes OCI, classic repos and files.

    *version*: another than the spec's. The digest is that of the spec's.
    """
    source = spec.part(component).chart
    if source.file is not None or source.repository is None:
        return source.file or "", None, None, None
    repository = spec.repositories[source.repository]
    username = repository.username.name if repository.username else None
    password = repository.password.name if repository.password else None
    if repository.url.lower().startswith(OCI):
        registry = OCI + repository.url[len(OCI) :].rstrip("/")  # a scheme is read in any case of letters
        digest = f"@{source.digest}" if source.digest and version in {None, source.version} else ""
        return f"{registry}/{source.name}{digest}", None, username, password
    return source.name or "", repository.url, username, password


def release_refusal(facts: PlatformFacts, component: Component) -> Refusal | None:
    """Return why the component's release may not be made as the spec says."""
    spec, chart = facts.spec, facts.charts[component]
    where = component.field
    if _CALLED[component] not in chart.name:
        return Refusal(
            reason=f"{where}.chart is called {chart.name} {chart.version}: that is no chart of {component}",
            next_action=f"correct {where}.chart in the platform spec",
        )
    if spec.server is not None and (repeated := repeated_variables(spec, spec.server)):
        return Refusal(
            reason=f"server.variables sets {', '.join(repeated)}, which the spec's own fields set",
            next_action="take it out of server.variables",
        )
    more = facts.more_values.get(component, {})
    ours = values_of(spec, component, chart.values)
    if lost := tuple(overridden(ours, more)):
        return Refusal(
            reason=f"{where}.values_file sets {', '.join(lost)}, which the spec sets",
            next_action="take it out of the values file",
        )
    if written := tuple(_written_secrets(more)):
        return Refusal(
            reason=f"{where}.values_file holds a secret at {', '.join(written)}",
            next_action='name it there instead, as {"$secret": "platform.secrets.NAME"}',
        )
    if unknown := unknown_keys(merged(ours, more), chart.values):
        return Refusal(
            reason=f"chart {chart.name} {chart.version} knows no {', '.join(unknown)}: helm would ignore what is set"
            " there",
            next_action=f"choose a version of the chart that fits, or correct {where} in the platform spec",
        )
    return None


def secrets_of_release(facts: PlatformFacts, component: Component) -> tuple[str, ...]:
    """Return the names of the secrets that the release needs, credentials of its chart's repository too."""
    _, _, username, password = located(facts.spec, component)
    of_chart = tuple(one for one in (username, password) if one is not None)
    return tuple(dict.fromkeys((*secret_names(whole_values(facts, component)), *of_chart)))


def _written_secrets(value: Any, path: str = "") -> Iterator[str]:
    match value:
        case {"$secret": _}:
            return
        case Mapping():
            for key, item in value.items():
                here = f"{path}.{key}" if path else str(key)
                if isinstance(item, str) and item and str(key).lower().endswith(_TELLING):
                    yield here
                else:
                    yield from _written_secrets(item, here)
        case list():
            for index, item in enumerate(value):
                yield from _written_secrets(item, f"{path}[{index}]")
        case _:
            return
