"""What the engine needs to know of its surroundings, as frozen typed values. The edge fills them in."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class Configuration(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Chart(Configuration):
    """Where a chart comes from: ``alias/name`` with a repo, ``oci://…``, a folder or a .tgz file."""

    reference: str
    """The chart: `alias/name` with a repo, `oci://…`, a folder or a .tgz file."""
    version: str | None = None
    """Exact; may be left out only for folders and files."""
    repo: str | None = None
    """The URL of a classic helm repository, https only."""
    username: str | None = None
    """Of a repository that asks for one."""
    password: SecretStr | None = None
    """Its password."""


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
            raise ValueError("set redis.password, or redis.password_secret (namespace/name/key), not both")
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
    tools: Tools = Tools()
    platform: Platform = Platform()
    server: ServerPods = ServerPods()
    ingress_namespace: str = "ingress-nginx"
    max_parallel_jobs: int = Field(default=8, ge=1, le=64)
    lease_ttl_s: int = Field(default=86_400, ge=60)

    def secrets(self) -> dict[str, SecretStr]:
        """Return every secret by its setting's name: ``redis.password``."""
        named = {
            "clearml.access_key": SecretStr(self.clearml.access_key),
            "clearml.secret_key": self.clearml.secret_key,
            "redis.password": self.redis.password,
            "agent.image_password": self.agent.image_password,
            "agent.chart.password": self.agent.chart.password,
            **{f"platform.secrets.{name}": secret for name, secret in self.platform.secrets.items()},
        }
        return {name: secret for name, secret in named.items() if secret is not None}
