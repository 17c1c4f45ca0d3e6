"""The platform spec: one typed description of everything that tenants stand on. Pure data, no secret in it.

Secrets are named, not written: a setting of the bot, or a key of a Kubernetes Secret.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from commands.platform import Component
from provisioning.platform.spec_fields import (
    ChartSource,
    Domain,
    HostLabel,
    Namespace,
    ReleaseName,
    Repository,
    Secret,
    Sha256,
    SpecModel,
    TimeoutS,
    Url,
    ValuePath,
    VariableName,
    generated,
    of_setting,
)


def _version(value: Any) -> Any:
    return 1 if value == "1" else value


class Part(SpecModel):
    """What every component that is a helm release has."""

    namespace: Namespace
    release: ReleaseName
    chart: ChartSource
    values_file: str | None = None
    """More values for helm, below ours; may name secrets as {"$secret": NAME}."""
    timeout_s: TimeoutS = 600
    """How long helm waits until everything is ready."""


class GpuOperator(Part):
    """The NVIDIA GPU operator. Leave it out where somebody else runs it."""

    namespace: Namespace = "gpu-operator"
    release: ReleaseName = "gpu-operator"
    timeout_s: TimeoutS = 900


class Cdmo(Part):
    """The ClearML Dynamic MIG Operator: it makes MIG slices as pods ask for them."""

    namespace: Namespace = "cdmo-operator"
    release: ReleaseName = "cdmo"


class Image(SpecModel):
    """Where one image comes from; what is left out stays as the chart has it."""

    registry: str | None = None
    repository: str | None = None
    tag: str | None = None


class Redis(Part):
    """The Redis that all tenants' agents share."""

    namespace: Namespace = "redis-shared"
    release: ReleaseName = "redis"
    password: Secret = of_setting("redis.password")
    image: Image = Image(repository="bitnamilegacy/redis")
    """The images of old bitnami charts moved there."""
    architecture: Literal["standalone", "replication"] = "standalone"


class Billing(Part):
    """The billing chart, which ClearML hands out as a file."""

    namespace: Namespace = "clearml-billing"
    release: ReleaseName = "clearml-billing"
    registry_username: str = "dockerhubcustpocbillingaccess"
    registry_password: Secret
    kafka_user: str = "billing"
    kafka_password: Secret = generated("kafka_password")
    """Given to this chart and to the server."""
    kafka_password_value: ValuePath
    """Where this chart takes it: see `helm show values`."""

    @field_validator("kafka_password_value")
    @classmethod
    def _is_no_value_of_ours(cls, path: str) -> str:
        if path.split(".", maxsplit=1)[0] == "imageCredentials":
            raise ValueError(f"{path!r} holds the registry's password: name the one that takes Kafka's")
        return path


class Supervisor(SpecModel):
    """The user that administers the server; the bot works as this one."""

    email: str = Field(pattern=r"^[^\s@]+@[^\s@]+$", max_length=254)
    key: Secret = of_setting("clearml.access_key")
    secret: Secret = of_setting("clearml.secret_key")
    role: Literal["system", "root"] = "system"
    allow_login: bool = True
    groups: tuple[str, ...] = ("users", "admins", "queue_admins")


class Sso(SpecModel):
    """How people sign in: an OAuth client of a provider."""

    provider: str = Field(default="auth0", pattern=r"^[a-z0-9_]+$")
    client_id: str
    client_secret: Secret
    base_url: Url
    authorize_url: Url
    access_token_url: Url
    audience: str


_USERS = ("applications",)
_ADMINS = (
    *("config_vault", "experiments", "queues", "show_projects", "resource_dashboard", "user_management"),
    *("user_management_advanced", "app_management", "sso_management", "service_users", "resource_policy"),
)


class Features(SpecModel):
    """What people of a tenant see and may do."""

    user_management_advanced: bool = True
    users_see_datasets: bool = False
    users_see_orchestration: bool = False
    max_running_apps_per_company: int = Field(default=3, ge=0, le=10_000)
    users: tuple[str, ...] = _USERS
    admins: tuple[str, ...] = _ADMINS


class Server(Part):
    """The ClearML server: API, web and file server."""

    namespace: Namespace = "clearml"
    release: ReleaseName = "clearml"
    timeout_s: TimeoutS = 900
    apiserver_tag: str | None = None
    """Of the images; left out: what the chart has."""
    webserver_tag: str | None = None
    service_type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    applications: bool = True
    """ClearmlApplications.enabled."""
    supervisor: Supervisor
    supervisor_company: str = Field(default="d1bd92a3b039400cbafc60a7a5b1e52b", pattern=r"^[0-9a-f]{32}$")
    unique_company_names: bool = True
    sso: Sso | None = None
    features: Features = Features()
    token_signing_secret: Secret = generated("token_signing_secret")
    """Also the router's jwksKey."""
    api_key: Secret = generated("api_key")
    """What the server's own parts use."""
    api_secret: Secret = generated("api_secret")
    variables: dict[VariableName, str] = {}
    """More of the API server's variables; each becomes a quoted text."""


class Hosts(SpecModel):
    """The names below the base domain."""

    api: HostLabel = "api"
    app: HostLabel = "app"
    files: HostLabel = "files"


class Policies(SpecModel):
    """NetworkPolicies around the server and billing."""

    ingress_namespace: Namespace = "ingress-nginx"


class Applications(SpecModel):
    """ClearML's GUI applications, uploaded by the script that comes with them."""

    url: Url | None = None
    url_secret: Secret | None = None
    """In place of url, where the address itself lets people download."""
    file: str | None = None
    sha256: Sha256
    script: str = "upload_apps.py"
    """Found anywhere in the archive."""
    folder: str = "apps"
    python: str | None = None
    """The interpreter that runs the script; left out: the bot's own."""
    timeout_s: TimeoutS = 900

    @model_validator(mode="after")
    def _is_one_archive(self) -> Self:
        if sum(one is not None for one in (self.url, self.url_secret, self.file)) != 1:
            raise ValueError("name one archive: url, url_secret or file")
        if self.url is not None and not self.url.startswith("https://"):
            raise ValueError("url: write https://…")
        for name in (self.script, self.folder):
            if "/" in name or name in {"", ".", ".."}:
                raise ValueError(f"{name[:60]!r}: script and folder are plain names")
        return self


class PlatformSpec(SpecModel):
    """Everything that `platform install` installs. A component that is left out is not ours."""

    version: Annotated[Literal[1], BeforeValidator(_version)] = 1
    base_domain: Domain
    hosts: Hosts = Hosts()
    image_password: Secret = of_setting("agent.image_password")
    """Token for the registry of ClearML's images."""
    repositories: dict[str, Repository] = {}
    gpu_operator: GpuOperator | None = None
    cdmo: Cdmo | None = None
    redis: Redis | None = None
    billing: Billing | None = None
    server: Server | None = None
    policies: Policies | None = None
    applications: Applications | None = None

    @model_validator(mode="after")
    def _repositories_are_there(self) -> Self:
        for component in self.releases():
            wanted = self.part(component).chart.repository
            if wanted is not None and wanted not in self.repositories:
                known = ", ".join(self.repositories) or "none"
                raise ValueError(
                    f"{component.field}.chart.repository: {wanted[:60]!r} is not listed: there are {known}"
                )
            is_oci = wanted is not None and self.repositories[wanted].url.lower().startswith("oci://")
            if self.part(component).chart.digest is not None and not is_oci:
                raise ValueError(f"{component.field}.chart.digest: only OCI registries (oci://) know digests")
        return self

    def releases(self) -> tuple[Component, ...]:
        """Return the components that are helm releases and part of this spec."""
        every = (Component.GPU_OPERATOR, Component.CDMO, Component.REDIS, Component.BILLING, Component.SERVER)
        return tuple(one for one in every if getattr(self, one.field) is not None)

    def components(self) -> tuple[Component, ...]:
        """Return everything that is part of this spec."""
        return tuple(one for one in Component if getattr(self, one.field) is not None)

    def part(self, component: Component) -> Part:
        """Return a component's description. Raises: KeyError where it is none of this spec's releases."""
        found = getattr(self, component.field)
        if not isinstance(found, Part):
            raise KeyError(component.value)
        return found

    def host(self, which: Literal["api", "app", "files"]) -> str:
        """Return ``api.gpu.example.com``."""
        return f"{getattr(self.hosts, which)}.{self.base_domain}"
