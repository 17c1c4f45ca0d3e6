"""kubectl, the binary: server-side apply, diff, delete, exec. Manifests go through stdin."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from provisioning.clients import names
from provisioning.clients.kubectl_diff import PROGRAM, ObjectChange, changes_of
from provisioning.clients.process import ChildProcesses, Completed, inherited_environment
from provisioning.clients.tool_errors import cluster_error

FIELD_MANAGER = "clearml-chatops"

# How kubelets say that the command itself has failed: the usual one, and kwok's.
_ENDED = re.compile(
    r"command terminated with exit code (\d+)|error executing command in container: .*exit status (\d+)"
)


class Kubectl:
    """One cluster, through kubectl. Thread-safe.

    Methods raise PermanentError, TemporaryError, UnreachableError with kubectl's own last lines in `details`.

    Args:
        binary: where it lies (`provisioning.tools.locate`), or what says so when it is first asked.
        kubeconfig: None: $KUBECONFIG, ~/.kube/config, or in-cluster.
    """

    def __init__(
        self,
        binary: Path | Callable[[], Path],
        children: ChildProcesses,
        *,
        kubeconfig: Path | None,
        context: str | None,
    ) -> None:
        self._binary = binary
        self._children = children
        self._cluster_flags = [
            *([f"--kubeconfig={kubeconfig}"] if kubeconfig else []),
            *([f"--context={context}"] if context else []),
        ]

    @property
    def path(self) -> Path:
        """Return where the binary lies. Raises: PermanentError where whoever says so does not find it."""
        return self._binary if isinstance(self._binary, Path) else self._binary()

    def version(self) -> str:
        """Return kubectl's own version: ``v1.37.1``."""
        answer = self._run(["version", "--client", "--output=json"], doing="asking kubectl for its version")
        return str(json.loads(answer.stdout)["clientVersion"]["gitVersion"])

    def node_names(self, label: str, *, timeout_s: float) -> tuple[str, ...]:
        """Return the names of the nodes that have *label*, whatever it says there."""
        asked = ["get", "nodes", f"--selector={label}", "--output=name", f"--request-timeout={timeout_s}s"]
        answer = self._run(asked, doing="listing nodes", timeout_s=timeout_s)
        return tuple(line.partition("/")[2] for line in answer.stdout.splitlines())

    def apply(self, manifests: Sequence[Mapping[str, Any]], *, namespace: str | None = None) -> None:
        """Make *manifests* so, server-side, as field manager clearml-chatops.

        Fields that somebody else set and that the manifests name are taken over: the plan that was approved
        shows them as differences.
        """
        if not manifests:
            return
        self._run(
            [
                "apply",
                "--server-side",
                f"--field-manager={FIELD_MANAGER}",
                "--force-conflicts",
                *_namespace_flag(namespace),
                "--filename=-",
            ],
            stdin=_listed(manifests),
            doing=f"applying {_described(manifests)}",
        )

    def changes(
        self, manifests: Sequence[Mapping[str, Any]], *, namespace: str | None = None
    ) -> tuple[ObjectChange, ...]:
        """Return the objects that `apply` would change, by name; () where it would change nothing.

        The same world gives the same answer. Values of Secrets are masked by kubectl.
        """
        if not manifests:
            return ()
        doing = f"comparing {_described(manifests)}"
        completed = self._run(
            [
                "diff",
                "--server-side",
                f"--field-manager={FIELD_MANAGER}",
                "--force-conflicts",
                *_namespace_flag(namespace),
                "--filename=-",
            ],
            stdin=_listed(manifests),
            doing=doing,
            fine=(0, 1),
            more_env={"KUBECTL_EXTERNAL_DIFF": PROGRAM},
        )
        if completed.returncode == 1 and not completed.stdout.strip():
            raise cluster_error(doing, completed)  # kubectl's own failures may also end with 1
        return changes_of(completed.stdout)

    def delete(
        self,
        manifests: Sequence[Mapping[str, Any]],
        *,
        namespace: str | None = None,
        timeout_s: float = 120,
    ) -> None:
        """Delete the objects that *manifests* name and wait until they are gone. Missing ones are fine."""
        if not manifests:
            return
        self._run(
            [
                "delete",
                "--ignore-not-found",
                "--wait",
                f"--timeout={timeout_s:.0f}s",
                *_namespace_flag(namespace),
                "--filename=-",
            ],
            stdin=_listed(manifests),
            doing=f"deleting {_described(manifests)}",
            timeout_s=timeout_s + 15,
        )

    def exec(
        self,
        namespace: str,
        pod: str,
        container: str | None,
        argv: Sequence[str],
        *,
        timeout_s: float = 60,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Completed:
        """Run *argv* in a container and return how it ended, whatever its exit code.

        Raises only where the command was not run: no such pod, no answer.
        """
        completed = self._children.run(
            [
                *self._command("exec"),
                *_namespace_flag(namespace),
                *([f"--container={names.namespace(container)}"] if container else []),
                names.resource(pod),
                "--",
                *argv,
            ],
            env=_environment(),
            timeout_s=timeout_s,
            cancelled=cancelled,
            subject=f"exec in {namespace}/{pod}",
        )
        if completed.returncode == 0:
            return completed
        ended = _ENDED.search(completed.stderr)
        if ended is None:
            raise cluster_error(f"running {argv[0]} in {namespace}/{pod}", completed)
        return replace(completed, returncode=int(ended[1] or ended[2]))

    def _command(self, verb: str) -> list[str | Path]:
        return [self.path, verb, *self._cluster_flags]

    def _run(
        self,
        arguments: Sequence[str],
        *,
        doing: str,
        stdin: bytes | None = None,
        timeout_s: float = 60,
        fine: tuple[int, ...] = (0,),
        more_env: Mapping[str, str] = MappingProxyType({}),
    ) -> Completed:
        completed = self._children.run(
            [*self._command(arguments[0]), *arguments[1:]],
            stdin=stdin,
            env={**_environment(), **more_env},
            timeout_s=timeout_s,
            subject=doing,
        )
        if completed.returncode not in fine:
            raise cluster_error(doing, completed)
        return completed


def _environment() -> dict[str, str]:
    # kuberc lets a home folder change the defaults of kubectl's flags: here they are what this module says.
    return {**inherited_environment(), "KUBERC": "off", "KUBECTL_KUBERC": "false"}


def _namespace_flag(namespace: str | None) -> list[str]:
    return [f"--namespace={names.namespace(namespace)}"] if namespace is not None else []


def _listed(manifests: Sequence[Mapping[str, Any]]) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)}).encode()


def _described(manifests: Sequence[Mapping[str, Any]]) -> str:
    shown = [f"{one.get('kind', '?')} {one.get('metadata', {}).get('name', '?')}" for one in manifests[:3]]
    more = len(manifests) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
