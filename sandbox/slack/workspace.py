"""The workspace as its people use it: the Python side of the stand-in.

workspace = Workspace(manifest=load_manifest(path), people=[...], channels=[...])
server = LoopbackServer(create_app(workspace)); url = server.start()
workspace.command("ana", "#platform", "/clearml tenant create acme")
workspace.wait(lambda: "acme" in workspace.transcript("ana", "#platform"), timeout_s=5)
workspace.click("ben", "Approve")
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from sandbox.slack.model import JSON, Channel, Group, Person

T = TypeVar("T")


class Workspace:
    """Thread-safe. People and channels are named by handle (``ana``, ``#platform``) or by id; ``dm`` is a
    person's conversation with the app.

    Raises (every verb): SandboxError, where a person could not do that in Slack either.
    """

    def __init__(
        self,
        *,
        people: Sequence[Person],
        channels: Sequence[Channel],
        groups: Sequence[Group] = (),
        clock: Callable[[], float] = time.time,
    ) -> None: ...

    def command(self, person: str, channel: str, text: str, *, thread_ts: str | None = None) -> None:
        """Type *text* (``/clearml …``) and press Enter. Returns when the app acked, or after 3 s without.

        What went wrong (``operation_timeout``, an unknown command, a thread) is an ephemeral message of
        Slackbot's to *person*, as in Slack.
        """
        raise NotImplementedError

    def say(self, person: str, channel: str, text: str, *, thread_ts: str | None = None) -> str:
        """Post a plain message as *person*. Returns its ts."""
        raise NotImplementedError

    def click(self, person: str, text: str, channel: str | None = None, *, confirm: bool = True) -> None:
        """Click the button that reads *text*: in the person's modal, else in the newest message that they
        see (in *channel*, or anywhere), else in their Home tab. *confirm* answers a confirm dialog.
        """
        raise NotImplementedError

    def press(
        self,
        person: str,
        *,
        action_id: str,
        block_id: str | None = None,
        channel: str | None = None,
        ts: str | None = None,
        confirm: bool = True,
    ) -> None:
        """Click by ids instead of by text."""
        raise NotImplementedError

    def choose(self, person: str, option: str, channel: str | None = None) -> None:
        """Choose the option that reads *option* in a select, overflow or radio menu of a message or Home."""
        raise NotImplementedError

    def fill(self, person: str, values: Mapping[str, object]) -> None:
        """Fill the open modal's inputs by label. Options by their text; lists for several."""
        raise NotImplementedError

    def submit(self, person: str, button: str = "Submit") -> None:
        """Press the open modal's submit button; it must read *button*, unless *button* is ``Submit``.

        Missing or wrong fields show errors (see ``modal``) and nothing is sent, as in Slack.
        """
        raise NotImplementedError

    def close(self, person: str) -> None:
        """Close the open modal (Cancel, Esc)."""
        raise NotImplementedError

    def modal(self, person: str) -> JSON | None:
        """Return the person's open modal: title, submit, close, plain, fields [{label, value, error}], trouble."""
        raise NotImplementedError

    def open_home(self, person: str) -> JSON | None:
        """Open the app's Home tab: the app gets app_home_opened. Returns the published view, if any."""
        raise NotImplementedError

    def visible(self, person: str, channel: str) -> list[JSON]:
        """Return what *person* sees in *channel*, oldest first, thread replies included.

        Each: ts, thread_ts, channel, author, text, blocks, plain (what a reader would read), buttons (their
        texts), ephemeral, edited, files, trouble.
        """
        raise NotImplementedError

    def transcript(self, person: str, channel: str) -> str:
        """Return ``visible`` as one text, ``author: plain`` per message."""
        raise NotImplementedError

    def wait(self, predicate: Callable[[], T], timeout_s: float) -> T:
        """Return *predicate*'s first true value; it is called after every change. Raises: TimeoutError."""
        raise NotImplementedError
