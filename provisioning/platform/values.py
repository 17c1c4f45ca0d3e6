"""What each chart of the platform is given: the installation guide's values, typed, with its mistakes put right. Pure.

Secrets stand in them by name. Which keys are set, and where the keys of public charts were checked: docs/platform.md.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from commands.platform import Component
from provisioning.chart_values import EnvironmentVariable, Secret, Values, variable
from provisioning.platform.server_variables import server_variables
from provisioning.platform.spec import Billing, PlatformSpec, Redis, Server
from provisioning.platform.spec_fields import SecretReference

API_PORT = 8008


class ImageCredentials(Values):
    username: str | None = None
    password: Secret


class Image(Values):
    registry: str | None = None
    repository: str | None = None
    tag: str | None = None


class Ingress(Values):
    enabled: bool = True
    host_name: str


class Service(Values):
    type: str


class ServerPart(Values):
    """One of the server's deployments."""

    image: Image | None = None
    ingress: Ingress
    service: Service
    extra_envs: tuple[EnvironmentVariable, ...] | None = None


class ServerWide(Values):
    cookie_domain: str
    apiserver_key: Secret | None = None
    apiserver_secret: Secret | None = None
    secure_auth_token_secret: Secret | None = None


class Switch(Values):
    enabled: bool


class ServerValues(Values):
    image_credentials: ImageCredentials
    clearml: ServerWide
    apiserver: ServerPart
    fileserver: ServerPart
    webserver: ServerPart
    clearml_applications: Switch


class RedisAuth(Values):
    password: Secret


class RedisValues(Values):
    architecture: str
    auth: RedisAuth
    image: Image | None = None


class CdmoValues(Values):
    image_credentials: ImageCredentials


class MigStrategy(Values):
    strategy: str = "mixed"


class GpuOperatorValues(Values):
    """The dynamic MIG operator makes the slices: NVIDIA's own manager must not, and each size is a resource."""

    mig_manager: Switch = Switch(enabled=False)
    mig: MigStrategy = MigStrategy()


class BillingValues(Values):
    image_credentials: ImageCredentials


def values_of(spec: PlatformSpec, component: Component, chart_values: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return what the component's release is given, secrets by name.

    Args:
        chart_values: the chart's defaults, which say what it knows of.

    Raises: KeyError where the component is no release of this spec.
    """
    part = spec.part(component)
    match part:
        case Server():
            return _server(spec, part, chart_values).as_json()
        case Redis():
            return _redis(part).as_json()
        case Billing():
            return _billing(part)
        case _ if component is Component.GPU_OPERATOR:
            return GpuOperatorValues().as_json()
        case _ if component is Component.CDMO:
            return CdmoValues(image_credentials=ImageCredentials(password=named(spec.image_password))).as_json()
        case _:
            raise KeyError(component.value)


def named(reference: SecretReference) -> Secret:
    """Return the secret as values name it."""
    return Secret(name=reference.name)


def full_name(release: str, chart: str) -> str:
    """Return what a chart calls its objects, by helm's custom: ``release-chart``, or the release where it says both."""
    return (release if chart in release else f"{release}-{chart}")[:63].rstrip("-")


def api_service(spec: PlatformSpec, chart: str) -> str:
    """Return the API server's address inside the cluster. Raises: KeyError where the server is not in the spec."""
    server = spec.part(Component.SERVER)
    return f"http://{full_name(server.release, chart)}-apiserver.{server.namespace}:{API_PORT}"


def knows_own_keys(chart_values: Mapping[str, Any]) -> bool:
    """Return whether the server's chart takes its key pair and signing secret as values, as the open one does."""
    wide = chart_values.get("clearml")
    return isinstance(wide, Mapping) and "secureAuthTokenSecret" in wide


def _redis(redis: Redis) -> RedisValues:
    image = redis.image.model_dump(exclude_none=True)
    return RedisValues(
        architecture=redis.architecture,
        auth=RedisAuth(password=named(redis.password)),
        image=Image(**image) if image else None,
    )


def _billing(billing: Billing) -> dict[str, JsonValue]:
    credentials = ImageCredentials(username=billing.registry_username, password=named(billing.registry_password))
    values = BillingValues(image_credentials=credentials).as_json()
    *path, last = billing.kafka_password_value.split(".")
    here: dict[str, Any] = values
    for key in path:
        here[key] = {}
        here = here[key]
    here[last] = named(billing.kafka_password).as_json()
    return values


def _server(spec: PlatformSpec, server: Server, chart_values: Mapping[str, Any]) -> ServerValues:
    by_value = knows_own_keys(chart_values)
    service = Service(type=server.service_type)
    own = _own_keys(server)
    variables = server_variables(spec, server)
    if not by_value:
        variables = (*variables, *(variable(name, secret) for name, secret in own.items()))
    return ServerValues(
        image_credentials=ImageCredentials(password=named(spec.image_password)),
        clearml=ServerWide(
            cookie_domain=spec.base_domain,
            apiserver_key=named(server.api_key) if by_value else None,
            apiserver_secret=named(server.api_secret) if by_value else None,
            secure_auth_token_secret=named(server.token_signing_secret) if by_value else None,
        ),
        apiserver=ServerPart(
            image=Image(tag=server.apiserver_tag) if server.apiserver_tag else None,
            ingress=Ingress(host_name=spec.host("api")),
            service=service,
            extra_envs=variables,
        ),
        fileserver=ServerPart(ingress=Ingress(host_name=spec.host("files")), service=service),
        webserver=ServerPart(
            image=Image(tag=server.webserver_tag) if server.webserver_tag else None,
            ingress=Ingress(host_name=spec.host("app")),
            service=service,
        ),
        clearml_applications=Switch(enabled=server.applications),
    )


def _own_keys(server: Server) -> dict[str, Secret]:
    return {
        "CLEARML__secure__auth__token_secret": named(server.token_signing_secret),
        "CLEARML__secure__credentials__apiserver__user_key": named(server.api_key),
        "CLEARML__secure__credentials__apiserver__user_secret": named(server.api_secret),
    }
