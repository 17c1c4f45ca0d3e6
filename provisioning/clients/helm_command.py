"""Runs the helm binary: where its configuration lies, which cluster it talks to, what its failures mean."""

from collections.abc import Callable, Sequence
from pathlib import Path

from provisioning.clients.process import ChildProcesses, Completed, inherited_environment
from provisioning.clients.tool_errors import cluster_error
from provisioning.errors import ChatopsError

READ_TIMEOUT_S = 60.0


class HelmCommand:
    """One helm binary and one cluster. Thread-safe.

    Args:
        home: helm's configuration and caches; the user's own are not read, nor are their plugins.
    """

    def __init__(
        self,
        binary: Path,
        children: ChildProcesses,
        *,
        kubeconfig: Path | None,
        context: str | None,
        home: Path,
    ) -> None:
        self._binary = binary
        self._children = children
        self._home = home
        self._cluster_flags = [
            *([f"--kubeconfig={kubeconfig}"] if kubeconfig else []),
            *([f"--kube-context={context}"] if context else []),
        ]
        self._major: int | None = None

    def version(self) -> str:
        """Return helm's version: ``v4.3.1``."""
        answer = self.run(["version", "--template={{.Version}}"], doing="asking helm for its version")
        return answer.stdout.strip()

    @property
    def is_helm_4(self) -> bool:
        if self._major is None:
            self._major = int(self.version().removeprefix("v").split(".")[0])
        return self._major >= 4

    def run_in_cluster(
        self,
        arguments: Sequence[str],
        *,
        doing: str,
        stdin: bytes | None = None,
        timeout_s: float = READ_TIMEOUT_S,
        cancelled: Callable[[], bool] = lambda: False,
        conceal: Callable[[str], str] = lambda text: text,
        subject: str = "",
    ) -> Completed:
        """Run helm against the cluster; see `run`."""
        return self.run(
            [*arguments, *self._cluster_flags],
            doing=doing,
            stdin=stdin,
            timeout_s=timeout_s,
            cancelled=cancelled,
            conceal=conceal,
            subject=subject,
        )

    def run(
        self,
        arguments: Sequence[str],
        *,
        doing: str,
        stdin: bytes | None = None,
        timeout_s: float = READ_TIMEOUT_S,
        cancelled: Callable[[], bool] = lambda: False,
        conceal: Callable[[str], str] = lambda text: text,
        subject: str = "",
    ) -> Completed:
        """Run helm and return what it said.

        Args:
            doing: for people, at the start of an error: ``installing acme/clearml-agent``.
            conceal: takes secrets out of what an error quotes.
            subject: see `ChildProcesses.living`.

        Raises: ChatopsError for every exit code but 0.
        """
        try:
            completed = self._children.run(
                [self._binary, *arguments],
                stdin=stdin,
                env=self._environment(),
                timeout_s=timeout_s,
                cancelled=cancelled,
                subject=subject,
            )
        except ChatopsError as problem:
            problem.details = conceal(problem.details)
            raise
        if completed.returncode != 0:
            raise cluster_error(
                doing,
                Completed(completed.returncode, conceal(completed.stdout), conceal(completed.stderr)),
            )
        return completed

    def _environment(self) -> dict[str, str]:
        return {
            **inherited_environment(),
            "HELM_CACHE_HOME": str(self._home / "cache"),
            "HELM_CONFIG_HOME": str(self._home / "config"),
            "HELM_DATA_HOME": str(self._home / "data"),
        }
