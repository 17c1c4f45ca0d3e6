"""The workspace's state: one lock, one change counter, no behaviour of people or of the API."""

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from sandbox.slack.manifest import AppManifest, Credentials
from sandbox.slack.model import JSON, Channel, Group, Message, Person, SandboxError, StoredFile, View

T = TypeVar("T")
SLACKBOT = "USLACKBOT"


class State:
    """Guarded by ``lock`` (re-entrant). Whoever changes something calls ``touch`` before letting go.

    Raises (look-ups): KeyError, where nothing is called so.
    """

    team_id = "T0SANDBOX"
    app_id = "A0SANDBOX01"
    bot_id = "B0SANDBOX01"
    bot_user_id = "U0SANDBOXBT"

    def __init__(
        self,
        *,
        manifest: AppManifest,
        credentials: Credentials,
        people: Iterable[Person],
        channels: Iterable[Channel],
        groups: Iterable[Group],
        team_name: str,
        clock: Callable[[], float],
    ) -> None:
        self.manifest = manifest
        self.credentials = credentials
        self.team_name = team_name
        self.clock = clock
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._listeners: list[Callable[[], None]] = []
        self.version = 0
        self._last_ts_us = 0
        self._numbers = itertools.count(1)
        self.people: dict[str, Person] = {}
        self.channels: dict[str, Channel] = {}
        self.groups: dict[str, Group] = {}
        self.messages: dict[str, list[Message]] = {}
        self.modals: dict[str, list[View]] = {}  # person id → stack, the open one last
        self.homes: dict[str, View] = {}
        self.files: dict[str, StoredFile] = {}
        self.base_url = ""  # where the workspace is reached; the server tells
        bot = Person(
            name=manifest.bot_name.lower().replace(" ", "-"),
            real_name=manifest.bot_name,
            email="",
            id=self.bot_user_id,
            bot=True,
        )
        slackbot = Person(name="slackbot", real_name="Slackbot", email="", id=SLACKBOT, bot=True)
        for person in (bot, slackbot, *people):
            self.add_person(person)
        for channel in channels:
            self.add_channel(channel)
        for group in groups:
            self.add_group(group)

    # -- changes

    def touch(self) -> None:
        """Say that something changed. The lock must be held."""
        self.version += 1
        self._changed.notify_all()
        for listener in self._listeners:
            listener()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call *listener* after each change, in the changing thread, under the lock: it must be quick."""
        with self.lock:
            self._listeners.append(listener)

    def wait(self, predicate: Callable[[], T], timeout_s: float) -> T:
        """Return *predicate*'s first true value; it is called after every change, without the lock.

        Raises: TimeoutError.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            seen = self.version
            if found := predicate():
                return found
            with self.lock:
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0:
                    raise TimeoutError(f"it did not become so within {timeout_s:g} s")
                if self.version == seen:
                    # half a second at most: a predicate may also look at something outside the workspace
                    self._changed.wait(min(remaining_s, 0.5))

    # -- names and ids

    def new_id(self, prefix: str) -> str:
        with self.lock:
            return f"{prefix}0SB{next(self._numbers):07d}"

    def next_ts(self) -> str:
        """Return a message timestamp: unique and growing, even if the clock is turned back."""
        with self.lock:
            self._last_ts_us = max(int(self.clock() * 1_000_000), self._last_ts_us + 1)
            seconds, micros = divmod(self._last_ts_us, 1_000_000)
            return f"{seconds}.{micros:06d}"

    def add_person(self, person: Person) -> Person:
        with self.lock:
            if any(person.name == other.name or person.id == other.id for other in self.people.values()):
                raise ValueError(f"there is already a person {person.name} or {person.id}")
            person.id = person.id or self.new_id("U")
            self.people[person.id] = person
            self.touch()
            return person

    def add_channel(self, channel: Channel) -> Channel:
        """Add it, with its members as ids; no members given means: everyone who is no guest."""
        with self.lock:
            channel.name = channel.name.lstrip("#")
            channel.id = channel.id or self.new_id("D" if channel.im else "G" if channel.private else "C")
            members = [self.person(name).id for name in channel.members] or [
                person.id for person in self.people.values() if not (person.guest or person.bot)
            ]
            if channel.with_app and self.bot_user_id not in members:
                members.append(self.bot_user_id)
            channel.members = tuple(dict.fromkeys(members))
            self.channels[channel.id] = channel
            self.messages[channel.id] = []
            self.touch()
            return channel

    def add_group(self, group: Group) -> Group:
        with self.lock:
            group.handle = group.handle.lstrip("@")
            group.id = group.id or self.new_id("S")
            group.members = tuple(self.person(name).id for name in group.members)
            self.groups[group.id] = group
            self.touch()
            return group

    def person(self, name: str) -> Person:
        plain = name.lstrip("@")
        with self.lock:
            if plain in self.people:
                return self.people[plain]
            for person in self.people.values():
                if person.name == plain:
                    return person
        raise KeyError(f"nobody is called {name!r}")

    def channel(self, name: str) -> Channel:
        plain = name.lstrip("#")
        with self.lock:
            if plain in self.channels:
                return self.channels[plain]
            for channel in self.channels.values():
                if channel.name == plain and not channel.im:
                    return channel
        raise KeyError(f"no channel is called {name!r}")

    def dm(self, person_id: str) -> Channel:
        """Return the conversation of the person with the app, made where there is none yet."""
        with self.lock:
            for channel in self.channels.values():
                if channel.im and person_id in channel.members:
                    return channel
            return self.add_channel(Channel(name=f"dm-{person_id}", members=(person_id,), im=True))

    def channel_for(self, person: Person, name: str) -> Channel:
        """Return the channel that *person* means; ``dm`` is theirs with the app. Raises: SandboxError."""
        bot = self.people[self.bot_user_id]
        if name in {"dm", "@dm", f"@{bot.name}", f"@{bot.real_name}"}:
            return self.dm(person.id)
        try:
            channel = self.channel(name)
        except KeyError as problem:
            raise SandboxError(str(problem.args[0])) from None
        if (channel.private or channel.im) and person.id not in channel.members:
            raise SandboxError(f"{person.name} is not in {name}")
        return channel

    # -- messages

    def add_message(self, message: Message) -> Message:
        with self.lock:
            self.messages[message.channel].append(message)
            self.touch()
            return message

    def message(self, channel_id: str, ts: str) -> Message | None:
        with self.lock:
            for message in reversed(self.messages.get(channel_id, [])):
                if message.ts == ts:
                    return message
        return None

    def remove_message(self, message: Message) -> None:
        with self.lock:
            self.messages[message.channel].remove(message)
            self.touch()

    def replies(self, channel_id: str, ts: str) -> list[Message]:
        with self.lock:
            return [
                message
                for message in self.messages[channel_id]
                if message.thread_ts == ts and message.ephemeral_for is None
            ]

    def seen_by(self, person_id: str, channel_ids: Sequence[str]) -> list[Message]:
        """Return the messages that the person sees in the channels, oldest first."""
        with self.lock:
            return sorted(
                (
                    message
                    for channel_id in channel_ids
                    for message in self.messages[channel_id]
                    if message.ephemeral_for in {None, person_id}
                ),
                key=lambda message: message.ts,
            )

    def slackbot(self, person_id: str, channel_id: str, text: str) -> None:
        """Show the person what Slack itself has to say, as an ephemeral message."""
        self.add_message(
            Message(channel=channel_id, ts=self.next_ts(), author=SLACKBOT, text=text, ephemeral_for=person_id)
        )

    # -- views

    def open_modal(self, person_id: str) -> View | None:
        with self.lock:
            stack = self.modals.get(person_id)
            return stack[-1] if stack else None

    def view(self, view_id: str) -> View | None:
        with self.lock:
            for view in (*self.homes.values(), *itertools.chain.from_iterable(self.modals.values())):
                if view.id == view_id:
                    return view
        return None

    def new_hash(self) -> str:
        return f"{int(self.clock())}.{next(self._numbers):08x}"


def team_json(state: State) -> JSON:
    """Return the team as payloads name it."""
    return {"id": state.team_id, "domain": state.team_name.lower().replace(" ", "-")}
