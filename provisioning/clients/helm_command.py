"""Runs the helm binary: where its configuration lies, which cluster it talks to, what its failures mean."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypedDict, Unpack

from provisioning.clients.process import ChildProcesses, Completed, inherited_environment
from provisioning.clients.tool_errors import cluster_error
from provisioning.errors import ChatopsError, PermanentError

READ_TIMEOUT_S = 60.0
FIRST_WITH_DIGESTS = (3, 17)  # 3.16 puts the version behind the digest, and the registry knows no such tag


class Running(TypedDict, total=False):
    """How helm is run; see `HelmCommand.run`."""

    stdin: bytes | None
    timeout_s: float
    cancelled: Callable[[], bool]
    conceal: Callable[[str], str]
    subject: str


@dataclass(kw_only=True)
class HelmCommand:
    """One helm binary and one cluster. Thread-safe.

    Args:
        home: helm's configuration and caches; the user's own are not read, nor are their plugins.
    """

    binary: Path
    children: ChildProcesses
    kubeconfig: Path | None
    context: str | None
    home: Path

    def version(self) -> str:
        """Return helm's version: ``v4.3.1``."""
        answer = self.run(["version", "--template={{.Version}}"], doing="asking helm for its version")
        return answer.stdout.strip()

    @cached_property
    def is_helm_4(self) -> bool:
        return self._number >= (4, 0)

    def check_digests(self) -> None:
        """Raise PermanentError where this helm cannot pull a chart by its digest."""
        if self._number < FIRST_WITH_DIGESTS:
            raise PermanentError(
                f"{self.binary} is helm {'.'.join(map(str, self._number))}, and charts are pulled by their digest from"
                f" {'.'.join(map(str, FIRST_WITH_DIGESTS))} on",
                next_action="put a newer helm on PATH or name it in TOOLS__HELM, or leave the digest out: then the"
                " version alone says what is fetched",
            )

    @cached_property
    def _number(self) -> tuple[int, int]:
        """Major and minor. Raises: PermanentError."""
        said = self.version()
        found = re.match(r"v?(\d+)\.(\d+)", said)
        if found is None:
            raise PermanentError(
                f"{self.binary} says that its version is {said[:80]!r}", next_action="set TOOLS__HELM to helm itself"
            )
        return int(found[1]), int(found[2])

    def run_in_cluster(self, arguments: Sequence[str], *, doing: str, **how: Unpack[Running]) -> Completed:
        """Run helm against the cluster; see `run`."""
        return self.run([*arguments, *self._cluster_flags], doing=doing, **how)

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
            subject: see `ChildProcesses.owners`.

        Raises: ChatopsError for every exit code but 0.
        """
        try:
            completed = self.children.run(
                [self.binary, *arguments],
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

    @property
    def _cluster_flags(self) -> list[str]:
        return [
            *([f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []),
            *([f"--kube-context={self.context}"] if self.context else []),
        ]

    def _environment(self) -> dict[str, str]:
        return {
            **inherited_environment(),
            "HELM_CACHE_HOME": str(self.home / "cache"),
            "HELM_CONFIG_HOME": str(self.home / "config"),
            "HELM_DATA_HOME": str(self.home / "data"),
        }
