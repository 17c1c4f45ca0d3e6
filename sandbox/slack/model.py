"""What a workspace holds: people, channels, messages, views, files. Plain data; state.py guards it."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

JSON: TypeAlias = dict[str, Any]
Values: TypeAlias = dict[str, dict[str, JSON]]  # block_id → action_id → state
Surface: TypeAlias = Literal["modal", "home"]


class SandboxError(Exception):
    """A person cannot do this in Slack either: no such button, not a member, a disabled command."""


class ApiError(Exception):
    """A Web API call that Slack refuses: ``{"ok": false, "error": error, **extra}``."""

    def __init__(self, error: str, *, messages: tuple[str, ...] = (), status: int = 200, **extra: object) -> None:
        super().__init__(error)
        self.error = error
        self.messages = messages
        self.status = status
        self.extra = extra

    def body(self) -> JSON:
        """Return the answer's body as Slack words it."""
        body: JSON = {"ok": False, "error": self.error, **self.extra}
        if self.messages:
            body["errors"] = list(self.messages)
            body["response_metadata"] = {"messages": [f"[ERROR] {message}" for message in self.messages]}
        return body


@dataclass(kw_only=True)
class Person:
    """A member of the workspace. ``id`` is given by the workspace where it is empty."""

    name: str  # handle, unique: "ana"
    real_name: str
    email: str
    id: str = ""
    title: str = ""
    deactivated: bool = False
    guest: bool = False
    bot: bool = False


@dataclass(kw_only=True)
class Group:
    """A user group (``@platform-approvers``). ``members`` are names or ids of people."""

    handle: str
    name: str
    members: tuple[str, ...] = ()
    id: str = ""
    disabled: bool = False


@dataclass(kw_only=True)
class Channel:
    """A conversation. ``members`` are names or ids of people; the app joins by ``with_app``."""

    name: str
    members: tuple[str, ...] = ()
    id: str = ""
    private: bool = False
    im: bool = False
    archived: bool = False
    with_app: bool = True
    topic: str = ""


@dataclass(kw_only=True)
class Message:
    """A message as it stands now. ``ephemeral_for`` is the one person who sees it, else None."""

    channel: str
    ts: str
    author: str  # user id; the app's bot user for the app
    text: str = ""
    blocks: list[JSON] = field(default_factory=list)
    thread_ts: str | None = None
    edited_ts: str | None = None
    ephemeral_for: str | None = None
    files: tuple[str, ...] = ()
    metadata: JSON | None = None
    bot_id: str | None = None
    trouble: dict[str, str] = field(default_factory=dict)  # person id → what went wrong with their click
    values: dict[str, Values] = field(default_factory=dict)  # person id → what they chose in its menus


@dataclass(kw_only=True)
class View:
    """A modal or a Home tab as one person has it open."""

    id: str
    type: Surface
    person: str
    view: JSON  # as the app sent it, with block_ids filled in
    hash: str
    root_id: str
    previous_id: str | None = None
    values: Values = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)  # block_id → what the person reads there
    trouble: str = ""  # "We had some trouble connecting"

    @property
    def title(self) -> str:
        return str(self.view.get("title", {}).get("text", ""))


@dataclass(kw_only=True)
class StoredFile:
    """A file: the app's, on its way through files.getUploadURLExternal, or a person's."""

    id: str
    name: str
    length: int
    title: str = ""
    content: bytes | None = None  # None until it is uploaded
    completed: bool = False
    alt_text: str = ""
    owner: str = ""  # person id; the app's bot user for its own
    channels: tuple[str, ...] = ()  # ids of conversations where it is shared
    given: bool = False  # a person handed it to the app in a form
