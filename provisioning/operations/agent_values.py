"""The values of a tenant's agent release, typed: what the guide sets, and nothing that no chart knows.

Secrets stand in them by name only, ``{"$secret": …}``; the step that installs the release puts them in.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from provisioning.configuration import Agent, ClearMLServer, Redis

HOCON_PREFIX = "CLEARML__"  # only variables of this prefix are parsed as HOCON by ClearML
REQUIRED_RESOURCES = "required-resources"
DEFAULT_QUEUE = "default"
DEFAULT_QUEUE_SHARE = Decimal("0.5")  # what a task of the queue without a GPU counts, as the guide has it
CREDENTIALS_SECRET = "clearml-agent-credentials"  # noqa: S105 - the name of a Secret
OPEN_MAPS = (("agentk8sglue", "queues"),)  # whose keys are ours to choose, whatever the chart has there


class _Values(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


class Secret(_Values):
    """A secret by name: of the bot's settings (``redis.password``), or a key of a Kubernetes Secret
    (``acme/clearml-agent-credentials/access_key``)."""

    name: str = Field(alias="$secret")


class EnvironmentVariable(_Values):
    name: str
    value: str | Secret


class ImageCredentials(_Values):
    password: Secret


class Credentials(_Values):
    key: Secret = Field(alias="agentk8sglueKey")
    secret: Secret = Field(alias="agentk8sglueSecret")


class Image(_Values):
    tag: str


class MonitoredResources(_Values):
    """Caps the sum, over all queues of this agent, of what each pod's field counts."""

    max_resources: int | float
    min_resources_field_name: str = f"metadata|labels|{REQUIRED_RESOURCES}"
    max_resources_field_name: str = f"metadata|labels|{REQUIRED_RESOURCES}"


class Limits(_Values):
    limits: dict[str, int | str]


class TemplateOverrides(_Values):
    labels: dict[str, str]
    resources: Limits | None = None


class QueueSettings(_Values):
    max_pods: int


class Queue(_Values):
    template_overrides: TemplateOverrides
    queue_settings: QueueSettings


class Sessions(_Values):
    port_mode_enabled: bool
    agent_id: str = Field(alias="agentID")  # a label's value, unique in the cluster: the namespace
    external_ip: str | None = Field(default=None, alias="externalIP")
    starting_port: int | None = None  # Services take the ports after it: + 1 … + max_services
    max_services: int | None = None


class Glue(_Values):
    extra_envs: tuple[EnvironmentVariable, ...]
    image: Image | None = None
    monitored_resources: MonitoredResources
    api_server_url_reference: str
    file_server_url_reference: str
    web_server_url_reference: str
    default_container_image: str
    debug_mode: bool
    create_queues: bool = True
    queues: dict[str, Queue]
    sessions: Sessions


class AgentValues(_Values):
    image_credentials: ImageCredentials | None = None
    clearml: Credentials
    agentk8sglue: Annotated[Glue, Field(alias="agentk8sglue")]

    def as_json(self) -> dict[str, JsonValue]:
        """Return the values as helm takes them, secrets by name."""
        values: dict[str, JsonValue] = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return values


@dataclass(frozen=True, kw_only=True)
class FractionQueue:
    """A queue whose tasks get *share* of a GPU as one MIG slice."""

    share: Decimal
    resource: str  # nvidia.com/mig-3g.40gb

    @property
    def name(self) -> str:
        """Return the queue's name: ``gpu-fraction-0_50``."""
        places = max(2, -int(self.share.normalize().as_tuple().exponent))
        return f"gpu-fraction-{self.share:.{places}f}".replace(".", "_")


def agent_values(
    *,
    tenant: str,
    server: ClearMLServer,
    agent: Agent,
    redis: Redis,
    queues: Sequence[FractionQueue],
    max_resources: Decimal,
    max_pods: int,
    sessions: Sessions,
) -> AgentValues:
    """Return what the tenant's agent release is given; its credentials come from the tenant's namespace."""
    return AgentValues(
        image_credentials=(
            ImageCredentials(password=Secret(name="agent.image_password")) if agent.image_password else None
        ),
        clearml=Credentials(
            key=Secret(name=f"{tenant}/{CREDENTIALS_SECRET}/access_key"),
            secret=Secret(name=f"{tenant}/{CREDENTIALS_SECRET}/secret_key"),
        ),
        agentk8sglue=Glue(
            extra_envs=(
                variable("CLEARML_K8S_SUPPORT_SUSPENSION", "1"),
                variable("CLEARML_K8S_PORTS_MODE_ON_REQUEST_ONLY", "1"),
                variable("CLEARML_AGENT_REDIS_HOST", redis.host),
                variable("CLEARML_AGENT_REDIS_PORT", str(redis.port)),
                variable("CLEARML_AGENT_REDIS_DB", str(redis.db)),
                variable("CLEARML_AGENT_REDIS_PASSWORD", Secret(name="redis.password")),
            ),
            image=Image(tag=agent.image_tag) if agent.image_tag else None,
            monitored_resources=MonitoredResources(max_resources=_number(max_resources)),
            api_server_url_reference=server.api_url,
            file_server_url_reference=server.files_url,
            web_server_url_reference=server.web_url,
            default_container_image=agent.default_container_image,
            debug_mode=agent.debug_mode,
            queues={
                DEFAULT_QUEUE: _queue(DEFAULT_QUEUE_SHARE, max_pods, resource=None),
                **{queue.name: _queue(queue.share, max_pods, resource=queue.resource) for queue in queues},
            },
            sessions=sessions,
        ),
    )


def variable(name: str, value: str | Secret) -> EnvironmentVariable:
    """Return an environment variable of the agent, quoted where ClearML parses it as HOCON.

    Raises: TypeError for a secret in such a variable: it would be put in unquoted.
    """
    if not name.startswith(HOCON_PREFIX):
        return EnvironmentVariable(name=name, value=value)
    if isinstance(value, Secret):
        raise TypeError(f"{name}: a secret cannot be quoted by name")
    return EnvironmentVariable(name=name, value=json.dumps(value, ensure_ascii=False))


def unknown_keys(values: Mapping[str, Any], chart_values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the paths that *values* set and the chart's defaults do not hold: helm would ignore them.

    A map that is empty or null in the chart takes any key, as do ``OPEN_MAPS``.
    """
    return tuple(".".join(path) for path in _unknown(values, chart_values, ()))


def _unknown(values: Mapping[str, Any], known: Mapping[str, Any], path: tuple[str, ...]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in values.items():
        here = (*path, key)
        if key not in known:
            found.append(here)
        elif isinstance(value, dict) and "$secret" not in value and here not in OPEN_MAPS:
            below = known[key]
            if isinstance(below, Mapping) and below:
                found += _unknown(value, below, here)
    return found


def _queue(share: Decimal, max_pods: int, *, resource: str | None) -> Queue:
    counted = _text(share)
    return Queue(
        template_overrides=TemplateOverrides(
            labels={REQUIRED_RESOURCES: counted, "billing-monitored": "true"},
            resources=Limits(limits={resource: 1, "clear.ml/fraction-1": counted}) if resource else None,
        ),
        queue_settings=QueueSettings(max_pods=max_pods),
    )


def _text(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _number(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)
