"""What is known to go wrong with what is installed: from releases, their values and versions to warnings. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from commands.platform import Component
from policies.guardrails import public_secret_refusal
from provisioning.chart_values import HOCON_PREFIX
from provisioning.clients.helm_releases import Release
from provisioning.platform.findings import PlatformFinding
from provisioning.platform.spec import PlatformSpec

AGENT_KEEPS_ITS_IMAGE_FROM = (6, 12, 3)  # of the agent's chart: from here on its own image fits
TENANTS_SERVICE_FROM = (3, 30)  # of the server
MOVED_IMAGES_UP_TO = (23, 1, 1)  # of bitnami's chart: the newest in its public sources, and it names such an image, too
_AS_IN_THE_SPEC = "run platform upgrade gpu-operator: it sets what the spec says"
_HOCON_BREAKS = frozenset("@$?=+#:{}[]\\`^!&*,")


@dataclass(frozen=True, kw_only=True)
class Installed:
    """What is there. Values are what each release was given; they hold secrets, warnings never do."""

    spec: PlatformSpec
    releases: Mapping[Component, Release]
    values: Mapping[Component, Mapping[str, Any]]
    agents: Sequence[Release] = ()
    agent_image_tag: str | None = None  # the bot's setting
    server_version: str = ""  # "" where the API did not answer
    files: Mapping[Component, str] = field(default_factory=dict)  # charts that are files


def incompatibilities(found: Installed) -> Iterator[PlatformFinding]:
    """Yield a finding for each."""
    for component, values in found.values.items():
        yield from _public_secrets(component, values)
    yield from _gpu_operator(found)
    yield from _redis_image(found)
    yield from _billing(found)
    yield from _server_variables(found.values.get(Component.SERVER, {}))
    yield from _agents(found)
    yield from _server_version(found)


def _public_secrets(component: Component, values: Mapping[str, Any]) -> Iterator[PlatformFinding]:
    for path, text in _texts(values, ""):
        if refusal := public_secret_refusal({f"{component}: {path}": text}):
            yield PlatformFinding(refusal.reason, f"make another one and run platform upgrade {component}")


def _gpu_operator(found: Installed) -> Iterator[PlatformFinding]:
    if Component.GPU_OPERATOR not in found.releases:
        return
    values = found.values.get(Component.GPU_OPERATOR, {})
    if _at(values, "migManager.enabled") is not False:
        yield PlatformFinding(
            "gpu-operator: NVIDIA's MIG manager is on (migManager.enabled is not false): it and the dynamic MIG"
            " operator would undo each other's slices",
            _AS_IN_THE_SPEC,
        )
    if _at(values, "mig.strategy") != "mixed":
        yield PlatformFinding(
            "gpu-operator: mig.strategy is not mixed: slices have no resource of their own, so no queue gets one",
            _AS_IN_THE_SPEC,
        )


def _redis_image(found: Installed) -> Iterator[PlatformFinding]:
    release = found.releases.get(Component.REDIS)
    if release is None or version_number(release.chart_version) > MOVED_IMAGES_UP_TO:
        return
    given = found.values.get(Component.REDIS, {})
    repository, tag = _at(given, "image.repository") or "bitnami/redis", _at(given, "image.tag")
    if repository == "bitnami/redis" and (tag is None or "-debian-" in str(tag)):
        yield PlatformFinding(
            f"redis: the images of chart {release.chart_version} have left docker.io/bitnami: a pod that moves to"
            " another node cannot start",
            "set redis.image.repository to bitnamilegacy/redis in the spec, then run platform upgrade redis",
        )


def _billing(found: Installed) -> Iterator[PlatformFinding]:
    release, billing = found.releases.get(Component.BILLING), found.spec.billing
    if billing is None:
        return
    name = found.files.get(Component.BILLING, "")
    if release is not None and name.endswith(".tgz") and f"-{release.chart_version}.tgz" not in name:
        called = name.rsplit("/", 1)[-1]
        yield PlatformFinding(
            f"billing: its release is of chart {release.chart_version}, and the spec's file is called {called}",
            "run platform upgrade billing if that file is meant, or name the one that runs in the spec",
        )
    given = _at(found.values.get(Component.BILLING, {}), billing.kafka_password_value)
    used = _variable(
        found.values.get(Component.SERVER, {}), f"{HOCON_PREFIX}SECURE__KAFKA__BILLING__sasl_plain_password"
    )
    if given is not None and used is not None and _unquoted(used) != given:
        yield PlatformFinding(
            "billing: Kafka and the server have different passwords: nothing is billed",
            "run platform upgrade billing, then platform upgrade server",
        )


def _server_variables(values: Mapping[str, Any]) -> Iterator[PlatformFinding]:
    for name, value in _variables(values):
        if name.endswith(":"):
            yield PlatformFinding(
                f"server: the variable {name} has a colon in its name: the server does not read it",
                "run platform upgrade server, which sets the spec's variables; what is still missing then goes into"
                f" server.variables, as {name.rstrip(':')}",
            )
        elif name.startswith(HOCON_PREFIX) and not _is_json(value) and _HOCON_BREAKS & set(value):
            yield PlatformFinding(
                f"server: the value of {name} is not quoted, and HOCON reads some of its characters as its own:"
                " the server gets another value, or does not start",
                "run platform upgrade server: it quotes what the spec sets",
            )


def _agents(found: Installed) -> Iterator[PlatformFinding]:
    newer = [one for one in found.agents if version_number(one.chart_version) >= AGENT_KEEPS_ITS_IMAGE_FROM]
    if newer and found.agent_image_tag is not None:
        yield PlatformFinding(
            f"agent.image_tag pins {found.agent_image_tag}, which is for old charts: {len(newer)} agents are of chart"
            f" {'.'.join(map(str, AGENT_KEEPS_ITS_IMAGE_FROM))} or newer",
            "unset CLEARML_CHATOPS_AGENT__IMAGE_TAG and start the bot again",
        )


def _server_version(found: Installed) -> Iterator[PlatformFinding]:
    if found.server_version and version_number(found.server_version) < TENANTS_SERVICE_FROM:
        yield PlatformFinding(
            f"server {found.server_version} has no call that deletes a tenant's company (from 3.30 on): its data is"
            " deleted by scripts inside the server's pods",
            "nothing, until a tenant is deleted; a newer chart of the server does without them",
        )


def _variables(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one in _at(values, "apiserver.extraEnvs") or ():
        if isinstance(one, Mapping) and isinstance(one.get("value"), str):
            yield str(one.get("name")), str(one["value"])


def _variable(values: Mapping[str, Any], wanted: str) -> str | None:
    return next((value for name, value in _variables(values) if name.casefold() == wanted.casefold()), None)


def _at(values: Mapping[str, Any], path: str) -> Any:
    found: Any = values
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield path, _unquoted(value)
        case Mapping():
            for key, item in value.items():
                yield from _texts(item, f"{path}.{key}" if path else str(key))
        case list():
            for index, item in enumerate(value):
                named = item.get("name") if isinstance(item, Mapping) else None
                yield from _texts(item, f"{path}[{named or index}]")
        case _:
            return


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def version_number(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, to compare it: ``v1.10.0-rc.1+x`` → (1, 10, 0)."""
    release = version.removeprefix("v").partition("+")[0].partition("-")[0]
    return tuple(int(part) for part in release.split(".") if part.isdigit())
