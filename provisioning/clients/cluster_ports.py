"""What the Kubernetes API says of ports: Services, pods on their node's network, helm's releases, the range."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from provisioning.clients.cluster_lists import Listed, Reads, read
from provisioning.clients.cluster_objects import HostPorts, ServicePorts
from provisioning.clients.cluster_pages import Get, pages
from provisioning.clients.cluster_wire import FullPod, WireService
from provisioning.clients.helm_storage import CURRENT, StoredRelease, in_force, parse_stored

RELEASES_A_PAGE = 50  # up to 1 MiB each
API_SERVER = "component=kube-apiserver"
OVER = frozenset({"Succeeded", "Failed"})  # such pods hold no ports
_RANGE_FLAG = re.compile(r"--service-node-port-range[= ](\d+)([-+])(\d+)")
_DEFAULT_RANGE = (30_000, 32_767)


def services(get: Get) -> tuple[ServicePorts, ...]:
    """Return every Service with the node ports that it holds."""
    return tuple(_service(item) for item in pages(get, "/api/v1/services", WireService))


def host_ports(api: Reads) -> tuple[HostPorts, ...]:
    """Return the pods that take ports of their node, or may: those with hostPorts or on the node's network."""
    return tuple(read(api, HOST_PORTS))


def stored_releases(get: Get) -> tuple[StoredRelease, ...]:
    """Return every helm release at what it may have in the cluster (see `in_force`)."""
    secrets = pages(get, "/api/v1/secrets", dict, page_size=RELEASES_A_PAGE, labelSelector=CURRENT)
    return in_force(_slim(parse_stored(item)) for item in secrets)


def node_port_range(get: Get) -> tuple[int, int] | None:
    """Return the API server's range as its own pod's arguments say; None where it runs elsewhere."""
    for item in pages(get, "/api/v1/namespaces/kube-system/pods", FullPod, labelSelector=API_SERVER):
        for container in item.spec.containers:
            words = " ".join([*container.command, *container.args])
            if "kube-apiserver" not in words:
                continue
            if said := _RANGE_FLAG.search(words):
                first, sign, second = int(said[1]), said[2], int(said[3])
                return first, (second if sign == "-" else first + second)
            return _DEFAULT_RANGE
    return None


def _service(item: WireService) -> ServicePorts:
    return ServicePorts(
        namespace=item.metadata.namespace,
        name=item.metadata.name,
        type=item.spec.type or "ClusterIP",
        node_ports=tuple(dict.fromkeys(port.node_port for port in item.spec.ports if port.node_port)),
        health_check_node_port=item.spec.health_check_node_port or None,
    )


def _host_ports(pod: Any) -> HostPorts | None:
    """Return what a pod takes, out of either encoding: their names are the same."""
    spec = pod.spec
    ports = {
        port.host_port
        for containers in (spec.containers, spec.init_containers)
        for each in containers
        for port in each.ports
        if port.host_port
    }
    if (not ports and not spec.host_network) or pod.status.phase in OVER:
        return None
    return HostPorts(
        namespace=pod.metadata.namespace,
        pod=pod.metadata.name,
        node=spec.node_name or None,
        ports=tuple(sorted(ports)),
        host_network=spec.host_network,
    )


HOST_PORTS = Listed(path="/api/v1/pods", kind="PodList", of_message=_host_ports, struct=FullPod, of_struct=_host_ports)


def _slim(stored: StoredRelease) -> StoredRelease:
    return replace(stored, values=kept_of(stored.values), defaults=kept_of(stored.defaults))


def kept_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a release's values where sessions lie, how many GPUs an agent may use and which host an ingress has.

    The rest is large and holds secrets.
    """
    glue, ingress = values.get("agentk8sglue"), values.get("ingress")
    inner = glue if isinstance(glue, Mapping) else {}
    return {
        "agentk8sglue": {name: inner.get(name) for name in ("sessions", "monitoredResources")},
        "sessions": values.get("sessions"),
        "ingress": {"hostName": ingress.get("hostName") if isinstance(ingress, Mapping) else None},
    }
