"""What somebody else does to the cluster, by kubectl, behind the bot's back."""

import json
import subprocess
from pathlib import Path
from typing import Any

from sandbox.controlplane import workloads


class Bystanders:
    """Raises (every verb): ValueError, with kubectl's own words."""

    def __init__(self, kubectl: Path, *, kubeconfig: Path | None, context: str | None) -> None:
        self._kubectl = kubectl
        self._lost: dict[str, Any] = {}  # nodes, as they were
        self._where = [] if kubeconfig is None else ["--kubeconfig", str(kubeconfig)]
        self._where += [] if context is None else ["--context", context]

    def cordon_nodes(self, *, unschedulable: bool) -> None:
        """Let no new pod be scheduled, so that helm waits for its pods; or let them again."""
        self._run_kubectl("cordon" if unschedulable else "uncordon", "--selector", "type=kwok")

    def lose_node(self, node: str) -> None:
        """Take a node out of the cluster, as when its machine is gone for good; its pods go with it."""
        self._lost[node] = json.loads(self._run_kubectl("get", "node", node, "-o", "json"))
        self._run_kubectl("delete", "node", node, "--wait=false")

    def find_node(self, node: str) -> None:
        """Let a node that was lost join again, as it was. Raises: ValueError where it was not lost."""
        found = self._lost.pop(node, None)
        if found is None:
            raise ValueError(f"node_back: {node} is not lost")
        for ours in ("uid", "resourceVersion", "creationTimestamp"):
            found["metadata"].pop(ours, None)
        self._run_kubectl("create", "-f", "-", stdin=json.dumps(found))

    def take_node_port(self, what: str) -> None:
        """Let a Service of somebody's have a NodePort: ``default/front:31012``. Raises: ValueError."""
        where, _, port = what.rpartition(":")
        namespace, _, name = where.partition("/")
        if not (namespace and name and port.isdigit()):
            raise ValueError(f"node_port: {what} is not as in default/front:31012")
        self._run_kubectl("create", "service", "nodeport", name, "-n", namespace, "--tcp=80", f"--node-port={port}")

    def drop_service(self, what: str) -> None:
        """Delete a Service behind everybody's back: ``acme/clearml-session-3``."""
        namespace, _, name = what.partition("/")
        self._run_kubectl("delete", "service", "-n", namespace, name)

    def drop_policy(self, policy: str) -> None:
        """Delete the NetworkPolicy ``namespace/name`` by hand."""
        namespace, _, name = policy.partition("/")
        self._run_kubectl("delete", "networkpolicy", "-n", namespace, name)

    def unlabel(self, what: str) -> None:
        """Take a label off a namespace by hand: ``acme/LABEL``."""
        namespace, _, label = what.partition("/")
        self._run_kubectl("label", "namespace", namespace, f"{label}-")

    def run_gpu_pod(self, what: str) -> None:
        """Let somebody's pod want a slice: ``acme/train-1:3g.40gb``. Raises: ValueError."""
        where, _, profile = what.partition(":")
        namespace, _, name = where.partition("/")
        if not (namespace and name and profile):
            raise ValueError(f"gpu_pod: {what} is not as in acme/train-1:3g.40gb")
        wanted = {"limits": {f"nvidia.com/mig-{profile.replace('+', '.')}": "1"}}
        container = {"name": name, "image": "train:sandbox", "resources": wanted}
        spec = json.dumps({"spec": {"containers": [container]}})
        self._run_kubectl("run", name, "-n", namespace, "--image=train:sandbox", f"--overrides={spec}")

    def work_on(self, node: str, *, guarded: bool) -> None:
        """Run a pod on the node and wait until it does; *guarded*: its disruption budget forbids an eviction."""
        objects = workloads.work(node, guarded=guarded)
        self._run_kubectl("apply", "-f", "-", stdin=workloads.listed(objects))
        self._run_kubectl("rollout", "status", "-n", workloads.NAMESPACE, f"deployment/work-{node}", "--timeout=30s")

    def drop_budget(self, node: str) -> None:
        """Delete the disruption budget of what runs on the node."""
        self._run_kubectl("delete", "pdb", "-n", workloads.NAMESPACE, f"keep-{node}")

    def _run_kubectl(self, *words: str, stdin: str = "") -> str:
        command = [str(self._kubectl), *self._where, *words]
        done = subprocess.run(command, input=stdin.encode(), check=False, capture_output=True, timeout=60)
        if done.returncode:
            raise ValueError(f"kubectl {' '.join(words)}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode()
