"""The values of a tenant's agent release, typed: what the guide sets, and nothing that no chart knows.

Secrets stand in them by name only, ``{"$secret": …}``; the step that installs the release puts them in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from provisioning.chart_values import EnvironmentVariable, Secret, Values, variable
from provisioning.configuration import Agent, ClearMLServer, Redis

REQUIRED_RESOURCES = "required-resources"
DEFAULT_QUEUE = "default"
DEFAULT_QUEUE_SHARE = Decimal("0.5")  # what a task of the queue without a GPU counts, as the guide has it
CREDENTIALS_SECRET = "clearml-agent-credentials"  # noqa: S105 - the name of a Secret
OPEN_MAPS = (("agentk8sglue", "queues"),)  # whose keys are ours to choose, whatever the chart has there


class ImageCredentials(Values):
    password: Secret


class Credentials(Values):
    key: Secret = Field(alias="agentk8sglueKey")
    secret: Secret = Field(alias="agentk8sglueSecret")


class Image(Values):
    tag: str


class MonitoredResources(Values):
    """Caps the sum, over all queues of this agent, of what each pod's field counts."""

    max_resources: int | float
    min_resources_field_name: str = f"metadata|labels|{REQUIRED_RESOURCES}"
    max_resources_field_name: str = f"metadata|labels|{REQUIRED_RESOURCES}"


class Limits(Values):
    limits: dict[str, int | str]


class TemplateOverrides(Values):
    labels: dict[str, str]
    resources: Limits | None = None


class QueueSettings(Values):
    max_pods: int


class Queue(Values):
    template_overrides: TemplateOverrides
    queue_settings: QueueSettings


class Sessions(Values):
    port_mode_enabled: bool
    agent_id: str = Field(alias="agentID")  # a label's value, unique in the cluster: the namespace
    external_ip: str | None = Field(default=None, alias="externalIP")
    starting_port: int | None = None  # Services take the ports after it: + 1 … + max_services
    max_services: int | None = None


class Glue(Values):
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


class AgentValues(Values):
    image_credentials: ImageCredentials | None = None
    clearml: Credentials
    agentk8sglue: Annotated[Glue, Field(alias="agentk8sglue")]


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
                variable("CLEARML_AGENT_REDIS_PASSWORD", Secret(name=redis.password_secret or "redis.password")),
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
