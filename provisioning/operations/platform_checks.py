"""Why the platform may not be installed as the spec says, and what its approver should know. Pure."""

from collections.abc import Iterable, Iterator

from commands.platform import Component
from policies.approvals import Refusal
from policies.guardrails import public_secret_refusal
from provisioning.clients.helm_releases import Release
from provisioning.configuration import setting_of
from provisioning.operations.platform_facts import PlatformFacts
from provisioning.operations.platform_releases import NEEDS, release_refusal, secrets_of_release
from provisioning.platform.spec import PlatformSpec
from provisioning.platform.spec_fields import SECRETS_NAME, SecretReference

SPEC_SETTING = "CLEARML_CHATOPS_PLATFORM__FILE"


def chosen(spec: PlatformSpec, component: Component | None) -> tuple[Component, ...] | Refusal:
    """Return the components that a command is about."""
    every = spec.components()
    if component is None:
        if not every:
            return Refusal(reason="the platform spec has no component", next_action="add one: platform init shows all")
        return every
    if component not in every:
        return Refusal(
            reason=f"{component} is no part of the platform spec, so it is not ours",
            next_action=f"add {component.field} to the spec, or name one of {', '.join(every) or 'none'}",
        )
    return (component,)


def first_refusal(facts: PlatformFacts, components: Iterable[Component], *, generate: bool) -> Refusal | None:
    """Return why the components may not be made as the spec says, the gravest reason first."""
    wanted = tuple(one for one in components if one in facts.spec.releases())
    needed = tuple(dict.fromkeys(name for one in wanted for name in secrets_of_release(facts, one)))
    known = {name: secret.get_secret_value() for name, secret in facts.secrets.items()}
    return (
        public_secret_refusal({**known, **_texts(facts.spec)})
        or _terminating_refusal(facts)
        or next((refusal for one in wanted if (refusal := release_refusal(facts, one))), None)
        or _missing_refusal(facts, needed, generate=generate)
        or (_redis_refusal(facts) if Component.REDIS in wanted else None)
    )


def missing(facts: PlatformFacts, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in facts.secrets)


def generatable(name: str) -> bool:
    """Return whether `--generate-secrets` may make the secret of that name."""
    return "/" in name and SecretReference(secret=name).can_be_generated


def dependency_refusal(facts: PlatformFacts, components: tuple[Component, ...]) -> Refusal | None:
    """Return which component must be there first, where one was named alone."""
    for component in components:
        for needed in NEEDS.get(component, ()):
            is_ours = needed in facts.spec.components()
            if is_ours and needed not in components and not _is_deployed(facts.releases.get(needed)):
                return Refusal(
                    reason=f"{component} needs {needed}, which is not installed",
                    next_action=f"run platform install {needed} first, or platform install for everything",
                )
    return None


def warnings(facts: PlatformFacts, components: Iterable[Component]) -> Iterator[str]:
    """Yield what an approver should know."""
    spec, configuration = facts.spec, facts.configuration
    wanted = set(components)
    if Component.SERVER in wanted:
        clearml = configuration.clearml
        for setting, host, told in (
            ("api_url", spec.host("api"), clearml.api_url),
            ("web_url", spec.host("app"), clearml.web_url),
            ("files_url", spec.host("files"), clearml.files_url),
        ):
            if host not in told:
                yield (
                    f"The server answers at {host}, and tenants' agents are told {told} (clearml.{setting}): they must"
                    " mean the same"
                )
        if spec.server is not None and spec.server.sso is None:
            yield "There is no single sign-on in the spec: only the supervisor can sign in until server.sso says how"
    if Component.REDIS in wanted:
        yield (
            "All tenants share this Redis, with one password and one database: that is weak isolation, whoever"
            " learns it in one tenant reaches the others' agent data"
        )
    if Component.POLICIES in wanted:
        yield (
            "The NetworkPolicies limit what comes in, not what goes out, and only as far as the cluster's network"
            " plugin enforces them"
        )


def _terminating_refusal(facts: PlatformFacts) -> Refusal | None:
    if not facts.terminating:
        return None
    return Refusal(
        reason=f"namespace {min(facts.terminating)} is being deleted",
        next_action="wait until it is gone, then run the command again",
    )


def _missing_refusal(facts: PlatformFacts, needed: Iterable[str], *, generate: bool) -> Refusal | None:
    absent = missing(facts, needed)
    ours = tuple(name for name in absent if generatable(name))
    for name in absent:
        if name in ours:
            continue
        if "/" in name:
            return Refusal(
                reason=f"the Secret {name} (namespace/name/key) is not there",
                next_action=f"create it, or call it {SECRETS_NAME} in the spec to have it generated",
            )
        return Refusal(
            reason=f"the spec names the setting {name}, which is not set",
            next_action=f"set CLEARML_CHATOPS_{setting_of(name)} and start the bot again",
        )
    if ours and not generate:
        return Refusal(
            reason=f"these secrets are not there: {', '.join(ours)}",
            next_action="run platform install --generate-secrets to make strong ones, or create them",
        )
    namespaces = {facts.spec.part(one).namespace for one in facts.spec.releases()}
    for name in ours:
        if name.split("/")[0] not in namespaces:
            return Refusal(
                reason=f"{name} would be made in namespace {name.split('/')[0]}, which is none of the spec's",
                next_action=f"name it in one of {', '.join(sorted(namespaces))}",
            )
    return None


def _redis_refusal(facts: PlatformFacts) -> Refusal | None:
    """Refuse a Redis whose password is not the one that tenants' agents are given."""
    redis = facts.spec.redis
    if redis is None or redis.password.name == facts.redis_secret():
        return None
    here, there = facts.secrets.get(redis.password.name), facts.secrets.get(facts.redis_secret())
    if here is not None and there is not None and here.get_secret_value() == there.get_secret_value():
        return None
    way_out = (
        f"set CLEARML_CHATOPS_REDIS__PASSWORD_SECRET={redis.password.secret} in place of its password"
        if redis.password.secret
        else "name one secret on both sides"
    )
    return Refusal(
        reason=f"Redis would get the password {redis.password.name}, and tenants' agents are given"
        f" {facts.redis_secret()}: they are not the same, and Redis would refuse the agents",
        next_action=f"{way_out}, or name {{setting: redis.password}} in redis.password",
    )


def _is_deployed(release: Release | None) -> bool:
    return release is not None and release.status == "deployed"


def _texts(spec: PlatformSpec) -> dict[str, str]:
    """Return every text of the spec by its path: public secrets are refused wherever they turn up."""
    found: dict[str, str] = {}

    def walk(value: object, path: str) -> None:
        match value:
            case str():
                found[path] = value
            case dict():
                for key, item in value.items():
                    walk(item, f"{path}.{key}" if path else str(key))
            case list() | tuple():
                for index, item in enumerate(value):
                    walk(item, f"{path}[{index}]")
            case _:
                return

    walk(spec.model_dump(mode="json"), "")
    return found
