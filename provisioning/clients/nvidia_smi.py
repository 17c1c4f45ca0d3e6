"""`nvidia-smi` on a node, by exec in the device plugin's pod there: the one way in without a shell on the node."""

from collections.abc import Callable, Sequence
from typing import Protocol

from provisioning.clients.cluster_objects import Pod
from provisioning.clients.process import Completed
from provisioning.errors import PermanentError, TemporaryError
from provisioning.gpu_modes import NO_INSTANCES, QUERY, GpuInstance, GpuMode, parse_instances, parse_modes

PLUGIN_POD = "nvidia-device-plugin-daemonset-"  # what its pods' names begin with
PLUGIN_CONTAINER = "nvidia-device-plugin"
QUERY_S, CHANGE_S = 30.0, 120.0


class Pods(Protocol):
    def pods(self, namespace: str | None = None) -> tuple[Pod, ...]: ...


class Exec(Protocol):
    def exec(
        self,
        namespace: str,
        pod: str,
        container: str | None,
        argv: Sequence[str],
        *,
        timeout_s: float = 60,
        cancelled: Callable[[], bool] = ...,
    ) -> Completed: ...


class NvidiaSmi:
    """The program on every node. Thread-safe.

    Raises: PermanentError, TemporaryError and UnreachableError where it could not be run; what it says of
    failures of its own is returned, for it is judged by reading back.

    Args:
        namespace: of the GPU operator.
    """

    def __init__(self, cluster: Pods, kubectl: Exec, *, namespace: str) -> None:
        self._cluster = cluster
        self._kubectl = kubectl
        self._namespace = namespace

    def plugins(self) -> dict[str, str]:
        """Return node → the device plugin's running pod there."""
        return {
            pod.node: pod.name
            for pod in self._cluster.pods(self._namespace)
            if pod.node is not None and pod.name.startswith(PLUGIN_POD) and pod.phase == "Running"
        }

    def modes(self, node: str, pod: str | None = None) -> tuple[GpuMode, ...]:
        """Return the node's GPUs and their MIG modes, by index. *pod*: the node's, where `plugins` was asked."""
        answer = self._run(node, *QUERY, timeout_s=QUERY_S, pod=pod)
        if answer.returncode != 0:
            raise PermanentError(
                f"reading MIG modes of {node}: nvidia-smi ended with {answer.returncode}",
                next_action="look at the node's driver",
                details=_words(answer)[-500:],
            )
        return parse_modes(answer.stdout)

    def instances(self, node: str, pod: str | None = None) -> tuple[GpuInstance, ...]:
        """Return every GPU instance of the node. None where no GPU is in MIG mode. *pod*: as for `modes`."""
        answer = self._run(node, "mig", "-lgi", timeout_s=QUERY_S, pod=pod)
        if answer.returncode != 0 and not any(said in answer.stdout for said in NO_INSTANCES):
            raise PermanentError(
                f"listing GPU instances of {node}: nvidia-smi ended with {answer.returncode}",
                next_action="look at the node's driver",
                details=_words(answer)[-500:],
            )
        return parse_instances(answer.stdout)

    def set_mode(self, node: str, gpu: int, *, enabled: bool) -> str:
        """Ask for the mode. Returns what the program said, which proves nothing."""
        return _words(self._run(node, "-i", str(gpu), "-mig", "1" if enabled else "0", timeout_s=CHANGE_S))

    def destroy_instances(self, node: str, gpu: int) -> str:
        """Destroy the GPU's compute instances, then its GPU instances. Returns what the program said."""
        said = [self._run(node, "mig", verb, "-i", str(gpu), timeout_s=CHANGE_S) for verb in ("-dci", "-dgi")]
        return "\n".join(_words(answer) for answer in said)

    def _run(self, node: str, *argv: str, timeout_s: float, pod: str | None = None) -> Completed:
        pod = pod or self.plugins().get(node)
        if pod is None:
            raise TemporaryError(
                f"running nvidia-smi on {node}: no device plugin's pod runs there in {self._namespace}",
                next_action=f"kubectl get pods -n {self._namespace} -o wide, mend the GPU operator, then Retry",
                delay_s=5,
            )
        return self._kubectl.exec(self._namespace, pod, PLUGIN_CONTAINER, ["nvidia-smi", *argv], timeout_s=timeout_s)


def _words(answer: Completed) -> str:
    return "\n".join(part.strip() for part in (answer.stdout, answer.stderr) if part.strip())
