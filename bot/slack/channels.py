"""Channels of the workspace: whether the bot can post there."""

from collections.abc import Mapping
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from provisioning.channels import Channel, Reach
from provisioning.errors import PermanentError, UnreachableError

_HIDDEN = frozenset({"channel_not_found", "method_not_supported_for_channel_type"})


class SlackChannels:
    """Asks Slack each time: whoever reads a refusal invites the bot and asks again at once. Thread-safe."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def look(self, channel_id: str) -> Channel:
        """Return what the bot can do in the channel of that id.

        Membership is needed also where the app holds chat:write.public: Slack lets it post words there, and refuses
        the pictures of who is no member. Raises: PermanentError where a scope is missing, UnreachableError.
        """
        if channel_id.startswith("D"):  # the bot's own conversation with somebody: there is nobody to invite it
            return Channel(id=channel_id, name="", reach=Reach.MEMBER)
        try:
            found = self._client.conversations_info(channel=channel_id)["channel"]
        except SlackApiError as error:
            said = str(error.response.get("error"))
            if said in _HIDDEN:
                return Channel(id=channel_id, name="", reach=Reach.HIDDEN)
            if said == "missing_scope":
                needed = str(error.response.get("needed") or "channels:read, groups:read")
                raise PermanentError(
                    f"asking Slack about {channel_id}: the app lacks the scope {needed}",
                    next_action="an admin of the workspace installs the app again from manifest.yml",
                ) from error
            raise _unreachable(channel_id, said) from error
        except OSError as error:
            raise _unreachable(channel_id, type(error).__name__) from error
        return _shaped(channel_id, found)


def _shaped(channel_id: str, found: Mapping[str, Any]) -> Channel:
    reach = Reach.MEMBER if found.get("is_member") else Reach.OUTSIDE
    if found.get("is_archived"):
        reach = Reach.ARCHIVED
    return Channel(id=channel_id, name=str(found.get("name") or ""), reach=reach)


def _unreachable(channel_id: str, said: str) -> UnreachableError:
    return UnreachableError(
        f"Slack could not be asked about {channel_id} ({said})", next_action="try again in a minute"
    )
