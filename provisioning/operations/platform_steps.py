"""The steps that make up the platform, each once: what installing and upgrading put together. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

from commands.platform import Component
from policies.network import MANAGED_BY, billing_policy, server_policies
from provisioning.manifests import as_json
from provisioning.operations.platform_facts import PlatformFacts
from provisioning.operations.platform_releases import NEEDS, release_inputs, step_timeout_s
from provisioning.operations.redis_guard import redis_guard
from provisioning.plan import Step
from provisioning.platform.spec import PlatformSpec
from provisioning.platform.values import full_name

SERVER_CHART = "clearml-enterprise"  # where the chart was not looked at
SERVER_NAMESPACE = "clearml"  # where the server is somebody else's
SECRETS_STEP, API_STEP = "secrets", "api"
# The operator's drivers need the host: a cluster that enforces pod security would refuse them.
_PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}


def namespace_steps(facts: PlatformFacts, components: Iterable[Component], secrets: Iterable[str]) -> Iterator[Step]:
    """Yield a step for each namespace that something is put into, each once."""
    spec, wanted = facts.spec, set(components)
    labels: dict[str, dict[str, str]] = {}
    for component in spec.releases():
        namespace = spec.part(component).namespace
        if component in wanted or (Component.POLICIES in wanted and component in _GUARDED):
            labels.setdefault(namespace, dict(MANAGED_BY))
        if component is Component.GPU_OPERATOR and namespace in labels:
            labels[namespace] |= _PRIVILEGED
    for name in secrets:
        labels.setdefault(name.split("/")[0], dict(MANAGED_BY))
    for namespace, wanted_labels in labels.items():
        yield Step(
            id=_namespace_id(namespace),
            kind="k8s.namespace",
            title=f"Create namespace {namespace}",
            inputs=as_json({"name": namespace, "labels": wanted_labels}),
            undo="deleted, with everything in it, if this job made it",
            timeout_s=180,
        )


def secrets_step(names: tuple[str, ...]) -> Step:
    """Return the step that makes the secrets *names* (``namespace/name/key``)."""
    keys = ", ".join(name.split("/")[-1] for name in names)
    return Step(
        id=SECRETS_STEP,
        kind="platform.secrets",
        title=f"Make strong secrets and keep them in Kubernetes: {keys}",
        needs=tuple(dict.fromkeys(_namespace_id(name.split("/")[0]) for name in names)),
        inputs={"names": [*names], "labels": as_json(MANAGED_BY)},
        undo="stay: what was installed with them holds their data",
    )


def release_step(
    facts: PlatformFacts,
    component: Component,
    *,
    title: str,
    among: Iterable[Component],
    undo: str,
    needs: tuple[str, ...] = (),
    keep: bool = False,
    back_to: int | None = None,
    version: str | None = None,
) -> Step:
    """Return the step that makes one release; it waits for the releases among *among* that it needs."""
    before = tuple(one.field for one in NEEDS.get(component, ()) if one in set(among))
    return Step(
        id=component.field,
        kind="helm.release",
        title=title,
        needs=(*needs, *before),
        inputs=release_inputs(facts, component, keep=keep, back_to=back_to, version=version),
        undo=undo,
        timeout_s=step_timeout_s(facts, component),
    )


def policy_steps(facts: PlatformFacts, needs: frozenset[str]) -> Iterator[Step]:
    """Yield the NetworkPolicies around the server, billing and Redis: a step for each namespace. *needs*: the ids
    of the namespaces' steps that are part of the plan."""
    for component, namespace, manifests in guarded(facts):
        # Better one guard too many than one too few: what guarded the platform before this job goes on to.
        before = [one for one in manifests if (namespace, one["metadata"]["name"]) in facts.policies]
        yield Step(
            id=f"policies_{component.field}",
            kind="k8s.network_policies",
            title=f"Limit who reaches {component} in namespace {namespace}",
            needs=tuple(one for one in (_namespace_id(namespace),) if one in needs),
            inputs={"namespace": namespace, "manifests": as_json(manifests), "before": as_json(before)},
            undo="deleted, but for those that were there before: they stay as planned" if before else "deleted",
        )


def guarded(facts: PlatformFacts) -> Iterator[tuple[Component, str, tuple[dict[str, Any], ...]]]:
    """Yield component, namespace and the NetworkPolicies there."""
    spec, policies = facts.spec, facts.spec.policies
    if policies is None:
        return
    if spec.server is not None:
        yield (
            Component.SERVER,
            spec.server.namespace,
            server_policies(
                spec.server.namespace,
                app_name=full_name(spec.server.release, _server_chart(facts)),
                ingress_namespace=policies.ingress_namespace,
            ),
        )
    if spec.billing is not None:
        server = spec.server.namespace if spec.server else SERVER_NAMESPACE
        yield (
            Component.BILLING,
            spec.billing.namespace,
            (billing_policy(spec.billing.namespace, server_namespace=server),),
        )
    if spec.redis is not None:
        yield Component.REDIS, spec.redis.namespace, (redis_guard(facts.configuration, spec.redis.namespace),)


def api_step(facts: PlatformFacts, *, needs: tuple[str, ...]) -> Step:
    """Return the step that waits until the API answers the bot."""
    url = facts.configuration.clearml.api_url
    timeout_s = facts.spec.server.timeout_s if facts.spec.server else 300
    return Step(
        id=API_STEP,
        kind="clearml.api",
        title=f"Wait until the API answers at {url}, with the bot's credentials",
        needs=needs,
        inputs={"url": url},
        timeout_s=timeout_s,
        momentary=True,
    )


def applications_step(spec: PlatformSpec, *, needs: tuple[str, ...]) -> Step:
    """Return the step that uploads the GUI applications. Raises: ValueError where the spec has none."""
    wanted = spec.applications
    if wanted is None:
        raise ValueError("the spec has no applications")
    where = wanted.file or wanted.url or f"the address in {wanted.url_secret.name if wanted.url_secret else ''}"
    namespace = spec.server.namespace if spec.server else SERVER_NAMESPACE
    return Step(
        id=Component.APPLICATIONS.field,
        kind="platform.applications",
        title=f"Upload the applications of {where}",
        needs=needs,
        inputs={
            "file": wanted.file,
            "url": wanted.url,
            "url_secret": wanted.url_secret.name if wanted.url_secret else None,
            "sha256": wanted.sha256,
            "script": wanted.script,
            "folder": wanted.folder,
            "python": wanted.python,
            "namespace": namespace,
        },
        undo="stay: the server has no call that removes them",
        timeout_s=wanted.timeout_s,
    )


def _server_chart(facts: PlatformFacts) -> str:
    chart = facts.charts.get(Component.SERVER)
    if chart is not None:
        return chart.name
    return (facts.spec.server.chart.name if facts.spec.server else None) or SERVER_CHART


def namespace_need(facts: PlatformFacts, component: Component) -> str:
    """Return the id of the step that makes the component's namespace."""
    return _namespace_id(facts.spec.part(component).namespace)


def _namespace_id(namespace: str) -> str:
    return f"namespace_{namespace}"


_GUARDED = (Component.SERVER, Component.BILLING, Component.REDIS)
