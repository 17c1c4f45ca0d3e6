"""Reads what the GPUs of a cluster are and who holds them: nodes and pods at the same time."""

from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from provisioning.capacity.inventory import Inventory, take_stock
from provisioning.clients.cluster_objects import GpuUsage, Node


class GpuReads(Protocol):
    def gpu_nodes(self) -> tuple[Node, ...]: ...

    def gpu_usage(self) -> GpuUsage: ...


def read_gpus(cluster: GpuReads) -> tuple[Inventory, GpuUsage]:
    """Return the nodes with GPUs, and what pods hold. Raises: ChatopsError where either could not be read."""
    with ThreadPoolExecutor(1, thread_name_prefix="gpu-nodes") as beside:
        nodes = beside.submit(cluster.gpu_nodes)
        usage = cluster.gpu_usage()
        return take_stock(nodes.result(), usage), usage
