"""What the engine needs to know of its surroundings, as frozen typed values. The edge fills them in."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


def setting_of(secret: str) -> str:
    """Return the setting that *secret* comes from, as people set it: ``redis.password`` → ``REDIS__PASSWORD``."""
    return secret.upper().replace(".", "__")


class Configuration(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Chart(Configuration):
    """Where a chart comes from: ``alias/name`` with a repo, ``oci://…``, a folder or a .tgz file."""

    reference: str
    """The chart: `alias/name` with a repo, `oci://…`, `oci://…@sha256:…`, or a path (`{version}` in it is it)."""
    version: str | None = None
    """Exact; may be left out only for folders and files without `{version}`."""
    repo: str | None = None
    """The URL of a classic helm repository, https only."""
    username: str | None = None
    """Of a repository that asks for one."""
    password: SecretStr | None = None
    """Its password."""

    def at(self, version: str | None) -> "Chart":
        """Return the same chart in *version*; None: in the configured one. A folder without `{version}` has but one."""
        return self if version is None else self.model_copy(update={"version": version})


class ClearMLServer(Configuration):
    """The ClearML server and the system credentials that tenants are made with."""

    api_url: str
    """The API, as in `https://api.example.com`."""
    web_url: str
    """The web UI, as people open it."""
    files_url: str
    """The file server."""
    access_key: str
    """The system user's access key: tenants are made with it."""
    secret_key: SecretStr
    """The system user's secret key."""
    timeout_s: float = 20.0
    """Seconds to wait."""


class ServerPods(Configuration):
    """Where the ClearML server's pods run: before version 3.30 a company is only deleted inside them."""

    namespace: str = "clearml"
    """Its namespace."""
    apiserver: str = "clearml-clearml-enterprise-apiserver"
    """The API server's Deployment: its pods' names begin so."""
    apiserver_container: str | None = "clearml-apiserver"
    """The container in them. None: the only one."""
    fileserver: str = "clearml-clearml-enterprise-fileserver"
    """The file server's Deployment, likewise."""
    fileserver_container: str | None = "clearml-fileserver"
    """The container in them. None: the only one."""
    files_path: str = "/mnt/fileserver"
    """Where the file server keeps companies' files, in its container."""


class Cluster(Configuration):
    """Which Kubernetes cluster. Without a kubeconfig: $KUBECONFIG, ~/.kube/config, or in-cluster."""

    kubeconfig: Path | None = None
    """Default: $KUBECONFIG, ~/.kube/config, or in-cluster."""
    context: str | None = None
    """Default: the current one."""
    name: str = ""
    """What policies call it (`clusters: [production]`)."""


class Redis(Configuration):
    """The shared Redis that agents report to. Its password: itself, or the Kubernetes Secret that holds it."""

    host: str = "redis-master.redis-shared"
    """Where agents reach the shared Redis."""
    port: int = 6379
    """Its port."""
    db: int = 0
    """Its database."""
    password: SecretStr | None = None
    """Its password."""
    password_secret: str | None = Field(default=None, pattern=r"^[a-z0-9-]+/[a-z0-9.-]+/[A-Za-z0-9._-]+$")
    """The Kubernetes Secret that holds it, `namespace/name/key`, in place of the password."""
    namespace: str = "redis-shared"
    """Its namespace."""

    @model_validator(mode="after")
    def _has_one_password(self) -> Self:
        if (self.password is None) == (self.password_secret is None):
            raise ValueError("set REDIS__PASSWORD, or REDIS__PASSWORD_SECRET (namespace/name/key), not both")
        return self


class PortPool(Configuration):
    """Where tenants' session ports may lie: NodePorts, both ends included."""

    first: int = Field(default=30100, ge=30000, le=32767)
    """The first port of the pool: NodePorts, both ends included."""
    last: int = Field(default=32767, ge=30000, le=32767)
    """The last port of the pool."""
    node_port_range: str | None = Field(default=None, pattern=r"^\d{1,5}-\d{1,5}$")
    """The API server's --service-node-port-range. Default: as its own pod says, else `30000-32767`."""
    external_ip: str | None = None
    """The address that users reach session ports at; needed where ports are on."""


class Agent(Configuration):
    """The agent chart and what every tenant's release gets."""

    chart: Chart
    release: str = "clearml-agent"
    """The name of every tenant's agent release."""
    image_tag: str | None = None
    """The agent image's tag, pinned for old charts only."""
    image_password: SecretStr | None = None
    """The chart's imageCredentials.password: the registry's token."""
    default_container_image: str = "python:3.11"
    """The image of tasks that name none."""
    debug_mode: bool = False
    """Let agents log more."""
    timeout_s: int = 300
    """Seconds to wait."""


class Router(Configuration):
    """The chart that routes people to what runs in a tenant, and what every tenant's release of it gets."""

    chart: Chart
    generation: Literal["task-traffic-router", "app-gateway"] = "task-traffic-router"
    """Which keys the chart knows: those of the Task Traffic Router, or those of today's app gateway."""
    release: str = "clearml-ttr"
    """The name of every tenant's router release."""
    domain: str | None = Field(default=None, pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*$")
    """A tenant's router is reached at `NAME.DOMAIN` where nothing else is said. Default: that of `CLEARML__WEB_URL`."""
    api_url: str | None = None
    """Where routers reach the API. Default: the API server's Service, `http://APISERVER.NAMESPACE:8008` of `server`."""
    signing_key: SecretStr | None = None
    """The server's token-signing secret, which a Task Traffic Router checks tokens by."""
    signing_key_secret: str | None = Field(default=None, pattern=r"^[a-z0-9-]+/[a-z0-9.-]+/[A-Za-z0-9._-]+$")
    """The Kubernetes Secret that holds it, as in `clearml/clearml-conf/secure_auth_token_secret`, in its place."""
    auth_cookie_name: str | None = None
    """The cookie that the web UI signs people in with; an app gateway needs it."""
    timeout_s: int = Field(default=300, ge=5, le=3600)
    """Seconds to wait."""

    @model_validator(mode="after")
    def _can_tell_who_is_signed_in(self) -> Self:
        if self.generation == "app-gateway":
            if not self.auth_cookie_name:
                raise ValueError("an app gateway needs ROUTER__AUTH_COOKIE_NAME")
        elif (self.signing_key is None) == (self.signing_key_secret is None):
            raise ValueError(
                "a Task Traffic Router needs ROUTER__SIGNING_KEY, or ROUTER__SIGNING_KEY_SECRET (namespace/name/key)"
            )
        return self


class Platform(Configuration):
    """What `platform …` installs."""

    file: Path | None = None
    """The platform spec, a YAML file: see `clearml-chatops platform init`. Read anew at each command."""
    secrets: dict[str, SecretStr] = {}
    """Secrets that the spec names as `platform.secrets.NAME`."""


class Nodes(Configuration):
    """How nodes' GPUs are reached and changed."""

    operator_namespace: str = "gpu-operator"
    """The GPU operator's namespace: its device plugin's pods run there."""
    drain_timeout_s: int = Field(default=900, ge=10, le=86_400)
    """Seconds that the evictions on one node may take."""
    reboot_command: tuple[str, ...] = ()
    """What reboots a node: a program and its arguments, with `{node}` for the node's name. It may return before the
    node is back. Empty: the drained node is handed to people, and the job waits."""
    reboot_timeout_s: int = Field(default=14_400, ge=30, le=604_800)
    """Seconds that a job waits for a node to come back from its reboot."""


class Tools(Configuration):
    """Binaries. None: PATH, then the cache that `clearml-chatops tools install` fills."""

    helm: Path | None = None
    """Default: PATH, then the cache that `clearml-chatops tools install` fills."""
    kubectl: Path | None = None
    """Likewise."""


class AuditTrail(Configuration):
    """How the audit trail is signed."""

    key_file: Path | None = None
    """The Ed25519 key (PEM) that signs checkpoints, made at first use. Default: `audit.key` in the data folder."""
    signing_key: SecretStr | None = None
    """The key itself (PEM), from a Secret, in place of a file."""
    previous_signing_key: SecretStr | None = None
    """The key before it: after a change it vouches for the new one, once."""
    checkpoint_rows: int = Field(default=256, ge=1, le=100_000)
    """Sign when so many rows are not signed yet."""
    checkpoint_s: int = Field(default=900, ge=1, le=86_400)
    """Seconds after which a row is signed at the latest."""


class Provisioning(Configuration):
    """Everything the engine's actions are built from."""

    data_dir: Path
    clearml: ClearMLServer
    cluster: Cluster = Cluster()
    agent: Agent
    redis: Redis
    ports: PortPool = PortPool()
    router: Router | None = None
    tools: Tools = Tools()
    platform: Platform = Platform()
    server: ServerPods = ServerPods()
    ingress_namespace: str = "ingress-nginx"
    max_parallel_jobs: int = Field(default=8, ge=1, le=64)
    lease_ttl_s: int = Field(default=86_400, ge=60)

    @model_validator(mode="after")
    def _releases_differ(self) -> Self:
        if self.router is not None and self.router.release == self.agent.release:
            raise ValueError("ROUTER__RELEASE and AGENT__RELEASE are one name: two releases of a tenant need two")
        return self

    def secrets(self) -> dict[str, SecretStr]:
        """Return every secret by its setting's name: ``redis.password``."""
        named = {
            "clearml.access_key": SecretStr(self.clearml.access_key),
            "clearml.secret_key": self.clearml.secret_key,
            "redis.password": self.redis.password,
            "agent.image_password": self.agent.image_password,
            "agent.chart.password": self.agent.chart.password,
            "router.signing_key": self.router.signing_key if self.router else None,
            "router.chart.password": self.router.chart.password if self.router else None,
            **{f"platform.secrets.{name}": secret for name, secret in self.platform.secrets.items()},
        }
        return {name: secret for name, secret in named.items() if secret is not None}
