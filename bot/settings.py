"""Settings: read once, by the composition root, from the environment and an optional YAML file.

Environment names: ``CLEARML_CHATOPS_`` + field, ``__`` between levels:
``CLEARML_CHATOPS_SLACK__BOT_TOKEN``. ``CLEARML_CHATOPS_CONFIG_FILE`` names the file, whose keys are the fields:
``slack: {bot_token: xoxb-…}``. The environment wins over the file, field by field.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from bot.oidc.issuers import Oidc, person
from provisioning.configuration import (
    Agent,
    AuditTrail,
    ClearMLServer,
    Cluster,
    Configuration,
    Nodes,
    Platform,
    PortPool,
    Provisioning,
    Redis,
    Router,
    ServerPods,
    Tools,
)
from provisioning.errors import PermanentError, reason_of

PREFIX = "CLEARML_CHATOPS_"
# What Kubernetes puts into every pod for a Service called clearml-chatops.
_OF_KUBERNETES = re.compile(r"SERVICE_(HOST|PORT)|PORT(_\d+_|$)")


class Slack(Configuration):
    """How the bot reaches its workspace."""

    bot_token: SecretStr
    """`xoxb-…`"""
    app_token: SecretStr | None = None
    """`xapp-…`, for Socket Mode."""
    signing_secret: SecretStr | None = None
    """For HTTP mode: what Slack signs requests with."""
    mode: Literal["socket", "http"] = "socket"
    """`socket` or `http`."""
    base_url: str = "https://slack.com/api/"
    """Another one only for tests."""
    task_cards: bool = False
    """Show steps as Slack's plan of task cards. Not every client draws them; where Slack refuses them, lines."""
    http_host: str = "127.0.0.1"
    """The address that HTTP mode listens on."""
    http_port: int = 3000
    """The port that HTTP mode listens on."""
    workers: int = Field(default=32, ge=4, le=256)
    """Threads that work off clicks, and as many for commands. An ack waits for none of them."""
    teams: frozenset[str] = frozenset()
    """Workspaces (T…) or Enterprise Grids (E…) that it listens to. Default: wherever it is installed."""
    channels: frozenset[str] = frozenset()
    """Channels (C…, G…) that it listens to, besides its conversations with one person. Default: all of them."""
    allow_guests: bool = False
    """Whether guests may hold roles."""

    @model_validator(mode="after")
    def _mode_has_its_secret(self) -> Self:
        if self.mode == "socket" and self.app_token is None:
            raise ValueError("Socket Mode needs SLACK__APP_TOKEN (xapp-…)")
        if self.mode == "http" and self.signing_secret is None:
            raise ValueError("HTTP mode needs SLACK__SIGNING_SECRET")
        return self


class Engine(Configuration):
    """Where jobs are kept. None: SQLite in data_dir. ``postgresql://…`` for several machines."""

    database_url: SecretStr | None = None
    """`postgresql://…` for the engine; default: SQLite in the data folder."""
    executor_id: str = "clearml-chatops-0"
    """On Kubernetes: the pod's name."""


class Health(Configuration):
    """Where probes and Prometheus ask: /healthz, /readyz, /metrics."""

    host: str = "127.0.0.1"
    """The address that it listens on; in a pod 0.0.0.0."""
    port: int | None = Field(default=None, ge=0, le=65_535)
    """Default: off. 0 takes a free port, and the log says which."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    data_dir: Path = Path("~/.local/share/clearml-chatops")
    """Where the store, the engine's database and helm's home are."""
    policy_file: Path | None = None
    """Default: the policy that ships (`config policy` prints it)."""
    slack: Slack | None = None
    """Only `serve` needs it."""
    roles: dict[str, frozenset[str]] = {}
    """Role → Slack user ids, user group ids, and on the command line os:NAME and oidc:ISSUER:SUBJECT."""
    oidc: Oidc = Oidc()
    same_person: dict[str, str] = {}
    """os:NAME or oidc:ISSUER:SUBJECT → the Slack user who that is: one person, with the roles held in Slack."""
    engine: Engine = Engine()
    health: Health = Health()
    traces_endpoint: str | None = None
    """Where OpenTelemetry traces of jobs go: OTLP over HTTP, as in `http://collector:4318/v1/traces`. Default: off."""
    clearml: ClearMLServer
    cluster: Cluster = Cluster()
    agent: Agent
    redis: Redis
    ports: PortPool = PortPool()
    nodes: Nodes = Nodes()
    router: Router | None = None
    """Routers of tenants; off where it is not set."""
    tools: Tools = Tools()
    platform: Platform = Platform()
    server: ServerPods = ServerPods()
    audit: AuditTrail = AuditTrail()
    ingress_namespace: str = "ingress-nginx"
    """The ingress controller's namespace: it may reach tenants' pods."""
    max_parallel_jobs: int = Field(default=8, ge=1, le=64)
    """How many jobs run at once."""
    requests_per_minute: int = Field(default=30, ge=0)
    """Commands, forms and clicks that one person may send in a minute; 0: any. What stops something is not counted."""
    lease_ttl_s: int = Field(default=86_400, ge=60)
    """Seconds for which ports are held at least. While their job is open they are, however long that is."""
    sample_every_s: int = Field(default=3600, ge=60, le=86_400)
    """Seconds between two samples of capacity and ports, which `trends` shows and alerts watch."""
    log_format: Literal["text", "json"] = "text"
    """`text` or `json`."""
    clock_offset_file: Path | None = None
    """The sandbox's clock; unset in production."""
    config_file: Path | None = None
    """A YAML file of settings."""

    @model_validator(mode="after")
    def _is_one_person(self) -> Self:
        for pair in self.same_person.items():
            person(pair)
        for role, ids in self.roles.items():
            if twice := sorted(ids & self.same_person.keys()):
                one = twice[0]
                raise ValueError(f"{one} is {self.same_person[one]} by SAME_PERSON: give the role {role} to that id")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources, the strongest first. Raises: PermanentError where the file cannot be read."""
        name = os.environ.get(f"{PREFIX}CONFIG_FILE")
        file = (InitSettingsSource(settings_cls, _read(Path(name).expanduser())),) if name else ()
        return (init_settings, env_settings, *file)

    def secrets(self) -> dict[str, str]:
        """Return every secret of the settings by its name: what the redactor has to know."""
        found: dict[str, SecretStr | None] = {
            **self.provisioning().secrets(),
            "engine.database_url": self.engine.database_url,
            "audit.signing_key": self.audit.signing_key,
            "audit.previous_signing_key": self.audit.previous_signing_key,
        }
        if self.slack is not None:
            found |= {
                "slack.bot_token": self.slack.bot_token,
                "slack.app_token": self.slack.app_token,
                "slack.signing_secret": self.slack.signing_secret,
            }
        return {name: value.get_secret_value() for name, value in found.items() if value is not None}

    def provisioning(self) -> Provisioning:
        """Return the part that the engine's actions are built from."""
        return Provisioning(
            data_dir=self.data_dir.expanduser(),
            **{name: getattr(self, name) for name in Provisioning.model_fields if name != "data_dir"},
        )


def mistakes_in(error: ValidationError) -> list[str]:
    """Return what is wrong with the settings, a line for each: the variable that is to be set, and why.

    Of a group that is missing as a whole, the variables that it needs are named.
    """
    return [
        f"{name}: {why}"
        for mistake in error.errors()
        for name, why in _said_of(list(map(str, mistake["loc"])), mistake["type"], mistake["msg"])
    ]


def _said_of(loc: list[str], kind: str, message: str) -> list[tuple[str, str]]:
    name = PREFIX + "__".join(loc).upper()
    if kind != "missing":
        return [(name, message.removeprefix("Value error, "))]
    field: FieldInfo | None = None
    model: type[BaseModel] = Settings
    for part in loc:
        field = model.model_fields.get(part)
        model = _model_of(field) or model
    return [(name, "is missing")] if field is None else _needed(name, field)


def _needed(name: str, field: FieldInfo) -> list[tuple[str, str]]:
    """Return the variables that a needed field needs, with what is wrong: itself, or those of its group."""
    model = _model_of(field)
    if model is None:
        return [(name, "is missing")]
    needed = {one: inner for one, inner in model.model_fields.items() if inner.is_required()}
    if needed:
        return [each for one, inner in needed.items() for each in _needed(f"{name}__{one.upper()}", inner)]
    try:
        model()
    except ValidationError as error:  # none is needed by itself: the group says which of them
        return [(name, mistake["msg"].removeprefix("Value error, ")) for mistake in error.errors()]
    return [(name, "is missing")]


def _model_of(field: FieldInfo | None) -> type[BaseModel] | None:
    found = field.annotation if field is not None else None
    models = [one for one in (found, *get_args(found)) if isinstance(one, type) and issubclass(one, BaseModel)]
    return models[0] if models else None


def unknown_names(environment: Iterable[str]) -> tuple[str, ...]:
    """Return the names that begin as ours do and set nothing: misspelt ones, which are otherwise passed over."""
    known = {*(name.upper() for name in Settings.model_fields), "OIDC_TOKEN", "OIDC_TOKEN_FILE"}
    ours = (name.removeprefix(PREFIX) for name in environment if name.startswith(PREFIX))
    return tuple(
        sorted(PREFIX + name for name in ours if name.split("__")[0] not in known and not _OF_KUBERNETES.match(name))
    )


class _AliasError(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _Loader(yaml.SafeLoader):
    """Refuses aliases: a few lines of them can become gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # types-pyyaml leaves it untyped
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise _AliasError(line)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def _read(path: Path) -> dict[str, Any]:
    next_action = f"mend the file, or unset {PREFIX}CONFIG_FILE"
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(f"reading the settings {path}: {reason_of(error)}", next_action=next_action) from error
    except _AliasError as alias:
        said = f"reading the settings {path}: it has an alias (line {alias.line}): write the value out"
        raise PermanentError(said, next_action=next_action) from None
    except (yaml.reader.ReaderError, RecursionError):
        said = f"reading the settings {path}: it is no YAML that settings need"
        raise PermanentError(said, next_action=next_action) from None
    except yaml.MarkedYAMLError as error:
        where = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""  # never the text: it has secrets
        raise PermanentError(f"reading the settings {path}: it is no YAML{where}", next_action=next_action) from None
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise PermanentError(
            f"reading the settings {path}: it must be a mapping of names to values", next_action=next_action
        )
    return found
