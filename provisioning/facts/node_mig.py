"""What `node mig enable`, `node mig disable` and `node reboot` decide by."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from commands.nodes import NodeMigChange, NodeReboot
from provisioning.capacity.profiles import COUNT_LABEL, PRODUCT_LABEL
from provisioning.clients.cluster_objects import Node
from provisioning.configuration import Nodes as NodesConfiguration
from provisioning.errors import ChatopsError
from provisioning.jobs.job import OPEN, Job
from provisioning.operations.node_facts import NodeFacts, NodesFacts, RebootFacts
from provisioning.operations.tenant_facts import MIG_NODE_LABEL
from provisioning.steps.mig_steps import Smi
from provisioning.steps.node_steps import Nodes, going

if TYPE_CHECKING:
    from provisioning.clients.interfaces import ClusterReads
    from provisioning.facts.registry import Facts
    from provisioning.store import Store

PARALLEL = 8  # nodes asked at once


class NodeMigFacts:
    """Facts of one of the commands that change modes. A node whose cards do not answer is a refusal, not an error."""

    def __init__(
        self,
        command: str,
        *,
        configuration: NodesConfiguration,
        cluster: "ClusterReads",
        smi: Smi,
        store: "Store",
    ) -> None:
        self.command = command
        self._configuration = configuration
        self._cluster = cluster
        self._smi = smi
        self._store = store

    def gather(self, args: NodeMigChange) -> NodesFacts:
        """Return what is known of the nodes. Raises: ChatopsError where the cluster does not answer."""
        known = {node.name: node for node in self._cluster.nodes()}
        names = args.nodes or tuple(name for name, node in known.items() if _has_gpus(node))
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="nvidia-smi") as pool:
            nodes = tuple(pool.map(lambda name: self._look(known[name]), (name for name in names if name in known)))
        return NodesFacts(
            nodes=nodes,
            missing=tuple(name for name in names if name not in known),
            with_gpus=tuple(name for name, node in known.items() if _has_gpus(node)),
            busy=self._busy(args),
            drain_timeout_s=args.drain_timeout or self._configuration.drain_timeout_s,
        )

    def _look(self, node: Node) -> NodeFacts:
        about: dict[str, Any] = {
            "name": node.name,
            "product": node.labels.get(PRODUCT_LABEL, ""),
            "label": node.labels.get(MIG_NODE_LABEL[0]),
            "unschedulable": node.unschedulable,
        }
        try:
            return NodeFacts(gpus=self._smi.modes(node.name), **about)
        except ChatopsError as error:
            return NodeFacts(gpus=(), problem=str(error), **about)

    def _busy(self, args: NodeMigChange) -> Mapping[str, int]:
        """Return node → the open job that changes it. A job of the same request is this one, planned again."""
        own = (self.command, args.model_dump(mode="json", exclude_unset=True))
        return {
            node: job.number
            for job in self._store.jobs(states=OPEN, limit=1000)
            if (job.plan.operation, job.plan.request) != own
            for node in _nodes_of(job)
        }


class NodeRebootFacts:
    """Facts of `node reboot`."""

    command = "node reboot"

    def __init__(self, *, configuration: NodesConfiguration, nodes: Nodes) -> None:
        self._configuration = configuration
        self._nodes = nodes

    def gather(self, args: NodeReboot) -> RebootFacts:
        """Return what is known of the node. Raises: ChatopsError."""
        found = self._nodes.node(args.node)
        pods = going(self._nodes.pods(args.node)) if found is not None else ()
        return RebootFacts(
            exists=found is not None,
            unschedulable=found is not None and found.unschedulable,
            boot_id=found.boot_id if found is not None else "",
            pods=tuple(str(pod) for pod in pods),
            by_command=bool(self._configuration.reboot_command),
            timeout_s=self._configuration.reboot_timeout_s,
        )


def node_facts(
    *, configuration: NodesConfiguration, cluster: "ClusterReads", nodes: Nodes, smi: Smi, store: "Store"
) -> "tuple[Facts, ...]":
    """Return where the facts of every operation on nodes come from."""
    changes = (
        NodeMigFacts(command, configuration=configuration, cluster=cluster, smi=smi, store=store)
        for command in ("node mig enable", "node mig disable")
    )
    return (*changes, NodeRebootFacts(configuration=configuration, nodes=nodes))


def _nodes_of(job: Job) -> frozenset[str]:
    if not job.plan.operation.startswith("node mig "):
        return frozenset()
    return frozenset(str(step.inputs["node"]) for step in job.plan.steps if "node" in step.inputs)


def _has_gpus(node: Node) -> bool:
    return PRODUCT_LABEL in node.labels or node.labels.get(COUNT_LABEL, "0") != "0"
