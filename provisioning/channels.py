"""Where messages can be posted: what is known below Slack of a channel. The edge knows the workspace."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

INVITE = "/invite @clearml-chatops"


class Reach(StrEnum):
    """Whether the bot can post in a channel, with pictures."""

    MEMBER = "member"
    OUTSIDE = "outside"  # the bot sees the channel and is not in it
    HIDDEN = "hidden"  # private and without the bot, or there is none: Slack answers the same to both
    ARCHIVED = "archived"


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A channel as the bot sees it now. ``name`` without ``#``; "" where it is hidden."""

    id: str
    name: str
    reach: Reach

    def __str__(self) -> str:
        return f"#{self.name} ({self.id})" if self.name else self.id


class Channels(Protocol):
    """Thread-safe."""

    def look(self, channel_id: str) -> Channel:
        """Return what the bot can do there. Raises: PermanentError where it may not ask, UnreachableError."""
