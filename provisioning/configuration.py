"""What the engine needs to know of its surroundings, as frozen typed values. The edge fills them in."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Configuration(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Chart(Configuration):
    """Where a chart comes from: ``alias/name`` with a repo, ``oci://…``, a folder or a .tgz file."""

    reference: str
    version: str | None = None  # exact; None only for folders and files
    repo: str | None = None  # https://… of a classic helm repository
    username: str | None = None
    password: SecretStr | None = None


class ClearMLServer(Configuration):
    """The ClearML server and the system credentials that tenants are made with."""

    api_url: str  # https://api.example.com
    web_url: str
    files_url: str
    access_key: str
    secret_key: SecretStr
    timeout_s: float = 20.0


class Cluster(Configuration):
    """Which Kubernetes cluster. Without a kubeconfig: $KUBECONFIG, ~/.kube/config, or in-cluster."""

    kubeconfig: Path | None = None
    context: str | None = None


class Redis(Configuration):
    """The shared Redis that agents report to."""

    host: str = "redis-master.redis-shared"
    port: int = 6379
    db: int = 0
    password: SecretStr
    namespace: str = "redis-shared"


class PortPool(Configuration):
    """Where tenants' session ports may lie: NodePorts, both ends included."""

    first: int = Field(default=30100, ge=30000, le=32767)
    last: int = Field(default=32767, ge=30000, le=32767)
    external_ip: str | None = None  # advertised to users; needed where ports are on


class Agent(Configuration):
    """The agent chart and what every tenant's release gets."""

    chart: Chart
    release: str = "clearml-agent"
    image_tag: str | None = None  # pinned for old charts only
    image_password: SecretStr | None = None  # imageCredentials.password
    default_container_image: str = "python:3.11"
    debug_mode: bool = False
    timeout_s: int = 300


class Tools(Configuration):
    """Binaries. None: PATH, then the cache that `clearml-chatops tools install` fills."""

    helm: Path | None = None
    kubectl: Path | None = None


class Provisioning(Configuration):
    """Everything the engine's actions are built from."""

    data_dir: Path
    clearml: ClearMLServer
    cluster: Cluster = Cluster()
    agent: Agent
    redis: Redis
    ports: PortPool = PortPool()
    tools: Tools = Tools()
    ingress_namespace: str = "ingress-nginx"
    max_parallel_jobs: int = Field(default=8, ge=1, le=64)
    lease_ttl_s: int = Field(default=86_400, ge=60)
