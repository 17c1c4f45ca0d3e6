"""The Kubernetes API's objects, as far as they are read: one struct each, decoded straight from JSON.

Names are those of the API (camelCase on the wire). The API server leaves out what is empty and writes no nulls for it.
"""

import msgspec


class ListMeta(msgspec.Struct):
    """Of a list: ``token`` asks for the next page; "" or None on the last."""

    token: str | None = msgspec.field(default=None, name="continue")


class _Object(msgspec.Struct, rename="camel", gc=False):
    """Named fields alone; a cyclic collector has nothing to find in them."""


class Owner(_Object):
    kind: str
    controller: bool = False


class Meta(_Object):
    name: str
    namespace: str = ""
    creation_timestamp: str | None = None


class FullMeta(Meta):
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[Owner] = []


class Condition(_Object):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class Resources(_Object):
    """Quantities as the cluster writes them."""

    limits: dict[str, str] = {}
    requests: dict[str, str] = {}


class Port(_Object):
    host_port: int | None = None


class Container(_Object):
    resources: Resources = msgspec.field(default_factory=Resources)
    restart_policy: str = ""


class FullContainer(Container):
    image: str = ""
    ports: list[Port] = []
    command: list[str] = []
    args: list[str] = []


class PodSpec(_Object):
    """Of a pod: what it takes."""

    node_name: str = ""
    containers: list[Container] = []
    init_containers: list[Container] = []


class Waiting(_Object):
    reason: str = ""


class ContainerState(_Object):
    waiting: Waiting = msgspec.field(default_factory=Waiting)


class ContainerStatus(_Object):
    state: ContainerState = msgspec.field(default_factory=ContainerState)


class PodStatus(_Object):
    phase: str = ""
    conditions: list[Condition] = []


class FullPodStatus(PodStatus):
    container_statuses: list[ContainerStatus] = []


class FullPodSpec(_Object):
    node_name: str = ""
    host_network: bool = False
    containers: list[FullContainer] = []
    init_containers: list[FullContainer] = []


class TakingPod(_Object):
    """A pod, for what it takes of its node."""

    metadata: Meta
    spec: PodSpec
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class FullPod(_Object):
    """A pod, for people."""

    metadata: FullMeta
    spec: FullPodSpec
    status: FullPodStatus = msgspec.field(default_factory=FullPodStatus)


class NodeSpec(_Object):
    unschedulable: bool = False


class NodeStatus(_Object):
    allocatable: dict[str, str] = {}
    capacity: dict[str, str] = {}
    conditions: list[Condition] = []


class WireNode(_Object):
    metadata: FullMeta
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class NamespaceStatus(_Object):
    phase: str = ""


class WireNamespace(_Object):
    metadata: FullMeta
    status: NamespaceStatus = msgspec.field(default_factory=NamespaceStatus)


class DeploymentSpec(_Object):
    replicas: int | None = None


class DeploymentStatus(_Object):
    ready_replicas: int | None = None


class WireDeployment(_Object):
    metadata: FullMeta
    spec: DeploymentSpec
    status: DeploymentStatus = msgspec.field(default_factory=DeploymentStatus)


class IngressRule(_Object):
    host: str = ""


class IngressSpec(_Object):
    rules: list[IngressRule] = []


class WireIngress(_Object):
    metadata: Meta
    spec: IngressSpec = msgspec.field(default_factory=IngressSpec)


class WirePolicy(_Object):
    metadata: Meta


class ServicePort(_Object):
    node_port: int | None = None


class ServiceSpec(_Object):
    type: str = ""
    ports: list[ServicePort] = []
    health_check_node_port: int | None = None


class WireService(_Object):
    metadata: Meta
    spec: ServiceSpec = msgspec.field(default_factory=ServiceSpec)
