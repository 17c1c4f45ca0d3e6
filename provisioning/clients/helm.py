"""helm, the binary: helm 4, and 3.14 or newer. Values go through stdin; secrets never stand in arguments."""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from provisioning.clients import chart_files, names
from provisioning.clients.concealment import Concealment, plain
from provisioning.clients.helm_charts import ChartCache, parse_shown
from provisioning.clients.helm_command import HelmCommand
from provisioning.clients.helm_releases import Release, last_good, parse_release
from provisioning.clients.helm_renderings import Rendering, Renderings
from provisioning.clients.process import ChildProcesses
from provisioning.configuration import Chart
from provisioning.errors import TemporaryError

__all__ = ["Helm", "Release", "Rendering"]

PAGE_SIZE = 256  # helm's own largest page


class Helm:
    """One cluster's releases. Thread-safe.

    Methods raise PermanentError, TemporaryError, UnreachableError with helm's own last lines in `details`,
    from which the values given to helm are removed.

    Args:
        binary: see `provisioning.tools.locate`.
        kubeconfig: None: $KUBECONFIG, ~/.kube/config, or in-cluster.
        home: helm's caches and the fetched charts; the user's own helm configuration is not read.
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
        home = home.absolute()
        self._children = children
        self._helm = HelmCommand(binary=binary, children=children, kubeconfig=kubeconfig, context=context, home=home)
        self._charts = ChartCache(home / "charts", self._helm.run, self._helm.check_digests)
        self._renderings = Renderings(self.template, self._charts.path)

    def version(self) -> str:
        """Return helm's version: ``v4.3.1``."""
        return self._helm.version()

    def check_digests(self) -> None:
        """Raise PermanentError where this helm cannot pull a chart by its digest."""
        self._helm.check_digests()

    def release(self, namespace: str, name: str) -> Release | None:
        """Return the release at its newest revision, or None where there is none."""
        escaped = re.escape(names.release(name))
        found = self._list(["--namespace", names.namespace(namespace), f"--filter=^{escaped}$"])
        return found[0] if found else None

    def releases(self, namespace: str | None = None) -> tuple[Release, ...]:
        """Return every release of *namespace*, or of the whole cluster, whatever its status."""
        scope = ["--all-namespaces"] if namespace is None else ["--namespace", names.namespace(namespace)]
        return self._list(scope)

    def values(self, namespace: str, name: str) -> dict[str, Any]:
        """Return the values that the release was given, without the chart's defaults. They hold secrets."""
        answer = self._helm.run_in_cluster(
            ["get", "values", names.release(name), "--namespace", names.namespace(namespace), "-o", "json"],
            doing=f"reading the values of {namespace}/{name}",
        )
        return json.loads(answer.stdout) or {}

    def show_values(self, chart: Chart) -> dict[str, Any]:
        """Return the chart's default values: what it knows of."""
        return self._shown("values", chart)

    def show_chart(self, chart: Chart) -> dict[str, Any]:
        """Return the chart's Chart.yaml: name, version, appVersion, kubeVersion."""
        return self._shown("chart", chart)

    def chart_sha256(self, chart: Chart) -> str:
        """Return the SHA-256 of the chart's file, or of a folder's files, 64 hex digits."""
        return chart_files.sha256(self._charts.path(chart))

    def is_made_anew(self, chart: Chart) -> chart_files.MadeAnew:
        """Return what of the chart renders something else each time."""
        return chart_files.is_made_anew(self._charts.path(chart))

    def rendering(self, namespace: str, name: str, chart: Chart, values: Mapping[str, Any]) -> Rendering:
        """Return what the chart renders, object by object; the same is rendered once.

        *values* hold no secrets, but names for them.
        """
        return self._renderings.of(namespace, name, chart, values)

    def template(self, namespace: str, name: str, chart: Chart, values: Mapping[str, Any]) -> str:
        """Return the manifests that the chart renders, as YAML, without a cluster. They hold secrets."""
        conceal = Concealment(values)
        answer = self._helm.run(
            [
                "template",
                names.release(name),
                str(self._charts.path(chart)),
                "--namespace",
                names.namespace(namespace),
                "--values=-",
            ],
            stdin=_input(values),
            doing=f"rendering {namespace}/{name}",
            conceal=conceal,
        )
        return answer.stdout

    def manifest(self, namespace: str, name: str) -> str:
        """Return what the release was rendered to, hooks too, as YAML. It holds secrets."""
        place = [names.release(name), "--namespace", names.namespace(namespace)]
        doing = f"reading the manifest of {namespace}/{name}"
        parts = [self._helm.run_in_cluster(["get", what, *place], doing=doing) for what in ("manifest", "hooks")]
        return "\n---\n".join(part.stdout for part in parts)

    def render_upgrade(self, namespace: str, name: str, chart: Chart, values: Mapping[str, Any]) -> str:
        """Return what an upgrade would render, as `manifest` would then return it. Nothing changes."""
        answer = self._helm.run_in_cluster(
            [
                "upgrade",
                names.release(name),
                str(self._charts.path(chart)),
                "--dry-run=client",
                "--reset-values",
                "--namespace",
                names.namespace(namespace),
                "--values=-",
                "--output=json",
            ],
            stdin=_input(values),
            doing=f"rendering an upgrade of {namespace}/{name}",
            conceal=Concealment(values),
        )
        rendered = json.loads(answer.stdout)
        hooks = [hook["manifest"] for hook in rendered.get("hooks") or ()]
        return "\n---\n".join([rendered["manifest"], *hooks])

    def upgrade_install(
        self,
        namespace: str,
        name: str,
        chart: Chart,
        values: Mapping[str, Any],
        *,
        timeout_s: float,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Release:
        """Install or upgrade the release, wait until it is ready, and return it; on failure helm rolls back.

        Values replace the release's earlier ones altogether. The namespace must exist. A release that a dead
        process left pending is refused by helm: call `recover` first.

        Args:
            values: JSON; SecretStr leaves are given to helm in the clear and kept out of every message.
            timeout_s: how long helm waits for readiness, and again for the rollback where that fails.
        """
        on_failure = "--rollback-on-failure" if self._helm.is_helm_4 else "--atomic"
        self._helm.run_in_cluster(
            [
                "upgrade",
                names.release(name),
                str(self._charts.path(chart)),
                "--install",
                "--wait",
                on_failure,
                f"--timeout={max(1, round(timeout_s))}s",
                "--history-max=10",
                "--reset-values",
                "--namespace",
                names.namespace(namespace),
                "--values=-",
                "--output=json",
            ],
            stdin=_input(values),
            timeout_s=2 * timeout_s + 30,
            cancelled=cancelled,
            doing=f"installing {namespace}/{name}",
            conceal=Concealment(values),
            subject=_subject(namespace, name),
        )
        release = self.release(namespace, name)
        if release is None:
            raise TemporaryError(
                f"installing {namespace}/{name}: helm said it did, but it is not there", next_action="Retry"
            )
        return release

    def uninstall(
        self,
        namespace: str,
        name: str,
        *,
        timeout_s: float,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """Remove the release and wait until its objects are gone. A missing one is fine."""
        self._helm.run_in_cluster(
            [
                "uninstall",
                names.release(name),
                "--ignore-not-found",
                "--wait",
                f"--timeout={max(1, round(timeout_s))}s",
                "--namespace",
                names.namespace(namespace),
            ],
            timeout_s=timeout_s + 30,
            cancelled=cancelled,
            doing=f"uninstalling {namespace}/{name}",
            subject=_subject(namespace, name),
        )

    def recover(self, namespace: str, name: str, *, timeout_s: float = 120) -> str | None:
        """Make a release usable that a dead helm left pending; return what was done, None where nothing was.

        A release that was deployed before goes back to its last good revision. One that never was is removed, so
        that the next install starts clean. A helm that somebody else runs by hand at this moment looks the same as
        a dead one: jobs own their tenant's releases.

        Raises: TemporaryError while a helm of ours is at work on it.
        """
        release = self.release(namespace, name)
        if release is None or not release.is_pending:
            return None
        if owners := self._children.owners(_subject(namespace, name)):
            pid, bot = owners[0]
            whose = "of this bot" if bot == os.getpid() else f"of the bot with pid {bot}"
            raise TemporaryError(
                f"helm is at work on {namespace}/{name} (pid {pid}, {whose})", next_action="wait for it to end"
            )
        good = None if release.status == "uninstalling" else last_good(self._history(namespace, name))
        if good is None:
            self.uninstall(namespace, name, timeout_s=timeout_s)
            return f"{namespace}/{name} was left {release.status}: removed it"
        self.roll_back(namespace, name, good, timeout_s=timeout_s)
        return f"{namespace}/{name} was left {release.status}: rolled back to revision {good}"

    def roll_back(self, namespace: str, name: str, revision: int, *, timeout_s: float) -> None:
        """Make the release what it was at *revision*, as a new revision."""
        self._helm.run_in_cluster(
            [
                "rollback",
                names.release(name),
                str(revision),
                f"--timeout={round(timeout_s)}s",
                "--history-max=10",
                "--namespace",
                names.namespace(namespace),
            ],
            timeout_s=timeout_s + 30,
            doing=f"rolling {namespace}/{name} back to revision {revision}",
            subject=_subject(namespace, name),
        )

    def _history(self, namespace: str, name: str) -> list[dict[str, Any]]:
        answer = self._helm.run_in_cluster(
            ["history", names.release(name), "--namespace", names.namespace(namespace), "-o", "json"],
            doing=f"reading the history of {namespace}/{name}",
        )
        found: list[dict[str, Any]] = json.loads(answer.stdout)
        return found

    def _list(self, scope: Sequence[str]) -> tuple[Release, ...]:
        # helm 4 lists every status by itself and no longer knows --all
        every = [] if self._helm.is_helm_4 else ["--all"]
        found: list[Release] = []
        while True:
            answer = self._helm.run_in_cluster(
                ["list", *scope, *every, f"--max={PAGE_SIZE}", f"--offset={len(found)}", "--output=json"],
                doing="listing releases",
            )
            page = json.loads(answer.stdout or "[]")
            found += [parse_release(item) for item in page]
            if len(page) < PAGE_SIZE:
                return tuple(found)

    def _shown(self, what: str, chart: Chart) -> dict[str, Any]:
        answer = self._helm.run(
            ["show", what, str(self._charts.path(chart))], doing=f"reading the {what} of {chart.reference}"
        )
        return parse_shown(answer.stdout, chart.reference)


def _subject(namespace: str, name: str) -> str:
    return f"helm release {namespace}/{name}"


def _input(values: Mapping[str, Any]) -> bytes:
    return json.dumps(plain(values)).encode()  # JSON is YAML
