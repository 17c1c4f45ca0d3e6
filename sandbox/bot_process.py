"""The bot as a process of its own: told everything by its environment, so that it can be killed and started again."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.processes import Child, free_ports
from sandbox.slack.model import SandboxError
from sandbox.slack.workspace import Workspace

READY_S = 60.0
DRAIN_S = 45.0
INHERITED = ("PATH", "HOME", "LANG", "XDG_CACHE_HOME", "TMPDIR", "KUBECONFIG")
NOBODY = -1  # no process has this id


class BotError(Exception):
    """The bot did not come up; the text has its last lines."""


class BotProcess:
    """At most one process at a time.

    Args:
        workspace: that it connects to, by a socket or, *by_http*, by signed requests.
        log: gets what it prints.
    """

    def __init__(self, workspace: Workspace, *, log: Path, by_http: bool) -> None:
        self._workspace = workspace
        self._log = log
        self._by_http = by_http
        self._http_port = free_ports(1)[0]
        self._child: Child | None = None

    def start(self, settings: Mapping[str, str]) -> None:
        """Start it with *settings* (names without the prefix) and wait until it listens. Raises: BotError."""
        if self.runs:
            return
        command = [sys.executable, "-m", "bot.cli", "serve"]
        opened = self._workspace.sockets.opened  # Slack may not know yet that the last process's connection is gone
        child = self._child = Child("bot", command, log=self._log, env=self.environment(settings))
        try:
            self._workspace.wait(lambda: self._listens(opened) or not self.runs, READY_S)
        except TimeoutError:
            raise BotError(f"the bot did not listen within {READY_S:.0f} s:\n{child.last_lines(15)}") from None
        if not self.runs:
            raise BotError(f"the bot ended with {child.returncode}:\n{child.last_lines(15)}")

    def stop(self, grace_s: float = DRAIN_S) -> None:
        """Ask it to end, as Kubernetes does, and wait until it has. Safe to call again."""
        if self._child is not None:
            self._child.stop(grace_s=grace_s)

    def kill(self) -> None:
        """``kill -9`` its process alone: what it started lives on."""
        if self._child is not None:
            self._child.kill()

    @property
    def runs(self) -> bool:
        return self._child is not None and self._child.returncode is None

    @property
    def pid(self) -> int:
        """Return its process id, or one that no process has."""
        return self._child.pid if self._child is not None and self.runs else NOBODY

    def _listens(self, opened: int) -> bool:
        if not self._by_http:
            return self._workspace.connected and self._workspace.sockets.opened > opened
        try:
            self._workspace.deliver_by_http(f"http://127.0.0.1:{self._http_port}/slack/events")
        except SandboxError:
            return False
        return True

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return all that the process is told."""
        slack = {
            "SLACK__BOT_TOKEN": self._workspace.bot_token,
            "SLACK__APP_TOKEN": self._workspace.app_token,
            "SLACK__SIGNING_SECRET": self._workspace.signing_secret,
            "SLACK__HTTP_PORT": str(self._http_port),
        }
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return inherited | {f"CLEARML_CHATOPS_{name}": value for name, value in {**slack, **settings}.items()}
