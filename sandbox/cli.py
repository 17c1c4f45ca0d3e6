"""`clearml-chatops sandbox`: interactive with a page, or headless with scenarios."""

import json
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from provisioning import tools
from provisioning.errors import ChatopsError
from sandbox.cast import DEFAULT_CAST, Cast
from sandbox.controlplane.cluster import ControlPlaneFailed
from sandbox.controlplane.nodes import FakeNode
from sandbox.scenario.model import Scenario, ScenarioError, load
from sandbox.scenario.runner import Outcome, Runner
from sandbox.scenario.transcript import JsonLines, Transcript
from sandbox.world import World, WorldError


def run(*, scenario: list[Path], json_output: bool, kube_context: str | None, port: int, keep: bool) -> int:
    """Run the sandbox. Returns the exit code: 0 held, 1 an expectation failed, 2 not a scenario, 3 no sandbox."""
    out, notes = Console(), Console(stderr=bool(scenario) or json_output)
    began = time.monotonic()

    def progress(line: str) -> None:
        notes.print(f"[dim]{time.monotonic() - began:6.1f}s[/dim] {line}", highlight=False, soft_wrap=True)

    try:
        scenarios = [load(path) for path in scenario]
    except ScenarioError as problem:
        notes.print(f"[red]{problem}[/red]", soft_wrap=True)
        return 2
    try:
        tools.install(progress=progress)
        if not scenarios:
            return _interactive(out, progress, json_output=json_output, kube_context=kube_context, port=port, keep=keep)
        outcomes = [
            _play(one, out, progress, json_output=json_output, kube_context=kube_context, keep=keep)
            for one in scenarios
        ]
    except (WorldError, ControlPlaneFailed, ChatopsError) as problem:
        notes.print(f"[red]the sandbox cannot start: {problem}[/red]", soft_wrap=True)
        return 3
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def _play(
    scenario: Scenario, out: Console, progress: Any, *, json_output: bool, kube_context: str | None, keep: bool
) -> Outcome:
    transcript = JsonLines(out) if json_output else Transcript(out)
    with _World(
        scenario.cast,
        progress,
        kube_context=kube_context,
        keep=keep,
        policy=scenario.policy,
        settings=scenario.settings,
        nodes=scenario.nodes,
    ) as world:
        outcome = Runner(world, scenario, transcript.tell).play()
    transcript.end(outcome)
    return outcome


def _interactive(
    out: Console, progress: Any, *, json_output: bool, kube_context: str | None, port: int, keep: bool
) -> int:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with _World(DEFAULT_CAST, progress, kube_context=kube_context, keep=keep, page_port=port) as world:
        if json_output:
            out.file.write(json.dumps({"page": world.page_url}) + "\n")
            out.file.flush()
        else:
            _greet(out, world)
        stop.wait()
        progress("stopping")
    return 0


def _greet(out: Console, world: World) -> None:
    """Say where the page is, and what to try first."""
    out.print(
        f"\n  Open [bold green]{world.page_url}[/bold green] and type, as the operator:\n"
        "    [bold]/clearml tenant create acme --admin-email ana@acme.example --domain acme.example[/bold]\n"
        "  then switch person to an approver and click Approve. Ctrl-C stops everything.\n",
        highlight=False,
        soft_wrap=True,
    )


class _World:
    """A started world; stopped and removed on the way out, whatever happened."""

    def __init__(
        self,
        cast: Cast,
        progress: Any,
        *,
        kube_context: str | None,
        keep: bool,
        policy: Mapping[str, Any] | None = None,
        settings: Mapping[str, str] | None = None,
        nodes: Sequence[FakeNode] = (),
        page_port: int = 0,
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="clearml-chatops-sandbox-"))
        self._keep = keep
        self._progress = progress
        self._world = World(
            self._folder,
            cast=cast,
            progress=progress,
            kube_context=kube_context,
            policy=policy,
            settings=settings,
            nodes=nodes,
            page_port=page_port,
        )

    def __enter__(self) -> World:
        try:
            self._world.start()
        except BaseException:
            self.__exit__()
            raise
        return self._world

    def __exit__(self, *_: object) -> None:
        self._world.stop()
        if self._keep:
            self._progress(f"kept in {self._folder}")
        else:
            shutil.rmtree(self._folder, ignore_errors=True)
