"""Plays a scenario in a world and tells what happened, event by event."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sandbox.scenario.matching import is_negative, matches
from sandbox.scenario.model import Entry, Scenario
from sandbox.slack.model import SandboxError
from sandbox.world import World

_LINK = re.compile(r"\{link ([^{}]+)\}")

WAIT_FOR_BUTTON_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One line of the transcript. ``kind``: action, message, held, broken."""

    kind: str
    entry: int
    person: str
    text: str
    seconds: float  # since the scenario began
    detail: str = ""


@dataclass(kw_only=True)
class Outcome:
    """How a scenario ended."""

    name: str
    held: int = 0
    broken: int = 0
    seconds: float = 0.0
    errors: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.broken and not self.errors


class Runner:
    """Plays *scenario* in *world*; ``tell`` gets every happening as it happens."""

    def __init__(self, world: World, scenario: Scenario, tell: Callable[[Happening], None]) -> None:
        self._world = world
        self._scenario = scenario
        self._tell = tell
        self._person = scenario.cast.people[0].handle
        self._channel = scenario.cast.channels[0].name
        self._began = time.monotonic()
        self._told: dict[str, str] = {}  # ts of a message → what was told of it last
        self._before: dict[str, str] = {}  # ts of a message → what it said before this entry's action
        self._entry = 0

    def play(self) -> Outcome:
        """Play every entry. Stops at the first action that cannot be done; expectations go on failing alone."""
        outcome = Outcome(name=self._scenario.name)
        for entry in self._scenario.entries:
            self._entry = entry.number
            self._person = entry.person or self._person
            self._channel = entry.channel or self._channel
            try:
                self._before = self._said()
                self._act(entry)
            except (SandboxError, TimeoutError, ValueError) as problem:
                self._emit("broken", f"{entry.action}: {problem}")
                outcome.errors.append(f"line {entry.line}: {problem}")
                break
            self._expect(entry, outcome)
        self._tell_news()
        outcome.seconds = time.monotonic() - self._began
        return outcome

    def _act(self, entry: Entry) -> None:
        workspace, argument = self._world.workspace, entry.argument
        match entry.action:
            case None:
                return
            case "run":
                text = _LINK.sub(lambda found: workspace.link_of(found.group(1)), str(argument))
                self._emit("action", text)
                workspace.command(self._person, self._channel, text)
            case "upload":
                for name, content in dict(argument).items():
                    self._emit("action", f"uploads {name}")
                    workspace.upload(self._person, self._channel, str(name), str(content))
            case "shortcut":
                for name, file in dict(argument).items():
                    self._emit("action", f"chooses [{name}] at the message with {file}")
                    self._once_there(
                        partial(workspace.shortcut, self._person, str(name), file=str(file), channel=self._channel)
                    )
            case "click":
                self._emit("action", f"clicks [{argument}]")
                self._once_there(partial(workspace.click, self._person, str(argument)))
            case "fill":
                fields = dict(argument)
                button = str(fields.pop("submit", "Submit"))
                self._emit("action", f"fills {', '.join(f'{key}: {value}' for key, value in fields.items())}")
                for label, value in fields.items():
                    self._once_there(partial(workspace.fill, self._person, {label: value}))
                self._once_there(partial(workspace.submit, self._person, button))
            case "fault":
                self._emit("action", f"fault: {argument}")
                self._world.fault(argument)
            case "advance":
                self._emit("action", f"the clock goes forward by {argument:.0f} s")
                self._world.advance(float(argument))
            case other:
                raise ValueError(f"unknown action {other}")

    def _once_there(self, act: Callable[[], None]) -> None:
        """Act once the button or input is there: it comes with a message or a window that is on its way."""
        deadline = time.monotonic() + WAIT_FOR_BUTTON_S
        while True:
            try:
                act()
            except SandboxError:
                if time.monotonic() > deadline:
                    raise
                self._tell_news()
                time.sleep(0.1)
            else:
                return

    def _expect(self, entry: Entry, outcome: Outcome) -> None:
        deadline = time.monotonic() + entry.within_s
        for kind, value in entry.expect:
            began = time.monotonic()
            seen = self._await(kind, value, deadline)
            took = time.monotonic() - began
            self._tell_news()
            if seen is None:
                outcome.held += 1
                self._emit("held", f"{kind}: {value} ({took:.1f} s)")
            else:
                outcome.broken += 1
                self._emit("broken", f"{kind}: {value}", detail=seen)

    def _await(self, kind: str, value: Any, deadline: float) -> str | None:
        """Return None once it holds, else what was there at the deadline."""
        while True:
            seen = self._look(kind, value)
            if seen is None or time.monotonic() >= deadline:
                return seen
            self._tell_news()
            time.sleep(0.1)

    def _look(self, kind: str, value: Any) -> str | None:
        """Return None where it holds, else what is there instead. Raises: ValueError for an unknown *kind*."""
        sight, text = self._world.sight, str(value)
        looks: dict[str, Callable[[], str | None]] = {
            "answer": lambda: self._look_at_answers(text),
            "message": lambda: self._look_at_messages(text, wanted=True),
            "no_message": lambda: self._look_at_messages(text, wanted=False),
            "modal": lambda: self._look_at_modal(text),
            "file": lambda: self._look_at_files(text),
            "job": lambda: sight.job_lacks(text),
            "audit": lambda: sight.audit_lacks(text),
            "audit_count": lambda: sight.audit_count_lacks(text),
            "helm_release": lambda: sight.release_lacks(text),
            "pending_release": lambda: sight.release_lacks(text, status="pending"),
            "no_helm_release": lambda: None if sight.release_lacks(text) else f"{text} is deployed",
            "namespace": lambda: None if sight.has_namespace(text) else "there is no such namespace",
            "no_namespace": lambda: f"namespace {text} is there" if sight.has_namespace(text) else None,
            "company": lambda: sight.company_lacks(text),
            "node": lambda: sight.node_lacks(text),
            "gpu": lambda: self._gpu_lacks(text),
            "samples": lambda: sight.samples_lack(text),
            "orphans": lambda: self._world.orphans() or None,
        }
        if kind not in looks:
            raise ValueError(f"unknown expectation {kind}")
        return looks[kind]()

    def _gpu_lacks(self, expected: str) -> str | None:
        """Return None where ``gpu-1/0: Enabled, Enabled`` holds (``gpu-1`` alone means each card), else the modes."""
        where, _, modes = expected.partition(":")
        node, _, index = where.strip().partition("/")
        found = self._world.gpus.modes(node)
        looked_at = found[int(index) : int(index) + 1] if index else found
        return None if set(looked_at) == {modes.strip()} else f"{node}: {' | '.join(found)}"

    def _look_at_modal(self, expected: str) -> str | None:
        modal = self._world.workspace.modal(self._person)
        if modal is None:
            return "no modal is open"
        plain = str(modal["plain"])
        return None if matches(expected, plain) else plain

    def _look_at_files(self, expected: str) -> str | None:
        """Look at the files in the channel and in this person's conversation with the bot."""
        seen = [*self._visible(), *self._world.workspace.visible(self._person, "dm")]
        files = [f"{file['name']} {file['title']} {file['alt']}" for message in seen for file in message["files"]]
        return None if any(matches(expected, file) for file in files) else f"the files are: {files or 'none'}"

    def _look_at_answers(self, expected: str) -> str | None:
        """Look at the messages that came, or changed, since this entry's action."""
        fresh = [plain for ts, plain in self._said().items() if self._before.get(ts) != plain]
        held = (matches(expected, plain) for plain in fresh)
        if fresh and (all(held) if is_negative(expected) else any(held)):
            return None
        return "what came since is:\n" + ("\n---\n".join(fresh) or "nothing")

    def _look_at_messages(self, expected: str, *, wanted: bool) -> str | None:
        plains = [str(message["plain"]) for message in self._visible()]
        if wanted and is_negative(expected):
            held = all(matches(expected, plain) for plain in plains)
        elif wanted:
            held = any(matches(expected, plain) for plain in plains)
        else:
            held = not any(matches(expected, plain) for plain in plains)
        return None if held else "the newest messages are:\n" + "\n---\n".join(plains[-3:])

    def _visible(self) -> list[dict[str, Any]]:
        return [dict(message) for message in self._world.workspace.visible(self._person, self._channel)]

    def _said(self) -> dict[str, str]:
        return {str(message["ts"]): str(message["plain"]) for message in self._visible()}

    def _tell_news(self) -> None:
        for message in self._news():
            text = str(message["plain"])
            if message.get("ephemeral"):
                text = f"(only visible to {self._person}) {text}"
            self._emit("message", text, person=str(message.get("author", "")))

    def _news(self) -> Iterator[dict[str, Any]]:
        """Yield the bot's messages that are new, or changed, since they were told last."""
        for message in self._visible():
            ts, plain = str(message["ts"]), str(message["plain"])
            if self._told.get(ts) != plain:
                self._told[ts] = plain
                yield message

    def _emit(self, kind: str, text: str, *, person: str | None = None, detail: str = "") -> None:
        since = time.monotonic() - self._began
        self._tell(
            Happening(
                kind=kind,
                entry=self._entry,
                person=self._person if person is None else person,
                text=text,
                seconds=since,
                detail=detail,
            )
        )
