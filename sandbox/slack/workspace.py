"""The workspace as its people use it: the Python side of the stand-in.

workspace = Workspace(manifest=load_manifest(path), people=[...], channels=[...])
server = LoopbackServer(create_app(workspace)); url = server.start()
workspace.command("ana", "#platform", "/clearml tenant create acme")
workspace.wait(lambda: "acme" in workspace.transcript("ana", "#platform"), timeout_s=5)
workspace.click("ben", "Approve")
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sandbox.slack import elements, file_store
from sandbox.slack.delivery import Dispatcher
from sandbox.slack.eyes import Eyes, blocks_of
from sandbox.slack.faults import Faults
from sandbox.slack.hands import Hands, option_named
from sandbox.slack.http_delivery import HttpDelivery
from sandbox.slack.manifest import AppManifest, Credentials
from sandbox.slack.model import JSON, Channel, Group, Message, Person, SandboxError, View
from sandbox.slack.passes import Passes
from sandbox.slack.payloads import file_json
from sandbox.slack.rate_limits import RateLimits
from sandbox.slack.sockets import SocketHub
from sandbox.slack.state import State

T = TypeVar("T")


class Workspace:
    """Thread-safe. People and channels are named by handle (``ana``, ``#platform``) or by id; ``dm`` is a
    person's conversation with the app.

    Raises (every verb): SandboxError, where a person could not do that in Slack either.
    """

    def __init__(
        self,
        *,
        manifest: AppManifest,
        people: Sequence[Person],
        channels: Sequence[Channel],
        groups: Sequence[Group] = (),
        credentials: Credentials | None = None,
        name: str = "Sandbox",
        clock: Callable[[], float] = time.time,
        dispatcher: Dispatcher | None = None,
    ) -> None:
        self.state = State(
            manifest=manifest,
            credentials=credentials or Credentials(),
            people=people,
            channels=channels,
            groups=groups,
            team_name=name,
            clock=clock,
        )
        self.faults = Faults()
        self.passes = Passes(clock)
        self.rate_limits = RateLimits()
        self.dispatcher = dispatcher or Dispatcher()
        self.dispatcher.faults = self.faults
        self.dispatcher.on_delivery = self._touch
        self.sockets = SocketHub(self.passes, app_id=self.state.app_id, on_change=self._touch)
        self.dispatcher.transport = self.sockets
        self.calls: list[JSON] = []
        self._eyes = Eyes(self.state)
        self._hands = Hands(self.state, self.dispatcher, self.passes, lambda: self.state.base_url)

    # -- the app

    @property
    def bot_token(self) -> str:
        return self.state.credentials.bot_token

    @property
    def app_token(self) -> str:
        return self.state.credentials.app_token

    @property
    def signing_secret(self) -> str:
        return self.state.credentials.signing_secret

    @property
    def connected(self) -> bool:
        """True while the app has a socket open that takes payloads."""
        return self.sockets.count > 0

    def deliver_by_http(self, request_url: str) -> None:
        """Deliver to *request_url* instead of over sockets. Raises: SandboxError: no challenge answered."""
        # signed by the real time: the app checks it against its own machine, whatever the clock here says
        http = HttpDelivery(request_url, self.signing_secret)
        if not http.verify_url():
            raise SandboxError(f"{request_url} did not answer Slack's challenge")
        self.dispatcher.transport = http

    def plan_faults(self, **faults: Any) -> JSON:
        """Let things go wrong (see faults.Planned); without any, all is well. Returns what is planned."""
        if faults:
            self.faults.plan(**faults)
        else:
            self.faults.clear()
        self._touch()
        return dict(self.faults.as_json())

    def stop(self) -> None:
        """Stop retrying events. The server is stopped by whoever started it."""
        self.dispatcher.close()

    # -- what people do

    def command(self, person: str, channel: str, text: str, *, thread_ts: str | None = None) -> None:
        """Type *text* (``/clearml …``) and press Enter. Returns when the app acked, or after 3 s without.

        What went wrong (``operation_timeout``, an unknown command, a thread) is an ephemeral message of
        Slackbot's to *person*, as in Slack. A text without a slash is said.
        """
        who = self._member(person)
        where = self.state.channel_for(who, channel)
        if text.lstrip().startswith("/"):
            self._hands.command(who, where, text, thread_ts)
        else:
            self._hands.say(who, where, text, thread_ts)

    def say(self, person: str, channel: str, text: str, *, thread_ts: str | None = None) -> str:
        """Post a plain message as *person*. Returns its ts."""
        who = self._member(person)
        return self._hands.say(who, self.state.channel_for(who, channel), text, thread_ts).ts

    def upload(self, person: str, channel: str, name: str, content: str, *, text: str = "") -> str:
        """Share a file with *channel*, below *text*. Returns its permalink."""
        who = self._member(person)
        where = self.state.channel_for(who, channel)
        stored = file_store.keep(self.state, who, {"name": name, "content": content})
        self._hands.say(who, where, text, None, files=(stored.id,))
        return str(file_json(self.state, stored.id)["permalink"])

    def link_of(self, name: str) -> str:
        """Return the permalink of the newest file of that name. Raises: SandboxError."""
        found = [each.id for each in self.state.files.values() if each.name == name]
        if not found:
            raise SandboxError(f"there is no file {name}")
        return str(file_json(self.state, found[-1])["permalink"])

    def click(self, person: str, text: str, channel: str | None = None, *, confirm: bool = True) -> None:
        """Click the button that reads *text*: in the person's modal, else in the newest message that they
        see (in *channel*, or anywhere), else in their Home tab. *confirm* answers a confirm dialog.
        """
        who = self._member(person)
        self._use(
            who,
            self._eyes.places(who, channel=channel),
            lambda blocks: elements.button(blocks, text),
            otherwise=f"no button reads {text!r}",
            confirm=confirm,
        )

    def shortcut(
        self, person: str, name: str, *, ts: str | None = None, file: str | None = None, channel: str | None = None
    ) -> None:
        """Choose *name* in the menu of a message: of the one of *ts*, or of the newest with a *file* of that name.

        Messages are looked for in *channel*, or wherever the person looks. Raises: SandboxError.
        """
        who = self._member(person)
        for place in self._eyes.places(who, ts=ts, channel=channel, covered=True):
            if isinstance(place, Message) and (ts or file in self._names(place)):
                self._hands.shortcut(who, place, name)
                return
        raise SandboxError(f"{who.name} sees no message {ts or f'with the file {file}'}")

    def _names(self, message: Message) -> list[str]:
        return [self.state.files[file_id].name for file_id in message.files]

    def press(
        self,
        person: str,
        *,
        action_id: str,
        block_id: str | None = None,
        ts: str | None = None,
        view: str | None = None,
        confirm: bool = True,
    ) -> None:
        """Click by ids instead of by text; *ts* names the message, *view* a view's id."""
        who = self._member(person)
        self._use(
            who,
            self._eyes.places(who, ts=ts, view=view),
            lambda blocks: elements.by_ids(blocks, action_id, block_id),
            otherwise=f"nothing has the action_id {action_id!r}",
            confirm=confirm,
        )

    def choose(self, person: str, option: str, channel: str | None = None) -> None:
        """Choose the option that reads *option* in a menu of the modal, of a message or of Home."""
        who = self._member(person)
        for place in self._eyes.places(who, channel=channel):
            if found := option_named(blocks_of(place), option):
                self._act(who, place, *found)
                return
        raise SandboxError(f"{who.name} sees no option {option!r}")

    def enter(
        self,
        person: str,
        *,
        block_id: str,
        value: object,
        action_id: str | None = None,
        ts: str | None = None,
        view: str | None = None,
    ) -> None:
        """Enter *value* in the input or menu of the block, in the open modal or where *ts* or *view* says."""
        who = self._member(person)
        for place in self._eyes.places(who, ts=ts, view=view):
            for found in elements.elements(blocks_of(place)):
                named = found.block_id == block_id and action_id in {None, found.element.get("action_id")}
                if named and found.element["type"] != "button":
                    self._act(who, place, found, self._hands.entered(who, found.element, value))
                    return
        raise SandboxError(f"{who.name} sees no input in block {block_id!r}")

    def fill(self, person: str, values: Mapping[str, object]) -> None:
        """Fill the open modal's inputs by label. Options by their text; lists for several."""
        who = self._member(person)
        self._hands.fill(who, self._open(who), values)

    def submit(self, person: str, button: str = "Submit") -> None:
        """Press the open modal's submit button; it must read *button*, unless *button* is ``Submit``.

        Missing or wrong fields show errors (see ``modal``) and nothing is sent, as in Slack.
        """
        who = self._member(person)
        view = self._open(who)
        label = view.view.get("submit")
        if label is None or view.view.get("submit_disabled"):
            raise SandboxError(f"the modal {view.title!r} has no button to submit it")
        if button != "Submit" and not elements.says(label, button):
            raise SandboxError(f"the modal's button reads {elements.words(label)!r}, not {button!r}")
        self._hands.submit(who, view)

    def close(self, person: str) -> None:
        """Close the open modal (Cancel, Esc)."""
        who = self._member(person)
        self._hands.close(who, self._open(who))

    def open_home(self, person: str) -> JSON | None:
        """Open the app's Home tab: the app gets app_home_opened. Returns the published view, if any."""
        home = self._hands.open_home(self._member(person))
        return home.view if home else None

    def reload(self, person: str) -> None:
        """Reload the person's Slack: their ephemeral messages are gone."""
        who = self._member(person)
        with self.state.lock:
            for message in self.state.seen_by(who.id, list(self.state.messages)):
                if message.ephemeral_for == who.id:
                    self.state.remove_message(message)

    # -- what people see

    def modal(self, person: str) -> JSON | None:
        """Return the person's open modal: title, submit, close, plain, fields, buttons, trouble; else None.

        Each field: block_id, label, value (what was entered, as text), error.
        """
        return self._eyes.modal(self._member(person))

    def visible(self, person: str, channel: str) -> list[JSON]:
        """Return what *person* sees in *channel*, oldest first, thread replies included.

        Each: ts, thread_ts, channel, author, text, blocks, plain (what a reader would read), buttons (their
        texts), ephemeral, edited, files, trouble.
        """
        who = self._member(person)
        return self._eyes.visible(who, self.state.channel_for(who, channel).id)

    def transcript(self, person: str, channel: str) -> str:
        """Return ``visible`` as one text, ``author: plain`` per message."""
        return "\n".join(f"{seen['author']}: {seen['plain']}" for seen in self.visible(person, channel))

    def snapshot(self, person: str) -> JSON:
        """Return everything that *person* sees, for the page."""
        return self._eyes.snapshot(self._member(person)) | {
            "connections": self.sockets.count,
            "faults": self.faults.as_json(),
            "deliveries": list(self.dispatcher.log),
            "calls": list(self.calls),
        }

    def wait(self, predicate: Callable[[], T], timeout_s: float) -> T:
        """Return *predicate*'s first true value; it is called after every change. Raises: TimeoutError."""
        return self.state.wait(predicate, timeout_s)

    def note_call(self, method: str, status: int, error: str, took_s: float) -> None:
        """Keep the newest calls of the app, for the drawer and for tests."""
        with self.state.lock:
            self.calls.append({"method": method, "status": status, "error": error, "ms": round(took_s * 1000)})
            del self.calls[:-500]

    # -- inside

    def _touch(self) -> None:
        with self.state.lock:
            self.state.touch()

    def _member(self, name: str) -> Person:
        try:
            person = self.state.person(name)
        except KeyError as problem:
            raise SandboxError(str(problem.args[0])) from None
        if person.deactivated or person.bot:
            raise SandboxError(f"{person.name} cannot sign in")
        return person

    def _open(self, who: Person) -> View:
        view = self.state.open_modal(who.id)
        if view is None:
            raise SandboxError(f"{who.name} has no modal open")
        return view

    def _use(
        self,
        who: Person,
        places: list[View | Message],
        find: Callable[[list[JSON]], elements.Found | None],
        *,
        otherwise: str,
        confirm: bool,
    ) -> None:
        for place in places:
            if found := find(blocks_of(place)):
                if not (found.element.get("confirm") and not confirm):
                    self._act(who, place, found, {})
                return
        raise SandboxError(f"{otherwise} where {who.name} looks")

    def _act(self, who: Person, place: View | Message, found: elements.Found, chosen: JSON) -> None:
        if isinstance(place, View):
            self._hands.act_on_view(who, place, found, chosen)
        else:
            self._hands.act_on_message(who, place, found, chosen)
