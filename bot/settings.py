"""Settings: read once, by the composition root, from the environment and an optional YAML file.

Environment names: ``CLEARML_CHATOPS_`` + field, ``__`` between levels:
``CLEARML_CHATOPS_SLACK__BOT_TOKEN``. The environment wins over the file.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    SettingsConfigDict,
)

from provisioning.configuration import (
    Agent,
    ClearMLServer,
    Cluster,
    Configuration,
    PortPool,
    Provisioning,
    Redis,
    Tools,
)


class Slack(Configuration):
    """How the bot reaches its workspace."""

    bot_token: SecretStr
    app_token: SecretStr | None = None  # Socket Mode
    signing_secret: SecretStr | None = None  # HTTP mode
    mode: Literal["socket", "http"] = "socket"
    base_url: str = "https://slack.com/api/"
    http_host: str = "127.0.0.1"
    http_port: int = 3000
    workers: int = Field(default=32, ge=4, le=256)  # listener threads; an ack must never queue

    @model_validator(mode="after")
    def _mode_has_its_secret(self) -> Self:
        if self.mode == "socket" and self.app_token is None:
            raise ValueError("Socket Mode needs slack.app_token (xapp-…)")
        if self.mode == "http" and self.signing_secret is None:
            raise ValueError("HTTP mode needs slack.signing_secret")
        return self


class Engine(Configuration):
    """Where jobs are kept. None: SQLite in data_dir. ``postgresql://…`` for several machines."""

    database_url: SecretStr | None = None
    executor_id: str = "clearml-chatops-0"  # on Kubernetes: the pod's name


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="CLEARML_CHATOPS_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    data_dir: Path = Path("~/.local/share/clearml-chatops")
    policy_file: Path | None = None  # None: the default policy
    slack: Slack | None = None  # only `serve` needs it
    roles: dict[str, frozenset[str]] = {}  # role → Slack user ids, user group ids, and os:NAME on the command line
    engine: Engine = Engine()
    clearml: ClearMLServer
    cluster: Cluster = Cluster()
    agent: Agent
    redis: Redis
    ports: PortPool = PortPool()
    tools: Tools = Tools()
    ingress_namespace: str = "ingress-nginx"
    max_parallel_jobs: int = Field(default=8, ge=1, le=64)
    lease_ttl_s: int = Field(default=86_400, ge=60)
    log_format: Literal["text", "json"] = "text"
    clock_offset_file: Path | None = None  # the sandbox's clock; unset in production
    config_file: Path | None = None

    def provisioning(self) -> Provisioning:
        """Return the part that the engine's actions are built from."""
        return Provisioning(
            data_dir=self.data_dir.expanduser(),
            **{name: getattr(self, name) for name in Provisioning.model_fields if name != "data_dir"},
        )
