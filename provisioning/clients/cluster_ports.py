"""What the Kubernetes API says of ports: Services, pods on their node's network, helm's releases, the range."""

import re
from collections.abc import Mapping
from typing import Any

from kubernetes import client

from provisioning.clients.cluster_objects import HostPorts, ServicePorts
from provisioning.clients.cluster_pages import pages
from provisioning.clients.helm_storage import CURRENT, StoredRelease, in_force, parse_stored

RELEASES_A_PAGE = 50  # up to 1 MiB each
OVER = frozenset({"Succeeded", "Failed"})  # such pods hold no ports
_RANGE_FLAG = re.compile(r"--service-node-port-range[= ](\d+)([-+])(\d+)")
_DEFAULT_RANGE = (30_000, 32_767)


def services(core: client.CoreV1Api) -> tuple[ServicePorts, ...]:
    """Return every Service with the node ports that it holds."""
    return tuple(_service(item) for item in pages(core.list_service_for_all_namespaces))


def host_ports(core: client.CoreV1Api) -> tuple[HostPorts, ...]:
    """Return the pods that take ports of their node, or may: those with hostPorts or on the node's network."""
    found = (_host_ports(item) for item in pages(core.list_pod_for_all_namespaces))
    return tuple(one for one in found if one is not None)


def stored_releases(core: client.CoreV1Api) -> tuple[StoredRelease, ...]:
    """Return every helm release at what it may have in the cluster (see `in_force`)."""
    secrets = pages(core.list_secret_for_all_namespaces, page_size=RELEASES_A_PAGE, label_selector=CURRENT)
    return in_force(_slim(parse_stored(item)) for item in secrets)


def node_port_range(core: client.CoreV1Api) -> tuple[int, int] | None:
    """Return the API server's range as its own pod's arguments say; None where it runs elsewhere."""
    for item in pages(core.list_namespaced_pod, "kube-system", label_selector="component=kube-apiserver"):
        for container in item["spec"].get("containers") or ():
            words = " ".join([*(container.get("command") or ()), *(container.get("args") or ())])
            if "kube-apiserver" not in words:
                continue
            if said := _RANGE_FLAG.search(words):
                first, sign, second = int(said[1]), said[2], int(said[3])
                return first, (second if sign == "-" else first + second)
            return _DEFAULT_RANGE
    return None


def _service(item: Mapping[str, Any]) -> ServicePorts:
    meta, spec = item["metadata"], item.get("spec") or {}
    return ServicePorts(
        namespace=meta["namespace"],
        name=meta["name"],
        type=spec.get("type") or "ClusterIP",
        node_ports=tuple(dict.fromkeys(port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort"))),
        health_check_node_port=spec.get("healthCheckNodePort") or None,
    )


def _host_ports(item: Mapping[str, Any]) -> HostPorts | None:
    meta, spec = item["metadata"], item["spec"]
    on_host = bool(spec.get("hostNetwork"))
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    ports = {port["hostPort"] for each in containers for port in each.get("ports") or () if port.get("hostPort")}
    if (not ports and not on_host) or (item.get("status") or {}).get("phase") in OVER:
        return None
    return HostPorts(
        namespace=meta["namespace"],
        pod=meta["name"],
        node=spec.get("nodeName") or None,
        ports=tuple(sorted(ports)),
        host_network=on_host,
    )


def _slim(stored: StoredRelease) -> StoredRelease:
    """Keep of the values where sessions lie, how many GPUs an agent may use and which host an ingress has: the rest
    is large and holds secrets."""

    def kept(values: Mapping[str, Any]) -> dict[str, Any]:
        glue = values.get("agentk8sglue")
        inner = glue if isinstance(glue, Mapping) else {}
        ingress = values.get("ingress")
        return {
            "agentk8sglue": {name: inner.get(name) for name in ("sessions", "monitoredResources")},
            "sessions": values.get("sessions"),
            "ingress": {"hostName": ingress.get("hostName") if isinstance(ingress, Mapping) else None},
        }

    return StoredRelease(**{**vars(stored), "values": kept(stored.values), "defaults": kept(stored.defaults)})
